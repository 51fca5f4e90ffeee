//! The harness itself: what the other tests take for granted.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_e2e::audit;
use banyan_e2e::chart;
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::controlplane::{ControlPlane, Options, local_https};
use banyan_e2e::dirs;
use banyan_e2e::kwok::is_ready;
use banyan_e2e::operator::{Operator, OperatorOptions};
use banyan_e2e::pki::Authority;
use banyan_e2e::process::{Child, Spec, alive};
use banyan_e2e::prometheus::{Prometheus, PrometheusOptions};
use banyan_e2e::wait::{eventually, until};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use serde_json::json;

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        the_api_server_is_trusted_only_through_its_own_authority,
        a_bare_service_account_may_not_list_secrets,
        the_audit_log_shows_each_write_and_its_user,
        a_killed_api_server_comes_back_with_its_data,
        a_node_by_kwok_becomes_ready,
        the_operator_has_the_rights_of_the_chart_and_no_more,
        prometheus_answers_from_a_block_of_thirteen_months_ago,
        prometheus_with_tls_and_a_password_refuses_strangers,
        a_process_killed_leaves_no_child_behind,
        a_process_interrupted_tidies_up,
        components_that_are_given_are_used_unless_too_old,
        components_are_built_once_by_processes_side_by_side,
    ]
}

async fn the_api_server_is_trusted_only_through_its_own_authority(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    let url = format!("{}/readyz", plane.url());
    let answer = local_https(&plane.authority_cert())?.get(&url).send().await?;
    ensure!(answer.status().is_success(), "a client with the authority got {}", answer.status());

    let stranger = Authority::new("banyan-e2e")?;
    let Err(error) = local_https(&stranger.cert())?.get(&url).send().await else {
        bail!("a client with another authority of the same name was served");
    };
    ensure!(format!("{error:?}").contains("InvalidCertificate"), "refused for another reason: {error:?}");

    let namespaces = format!("{}/api/v1/namespaces", plane.url());
    let status = local_https(&plane.authority_cert())?.get(&namespaces).send().await?.status();
    ensure!(status.as_u16() == 401, "an anonymous list of namespaces got {status} instead of 401");
    Ok(())
}

async fn a_bare_service_account_may_not_list_secrets(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    let namespace = "harness-rbac";
    plane.create_namespace(namespace).await?;
    create_account(plane, namespace, "bare").await?;
    let client = plane.client_for(namespace, "bare").await?;
    match Api::<Secret>::namespaced(client, namespace).list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            let user = audit::service_account(namespace, "bare");
            ensure!(status.message.contains(&user), "refused, but somebody else: {}", status.message);
            Ok(())
        }
        Err(error) => bail!("refused for another reason: {error}"),
        Ok(_) => bail!("an account without any role could list secrets"),
    }
}

async fn the_audit_log_shows_each_write_and_its_user(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    let namespace = "harness-audit";
    plane.create_namespace(namespace).await?;
    let log = plane.audit();
    let before = log.mark();

    let maps: Api<ConfigMap> = Api::namespaced(plane.client(), namespace);
    let map = ConfigMap {
        metadata: ObjectMeta { name: Some("one".to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    };
    maps.create(&PostParams { dry_run: true, ..PostParams::default() }, &map).await?;
    maps.create(&PostParams::default(), &map).await?;
    maps.delete("one", &kube::api::DeleteParams::default()).await?;

    // Other tests write as the same user, elsewhere.
    let here = || {
        let mut writes = log.writes_by("admin", before)?;
        writes.retain(|write| write.namespace == namespace);
        anyhow::Ok(writes)
    };
    let writes = eventually(Duration::from_secs(10), "the deletion in the audit log", || async {
        let writes = here()?;
        Ok(writes.iter().any(|write| write.verb == "delete").then_some(writes))
    })
    .await?;
    let seen: Vec<_> =
        writes.iter().map(|write| (write.verb.as_str(), write.resource.as_str(), write.code)).collect();
    ensure!(
        seen == [("create", "configmaps", 201), ("delete", "configmaps", 200)],
        "the log shows\n{}",
        audit::list(&writes)
    );
    Ok(())
}

async fn a_killed_api_server_comes_back_with_its_data(_: World) -> Result<()> {
    let plane = ControlPlane::start(Options { name: "restart".to_owned(), ..Options::default() }).await?;
    plane.create_namespace("before").await?;
    let url = plane.url().to_owned();
    plane.kill_api_server().await?;
    let http = local_https(&plane.authority_cert())?;
    ensure!(http.get(format!("{url}/readyz")).send().await.is_err(), "it answers although it was killed");
    plane.restart_api_server().await?;
    ensure!(plane.url() == url);
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(plane.client());
    namespaces.get("before").await.context("what was written before the kill")?;
    plane.stop();
    Ok(())
}

async fn a_node_by_kwok_becomes_ready(_: World) -> Result<()> {
    let plane = ControlPlane::start(Options {
        name: "kwok".to_owned(),
        kwok: true,
        audit: false,
        ..Options::default()
    })
    .await?;
    let node = plane.kwok()?.add_node("rack-1", &[("banyan.dev/site", "here")]).await?;
    ensure!(is_ready(&node));
    ensure!(
        node.metadata.labels.and_then(|labels| labels.get("banyan.dev/site").cloned()).as_deref()
            == Some("here")
    );
    plane.stop();
    Ok(())
}

async fn the_operator_has_the_rights_of_the_chart_and_no_more(_: World) -> Result<()> {
    let plane = ControlPlane::start(Options { name: "chart".to_owned(), ..Options::default() }).await?;
    chart::install(&plane, &json!({})).await?;

    let operator = Operator::start(&plane, OperatorOptions::default()).await?;
    ensure!(operator.metric("process_resident_memory_bytes").await?.is_some_and(|bytes| bytes > 0.0));
    // It can write what the chart lets it write.
    let leases: Api<Lease> = Api::namespaced(plane.client(), chart::NAMESPACE);
    until(Duration::from_secs(30), "the operator to hold its lease", || async {
        let lease = leases.get("banyan").await?;
        Ok(lease.spec.and_then(|spec| spec.holder_identity).as_deref() == Some("banyan-0"))
    })
    .await?;
    operator.stop().await?;

    let client = plane.client_for(chart::NAMESPACE, chart::RELEASE).await?;
    let secrets: Api<Secret> = Api::all(client.clone());
    forbidden(secrets.list(&ListParams::default()).await.map(drop), "list all Secrets")?;
    let elsewhere: Api<Secret> = Api::namespaced(client.clone(), "kube-system");
    forbidden(elsewhere.get("any").await.map(drop), "read a Secret of kube-system")?;
    let bindings: Api<ClusterRoleBinding> = Api::all(client);
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": { "name": "more" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": chart::RELEASE, "namespace": chart::NAMESPACE }],
    }))?;
    forbidden(bindings.create(&PostParams::default(), &binding).await.map(drop), "bind cluster-admin")
}

fn forbidden(result: kube::Result<()>, what: &str) -> Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(()),
        other => bail!("the operator's account was not forbidden to {what}: {other:?}"),
    }
}

async fn prometheus_answers_from_a_block_of_thirteen_months_ago(_: World) -> Result<()> {
    let dir = dirs::fresh("history")?;
    // 396 days are thirteen months, whichever they are.
    let then = (Timestamp::now() - SignedDuration::from_hours(396 * 24)).as_second();
    // Two samples, an hour apart, of a counter that grew by 7.2 MJ: 7,200,000 J / 3,600 s = 2,000 W.
    let history = dir.join("history.om");
    let samples = [(then, 0), (then + 3600, 7_200_000)];
    let lines = samples.map(|(time, joules)| format!("feed_joules_total{{site=\"a\"}} {joules} {time}\n"));
    std::fs::write(&history, format!("# TYPE feed_joules counter\n{}# EOF\n", lines.concat()))?;
    let rules = dir.join("rules.yaml");
    std::fs::write(&rules, "groups:\n- name: g\n  rules:\n  - alert: Always\n    expr: vector(1) > 0\n")?;

    let mut options =
        PrometheusOptions { history: vec![history], rules: vec![rules], ..PrometheusOptions::default() };
    let prometheus = Prometheus::start(options.clone()).await?;
    let at = Timestamp::from_second(then + 3600)?;
    let answer = prometheus.query_at("(feed_joules_total - feed_joules_total offset 1h) / 3600", at).await?;
    ensure!(answer.len() == 1 && answer[0].value.1 == "2000", "{answer:?}");
    ensure!(answer[0].metric["site"] == "a", "{answer:?}");
    until(Duration::from_secs(20), "the rule to fire", || async {
        Ok(prometheus.firing().await?.iter().any(|alert| alert == "Always"))
    })
    .await?;

    options.rules = vec![dir.join("nowhere.yaml")];
    ensure!(Prometheus::start(options).await.is_err(), "a rule file that does not exist was passed over");
    Ok(())
}

async fn prometheus_with_tls_and_a_password_refuses_strangers(_: World) -> Result<()> {
    let options = PrometheusOptions { tls: true, basic_auth: true, ..PrometheusOptions::default() };
    let prometheus = Prometheus::start(options).await?;
    ensure!(prometheus.query("vector(1)").await?[0].value.1 == "1");

    let authority = prometheus.authority_cert().context("it was started with TLS")?;
    let url = format!("{}/api/v1/query?query=vector(1)", prometheus.url());
    let status = local_https(&authority)?.get(&url).send().await?.status();
    ensure!(status.as_u16() == 401, "without a password it answered {status}");
    let stranger = Authority::new("stranger")?;
    ensure!(local_https(&stranger.cert())?.get(&url).send().await.is_err(), "another authority was accepted");
    Ok(())
}

async fn a_process_killed_leaves_no_child_behind(_: World) -> Result<()> {
    let held = hold().await?;
    held.holder.kill().await?;
    gone(&held.pids).await?;
    // It could not tidy up; a later run would.
    std::fs::remove_dir_all(held.run).context("removing what the killed process left")
}

async fn a_process_interrupted_tidies_up(_: World) -> Result<()> {
    // 128 and SIGTERM's 15, or SIGINT's 2.
    for (code, ctrl_c) in [(143, false), (130, true)] {
        let held = hold().await?;
        let status = if ctrl_c {
            held.holder.interrupt();
            tokio::time::timeout(Duration::from_secs(20), held.holder.wait()).await?
        } else {
            held.holder.stop(Duration::from_secs(20)).await?
        };
        ensure!(status.code() == Some(code), "it ended with {status} and not {code}");
        ensure!(!held.pids.iter().any(|pid| alive(*pid)), "some of {:?} are still there", held.pids);
        ensure!(!held.run.exists(), "{} is still there", held.run.display());
    }
    Ok(())
}

async fn components_that_are_given_are_used_unless_too_old(_: World) -> Result<()> {
    let dir = dirs::fresh("given")?;
    let both = [Component::Etcd, Component::KubeApiserver];
    let tools = Tools::ensure(&both).await?;
    for component in both {
        std::os::unix::fs::symlink(tools.path(component)?, dir.join(component.name()))?;
    }
    let used = || async {
        Spec::new("banyan-e2e", env!("CARGO_BIN_EXE_banyan-e2e"), dir.join("tools.log"))
            .args(["tools", "etcd", "kube-apiserver"])
            .env("KUBEBUILDER_ASSETS", &dir)
            .output(Duration::from_mins(2))
            .await
    };
    let text = used().await?;
    for component in both {
        let path = dir.join(component.name()).display().to_string();
        ensure!(text.contains(&path), "{path} is not used:\n{text}");
    }
    // One that says that it is 1.35.
    let program = dir.join("kube-apiserver");
    std::fs::remove_file(&program)?;
    std::fs::write(&program, "#!/bin/sh\necho Kubernetes v1.35.4\n")?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let text = used().await?;
    ensure!(!text.contains(&program.display().to_string()), "1.35 is used:\n{text}");
    Ok(())
}

/// Another process that holds a control plane.
struct Held {
    holder: Child,
    /// Its run folder.
    run: PathBuf,
    /// Its children.
    pids: Vec<u32>,
}

async fn hold() -> Result<Held> {
    let dir = dirs::fresh("hold")?;
    let printed = dir.join("printed");
    let mut spec =
        Spec::new("banyan-e2e", env!("CARGO_BIN_EXE_banyan-e2e"), dir.join("hold.log")).args(["hold"]);
    spec.stdout = Some(printed.clone());
    let holder = spec.spawn()?;
    let text = eventually(Duration::from_mins(2), "the process ids of its children", || async {
        if let Err(error) = holder.check_alive() {
            return Ok(Some(Err(error)));
        }
        let text = std::fs::read_to_string(&printed)?;
        Ok(text.ends_with('\n').then_some(Ok(text)))
    })
    .await??;
    let mut words = text.split_whitespace();
    let plane = PathBuf::from(words.next().context("no folder was printed")?);
    let pids: Vec<u32> = words.map(str::parse).collect::<Result<_, _>>()?;
    ensure!(
        pids.len() == 2 && pids.iter().all(|pid| alive(*pid)),
        "expected etcd and kube-apiserver: {pids:?}"
    );
    let run = plane.parent().context("the control plane's folder lies in a run folder")?.to_path_buf();
    Ok(Held { holder, run, pids })
}

async fn gone(pids: &[u32]) -> Result<()> {
    until(Duration::from_secs(10), format!("the processes {pids:?} to be gone"), || async {
        Ok(!pids.iter().any(|pid| alive(*pid)))
    })
    .await
}

/// A Go that builds nothing and writes down what it was asked to build.
const FAKE_GO: &str = r##"#!/bin/sh
set -e
case "$3" in
build)
    case "$*" in
    *setup-envtest*)
        [ -n "$PREBUILT" ] || exit 1
        printf '#!/bin/sh\necho "$PREBUILT"\n' > "$5"
        chmod +x "$5"
        exit
        ;;
    esac
    echo "${5##*/}" >> "$BUILDS"
    echo "#!/bin/sh" > "$5"
    ;;
list) echo "$MODULE" ;;
mod) printf '{"Dir":"%s"}' "$MODULE" ;;
esac
"##;

async fn components_are_built_once_by_processes_side_by_side(_: World) -> Result<()> {
    let dir = dirs::fresh("fake-go")?;
    let go = dir.join("bin/go");
    std::fs::create_dir_all(dir.join("bin"))?;
    std::fs::write(&go, FAKE_GO)?;
    std::fs::set_permissions(&go, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    // What is copied out of modules: kwok's stages and Kueue's manifests.
    let module = dir.join("module");
    for file in [
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        "kustomize/stage/pod/fast/pod-ready.yaml",
        "kustomize/stage/pod/fast/pod-complete.yaml",
        "kustomize/stage/pod/fast/pod-delete.yaml",
        "config/components/crd/bases/one.yaml",
        "config/components/webhook/manifests.yaml",
    ] {
        std::fs::create_dir_all(module.join(file).parent().unwrap_or(&module))?;
        std::fs::write(module.join(file), "a: 1\n")?;
    }

    let tools = |name: &str, cache: &str, prebuilt: &Path| {
        Spec::new(name, env!("CARGO_BIN_EXE_banyan-e2e"), dir.join(format!("{name}.log")))
            .args(["tools"])
            .env("PATH", format!("{}:/usr/bin:/bin", dir.join("bin").display()))
            .env("XDG_CACHE_HOME", dir.join(cache))
            .env("KUBEBUILDER_ASSETS", "")
            .env("MODULE", &module)
            .env("PREBUILT", prebuilt)
            .env("BUILDS", dir.join(cache).with_extension("builds"))
            .output(Duration::from_mins(2))
    };
    let built = |cache: &str| -> Result<BTreeSet<String>> {
        let text = std::fs::read_to_string(dir.join(cache).with_extension("builds"))?;
        let built: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        ensure!(built.len() == text.lines().count(), "something was built twice:\n{text}");
        Ok(built)
    };
    let all: BTreeSet<String> = Component::ALL.iter().map(ToString::to_string).collect();

    // Nothing is within reach of setup-envtest: two processes at once and a third afterwards build each thing once.
    let nowhere = Path::new("");
    let (first, second) = tokio::try_join!(tools("first", "own", nowhere), tools("second", "own", nowhere))?;
    ensure!(first == second && first.lines().count() == all.len(), "{first}\n{second}");
    tools("third", "own", nowhere).await?;
    ensure!(built("own")? == all, "{:?} were built", built("own")?);

    // What setup-envtest fetches is not built.
    let prebuilt = dir.join("prebuilt");
    std::fs::create_dir_all(&prebuilt)?;
    let fetched = ["etcd", "kube-apiserver", "kubectl"];
    for name in fetched {
        std::fs::write(prebuilt.join(name), "fetched")?;
    }
    let paths = tools("fourth", "fetched", &prebuilt).await?;
    let mut rest = all;
    rest.retain(|name| !fetched.contains(&name.as_str()));
    ensure!(built("fetched")? == rest, "{:?} were built", built("fetched")?);
    let etcd = paths.lines().find(|line| line.starts_with("etcd ")).and_then(|line| line.split(' ').nth(2));
    ensure!(std::fs::read_to_string(etcd.context("no line for etcd")?)? == "fetched");
    Ok(())
}

async fn create_account(plane: &ControlPlane, namespace: &str, name: &str) -> Result<()> {
    let account = ServiceAccount {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        ..ServiceAccount::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client(), namespace);
    accounts.create(&PostParams::default(), &account).await?;
    Ok(())
}
