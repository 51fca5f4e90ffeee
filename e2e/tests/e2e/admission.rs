//! What an audit says of an object is what the API server says to whoever writes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::wait::eventually;
use banyan_policies::admission::{self, Action, Scope, policy_name, resource, undecided};
use banyan_policies::engine::{Compiled, Outcome, alone, judge_example};
use banyan_policies::pack::{Control, Example, Pack, builtin};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{Discovery, Scope as Reach};
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    let mut all = tests![every_example_of_every_pack_is_judged_alike_by_audit_and_api_server];
    for test in &mut all {
        test.limit = Duration::from_mins(8);
    }
    all
}

/// Label that chooses the one policy that looks at an object.
const TEST: &str = "banyan.dev/test";
/// Where objects are created that name no Namespace of their own.
const HOME: &str = "policy-examples";

/// A control that is held at admission, and its examples by the parameters that they ask for.
struct Held<'p> {
    pack: &'p Pack,
    control: &'p Control,
    sets: Vec<(&'p BTreeMap<String, Value>, Compiled)>,
}

impl<'p> Held<'p> {
    fn new(pack: &'p Pack, control: &'p Control) -> Result<Self> {
        let mut sets: Vec<(&BTreeMap<String, Value>, Compiled)> = Vec::new();
        for example in Self::examples_of(control) {
            if sets.iter().all(|(known, _)| **known != example.parameters) {
                let compiled = alone(pack, control, &example.parameters).map_err(anyhow::Error::msg)?;
                sets.push((&example.parameters, compiled));
            }
        }
        Ok(Self { pack, control, sets })
    }

    fn examples_of(control: &'p Control) -> impl Iterator<Item = &'p Example> {
        let examples = &control.examples;
        examples.good.iter().chain(&examples.bad).chain(&examples.skipped)
    }

    fn set_of(&self, example: &Example) -> Result<(usize, &Compiled)> {
        let place = self
            .sets
            .iter()
            .position(|(known, _)| **known == example.parameters)
            .context("no such parameters")?;
        Ok((place, &self.sets[place].1))
    }

    fn mark(&self, set: usize) -> String {
        format!("{}-{set}", self.control.id)
    }
}

/// Kinds as the API server serves them.
struct Served(HashMap<(String, String), (ApiResource, bool)>);

impl Served {
    async fn read(plane: &ControlPlane) -> Result<Self> {
        let discovery = Discovery::new(plane.client().clone()).run().await?;
        let mut all = HashMap::new();
        for group in discovery.groups() {
            for version in group.versions() {
                for (kind, about) in group.versioned_resources(version) {
                    let key = (kind.api_version.clone(), kind.kind.clone());
                    all.insert(key, (kind, about.scope == Reach::Namespaced));
                }
            }
        }
        Ok(Self(all))
    }

    fn of(&self, object: &Value) -> Option<(ApiResource, bool)> {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        self.0.get(&(text("apiVersion"), text("kind"))).cloned()
    }
}

/// What the API server says to a write.
#[derive(Debug, PartialEq)]
enum Answer {
    Accepted(Box<Value>),
    /// Refused by the policy of this name.
    Refused(String),
}

/// Every example of every control that is compiled to admission is created with dry-run on an API server that has all
/// the policies; verdict and policy must be those of the audit. What is accepted comes back with its defaults filled in, and is judged again so.
async fn every_example_of_every_pack_is_judged_alike_by_audit_and_api_server(_: World) -> Result<()> {
    let (packs, faults) = builtin();
    ensure!(faults.is_empty(), "{faults:?}");
    let mut held = Vec::new();
    for pack in &packs {
        for control in pack.controls.iter().filter(|control| undecided(control, &pack.about).is_none()) {
            held.push(Held::new(pack, control)?);
        }
    }
    let plane = ControlPlane::start(Options { name: "admission".to_owned(), ..Options::default() }).await?;
    namespace(&plane, HOME, &json!({})).await?;
    define_missing(&plane, &held).await?;
    let served = Served::read(&plane).await?;
    for held in &held {
        install(&plane, held).await?;
    }

    let (mut compared, mut unlike, mut places) = (0, Vec::new(), BTreeSet::new());
    for held in &held {
        let wanted = policy_name("ex", &held.control.id);
        // A new policy takes effect a little later: until a request that it must refuse is refused.
        let probe = held.control.examples.bad.first().context("a control without a bad example")?;
        let object = prepared(&plane, &served, held, probe, &mut places).await?;
        eventually(Duration::from_mins(1), &format!("{wanted} takes effect"), async || {
            match send(&plane, &served, &object).await {
                Ok(Answer::Refused(by)) if by == wanted => Ok(Some(())),
                Ok(_) => Ok(None),
                Err(error) => Err(error.context(format!("{}: {}", held.control.id, probe.name))),
            }
        })
        .await?;
        for example in Held::examples_of(held.control) {
            let (_, compiled) = held.set_of(example)?;
            let object = prepared(&plane, &served, held, example, &mut places).await?;
            let judged = |object: &Value| {
                let example =
                    Example { object: Some(object.clone()), with: with(example, object), ..example.clone() };
                judge_example(compiled, &example).map(|finding| finding.outcome)
            };
            let audit = judged(&object);
            let refused = matches!(audit, Some(Outcome::Fail | Outcome::Error));
            let what = format!("{}/{}: {}", held.pack.about.name, held.control.id, example.name);
            compared += 1;
            match send(&plane, &served, &object).await {
                Ok(Answer::Refused(by)) if refused && by == wanted => {}
                Ok(Answer::Accepted(_)) if refused => {
                    unlike.push(format!("{what}: {audit:?} in an audit, accepted by the API server"));
                }
                Ok(Answer::Refused(by)) => {
                    unlike.push(format!("{what}: {audit:?} in an audit, refused by {by}"));
                }
                Ok(Answer::Accepted(filled)) => {
                    let again = judged(&filled);
                    if again != audit {
                        unlike
                            .push(format!("{what}: {audit:?} as written, {again:?} with defaults filled in"));
                    }
                }
                Err(error) => unlike.push(format!("{what}: {error:#}")),
            }
        }
    }
    println!("{} controls held at admission, {compared} examples compared", held.len());
    ensure!(held.len() >= 40 && compared >= 160, "only {} controls, {compared} examples", held.len());
    ensure!(unlike.is_empty(), "{} of {compared} differ:\n{}", unlike.len(), unlike.join("\n"));
    Ok(())
}

/// The Namespace of an example, as it is named on the server.
fn with(example: &Example, object: &Value) -> Vec<Value> {
    let mut with = example.with.clone();
    for other in with.iter_mut().filter(|other| other["kind"] == "Namespace") {
        other["metadata"]["name"] = object["metadata"]["namespace"].clone();
    }
    with
}

/// The example's object, marked for its policy, in a namespace that exists.
async fn prepared(
    plane: &ControlPlane,
    served: &Served,
    held: &Held<'_>,
    example: &Example,
    places: &mut BTreeSet<String>,
) -> Result<Value> {
    let mut object = example.object.clone().context("an example without an object")?;
    let (set, _) = held.set_of(example)?;
    object["metadata"]["labels"][TEST] = held.mark(set).into();
    let own = example.with.iter().find(|other| other["kind"] == "Namespace");
    // What leaves its namespace open is judged as it is sent: in the namespace of the request.
    let cluster_scoped = !served.of(&object).is_some_and(|(_, namespaced)| namespaced);
    let home = match own {
        Some(own) => {
            let number = places.len();
            let name = format!("ns-{number}");
            namespace(plane, &name, &own["metadata"]["labels"]).await?;
            places.insert(name.clone());
            name
        }
        None => object["metadata"]["namespace"].as_str().unwrap_or(HOME).to_owned(),
    };
    if own.is_none() && !places.contains(&home) && home != HOME {
        namespace(plane, &home, &json!({})).await?;
        places.insert(home.clone());
    }
    if !cluster_scoped {
        object["metadata"]["namespace"] = home.into();
    }
    Ok(object)
}

async fn namespace(plane: &ControlPlane, name: &str, labels: &Value) -> Result<()> {
    let labels: Option<BTreeMap<String, String>> = serde_json::from_value(labels.clone())?;
    let api: Api<Namespace> = Api::all(plane.client().clone());
    let metadata = ObjectMeta { name: Some(name.to_owned()), labels, ..ObjectMeta::default() };
    match api.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => return Err(error.into()),
    }
    // No controller makes it here, and a Pod needs it.
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client().clone(), name);
    let metadata = ObjectMeta { name: Some("default".to_owned()), ..ObjectMeta::default() };
    match accounts
        .create(&PostParams::default(), &ServiceAccount { metadata, ..ServiceAccount::default() })
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Creates with dry-run; an ephemeral container can only come to a Pod that is there.
async fn send(plane: &ControlPlane, served: &Served, object: &Value) -> Result<Answer> {
    let (resource, namespaced) =
        served.of(object).with_context(|| format!("{} is not served", object["kind"]))?;
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) if namespaced => Api::namespaced_with(plane.client().clone(), namespace, &resource),
        _ => Api::all_with(plane.client().clone(), &resource),
    };
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    if object["kind"] == "Pod" && object["spec"].get("ephemeralContainers").is_some() {
        let name = object["metadata"]["name"].as_str().context("a Pod without a name")?.to_owned();
        let mut plain = object.clone();
        let later = plain["spec"].as_object_mut().and_then(|spec| spec.remove("ephemeralContainers"));
        let made = answer(api.create(&PostParams::default(), &serde_json::from_value(plain)?).await)?;
        if made_by_refusal(&made) {
            return Ok(made);
        }
        let patch = json!({ "spec": { "ephemeralContainers": later } });
        let parameters = PatchParams { dry_run: true, ..PatchParams::default() };
        let answered = answer(
            api.patch_subresource("ephemeralcontainers", &name, &parameters, &Patch::Strategic(patch)).await,
        );
        api.delete(&name, &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await?;
        return answered;
    }
    answer(api.create(&dry, &serde_json::from_value(object.clone())?).await)
}

fn made_by_refusal(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(_))
}

fn answer(result: kube::Result<DynamicObject>) -> Result<Answer> {
    match result {
        Ok(object) => {
            let mut object = serde_json::to_value(object)?;
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            Ok(Answer::Accepted(Box::new(object)))
        }
        Err(kube::Error::Api(status)) => match status.message.split("ValidatingAdmissionPolicy '").nth(1) {
            Some(rest) => Ok(Answer::Refused(rest.split('\'').next().unwrap_or_default().to_owned())),
            None => bail!("not acceptable to the API server: {}", status.message),
        },
        Err(error) => Err(error.into()),
    }
}

async fn install(plane: &ControlPlane, held: &Held<'_>) -> Result<()> {
    for (set, (given, compiled)) in held.sets.iter().enumerate() {
        let active = compiled.controls.first().context("the control does not apply")?;
        let mark = held.mark(set);
        let scope = Scope {
            prefix: "ex".to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            namespace_selector: json!({}),
            object_selector: json!({ "matchLabels": { TEST: mark } }),
            parameters: (HOME.to_owned(), mark.clone()),
        };
        let (policy, mut binding) = admission::compile(compiled, active, Action::Deny, &[], &scope)
            .map_err(|why| anyhow::anyhow!("{}: {why}", held.control.id))?;
        binding["metadata"]["name"] = mark.clone().into();
        let data = admission::parameters(compiled, given);
        apply(plane, &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": mark, "namespace": HOME }, "data": data })).await?;
        apply(plane, &policy)
            .await
            .with_context(|| format!("{}: the policy is not accepted", held.control.id))?;
        apply(plane, &binding).await?;
    }
    Ok(())
}

async fn apply(plane: &ControlPlane, object: &Value) -> Result<()> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let (group, version) =
        object["apiVersion"].as_str().and_then(|text| text.split_once('/')).unwrap_or(("", "v1"));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, &resource(kind));
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(plane.client().clone(), namespace, &resource),
        None => Api::all_with(plane.client().clone(), &resource),
    };
    let name = object["metadata"]["name"].as_str().context("no name")?;
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(object)).await?;
    Ok(())
}

/// Defines the kinds of examples that no API server has by itself, without a schema.
async fn define_missing(plane: &ControlPlane, held: &[Held<'_>]) -> Result<()> {
    let served = Served::read(plane).await?;
    let mut missing: BTreeMap<(String, String, String), bool> = BTreeMap::new();
    for object in held
        .iter()
        .flat_map(|held| Held::examples_of(held.control))
        .filter_map(|example| example.object.as_ref())
    {
        if served.of(object).is_none() {
            let (group, version) = object["apiVersion"]
                .as_str()
                .and_then(|text| text.split_once('/'))
                .context("a kind that is not served")?;
            let kind = object["kind"].as_str().unwrap_or_default();
            let namespaced = object["metadata"].get("namespace").is_some();
            *missing.entry((group.to_owned(), kind.to_owned(), version.to_owned())).or_default() |=
                namespaced;
        }
    }
    let mut kinds: BTreeMap<(String, String), (BTreeSet<String>, bool)> = BTreeMap::new();
    for ((group, kind, version), namespaced) in missing {
        let entry = kinds.entry((group, kind)).or_default();
        entry.0.insert(version);
        entry.1 |= namespaced;
    }
    for ((group, kind), (versions, namespaced)) in &kinds {
        let plural = resource(kind);
        let schema =
            json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let versions: Vec<Value> =
            versions.iter().enumerate().map(|(place, name)| json!({ "name": name, "served": true, "storage": place == 0, "schema": schema })).collect();
        apply(
            plane,
            &json!({
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": { "name": format!("{plural}.{group}"), "annotations": { "api-approved.kubernetes.io": "unapproved, for tests" } },
                "spec": {
                    "group": group,
                    "names": { "kind": kind, "plural": plural, "singular": kind.to_ascii_lowercase() },
                    "scope": if *namespaced { "Namespaced" } else { "Cluster" },
                    "versions": versions,
                },
            }),
        )
        .await?;
    }
    eventually(Duration::from_mins(1), "the kinds are served", async || {
        let served = Served::read(plane).await?;
        let all = kinds.iter().all(|((group, kind), (versions, _))| {
            versions.iter().all(|version| {
                served.of(&json!({ "apiVersion": format!("{group}/{version}"), "kind": kind })).is_some()
            })
        });
        Ok(all.then_some(()))
    })
    .await
}
