//! What would happen, from the cluster as it is: the same observation and decision as the operator's.

use banyan_crds::v1alpha1::{DataCenter, DataCenterStatus};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{Api, api::DynamicObject};
use serde_json::{Value, json};

use super::{
    super::{
        manifest::{Document, Problem},
        world::World,
    },
    foreseen::{Act, Change, Foreseen, Judged, Pair, Step, Verdicts, fields, plain},
    tell,
};
use crate::{
    datacenter::{plan as decide, spec::Site},
    kernel::{
        digest,
        executor::Inventory,
        loan::{self, Decision, Nothing},
        plan::{ObjectRef, Own, Owner, Plan, Undo},
    },
};

/// Objects that are read at once.
const READS: usize = 8;

/// One that is refused, or of which nothing is known yet.
pub fn refused(document: &Document, problems: Vec<Problem>) -> Foreseen {
    let (kind, name) = document.identity();
    Foreseen {
        file: document.file.clone(),
        line: document.problem("", "").line,
        api_version: document.value["apiVersion"].as_str().unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        change: Change::Refused,
        fields: Vec::new(),
        actions: Vec::new(),
        conditions: Vec::new(),
        enforcement: None,
        verdicts: Verdicts::default(),
        unread: Vec::new(),
        problems,
        object: Pair::default(),
    }
}

/// What is foreseen for one document, whose resource the API server would keep as `wanted`, beside `sites`.
pub async fn foresee(
    world: &World,
    document: &Document,
    wanted: &DataCenter,
    sites: &[DataCenter],
    now: Timestamp,
) -> Foreseen {
    let nothing = refused(document, Vec::new());
    let live = world.live(&nothing.name);
    let site = Site::read(&wanted.spec);
    if let Err(error) = &site {
        return Foreseen { problems: vec![document.problem(&error.path, error.message.clone())], ..nothing };
    }
    let seen = world.look(wanted, &site, sites, now).await;
    let (plan, _) = decide::plan(wanted, &site, &seen);

    let object = Pair { before: live.map(shown), after: Some(shown(wanted)) };
    let specs = object.before.as_ref().map_or(Value::Null, |before| before["spec"].clone());
    let fields = fields(&specs, &json!(wanted.spec), "/spec");
    let not_ready = tell::not_ready(&plan.status);
    let mut unread = tell::unread(&seen, not_ready.is_none());
    let actions = acts(world, &plan, now, &mut unread).await;
    let mut problems: Vec<Problem> = Vec::new();
    if let Some((field, message)) = not_ready {
        problems.push(document.problem(field, message));
    }
    if !unread.is_empty() {
        let message = format!(
            "not everything could be looked at, so this plan may not be what happens: {}",
            unread.join("; ")
        );
        problems.push(document.problem("", message));
    }
    let changes = !fields.is_empty() || actions.iter().any(|act| act.step != Step::NotTaken);
    Foreseen {
        change: match live {
            None => Change::Create,
            Some(_) if changes => Change::Update,
            Some(_) => Change::None,
        },
        fields,
        actions,
        conditions: tell::conditions(live.and_then(|live| live.status.as_ref()), &plan.status),
        enforcement: tell::decision(wanted, &plan.status),
        verdicts: verdicts(&plan.status),
        unread,
        problems,
        object,
        ..nothing
    }
}

/// A site as diffs show it: what is declared.
fn shown(dc: &DataCenter) -> Value {
    json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter",
        "metadata": { "name": dc.metadata.name }, "spec": dc.spec,
    })
}

fn verdicts(status: &DataCenterStatus) -> Verdicts {
    let judged = |verdict, value: Option<&banyan_crds::values::Decimal>| Judged {
        verdict,
        value: value.map(ToString::to_string),
    };
    Verdicts {
        annual: status.annual.as_ref().map(|annual| judged(annual.verdict, annual.value.as_ref())),
        operational: status.operational.as_ref().map(|one| judged(one.verdict, one.value.as_ref())),
    }
}

/// An object as it is now.
async fn read(world: &World, object: &ObjectRef) -> Result<Option<Value>, String> {
    let client = world.client.clone();
    let api: Api<DynamicObject> = match &object.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &object.resource),
        None => Api::all_with(client, &object.resource),
    };
    let found = api.get_opt(&object.name).await.map_err(|error| format!("{object}: {error}"))?;
    Ok(found.map(|found| {
        let mut value = json!(found);
        value["apiVersion"] = object.resource.api_version.clone().into();
        value["kind"] = object.resource.kind.clone().into();
        value
    }))
}

fn act(step: Step, object: &ObjectRef, why: &str) -> Act {
    Act {
        step,
        api_version: object.resource.api_version.clone(),
        kind: object.resource.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        action: None,
        fields: Vec::new(),
        kept: Vec::new(),
        held_by: None,
        why: why.to_owned(),
        object: Pair::default(),
    }
}

/// An object with a patch of the executor's, before and after.
fn patched(live: Value, patch: &json_patch::Patch) -> Pair {
    let mut after = live.clone();
    // One that does not fit would be refused by the API server as well, and decided again.
    let fits = json_patch::patch(&mut after, patch).is_ok();
    Pair { before: Some(plain(live)), after: fits.then(|| plain(after)) }
}

/// What giving back does; none if it does nothing.
async fn undone(world: &World, undo: &Undo, owner: &Owner) -> Result<Option<Act>, String> {
    let Undo::Return { object, action, terms, why } = undo else { return Ok(None) };
    let Some(live) = read(world, object).await? else { return Ok(None) };
    match loan::give_back(&live, object, action, terms, owner) {
        Decision::Patch { patch, prior, kept, against: _ } => Ok(Some(Act {
            action: Some(action.clone()),
            fields: tell::returned(&live, action, &prior),
            kept,
            object: patched(live, &patch),
            ..act(Step::GiveBack, object, why)
        })),
        Decision::Nothing(Nothing::Unreadable(annotation)) => {
            Err(format!("{object}: the annotation {annotation}"))
        }
        Decision::Nothing(_) => Ok(None),
    }
}

/// What a loan does; none if it does nothing.
async fn borrowed(
    world: &World,
    asked: &loan::Loan,
    owner: &Owner,
    now: Timestamp,
) -> Result<Option<Act>, String> {
    let object = &asked.object;
    let Some(live) = read(world, object).await? else { return Ok(None) };
    let action = Some(asked.action.clone());
    match loan::take(&live, asked, owner, now) {
        Decision::Patch { patch, prior, .. } => Ok(Some(Act {
            action,
            fields: tell::taken(asked, &prior),
            object: patched(live, &patch),
            ..act(Step::Borrow, object, &asked.why)
        })),
        Decision::Nothing(Nothing::HeldBy(other)) => {
            Ok(Some(Act { action, held_by: Some(other), ..act(Step::NotTaken, object, &asked.why) }))
        }
        Decision::Nothing(Nothing::Unreadable(annotation)) => {
            Err(format!("{object}: the annotation {annotation}"))
        }
        Decision::Nothing(_) => Ok(None),
    }
}

/// An object of Banyan's own that is made or changed.
async fn ensured(world: &World, own: &Own, owner: &Owner, there: bool) -> Result<Act, String> {
    let manifest = own.manifest(owner);
    let live = if there { read(world, &own.object).await? } else { None };
    let before = live.map(plain);
    let mut after = before.clone().unwrap_or_else(|| json!({}));
    json_patch::merge(&mut after, &manifest);
    // All of the data are Banyan's: what is no longer meant goes.
    for whole in ["data", "binaryData"] {
        if let Some(meant) = manifest.get(whole) {
            after[whole] = meant.clone();
        }
    }
    let step = if there { Step::Change } else { Step::Make };
    let object = Pair { before, after: Some(after) };
    Ok(Act { action: own.action.clone(), object, ..act(step, &own.object, &own.why) })
}

/// What the executor would do, in its order. `unread` gets the objects that could not be read.
async fn acts<S>(world: &World, plan: &Plan<S>, now: Timestamp, unread: &mut Vec<String>) -> Vec<Act> {
    let known = world.owned.of(&plan.owner);
    let owner = &plan.owner;
    let mut found: Vec<Result<Option<Act>, String>> = Vec::new();
    found.extend(
        stream::iter(plan.undo.iter().flatten())
            .map(|undo| undone(world, undo, owner))
            .buffered(READS)
            .collect::<Vec<_>>()
            .await,
    );
    let mut gone: Vec<(&ObjectRef, Option<&String>, &str)> = Vec::new();
    for undo in plan.undo.iter().flatten() {
        if let Undo::Remove { object, action, why } = undo
            && known.iter().any(|entry| entry.object.name == object.name)
        {
            gone.push((object, action.as_ref(), why));
        }
    }
    for entry in &known {
        let name = &entry.object.name;
        let planned = plan.own.iter().any(|own| own.object.name == *name)
            || plan.keep.iter().any(|kept| kept.name == *name);
        let undone = plan
            .undo
            .iter()
            .flatten()
            .any(|undo| matches!(undo, Undo::Remove { object, .. } if object.name == *name));
        if !planned && !undone {
            gone.push((&entry.object, None, "no longer planned"));
        }
    }
    for (object, action, why) in gone {
        found.push(read(world, object).await.map(|live| {
            let object_pair = Pair { before: live.map(plain), after: None };
            Some(Act { action: action.cloned(), object: object_pair, ..act(Step::Remove, object, why) })
        }));
    }
    for own in &plan.own {
        let intent = digest::of_intent(&own.manifest(owner));
        let entry = known.iter().find(|entry| entry.object.name == own.object.name);
        let same = entry.is_some_and(|entry| {
            entry.intent.as_deref() == Some(&intent) && entry.live.as_deref() == Some(&intent)
        });
        if !same {
            found.push(ensured(world, own, owner, entry.is_some()).await.map(Some));
        }
    }
    found.extend(
        stream::iter(plan.borrow.iter().flatten())
            .map(|loan| borrowed(world, loan, owner, now))
            .buffered(READS)
            .collect::<Vec<_>>()
            .await,
    );
    let mut acts = Vec::new();
    for one in found {
        match one {
            Ok(act) => acts.extend(act),
            Err(wrong) => unread.push(wrong),
        }
    }
    acts
}
