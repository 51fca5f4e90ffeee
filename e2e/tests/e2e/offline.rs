//! What is said of manifests without a cluster is what the API server says of them.

use anyhow::{Context, Result, ensure};
use banyan::validation::Definition;
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::dirs;
use banyan_e2e::operator::{cli, program};
use banyan_e2e::process::{Finished, Spec};
use kube::core::Status;
use serde_json::{Value, json};

use crate::crd_rules::{any_item, cases, causes, send};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        verdict_and_field_are_those_of_the_api_server_for_every_case_of_every_rule,
        verdict_and_field_are_those_of_the_api_server_for_odd_shapes,
        manifests_are_validated_without_a_cluster,
    ]
}

/// Sends a manifest to both; a line where they differ in the verdict, or where what the API server names is not named.
async fn differing(
    plane: &ControlPlane,
    definition: &Definition,
    what: &str,
    manifest: &Value,
) -> Result<Option<String>> {
    let server = send(plane, manifest).await?;
    let offline = definition.check(manifest);
    Ok(match (server, offline) {
        (Ok(_), Ok(_)) => None,
        (Ok(_), Err(faults)) => {
            Some(format!("{what}: accepted by the API server, refused offline: {faults:?}"))
        }
        (Err(status), Ok(_)) => Some(format!("{what}: refused by the API server only: {}", status.message)),
        (Err(status), Err(faults)) => {
            let named = named(&status);
            // It may be told more exactly: the item and not the list, the key and not the map.
            let told = |field: &String| {
                faults.iter().any(|fault| {
                    fault.field.strip_prefix(field).is_some_and(|rest| {
                        rest.is_empty() || field.is_empty() || rest.starts_with(['.', '['])
                    })
                })
            };
            // What cannot be decoded at all is refused without a field.
            let undecoded = status.message.contains("cannot be handled as");
            let agree = undecoded || (!named.is_empty() && named.iter().all(told));
            (!agree).then(|| {
                format!("{what}: the API server names {named:?} ({}), offline {faults:?}", status.message)
            })
        }
    })
}

/// The fields that a refusal names; one that is not known stops the API server before it looks at the others.
fn named(status: &Status) -> Vec<String> {
    let unknown = status.message.split("unknown field \"").skip(1).filter_map(|rest| rest.split('"').next());
    let causes = causes(status).into_iter();
    let mut named: Vec<String> = causes
        .filter(|(_, message)| !message.contains("some validation rules were not checked"))
        .map(|(field, _)| field)
        .chain(unknown.map(str::to_owned))
        .collect();
    if named.iter().any(|field| field != "<nil>") {
        named.retain(|field| field != "<nil>");
    }
    // A rule about the whole object has no field.
    named.iter_mut().filter(|field| *field == "<nil>").for_each(String::clear);
    named
}

/// The definition of a manifest's kind.
fn definition<'a>(all: &'a [Definition], manifest: &Value) -> Result<&'a Definition> {
    all.iter().find(|one| manifest["kind"] == one.kind).context("there is no such definition")
}

async fn verdict_and_field_are_those_of_the_api_server_for_every_case_of_every_rule(
    world: World,
) -> Result<()> {
    let plane = world.installed().await?;
    let definitions = Definition::all()?;
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in cases::all() {
        let definition = definition(&definitions, &case.accepted())?;
        for (side, manifest) in [("inside", case.accepted()), ("outside", case.refused())] {
            let what = format!("{} {} ({}), {side}", case.kind(), any_item(&case.field), case.rule);
            compared += 1;
            wrong.extend(differing(plane, definition, &what, &manifest).await?);
        }
        let faults = definition.check(&case.refused()).err().unwrap_or_default();
        // A rule about the whole object has no field; this one speaks of the name.
        let same = |field: &str| field == case.field || (field.is_empty() && case.field == "metadata.name");
        if !faults.iter().any(|fault| same(&fault.field)) {
            wrong.push(format!("{} ({}): offline {faults:?}", case.field, case.rule));
        }
    }
    ensure!(compared > 600, "only {compared} manifests");
    ensure!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Values that no rule is about: of other types, null, misspelt, in other places.
///
/// Not among them: a whole number written as `50.0`. kubectl sends it as 50; sent as it is, the API server takes it where
/// no rule looks at it, and refuses it in the name of the rule where one does.
fn odd() -> Vec<(&'static str, Value)> {
    vec![
        ("/spec/class", Value::Null),
        ("/spec/class", json!(5)),
        ("/spec/cooling", Value::Null),
        ("/spec/suspend", json!("true")),
        ("/spec/suspend", Value::Null),
        ("/spec/location", Value::Null),
        ("/spec/location", json!("Fuzhou")),
        ("/spec/location/timeZone", Value::Null),
        ("/spec/location/city", Value::Null),
        ("/spec/racks", json!([])),
        ("/spec/racks/inUse", json!(50.5)),
        ("/spec/racks/inUse", json!("50")),
        ("/spec/racks/inUse", Value::Null),
        ("/spec/racks/inUseQuery", Value::Null),
        ("/spec/nodeSelector/matchLabels/any", Value::Null),
        ("/spec/nodeSelector/matchLabels/other", json!(1)),
        ("/spec/nodeSelector/matchExpressions/0", Value::Null),
        ("/spec/nodeSelector/matchLables", json!({})),
        ("/spec/energy/meters", json!({})),
        ("/spec/energy/meters", Value::Null),
        ("/spec/energy/meters/0/position", Value::Null),
        ("/spec/energy/meters/1/position", Value::Null),
        ("/spec/energy/meters/0/maxValue", Value::Null),
        ("/spec/energy/meters/0/validFrom", json!("2016-12-31T23:59:60Z")),
        ("/spec/energy/meters/0/validFrom", json!("2024-06-01t00:00:00z")),
        ("/spec/energy/meters/0/validFrom", json!("2024-06-01 00:00:00Z")),
        ("/spec/energy/meters/0/validFrom", json!("2024-06-01T00:00Z")),
        ("/spec/energy/meters/0/colour", json!("red")),
        ("/spec/energy/prometheus/timeout", Value::Null),
        ("/spec/energy/prometheus/timeout", json!(10)),
        ("/spec/pue/targets/0/from", json!("20240601")),
        ("/spec/pue/targets/0/max", json!(1.3)),
        ("/spec/pue/minimumCoveragePercent", Value::Null),
        ("/spec/maintenance", Value::Null),
        ("/spec/enforcement/actions", Value::Null),
        ("/spec/enforcement/hysteresis", Value::Null),
        ("/spec/enforcement/hysteresis", json!({})),
        ("/spec/enforcement/hysteresis/window", json!("0h")),
        ("/spec/thermal", json!(true)),
        ("/spec/pue", json!({})),
        ("/spec", json!({})),
        ("/spec", json!([])),
        ("/metadata/name", json!("Upper")),
        ("/metadata/name", json!("a_b")),
        ("/metadata/labels", json!({"a": "b c"})),
        ("/metadata/labels", json!({"a b": "c"})),
        ("/metadata/labels", json!({"banyan.dev/x": ""})),
        ("/metadata/labels", json!({"-/x": "y"})),
        ("/metadata/annotations", json!({"a/b/c": "d"})),
        ("/metadata/annotations", json!({"a": 1})),
        ("/metadata/label", json!({"a": "b"})),
        ("/metadata/creationTimestamp", Value::Null),
        ("/status", json!({})),
        ("/status", json!({"conditions": "none"})),
        ("/status", json!({"condition": []})),
        ("/data", json!({})),
    ]
}

/// The same of baselines and waivers.
fn odd_of_others() -> Vec<(Value, &'static str, Value)> {
    let baselines = [
        ("/spec/level", json!("3")),
        ("/spec/level", Value::Null),
        ("/spec/levels", json!(3)),
        ("/spec/profile", Value::Null),
        ("/spec/profile", json!("")),
        ("/spec/packs", json!("mlps")),
        ("/spec/packs/0", Value::Null),
        ("/spec/scope", Value::Null),
        ("/spec/scope/namespaceSelector", Value::Null),
        ("/spec/enforcement", Value::Null),
        ("/spec/enforcement/controls/0", json!("pod-privileged-container")),
        ("/spec/parameters", Value::Null),
        ("/spec/parameters", json!([])),
        ("/spec/parameters/any", Value::Null),
        ("/spec/parameters/any", json!(["a", 1])),
        ("/spec/parameters/any", json!(["a", null])),
        ("/spec/parameters/any", json!([["a"]])),
        ("/spec/parameters/any", json!(false)),
        ("/spec/parameters/any", json!({"a": {"b": "c"}})),
        ("/spec/attestations/0/appliesTo", Value::Null),
        ("/spec/attestations/0/validUntil", json!("2027-3-31")),
        ("/spec/reports", json!({})),
        ("/spec/reports/keep", Value::Null),
        ("/spec/scoringModel", json!(2025)),
        ("/status", json!({"score": 5})),
    ];
    let waivers = [
        ("/spec/controls", json!("a")),
        ("/spec/match", Value::Null),
        ("/spec/match/namespaces", Value::Null),
        ("/spec/match/namespace", json!("a")),
        ("/spec/match/names", json!([1])),
        ("/spec/expires", json!("2027-01-31")),
        ("/spec/expires", Value::Null),
        ("/spec/approval", Value::Null),
        ("/spec/approval", json!(true)),
        ("/spec/approval/by", Value::Null),
        ("/spec", Value::Null),
        ("/spec", json!("a")),
    ];
    let of = |base: fn() -> Value| move |(pointer, value)| (base(), pointer, value);
    baselines.into_iter().map(of(cases::baseline)).chain(waivers.into_iter().map(of(cases::waiver))).collect()
}

async fn verdict_and_field_are_those_of_the_api_server_for_odd_shapes(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let definitions = Definition::all()?;
    let mut wrong = Vec::new();
    let sites = odd().into_iter().map(|(pointer, value)| (cases::whole(), pointer, value));
    let others = odd_of_others();
    let all: Vec<_> = sites.chain(others).collect();
    let count = all.len();
    for (mut manifest, pointer, value) in all {
        let definition = definition(&definitions, &manifest)?;
        let (parent, last) = pointer.rsplit_once('/').context("a pointer")?;
        let what = format!("{pointer} = {value}");
        match manifest.pointer_mut(parent).with_context(|| format!("{pointer} has no parent"))? {
            Value::Array(items) => items[last.parse::<usize>()?] = value,
            other => other[last] = value,
        }
        wrong.extend(differing(plane, definition, &what, &manifest).await?);
    }
    ensure!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

const NO_CLUSTER: &str = "/nonexistent/kubeconfig";

fn ended(finished: &Finished, code: i32) -> Result<()> {
    let Finished { status, stdout, stderr } = finished;
    ensure!(status.code() == Some(code), "it ended with {status} instead of {code}:\n{stdout}\n{stderr}");
    Ok(())
}

async fn manifests_are_validated_without_a_cluster(_: World) -> Result<()> {
    let examples = dirs::repository().join("docs/examples");
    let examples = examples.to_str().context("the path of the repository is no text")?;
    let good = cli(NO_CLUSTER.as_ref(), &["validate", "-f", examples]).await?;
    ended(&good, 0)?;
    ensure!(good.stdout.lines().count() == 5, "{}", good.stdout);
    ensure!(
        good.stdout.contains("gulou-1.yaml:") && good.stdout.contains("DataCenter gulou-1: valid"),
        "{}",
        good.stdout
    );
    ensure!(
        good.stderr.contains("batch.yaml: CronJob nightly-statistics is not Banyan's"),
        "{}",
        good.stderr
    );

    // One file that is wrong, one that is no YAML, and one that is right: all are told.
    let dir = dirs::fresh("validated")?;
    let text = std::fs::read_to_string(format!("{examples}/gulou-1.yaml"))?;
    std::fs::write(dir.join("a.yaml"), text.replace("timeZone:", "timezone:"))?;
    std::fs::write(dir.join("b.yaml"), "a: [\n")?;
    std::fs::write(dir.join("c.yaml"), text.replace("name: gulou-1", "name: other"))?;
    let folder = dir.to_str().context("the path of the folder is no text")?;
    let bad = cli(NO_CLUSTER.as_ref(), &["validate", "-o", "json", "-f", folder]).await?;
    ended(&bad, 2)?;
    let report: Value = serde_json::from_str(&bad.stdout)?;
    ensure!(
        report["valid"] == false && report["documents"].as_array().is_some_and(|all| all.len() == 2),
        "{report}"
    );
    let problems: Vec<(&str, &str)> = report["problems"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| (one["file"].as_str().unwrap_or_default(), one["field"].as_str().unwrap_or_default()))
        .map(|(file, field)| (file.rsplit('/').next().unwrap_or_default(), field))
        .collect();
    ensure!(
        problems
            == [("b.yaml", ""), ("a.yaml", "spec.location.timezone"), ("a.yaml", "spec.location.timeZone")],
        "{problems:?}"
    );
    let chinese =
        cli(NO_CLUSTER.as_ref(), &["--lang", "zh", "validate", "-f", &format!("{folder}/a.yaml")]).await?;
    ended(&chinese, 2)?;
    ensure!(chinese.stdout.contains("没有这个字段；是否应为 timeZone？"), "{}", chinese.stdout);

    // From standard input, as kustomize and helm print it.
    let shell = Spec::new("sh", "/bin/sh", dir.join("sh.log"))
        .args(["-c", "\"$0\" validate -f - < \"$1\""])
        .args([program()?, dir.join("c.yaml")])
        .env("KUBECONFIG", NO_CLUSTER);
    let piped = shell.output(std::time::Duration::from_secs(20)).await?;
    ensure!(piped.ends_with("DataCenter other: valid\n"), "{piped}");

    let foreign = cli(NO_CLUSTER.as_ref(), &["validate", "-f", &format!("{examples}/batch.yaml")]).await?;
    ended(&foreign, 2)?;
    ensure!(
        foreign.stdout.is_empty() && foreign.stderr.contains("none of the manifests"),
        "{}",
        foreign.stderr
    );
    Ok(())
}
