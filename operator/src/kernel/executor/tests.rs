//! What the executor does when the API server does not answer. What it does when one does is tested against a real one.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Client, Config, core::ApiResource};
use prometheus::Registry;

use super::*;
use crate::kernel::{
    lease::Fence,
    loan::{Field, Guard, Loan},
    metrics::KernelMetrics,
    trail::Trail,
};

fn map(name: &str) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<ConfigMap>(&()),
        namespace: Some("a".into()),
        name: name.into(),
        uid: Some(format!("uid-{name}")),
    }
}

/// Something that is no longer planned.
struct Stale;

impl Inventory for Stale {
    fn of(&self, _: &Owner) -> Vec<Entry> {
        ["stale", "mark"].map(|name| Entry { object: map(name), intent: None, live: None }).into()
    }
    fn observed(&self, _: &DynamicObject) {}
    fn removed(&self, _: &ObjectRef) {}
}

/// Carries out a plan before an API server that is not there. Answers what was tried.
async fn tried(finalizer: bool, undo: Vec<Vec<Undo>>) -> Vec<String> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = Config::new(format!("http://{free}").parse().unwrap());
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    let metrics = KernelMetrics::new(&Registry::new()).unwrap();
    let executor = Executor {
        writer: Writer::new(
            client.clone(),
            Fence::open_for(Duration::from_mins(1)),
            metrics,
            Trail::new("test", std::io::sink()),
        ),
        events: Events::new(client, "test"),
        inventory: Arc::new(Stale),
        repeats: Arc::default(),
    };
    let subject = Subject {
        object: map("site"),
        reference: ObjectReference::default(),
        generation: None,
        finalizer: false,
        status: Some(json!({})),
        version: String::new(),
    };
    let own = |name, lends| Own {
        object: map(name),
        body: json!({}),
        basis: Basis::Any,
        defence: Defence::PutBack,
        labels: std::collections::BTreeMap::new(),
        owner_reference: None,
        lends,
        action: None,
        why: String::new(),
        until: None,
    };
    let loan = Loan {
        object: map("borrowed"),
        action: "Test".into(),
        fields: vec![Field { pointer: "/data/x".into(), set: json!("y"), element_keys: vec![] }],
        guard: Guard::None,
        fought: None,
        why: String::new(),
        until: None,
    };
    let plan = Plan {
        owner: Owner { kind: "datacenter", name: "a".into() },
        finalizer,
        undo,
        own: vec![own("ledger", false), own("mark", true)],
        keep: vec![],
        borrow: vec![vec![loan]],
        status: json!({}),
        notices: vec![],
        found: vec![],
        next: Duration::ZERO,
    };
    let outcome = executor
        .apply(&subject, plan, &Overlay::default(), jiff::Timestamp::UNIX_EPOCH, |status, _| status)
        .await;
    outcome.failures.iter().map(|error| error.what().replace("ConfigMap a/", "")).collect()
}

fn give_back(name: &str) -> Vec<Undo> {
    vec![Undo::Return { object: map(name), action: "Test".into(), terms: vec![], why: String::new() }]
}

#[tokio::test]
async fn without_its_finalizer_nothing_is_borrowed_and_all_else_goes_on() {
    assert_eq!(tried(false, vec![]).await, ["borrowed", "ledger", "mark", "stale"]);
    assert_eq!(tried(true, vec![]).await, ["ledger", "site", "stale"]);
}

#[tokio::test]
async fn what_cannot_be_given_back_stops_what_was_taken_before_it() {
    // Neither is what is no longer planned removed: it may have been made before it.
    assert_eq!(
        tried(false, vec![give_back("last"), give_back("first")]).await,
        ["borrowed", "last", "ledger", "mark"]
    );
}

#[test]
fn only_a_conflict_of_field_managers_names_them() {
    let status = |reason: &str| -> kube::core::Status {
        serde_json::from_value(json!({
            "status": "Failure", "code": 409, "reason": "Conflict", "message": "conflict",
            "details": {"causes": [
                {"reason": reason, "message": "conflict with \"kubectl\" using v1", "field": ".data.x"}
            ]}
        }))
        .unwrap()
    };
    assert_eq!(managers(Some(&status("FieldManagerConflict"))).as_deref(), Some("kubectl"));
    assert_eq!(managers(Some(&status("UnexpectedServerResponse"))), None);
    let mut bare = status("FieldManagerConflict");
    bare.details = None;
    assert_eq!(managers(Some(&bare)), None);
}
