//! The executor against a real API server, on observations that are not up to date: own writes that are not seen yet,
//! objects that somebody else has replaced meanwhile, and changes by others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::index::{feed::Index, owned::OwnedConfigMaps};
use banyan::kernel::events::Events;
use banyan::kernel::executor::{Deed, Entry, Executor, Inventory, Outcome, Subject};
use banyan::kernel::lease::Fence;
use banyan::kernel::loan::{ANNOTATION, Field, Guard, Loan, Prior, Term};
use banyan::kernel::metrics::{self, KernelMetrics};
use banyan::kernel::overlay::Overlay;
use banyan::kernel::plan::{Basis, Defence, OWNER, ObjectRef, Own, Owner, Plan, Undo};
use banyan::kernel::trail::Trail;
use banyan::kernel::writer::Writer;
use banyan_e2e::controlplane::ControlPlane;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        an_own_object_that_the_index_does_not_know_yet_is_applied_again_and_stays_one,
        an_object_that_somebody_else_has_made_anew_is_not_pruned,
        a_loan_taken_twice_from_a_stale_index_stands_once_and_gives_back_the_first_value,
        what_was_changed_by_another_manager_is_put_back_and_told_with_its_name,
        what_is_only_reported_is_left_to_the_other_manager,
        a_status_is_written_once_and_not_to_a_later_object_of_its_name,
        what_cannot_be_given_back_stops_what_was_taken_before_it,
        what_follows_from_what_was_there_is_not_written_over_what_somebody_wrote_meanwhile,
    ]
}

/// The inventory as a test wants it: what it was told to know, and nothing of the executor's own writes.
#[derive(Default)]
struct Replayed(Mutex<Vec<Entry>>);

impl Replayed {
    fn knows(&self, entries: Vec<Entry>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = entries;
    }
}

impl Inventory for Replayed {
    fn of(&self, _: &Owner) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn observed(&self, _: &DynamicObject) {}
    fn removed(&self, _: &ObjectRef) {}
}

/// An executor that works for one Node, which stands for a site, on the `ConfigMaps` of one namespace.
struct Scene {
    client: kube::Client,
    namespace: String,
    executor: Executor,
    inventory: Arc<Replayed>,
    metrics: KernelMetrics,
    overlay: Overlay<Value>,
    subject: Subject<Value>,
}

impl Scene {
    async fn start(plane: &ControlPlane, name: &str) -> Result<Self> {
        let namespace = format!("executor-{name}");
        plane.create_namespace(&namespace).await?;
        let client = plane.client();
        let metrics = KernelMetrics::new(&metrics::registry()?)?;
        let inventory = Arc::new(Replayed::default());
        let fence = Fence::open_for(Duration::from_mins(5));
        let trail = Trail::new("executor-test", std::io::sink());
        let writer = Writer::new(client.clone(), fence, metrics.clone(), trail);
        let executor = Executor {
            writer,
            events: Events::new(client.clone(), "executor-test"),
            inventory: Arc::clone(&inventory) as Arc<dyn Inventory>,
            repeats: Arc::default(),
        };
        let subject = subject(&client, &namespace).await?;
        Ok(Self { client, namespace, executor, inventory, metrics, overlay: Overlay::default(), subject })
    }

    fn owner(&self) -> Owner {
        Owner { kind: "datacenter", name: self.namespace.clone() }
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn object(&self, name: &str) -> ObjectRef {
        ObjectRef {
            resource: ApiResource::erase::<ConfigMap>(&()),
            namespace: Some(self.namespace.clone()),
            name: name.to_owned(),
            uid: None,
        }
    }

    fn own(&self, defence: Defence) -> Own {
        Own {
            object: self.object("wall"),
            body: json!({ "data": { "height": "2" } }),
            basis: Basis::Any,
            defence,
            labels: BTreeMap::new(),
            owner_reference: None,
            lends: false,
            action: None,
            why: "a test".to_owned(),
            until: None,
        }
    }

    fn field() -> Field {
        Field { pointer: "/data/speed".to_owned(), set: json!("slow"), element_keys: vec![] }
    }

    fn loan(&self, name: &str, uid: Option<String>) -> Loan {
        Loan {
            object: ObjectRef { uid, ..self.object(name) },
            action: "Slow".to_owned(),
            fields: vec![Self::field()],
            guard: Guard::None,
            fought: None,
            why: "a test".to_owned(),
            until: None,
        }
    }

    fn give_back(&self, name: &str) -> Undo {
        let terms = vec![Term { field: Self::field(), prior: Prior::OneOf(&["fast"]) }];
        Undo::Return { object: self.object(name), action: "Slow".to_owned(), terms, why: "a test".to_owned() }
    }

    /// A plan that does nothing.
    fn plan(&self) -> Plan<Value> {
        Plan {
            owner: self.owner(),
            finalizer: false,
            undo: vec![],
            own: vec![],
            keep: vec![],
            borrow: vec![],
            status: self.subject.status.clone().unwrap_or_default(),
            notices: vec![],
            found: vec![],
            next: Duration::ZERO,
        }
    }

    async fn apply(&self, plan: Plan<Value>) -> Outcome {
        self.apply_to(&self.subject, plan).await
    }

    async fn apply_to(&self, subject: &Subject<Value>, plan: Plan<Value>) -> Outcome {
        let now = jiff::Timestamp::now();
        self.executor.apply(subject, plan, &self.overlay, now, |status, _| status).await
    }

    /// Ensures the wall. Nothing may fail.
    async fn ensure(&self, defence: Defence) -> Result<Outcome> {
        let outcome = self.apply(Plan { own: vec![self.own(defence)], ..self.plan() }).await;
        ensure!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        Ok(outcome)
    }

    /// Lets the inventory see the wall as it is now.
    async fn see(&self) -> Result<ConfigMap> {
        let wall = self.maps().get("wall").await?;
        let index = OwnedConfigMaps::<()>::new("datacenter", |_| None);
        let _ = index.apply(wall.clone());
        let entries = index.of(&self.owner());
        ensure!(entries.len() == 1, "the wall is not ours");
        self.inventory.knows(entries);
        Ok(wall)
    }

    /// Somebody changes the wall by force.
    async fn intrude(&self) -> Result<()> {
        let patch = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "wall" }, "data": { "height": "1" },
        });
        let params = PatchParams::apply("intruder").force();
        self.maps().patch("wall", &params, &Patch::Apply(patch)).await?;
        Ok(())
    }

    /// Creates somebody's object, that fields are borrowed from.
    async fn somebodys(&self, name: &str) -> Result<ConfigMap> {
        let object: ConfigMap =
            serde_json::from_value(json!({ "metadata": { "name": name }, "data": { "speed": "fast" } }))?;
        Ok(self.maps().create(&PostParams::default(), &object).await?)
    }

    async fn datum(&self, name: &str, key: &str) -> Result<Option<String>> {
        Ok(self.maps().get(name).await?.data.unwrap_or_default().remove(key))
    }

    fn writes(&self, resource: &str, verb: &str) -> u64 {
        self.metrics.writes.with_label_values(&[resource, verb]).get()
    }
}

/// A Node as the resource that plans are for: like a site it is cluster-scoped and has a status.
async fn subject(client: &kube::Client, name: &str) -> Result<Subject<Value>> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node: Node = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
    let node = nodes.create(&PostParams::default(), &node).await?;
    Ok(Subject {
        object: ObjectRef {
            resource: ApiResource::erase::<Node>(&()),
            namespace: None,
            name: name.to_owned(),
            uid: node.uid(),
        },
        reference: node.object_ref(&()),
        generation: node.metadata.generation,
        finalizer: false,
        status: Some(json!({})),
        version: node.resource_version().unwrap_or_default(),
    })
}

async fn an_own_object_that_the_index_does_not_know_yet_is_applied_again_and_stays_one(
    world: World,
) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "unseen").await?;
    let first = scene.ensure(Defence::PutBack).await?;
    ensure!(first.done.len() == 1 && first.done[0].deed == Deed::Ensured, "{:?}", first.done);
    let made = scene.maps().get("wall").await?;
    // The index has not seen it, so it is applied once more, which changes nothing.
    scene.ensure(Defence::PutBack).await?;
    ensure!(scene.writes("configmaps", "apply") == 2);
    let list =
        scene.maps().list(&ListParams::default().labels(&format!("{OWNER}={}", scene.owner()))).await?;
    ensure!(list.items.len() == 1, "{} objects", list.items.len());
    ensure!(list.items[0].metadata.uid == made.metadata.uid, "it was made anew");
    ensure!(list.items[0].resource_version() == made.resource_version(), "it was changed");
    // Once it is seen, nothing is sent.
    scene.see().await?;
    let again = scene.ensure(Defence::PutBack).await?;
    ensure!(again.done.is_empty() && scene.writes("configmaps", "apply") == 2, "{:?}", again.done);
    Ok(())
}

async fn an_object_that_somebody_else_has_made_anew_is_not_pruned(world: World) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "anew").await?;
    scene.ensure(Defence::PutBack).await?;
    scene.see().await?;
    scene.maps().delete("wall", &DeleteParams::default()).await?;
    let theirs = scene.somebodys("wall").await?;
    // The index still has the one of before, which is no longer planned.
    let outcome = scene.apply(scene.plan()).await;
    ensure!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let found = scene.maps().get_opt("wall").await?.context("somebody else's object was deleted")?;
    ensure!(found.metadata.uid == theirs.metadata.uid);
    ensure!(found.resource_version() == theirs.resource_version(), "it was changed");
    Ok(())
}

async fn a_loan_taken_twice_from_a_stale_index_stands_once_and_gives_back_the_first_value(
    world: World,
) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "loan").await?;
    let object = scene.somebodys("theirs").await?;
    let borrow = || vec![vec![scene.loan("theirs", object.uid())]];
    let first = scene.apply(Plan { borrow: borrow(), ..scene.plan() }).await;
    ensure!(first.done.len() == 1 && first.done[0].deed == Deed::Borrowed, "{first:?}");
    ensure!(first.done[0].prior == json!({ "/data/speed": "fast" }), "{}", first.done[0].prior);
    let lent = scene.maps().get("theirs").await?;
    ensure!(scene.datum("theirs", "speed").await?.as_deref() == Some("slow"));

    // The index has not seen it: the same loan is planned again.
    let second = scene.apply(Plan { borrow: borrow(), ..scene.plan() }).await;
    ensure!(second.done.is_empty() && second.failures.is_empty(), "{second:?}");
    let still = scene.maps().get("theirs").await?;
    ensure!(still.resource_version() == lent.resource_version(), "it was written again");
    ensure!(still.annotations().keys().filter(|key| key.starts_with(ANNOTATION)).count() == 1);

    for returned in [1, 0] {
        let undo = vec![vec![scene.give_back("theirs")]];
        let outcome = scene.apply(Plan { undo, ..scene.plan() }).await;
        ensure!(outcome.done.len() == returned && outcome.failures.is_empty(), "{outcome:?}");
    }
    let after = scene.maps().get("theirs").await?;
    ensure!(after.data == object.data, "it has {:?}", after.data);
    ensure!(after.annotations().is_empty(), "{:?}", after.annotations());
    Ok(())
}

async fn what_was_changed_by_another_manager_is_put_back_and_told_with_its_name(world: World) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "drift").await?;
    scene.ensure(Defence::PutBack).await?;
    scene.intrude().await?;
    scene.see().await?;
    let outcome = scene.ensure(Defence::PutBack).await?;
    ensure!(outcome.done.len() == 1 && outcome.done[0].deed == Deed::PutBack, "{:?}", outcome.done);
    ensure!(outcome.done[0].prior == json!({ "changedBy": "intruder" }), "{}", outcome.done[0].prior);
    ensure!(scene.datum("wall", "height").await?.as_deref() == Some("2"), "it was not put back");
    let events: Api<Event> = Api::namespaced(scene.client.clone(), "default");
    let told = events.list(&ListParams::default()).await?.items.into_iter().any(|event| {
        let about = event.regarding.as_ref().and_then(|object| object.uid.clone());
        event.reason.as_deref() == Some("PutBack")
            && about == scene.subject.object.uid
            && event.note.as_deref().unwrap_or_default().contains("was changed by intruder")
    });
    ensure!(told, "no event names the other manager");
    // And then there is nothing more to do.
    scene.see().await?;
    ensure!(scene.ensure(Defence::PutBack).await?.done.is_empty());
    Ok(())
}

async fn what_is_only_reported_is_left_to_the_other_manager(world: World) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "report").await?;
    scene.ensure(Defence::Report).await?;
    scene.intrude().await?;
    let theirs = scene.see().await?;
    let outcome = scene.ensure(Defence::Report).await?;
    ensure!(outcome.done.is_empty(), "{:?}", outcome.done);
    let expected = (scene.object("wall").to_string(), "intruder".to_owned());
    ensure!(outcome.conflicts == [expected], "{:?}", outcome.conflicts);
    let now = scene.maps().get("wall").await?;
    ensure!(now.resource_version() == theirs.resource_version(), "it was changed");
    Ok(())
}

async fn a_status_is_written_once_and_not_to_a_later_object_of_its_name(world: World) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "status").await?;
    let condition = json!({ "type": "Tried", "status": "True", "reason": "Test", "message": "tried" });
    let status = json!({ "conditions": [condition] });
    let wanted = || Plan { status: status.clone(), ..scene.plan() };
    let outcome = scene.apply(wanted()).await;
    ensure!(outcome.failures.is_empty() && scene.writes("nodes", "status") == 1, "{outcome:?}");
    let nodes: Api<Node> = Api::all(scene.client.clone());
    let written = nodes.get(&scene.namespace).await?;
    let has = |node: &Node| {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.filter(|condition| condition.type_ == "Tried").count()
    };
    ensure!(has(&written) == 1);

    // The watch has not brought it back yet: what was written is what counts.
    let uid = scene.subject.object.uid.clone().unwrap_or_default();
    let latest = scene.overlay.latest(&uid, &scene.subject.version, scene.subject.status.clone());
    ensure!(latest.as_ref() == Some(&status), "{latest:?}");
    let seen = Subject { status: latest, ..scene.subject.clone() };
    let outcome = scene.apply_to(&seen, wanted()).await;
    ensure!(outcome.failures.is_empty() && scene.writes("nodes", "status") == 1, "{outcome:?}");
    ensure!(nodes.get(&scene.namespace).await?.resource_version() == written.resource_version());

    // Deleted, and made anew by its name: this one's status is not ours to write yet.
    nodes.delete(&scene.namespace, &DeleteParams::default()).await?;
    let anew = subject(&scene.client, &scene.namespace).await?;
    ensure!(anew.object.uid != scene.subject.object.uid);
    let outcome = scene.apply(wanted()).await;
    ensure!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let untouched = nodes.get(&scene.namespace).await?;
    ensure!(has(&untouched) == 0 && untouched.resource_version().unwrap_or_default() == anew.version);
    Ok(())
}

async fn what_cannot_be_given_back_stops_what_was_taken_before_it(world: World) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "order").await?;
    for name in ["first", "last"] {
        let uid = scene.somebodys(name).await?.uid();
        let outcome = scene.apply(Plan { borrow: vec![vec![scene.loan(name, uid)]], ..scene.plan() }).await;
        ensure!(outcome.done.len() == 1, "{outcome:?}");
    }
    // The memory of the last one is spoilt: it cannot be read any more.
    let last = scene.maps().get("last").await?;
    let (key, record) = last.annotations().iter().next().context("there is no loan")?;
    let annotate =
        |text: &str| Patch::Merge(json!({ "metadata": { "annotations": { key.as_str(): text } } }));
    scene.maps().patch("last", &PatchParams::default(), &annotate("spoilt")).await?;

    let undo = || vec![vec![scene.give_back("last")], vec![scene.give_back("first")]];
    let outcome = scene.apply(Plan { undo: undo(), ..scene.plan() }).await;
    ensure!(outcome.failures.len() == 1 && outcome.done.is_empty(), "{outcome:?}");
    ensure!(scene.datum("first", "speed").await?.as_deref() == Some("slow"), "given back out of order");

    scene.maps().patch("last", &PatchParams::default(), &annotate(record)).await?;
    let outcome = scene.apply(Plan { undo: undo(), ..scene.plan() }).await;
    let order: Vec<&str> =
        outcome.done.iter().map(|done| done.object.rsplit('/').next().unwrap_or("")).collect();
    ensure!(order == ["last", "first"] && outcome.failures.is_empty(), "{outcome:?}");
    ensure!(scene.datum("first", "speed").await?.as_deref() == Some("fast"));
    Ok(())
}

async fn what_follows_from_what_was_there_is_not_written_over_what_somebody_wrote_meanwhile(
    world: World,
) -> Result<()> {
    let scene = Scene::start(world.api_server().await?, "basis").await?;
    let wall = |height: &str, basis: Basis| Own {
        body: json!({ "data": { "height": height } }),
        basis,
        ..scene.own(Defence::PutBack)
    };
    let other = || Own { object: scene.object("other"), ..scene.own(Defence::PutBack) };
    let plan = |height: &str, basis: Basis| Plan { own: vec![other(), wall(height, basis)], ..scene.plan() };
    let height = || async { scene.datum("wall", "height").await };

    // It does not exist, and is made; then it does, as another client has made it in between.
    for (wanted, stale) in [("2", false), ("3", true)] {
        let outcome = scene.apply(plan(wanted, Basis::Absent)).await;
        ensure!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        ensure!(outcome.stale.is_empty() != stale, "{outcome:?}");
        ensure!(height().await?.as_deref() == Some("2"), "{:?}", height().await?);
    }
    let seen = |wall: &ConfigMap| Basis::Seen {
        uid: wall.uid().unwrap_or_default(),
        version: wall.resource_version().unwrap_or_default(),
    };
    let made = seen(&scene.see().await?);
    let outcome = scene.apply(plan("4", made.clone())).await;
    ensure!(outcome.stale.is_empty() && outcome.failures.is_empty(), "{outcome:?}");
    ensure!(height().await?.as_deref() == Some("4"), "{:?}", height().await?);

    // From the version of before nothing is written any more, and of the rest of the plan nothing either.
    scene.maps().delete("other", &DeleteParams::default()).await?;
    let before = scene.maps().get("wall").await?;
    let applied = scene.writes("configmaps", "apply");
    let outcome = scene.apply(plan("5", made)).await;
    ensure!(outcome.stale == [scene.object("wall").to_string()], "{outcome:?}");
    ensure!(outcome.done.is_empty() && outcome.failures.is_empty(), "{outcome:?}");
    ensure!(scene.maps().get("wall").await?.resource_version() == before.resource_version());
    ensure!(scene.maps().get_opt("other").await?.is_none(), "the rest of the plan was carried out");
    ensure!(scene.writes("configmaps", "apply") == applied, "it was written");

    // What is as it is meant to be is not sent at all, whatever it followed from.
    scene.see().await?;
    let outcome = scene.apply(Plan { own: vec![wall("4", Basis::Absent)], ..scene.plan() }).await;
    ensure!(outcome.done.is_empty() && outcome.stale.is_empty(), "{outcome:?}");

    // One that was deleted is not brought back from what was known of it.
    scene.maps().delete("wall", &DeleteParams::default()).await?;
    let outcome = scene.apply(plan("6", seen(&before))).await;
    ensure!(!outcome.stale.is_empty() && scene.maps().get_opt("wall").await?.is_none(), "{outcome:?}");
    Ok(())
}
