//! A snapshot of a cluster is judged elsewhere as the cluster is judged here, and an archive of evidence verifies and has no secret in it.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use banyan_e2e::bundle::archive::{entries, gunzip};
use banyan_e2e::dirs;
use banyan_e2e::operator::cli;
use banyan_e2e::process::Finished;
use banyan_e2e::wait::until;
use serde_json::{Value, json};
use std::time::Duration;

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![a_snapshot_is_judged_as_its_cluster_and_evidence_verifies]
}

const NAMESPACE: &str = "evidence-shop";
const USER: &str = "evidence-auditor";
const SECRET: &str = "nobody-may-see-this-4711";
/// base64 of it.
const ENCODED: &str = "bm9ib2R5LW1heS1zZWUtdGhpcy00NzEx";
const NOW: [&str; 2] = ["--now", "2026-12-01T00:00:00Z"];
const PACKS: [&str; 6] = ["--pack", "mlps", "--pack", "crypto", "--level", "3"];

/// Everything but Secrets.
fn rights() -> String {
    let everything = [
        "apps",
        "batch",
        "policy",
        "networking.k8s.io",
        "storage.k8s.io",
        "rbac.authorization.k8s.io",
        "admissionregistration.k8s.io",
        "certificates.k8s.io",
        "apiextensions.k8s.io",
        "scheduling.k8s.io",
        "node.k8s.io",
    ];
    let core = [
        "pods",
        "nodes",
        "namespaces",
        "services",
        "serviceaccounts",
        "configmaps",
        "resourcequotas",
        "limitranges",
        "replicationcontrollers",
        "podtemplates",
        "persistentvolumes",
        "persistentvolumeclaims",
    ];
    let rules = json!([
        { "apiGroups": everything, "resources": ["*"], "verbs": ["list"] },
        { "apiGroups": [""], "resources": core, "verbs": ["list"] },
        { "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"] },
    ]);
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": USER }, "rules": rules });
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": USER },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER },
        "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": USER }] });
    format!("{role}\n---\n{binding}")
}

/// A namespace with a Secret, settings and a workload that all have the same secret in them.
fn objects() -> [Value; 4] {
    let metadata = |name: &str| json!({ "name": name, "namespace": NAMESPACE, "annotations": { "kubectl.kubernetes.io/last-applied-configuration": SECRET } });
    let container = json!({ "name": "web", "image": "registry.example.cn/shop/web:1.4", "args": [format!("--password={SECRET}")],
        "env": [{ "name": "DB_PASSWORD", "value": SECRET }] });
    [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata("login"), "stringData": { "password": SECRET } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("settings"), "data": { "db.password": SECRET, "mode": SECRET } }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("web"), "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [container] } },
        } }),
    ]
}

async fn a_snapshot_is_judged_as_its_cluster_and_evidence_verifies(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    plane.apply(&rights()).await?;
    for object in objects() {
        plane.apply(&object.to_string()).await?;
    }
    let dir = dirs::fresh("evidence")?;
    let kubeconfig = plane.kubeconfig_for_user(USER, &[])?;
    let file = |name: &str| dir.join(name).display().to_string();
    let run = async |words: &[&str]| cli(&kubeconfig, words).await;

    let snapshot = file("snapshot.tar.gz");
    let collect = ["collect", "--output-file", &snapshot];
    // The rights take a moment to be seen.
    until(Duration::from_secs(20), "the user to have its rights", || async {
        let collected = run(&collect).await?;
        ensure!(collected.status.code() == Some(0), "{collected:?}");
        let denied = |kind: &str| collected.stdout.contains(&format!("unknown: {kind}: "));
        Ok(denied("Secret") && !denied("Pod") && !denied("apps/Deployment") && !denied("Namespace"))
    })
    .await?;
    let about = no_secret_in(&snapshot)?;
    let about: Value = serde_json::from_slice(about.first().context("the snapshot is empty")?)?;
    let denied = about["denied"].as_array().context("nothing is denied")?;
    ensure!(denied.iter().any(|denied| denied["kind"] == "Secret"), "{about}");
    ensure!(about["cluster"]["id"].is_string(), "{about}");

    // Other tests change other objects of the same cluster: what is compared is of this namespace.
    let audit = async |what: &str, output: &str| -> Result<(Finished, Value)> {
        let output = file(output);
        let mut words = vec!["audit", what, "-o", "json", "--output-file", &output];
        words.extend(PACKS.iter().chain(&NOW));
        words.extend(["--keep", "pass,fail,error,unknown,skip"]);
        let audited = run(&words).await?;
        let list: Value =
            serde_json::from_slice(&std::fs::read(&output).with_context(|| format!("{audited:?}"))?)?;
        Ok((audited, list))
    };
    let (of_cluster, here) = audit("--cluster", "cluster.json").await?;
    let (of_snapshot, there) = audit(&snapshot, "snapshot.json").await?;
    ensure!(of_cluster.status.code() == of_snapshot.status.code(), "{of_cluster:?}\n{of_snapshot:?}");
    let mine = |list: &Value| -> Vec<Value> {
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .into_iter()
            .filter(|report| {
                report["scope"]["namespace"] == NAMESPACE || report["scope"]["name"] == NAMESPACE
            })
            .collect()
    };
    ensure!(mine(&here).len() >= 3, "{here}");
    ensure!(mine(&here) == mine(&there), "{:#}\n{:#}", json!(mine(&here)), json!(mine(&there)));
    for (audited, list) in [(&of_cluster, &here), (&of_snapshot, &there)] {
        // First of all it is said what is unknown.
        let first = audited.stderr.lines().find(|line| line.contains("unknown: "));
        ensure!(first.is_some_and(|line| line.contains("unknown: Secret: ")), "{audited:?}");
        let unknown = list["items"][0]["results"].as_array().into_iter().flatten().any(|result| {
            result["properties"]["unknown"] == "true"
                && result["message"].as_str().is_some_and(|it| it.contains("Secret: "))
        });
        ensure!(unknown, "nothing says that Secrets are unknown");
    }
    let id = about["cluster"]["id"].as_str().unwrap_or_default();
    ensure!(of_snapshot.stderr.contains(id), "{of_snapshot:?}");

    // Half a snapshot is none.
    let half = file("half.tar.gz");
    let bytes = std::fs::read(&snapshot)?;
    std::fs::write(&half, bytes.get(..bytes.len() / 2).unwrap_or_default())?;
    let refused = run(&[&["audit", &half], &PACKS[..]].concat()).await?;
    ensure!(refused.status.code() == Some(2) && refused.stdout.is_empty(), "{refused:?}");
    ensure!(
        refused.stderr.contains("half.tar.gz: ") && refused.stderr.contains(".jsonl: it cannot be read"),
        "{refused:?}"
    );

    // By whoever may read everything, so that Secrets are among what is judged.
    let admin = plane.admin_kubeconfig();
    let evidence = file("evidence.tar.gz");
    let words = [
        &["evidence", "pack", "--cluster", "--objects", "all", "--output-file", &evidence],
        &PACKS[..],
        &NOW[..],
    ]
    .concat();
    let packed = cli(&admin, &words).await?;
    ensure!(packed.status.code() == Some(0), "{packed:?}");
    let files = no_secret_in(&evidence)?;
    ensure!(files.len() > 10, "only {} files", files.len());
    let digest = packed.stdout.lines().find(|line| line.starts_with("sha256:")).context("no digest")?;
    let nowhere = Path::new("/nonexistent/kubeconfig");
    let verified = cli(nowhere, &["evidence", "verify", &evidence, "--digest", digest]).await?;
    ensure!(verified.status.code() == Some(0), "{verified:?}");
    ensure!(verified.stdout.contains(id) && verified.stdout.contains("mlps 3"), "{verified:?}");
    let other = cli(nowhere, &["evidence", "verify", &evidence, "--digest", &"0".repeat(64)]).await?;
    ensure!(other.status.code() == Some(1) && other.stdout.is_empty(), "{other:?}");

    // Of the same snapshot the same bytes.
    let mut archives = Vec::new();
    for name in ["one.tar.gz", "two.tar.gz"] {
        let output = file(name);
        let words =
            [&["evidence", "pack", &snapshot, "--output-file", &output], &PACKS[..], &NOW[..]].concat();
        let packed = run(&words).await?;
        ensure!(packed.status.code() == Some(0), "{packed:?}");
        archives.push(std::fs::read(&output)?);
    }
    ensure!(archives.first() == archives.last(), "two archives of one snapshot differ");
    Ok(())
}

/// The files of an archive, none of which has the secret in it.
fn no_secret_in(archive: &str) -> Result<Vec<Vec<u8>>> {
    let mut packed = Vec::new();
    std::fs::File::open(archive)?.read_to_end(&mut packed)?;
    let files = entries(&gunzip(&packed)?)?;
    for file in &files {
        let text = String::from_utf8_lossy(&file.bytes);
        ensure!(
            !text.contains(SECRET) && !text.contains(ENCODED),
            "a secret is in {} of {archive}",
            file.path
        );
    }
    Ok(files.into_iter().map(|file| file.bytes).collect())
}
