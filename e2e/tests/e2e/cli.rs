//! The command line: what it prints where, and what its exit codes say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::audit;
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::dirs;
use banyan_e2e::operator::{cli, program};
use banyan_e2e::process::{Finished, Spec};
use banyan_e2e::wait::eventually;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, PostParams};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sites::{apply, delete, sites, until_condition};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        a_plan_says_by_its_exit_code_whether_something_would_change,
        a_plan_that_could_not_look_does_not_say_that_nothing_changes,
        a_plan_takes_the_items_of_a_list_and_sees_two_sites_of_one_cluster,
        a_plan_writes_nothing,
        a_bad_manifest_is_reported_with_file_line_and_field,
        status_shows_a_line_a_site,
        what_needs_no_cluster_prints_its_result_and_nothing_else,
        it_is_a_plugin_of_kubectl,
        an_error_ends_with_2_and_leaves_stdout_empty,
    ]
}

/// A manifest whose lines are known.
fn manifest(name: &str, targets: &str) -> String {
    format!(
        "# A site without meters.\n\
         apiVersion: banyan.dev/v1alpha1\n\
         kind: DataCenter\n\
         metadata: {{ name: {name} }}\n\
         spec:\n\
         \x20 location: {{ timeZone: Asia/Shanghai, city: fuzhou }}\n\
         \x20 pue:\n\
         \x20   targets:\n{targets}"
    )
}

const TARGETS: &str =
    "    - { from: \"2024-06-01\", max: \"1.30\" }\n    - { from: \"2026-01-01\", max: \"1.25\" }\n";

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

async fn plan(kubeconfig: &Path, file: &Path) -> Result<Finished> {
    let file = file.to_str().context("the path of a manifest is no text")?;
    cli(kubeconfig, &["plan", "-f", file]).await
}

/// Fails unless a command ended so.
fn ended(finished: &Finished, code: i32) -> Result<()> {
    let Finished { status, stdout, stderr } = finished;
    ensure!(status.code() == Some(code), "it ended with {status} instead of {code}:\n{stdout}\n{stderr}");
    Ok(())
}

async fn a_plan_says_by_its_exit_code_whether_something_would_change(world: World) -> Result<()> {
    let plane = world.installed().await?;
    world.operator().await?;
    let (kubeconfig, dir) = (plane.admin_kubeconfig(), dirs::fresh("plans")?);
    let file = write(&dir, "site.yaml", &manifest("planned", TARGETS))?;

    let new = plan(&kubeconfig, &file).await?;
    ended(&new, 1)?;
    ensure!(new.stdout.starts_with("+ DataCenter planned\n"), "{}", new.stdout);
    ensure!(new.stdout.contains("max: '1.25'"), "the spec is not shown:\n{}", new.stdout);
    ensure!(sites(plane).get_opt("planned").await?.is_none(), "the plan has made the site");

    plane.apply(&std::fs::read_to_string(&file)?).await?;
    until_condition(plane, "planned", "Ready", "True", "Reconciled").await?;
    let same = plan(&kubeconfig, &file).await?;
    ended(&same, 0)?;
    ensure!(same.stdout == "  DataCenter planned: no change\n", "{}", same.stdout);

    write(&dir, "site.yaml", &manifest("planned", &TARGETS.replace("1.25", "1.20")))?;
    let other = plan(&kubeconfig, &file).await?;
    ended(&other, 1)?;
    ensure!(other.stdout.starts_with("~ DataCenter planned\n"), "{}", other.stdout);
    for (sign, value) in [('-', "max: '1.25'"), ('+', "max: '1.20'")] {
        let shown =
            other.stdout.lines().map(str::trim).any(|line| line.starts_with(sign) && line.ends_with(value));
        ensure!(shown, "there is no line {sign} … {value}:\n{}", other.stdout);
    }

    // One thing wrong in a folder outweighs what would change.
    write(&dir, "wrong.yaml", &manifest("wrong", &TARGETS.replace("1.25", "1.35")))?;
    let both = plan(&kubeconfig, &dir).await?;
    ended(&both, 2)?;
    ensure!(
        both.stdout.contains("~ DataCenter planned") && both.stderr.contains("wrong.yaml:"),
        "{}",
        both.stderr
    );
    delete(plane, &["planned"]).await
}

async fn a_plan_that_could_not_look_does_not_say_that_nothing_changes(world: World) -> Result<()> {
    let plane = world.installed().await?;
    world.operator().await?;
    let kubeconfig = plane.admin_kubeconfig();
    let meter = |name: &str, purpose: &str| {
        format!(
            "    - {{ name: {name}, purpose: {purpose}, query: '{name}', type: Counter, unit: kWh, interval: 15m }}\n"
        )
    };
    let text = format!(
        "{}  energy:\n    prometheus: {{ url: 'https://127.0.0.1:1', authSecretRef: {{ name: nowhere }} }}\n    meters:\n{}{}",
        manifest("unseen", TARGETS),
        meter("feed", "Facility"),
        meter("pdu", "IT, position: PDU"),
    );
    let file = write(&dirs::fresh("unseen")?, "site.yaml", &text)?;
    plane.apply(&text).await?;
    until_condition(plane, "unseen", "MetersHealthy", "Unknown", "ReferenceNotFound").await?;
    let blind = plan(&kubeconfig, &file).await?;
    ended(&blind, 2)?;
    ensure!(blind.stdout.starts_with("? DataCenter unseen\n"), "{}", blind.stdout);
    ensure!(
        blind.stdout.contains("  unread     meter feed, meter pdu: ReferenceNotFound"),
        "{}",
        blind.stdout
    );
    ensure!(blind.stderr.contains("site.yaml:") && blind.stderr.contains("nowhere"), "{}", blind.stderr);
    delete(plane, &["unseen"]).await
}

async fn a_plan_takes_the_items_of_a_list_and_sees_two_sites_of_one_cluster(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let site = |name: &str| {
        let id = "00000000-0000-4000-8000-00000000c1a1";
        json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter", "metadata": { "name": name },
            "spec": { "location": { "timeZone": "Asia/Shanghai" }, "cluster": { "id": id } },
        })
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [site("twin-a"), site("twin-b")] });
    let file = write(&dirs::fresh("twins")?, "twins.json", &serde_json::to_string_pretty(&list)?)?;
    let both = plan(&plane.admin_kubeconfig(), &file).await?;
    ended(&both, 2)?;
    for name in ["twin-a", "twin-b"] {
        ensure!(both.stdout.contains(&format!("+ DataCenter {name}\n")), "{}", both.stdout);
    }
    let told: Vec<&str> =
        both.stderr.lines().filter(|line| line.contains("has the same cluster id")).collect();
    ensure!(told.len() == 1 && told[0].contains("site twin-a"), "{}", both.stderr);
    ensure!(told[0].contains("spec.cluster.id: "), "{}", both.stderr);
    Ok(())
}

/// The examples that are sites.
const SITES: [&str; 5] = ["binhai-1", "changle-1", "gulou-1", "jinan-1", "mawei-1"];

async fn a_plan_writes_nothing(world: World) -> Result<()> {
    let plane = world.installed().await?;
    // A user of its own, because other tests write as the administrator.
    let kubeconfig = plane.kubeconfig_for_user("planner", &["system:masters"])?;
    let log = plane.audit();
    let start = log.mark();
    // Under other names, because another test applies them as they are.
    let (examples, copies) = (dirs::repository().join("docs/examples"), dirs::fresh("copies")?);
    for site in SITES {
        let text = std::fs::read_to_string(examples.join(format!("{site}.yaml")))?;
        let renamed = text.replace(&format!("  name: {site}\n"), &format!("  name: copy-of-{site}\n"));
        write(&copies, &format!("{site}.yaml"), &renamed)?;
    }
    let planned = plan(&kubeconfig, &copies).await?;
    // Their Prometheus is nowhere: what would be made is shown, and that more could not be seen is an error.
    ended(&planned, 2)?;
    for site in SITES {
        let made = format!("+ DataCenter copy-of-{site}\n");
        ensure!(planned.stdout.contains(&made), "{site} is not in\n{}", planned.stdout);
        let told = planned
            .stderr
            .lines()
            .any(|line| line.contains(&format!("{site}.yaml")) && line.contains("PrometheusUnreachable"));
        ensure!(told, "it is not told that {site} could not be looked at:\n{}", planned.stderr);
    }
    ensure!(planned.stdout.contains("  unread     meter "), "{}", planned.stdout);
    ensure!(
        planned.stdout.contains("  condition  MetersHealthy Unknown (PrometheusUnreachable)"),
        "{}",
        planned.stdout
    );
    ensure!(planned.stdout.contains("  enforce    "), "{}", planned.stdout);

    // A write of the same user, behind which nothing of the plan can be missing in the log.
    let client = banyan_e2e::kubeconfig::client(&kubeconfig).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let map = serde_json::from_value(json!({ "metadata": { "name": "after-the-plan" } }))?;
    maps.create(&PostParams::default(), &map).await?;
    maps.delete("after-the-plan", &DeleteParams::default()).await?;
    let writes = eventually(Duration::from_secs(10), "the end of the log", || async {
        let writes = log.writes_by("planner", start)?;
        Ok(writes.iter().any(|write| write.verb == "delete").then_some(writes))
    });
    let writes = writes.await?;
    ensure!(writes.len() == 2, "the plan wrote:\n{}", audit::list(&writes));
    Ok(())
}

async fn a_bad_manifest_is_reported_with_file_line_and_field(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let (kubeconfig, dir) = (plane.admin_kubeconfig(), dirs::fresh("bad-manifests")?);
    let good = manifest("bad", TARGETS);
    for (name, text, place, words) in [
        ("rising", good.replace("1.25", "1.35"), "8: spec.pue.targets: ", "a PUE target never rises"),
        (
            "below-one",
            good.replace("1.25", "0.95"),
            "10: spec.pue.targets[1].max: ",
            "a PUE target below 1.0 cannot be met",
        ),
        (
            "date",
            good.replace("2026-01-01", "2026-02-30"),
            "10: spec.pue.targets[1].from: ",
            "must be of type date",
        ),
        ("misspelt", good.replace("targets:", "target:"), "8: spec.pue.target: ", "unknown field"),
        ("twice", good.replace("2026-01-01", "2024-06-01"), "10: spec.pue.targets[1]: ", "Duplicate value"),
        // The API server has no list of time zones: only the program sees this.
        (
            "zone",
            good.replace("Asia/Shanghai", "Asia/Fuzhou"),
            "6: spec.location.timeZone: ",
            "is not a time zone of the IANA database",
        ),
        ("no-yaml", good.replace("targets:\n", "targets: [\n"), "", ""),
    ] {
        let file = write(&dir, &format!("{name}.yaml"), &text)?;
        let finished = plan(&kubeconfig, &file).await?;
        ended(&finished, 2).with_context(|| name.to_owned())?;
        let start = format!("error: {}:{place}", file.display());
        let told = finished.stderr.lines().any(|line| line.starts_with(&start) && line.contains(words));
        ensure!(told, "{name}: no line {start}…{words}\n{}", finished.stderr);
        ensure!(finished.stdout.is_empty(), "{name} prints {}", finished.stdout);
    }
    let nowhere = plan(&kubeconfig, &dir.join("nowhere.yaml")).await?;
    ended(&nowhere, 2)?;
    ensure!(nowhere.stderr.contains("nowhere.yaml"), "{}", nowhere.stderr);
    Ok(())
}

async fn status_shows_a_line_a_site(world: World) -> Result<()> {
    let plane = world.installed().await?;
    world.operator().await?;
    let kubeconfig = plane.admin_kubeconfig();
    let spec = json!({ "location": { "timeZone": "Asia/Shanghai", "district": "gulou" } });
    apply(plane, "shown", spec).await?;
    apply(plane, "shown-wrong", json!({ "location": { "timeZone": "Asia/Fuzhou", "district": "gulou" } }))
        .await?;
    until_condition(plane, "shown", "Ready", "True", "Reconciled").await?;
    until_condition(plane, "shown-wrong", "Ready", "False", "InvalidSpec").await?;

    let table = cli(&kubeconfig, &["status", "shown", "shown-wrong"]).await?;
    ended(&table, 0)?;
    // The first two columns and the last one.
    let rows: Vec<[&str; 3]> = table
        .stdout
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            Some([cells.first()?, cells.get(1)?, cells.last()?].map(|cell| *cell))
        })
        .collect();
    let wanted =
        [["SITE", "DISTRICT", "READY"], ["shown", "gulou", "True"], ["shown-wrong", "gulou", "False"]];
    ensure!(rows.starts_with(&wanted), "{}", table.stdout);
    ensure!(table.stdout.contains("\nshown-wrong: spec.location.timeZone: "), "{}", table.stdout);
    ensure!(table.stderr.is_empty(), "{}", table.stderr);

    let machine = cli(&kubeconfig, &["status", "--output", "json", "shown"]).await?;
    ended(&machine, 0)?;
    let read: Value = serde_json::from_str(&machine.stdout)?;
    ensure!(
        read[0]["metadata"]["name"] == "shown" && read.as_array().is_some_and(|all| all.len() == 1),
        "{read}"
    );

    let nobody = cli(&kubeconfig, &["status", "nobody"]).await?;
    ended(&nobody, 2)?;
    ensure!(
        nobody.stderr.contains("there is no DataCenter nobody") && nobody.stdout.is_empty(),
        "{}",
        nobody.stderr
    );
    delete(plane, &["shown", "shown-wrong"]).await
}

/// A kubeconfig that is not there: what needs no cluster does not look for one.
const NO_CLUSTER: &str = "/nonexistent/kubeconfig";

async fn what_needs_no_cluster_prints_its_result_and_nothing_else(_: World) -> Result<()> {
    let without = |finished: Finished| {
        ended(&finished, 0)?;
        ensure!(finished.stderr.is_empty(), "it writes beside its result: {}", finished.stderr);
        anyhow::Ok(finished.stdout)
    };
    let rules: Value = serde_yaml::from_str(&without(cli(NO_CLUSTER.as_ref(), &["rules"]).await?)?)?;
    ensure!(rules["groups"].as_array().is_some_and(|groups| !groups.is_empty()), "no rules in {rules}");

    let page = |lang: &'static str| async move {
        without(cli(NO_CLUSTER.as_ref(), &["runbook", "banyanpuedatagap", "--lang", lang]).await?)
    };
    let (english, chinese) = (page("en").await?, page("zh").await?);
    let kept = |page: &str| std::fs::read_to_string(dirs::repository().join(page));
    ensure!(english == kept("docs/runbooks/BanyanPueDataGap.md")?, "another page: {english}");
    ensure!(chinese == kept("docs/zh/runbooks/BanyanPueDataGap.md")?, "another page: {chinese}");
    let list = without(cli(NO_CLUSTER.as_ref(), &["runbook"]).await?)?;
    ensure!(list.contains("BanyanPueDataGap  "), "the alert is not in the list:\n{list}");
    // Who mistypes a name is told the one that was meant.
    let near = cli(NO_CLUSTER.as_ref(), &["runbook", "BanyanPueGap"]).await?;
    ended(&near, 2)?;
    ensure!(near.stderr.contains("similar value exists: 'BanyanPueDataGap'"), "{}", near.stderr);

    let crds = without(cli(NO_CLUSTER.as_ref(), &["crds"]).await?)?;
    let crds: Vec<Value> =
        serde_yaml::Deserializer::from_str(&crds).map(Value::deserialize).collect::<Result<_, _>>()?;
    let kinds: Vec<_> =
        crds.iter().filter(|crd| !crd.is_null()).map(|crd| &crd["spec"]["names"]["kind"]).collect();
    ensure!(kinds.len() == banyan_crds::all().len() && kinds.contains(&&json!("DataCenter")), "{kinds:?}");

    let script = without(cli(NO_CLUSTER.as_ref(), &["completion", "bash"]).await?)?;
    let file = write(&dirs::fresh("completion")?, "banyan.bash", &script)?;
    let log = file.with_extension("log");
    let shell = Spec::new("bash", "/bin/bash", log)
        .args(["--norc", "-c", "source \"$0\" && complete -p banyan"])
        .args([&file]);
    let completes = shell.output(Duration::from_secs(10)).await.context("the completion script in bash")?;
    ensure!(completes.starts_with("complete "), "{completes}");

    let version = without(cli(NO_CLUSTER.as_ref(), &["--version"]).await?)?;
    ensure!(version.starts_with("banyan "), "{version}");
    Ok(())
}

async fn it_is_a_plugin_of_kubectl(_: World) -> Result<()> {
    let tools = Tools::ensure(&[Component::Kubectl]).await?;
    let dir = dirs::fresh("plugin")?;
    std::os::unix::fs::symlink(program()?, dir.join("kubectl-banyan"))?;
    let kubectl = Spec::new("kubectl", tools.path(Component::Kubectl)?, dir.join("kubectl.log"))
        .args(["banyan", "rules"])
        .env("PATH", dir.as_path());
    let rules = kubectl.output(Duration::from_secs(20)).await?;
    ensure!(rules.contains("BanyanPueAboveTarget"), "{rules}");
    Ok(())
}

async fn an_error_ends_with_2_and_leaves_stdout_empty(_: World) -> Result<()> {
    let file = write(&dirs::fresh("errors")?, "site.yaml", &manifest("site", TARGETS))?;
    let file = file.to_str().context("the path of a manifest is no text")?;
    for words in [&["status"][..], &["plan", "-f", file], &["run"], &["statuss"], &["plan"]] {
        let finished = cli(NO_CLUSTER.as_ref(), words).await?;
        ended(&finished, 2).with_context(|| format!("banyan {words:?}"))?;
        ensure!(finished.stderr.contains("error"), "banyan {words:?} does not say why: {}", finished.stderr);
        ensure!(finished.stdout.is_empty(), "banyan {words:?} prints {}", finished.stdout);
    }
    Ok(())
}
