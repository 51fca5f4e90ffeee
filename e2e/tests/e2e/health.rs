//! What tools that wait for a site take it for, in each of its states, taken from a real API server: kstatus, by which Flux,
//! kpt and others go, and Argo CD with the health check that Banyan ships.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use banyan_crds::v1alpha1::{Action, DataCenter, SecurityBaseline, Waiver};
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::dirs;
use banyan_e2e::operator::cli;
use banyan_e2e::process::Spec;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams};
use kube_cel::cel::{Context, Program};
use serde_json::{Value, json};

use crate::stage::{Readings, Stage, VIOLATED};
use crate::waivers;
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![each_state_of_a_site_is_told_to_kstatus_and_to_argo_cd]
}

/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The state of a site as the API server gives it, and what is to be said of it.
struct State {
    what: &'static str,
    object: Value,
    kstatus: &'static str,
    argo: &'static str,
    /// Part of Argo CD's message.
    message: &'static str,
}

async fn state(
    stage: &Stage,
    site: &str,
    what: &'static str,
    (kstatus, argo, message): (&'static str, &'static str, &'static str),
) -> Result<State> {
    let api: Api<DynamicObject> = Api::all_with(stage.plane.client(), &ApiResource::erase::<DataCenter>(&()));
    let object = serde_json::to_value(api.get(site).await?)?;
    Ok(State { what, object, kstatus, argo, message })
}

/// What nobody has looked at, of the kinds beside sites: their conventions are the same.
async fn new_of_other_kinds(stage: &Stage, said: &'static str) -> Result<Vec<State>> {
    let mut states = Vec::new();
    let client = || stage.plane.client();
    for (what, resource, manifest) in [
        ("a new baseline", ApiResource::erase::<SecurityBaseline>(&()), baseline()),
        ("a new Waiver", ApiResource::erase::<Waiver>(&()), waivers::manifest("new")),
    ] {
        let api: Api<DynamicObject> = Api::all_with(client(), &resource);
        let created = api.create(&PostParams::default(), &serde_json::from_value(manifest)?).await?;
        api.delete(&created.name_any(), &DeleteParams::default()).await?;
        states.push(State {
            what,
            object: serde_json::to_value(created)?,
            kstatus: "InProgress",
            argo: "Progressing",
            message: said,
        });
    }
    Ok(states)
}

fn baseline() -> Value {
    json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "SecurityBaseline", "metadata": { "name": "new" },
        "spec": { "level": 3, "packs": ["mlps"] },
    })
}

async fn each_state_of_a_site_is_told_to_kstatus_and_to_argo_cd(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let enforce = json!({ "mode": "Enforce", "actions": ["HoldBatch"], "hysteresis": { "dwell": "0s" } });
    stage.create_site("held", Readings::Hot, &enforce).await?;
    stage.create_cron_job("held", "held", true, false).await?;
    stage.create_site("well", Readings::Cool, &Value::Null).await?;
    stage.create_site("wrong", Readings::Cool, &Value::Null).await?;
    stage.change_site("wrong", json!({ "location": { "timeZone": "Asia/Fuzhou" } })).await?;
    stage.create_site("resting", Readings::Cool, &Value::Null).await?;
    stage.change_site("resting", json!({ "suspend": true })).await?;
    stage.create_site("blind", Readings::Cool, &Value::Null).await?;
    let nowhere = json!({ "energy": { "prometheus": { "url": "http://127.0.0.1:1" } } });
    stage.change_site("blind", nowhere).await?;
    let not_yet = "not looked at this generation";
    let mut states = vec![state(&stage, "well", "new", ("InProgress", "Progressing", not_yet)).await?];

    states.extend(new_of_other_kinds(&stage, not_yet).await?);

    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("held", &[Action::HoldBatch]).await?;
    for site in ["well", "wrong", "resting", "blind"] {
        stage
            .awaited(site, "a first look", |status| status.observed_generation.is_some_and(|seen| seen > 0))
            .await?;
    }
    operator.stop().await?;
    let above = "PUEWithinTarget is False: ";
    for (site, what, said) in [
        ("well", "ready", ("Current", "Healthy", "has been taken in")),
        ("held", "violated, and its batch work held", ("Current", "Healthy", above)),
        ("blind", "without readings", ("Current", "Healthy", "MetersHealthy is Unknown: ")),
        ("wrong", "not ready", ("InProgress", "Degraded", "InvalidSpec: spec.location.timeZone: ")),
        ("resting", "suspended", ("Current", "Suspended", "spec.suspend is set")),
    ] {
        states.push(state(&stage, site, what, said).await?);
    }
    stage.change_site("well", json!({ "suspend": true })).await?;
    states.push(state(&stage, "well", "not observed", ("InProgress", "Progressing", not_yet)).await?);
    // It holds something, so that it stays until that is given back.
    stage.sites().delete("held", &DeleteParams::default()).await?;
    let deleted = ("Terminating", "Progressing", "being deleted");
    states.push(state(&stage, "held", "being deleted", deleted).await?);

    let tools = Tools::ensure(&[Component::Kstatus, Component::Glua]).await?;
    let folder = dirs::fresh("health")?;
    let script = cli("/nonexistent".as_ref(), &["gitops", "argocd-health", "--output", "lua"]).await?.stdout;
    let told = kstatus(tools.path(Component::Kstatus)?, &folder, &states).await?;
    let flux = Flux::of_the_docs()?;
    let mut wrong = Vec::new();
    for (state, kstatus) in states.iter().zip(told) {
        let (argo, message) = argo(tools.path(Component::Glua)?, &folder, &script, &state.object).await?;
        if !kstatus.starts_with(&format!("{}\t", state.kstatus)) {
            wrong.push(format!("{}: kstatus says {kstatus}", state.what));
        }
        // What kstatus would wait for in vain fails at once.
        let wanted = if state.argo == "Degraded" { "Failed" } else { state.kstatus };
        let flux = flux.of(&state.object)?;
        if flux != wanted && wanted != "Terminating" {
            wrong.push(format!("{}: Flux says {flux}", state.what));
        }
        if argo != state.argo || !message.contains(state.message) {
            wrong.push(format!("{}: Argo CD says {argo}: {message}", state.what));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The expressions in CEL that the documentation gives Flux.
struct Flux {
    expressions: [(&'static str, Program); 3],
}

impl Flux {
    fn of_the_docs() -> Result<Self> {
        let page = std::fs::read_to_string(dirs::repository().join("docs/gitops.md"))?;
        let manifest = page
            .split("```yaml\n")
            .filter_map(|part| part.split("\n```").next())
            .find(|part| part.contains("healthCheckExprs"));
        let manifest: Value = serde_yaml::from_str(manifest.context("the page has no such manifest")?)?;
        let given = &manifest["spec"]["healthCheckExprs"][0];
        ensure!(given["apiVersion"] == "banyan.dev/v1alpha1" && given["kind"] == "DataCenter", "{given}");
        let program = |field: &str| -> Result<Program> {
            let text = given[field].as_str().with_context(|| format!("there is no {field}"))?;
            Program::compile(text).map_err(|error| anyhow!("{field}: {error}"))
        };
        // In the order in which Flux asks.
        let expressions = [
            ("InProgress", program("inProgress")?),
            ("Failed", program("failed")?),
            ("Current", program("current")?),
        ];
        Ok(Self { expressions })
    }

    /// The first that holds.
    fn of(&self, object: &Value) -> Result<&'static str> {
        let mut context = Context::default();
        for part in ["metadata", "spec", "status"] {
            let added = context.add_variable(part, &object[part]);
            added.map_err(|error| anyhow!("{part}: {error}"))?;
        }
        for (name, program) in &self.expressions {
            match program.execute(&context) {
                Ok(kube_cel::cel::Value::Bool(true)) => return Ok(name),
                Ok(kube_cel::cel::Value::Bool(false)) => {}
                other => bail!("{name}: {other:?}"),
            }
        }
        Ok("Unknown")
    }
}

/// A line of kstatus for each state.
async fn kstatus(program: &Path, folder: &Path, states: &[State]) -> Result<Vec<String>> {
    let file = folder.join("objects.json");
    let objects: Vec<String> = states.iter().map(|state| state.object.to_string()).collect();
    std::fs::write(&file, objects.join("\n"))?;
    let shell = Spec::new("kstatus", "/bin/sh", folder.join("kstatus.log"))
        .args(["-c", "\"$0\" < \"$1\""])
        .args([program, &file]);
    let lines: Vec<String> = shell.output(LIMIT).await?.lines().map(str::to_owned).collect();
    ensure!(lines.len() == states.len(), "{} lines for {} objects", lines.len(), states.len());
    Ok(lines)
}

/// What the script says of an object, run as Argo CD runs it: with `obj`, and a table returned.
async fn argo(program: &Path, folder: &Path, script: &str, object: &Value) -> Result<(String, String)> {
    let file = folder.join("health.lua");
    let text = format!(
        "obj = {}\nlocal function health()\n{script}\nend\nlocal hs = health()\nprint(hs.status)\nprint(hs.message)\n",
        lua(object)
    );
    std::fs::write(&file, text)?;
    let run = Spec::new("glua", program, folder.join("glua.log")).args([&file]);
    let answer = run.output(LIMIT).await.with_context(|| file.display().to_string())?;
    let Some((status, message)) = answer.split_once('\n') else { bail!("it printed {answer:?}") };
    Ok((status.to_owned(), message.trim_end().to_owned()))
}

/// A value as Lua writes it. Null is nil, as where Argo CD hands objects over.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            let bytes = text.bytes().fold(String::new(), |mut escaped, byte| {
                let _ = write!(escaped, "\\{byte:03}");
                escaped
            });
            format!("\"{bytes}\"")
        }
        Value::Array(items) => format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let field = |(name, inner): (&String, &Value)| format!("[{}]={}", lua(&json!(name)), lua(inner));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
    }
}
