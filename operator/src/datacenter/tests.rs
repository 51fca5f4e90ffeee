//! What the room does that needs no API server: the one here does not answer.

use std::time::Duration;

use kube::{Client, Config, core::DeserializeGuard};
use prometheus::Registry;
use serde_json::{Value, json};

use super::*;
use crate::{
    index::{batch::Batch, feed::Index, nodes::Nodes, union::Union},
    kernel::{
        driver::Queue, events::Events, executor::Inventory, lease::Fence, loan, trail::Trail, writer::Writer,
    },
    prometheus::Clients,
};

/// A room whose API server and Prometheus are not there, and whose queue is for the caller.
pub(crate) fn room(queue: &Arc<Queue>) -> Room {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = Config::new(format!("http://{free}").parse().unwrap());
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    let metrics = KernelMetrics::new(&Registry::new()).unwrap();
    let sites = Arc::new(Resources::new(Arc::clone(queue)));
    let owned = Arc::new(OwnedConfigMaps::new("datacenter", FoundLedger::read));
    let (nodes, batch) = (Arc::new(Nodes::default()), Arc::new(Batch::default()));
    let inventory: Arc<dyn Inventory> =
        Arc::new(Union { owned: Arc::clone(&owned), nodes: Arc::clone(&nodes), batch: Arc::clone(&batch) });
    Room {
        sites,
        owned,
        observer: Observer {
            client: client.clone(),
            namespace: "banyan-system".into(),
            cluster_id: String::new(),
            enforcement: true,
            freeze_growth: true,
            prometheus: Clients::new(4, Arc::new(|_| {})),
            nodes,
            batch,
            memory: std::sync::Mutex::default(),
            desk: None,
        },
        executor: Executor {
            writer: Writer::new(
                client.clone(),
                Fence::open_for(Duration::from_mins(1)),
                metrics.clone(),
                Trail::new("test", std::io::sink()),
            ),
            events: Events::new(client, "test"),
            inventory,
            repeats: Arc::default(),
        },
        overlay: Overlay::default(),
        clock: Clock::default(),
        metrics,
        board: Board::default(),
    }
}

/// A Node that is on loan for `owner`.
pub(crate) fn lend_node(room: &Room, owner: &str) {
    let record = json!({"owner": owner, "at": "2026-03-01T00:00:00Z", "fields": []}).to_string();
    let meta = json!({
        "name": "n", "uid": "n", "resourceVersion": "1",
        "annotations": {loan::annotation("PreferElsewhere"): record}
    });
    room.observer.nodes.observe(&serde_json::from_value(meta).unwrap());
}

fn arrives(room: &Room, extra: &Value) {
    let mut site = json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter",
        "metadata": {"name": "a", "uid": "a", "generation": 1, "resourceVersion": "1"},
        "spec": {
            "location": {"timeZone": "Asia/Shanghai"},
            "energy": {"prometheus": {"url": "http://127.0.0.1:9"}, "meters": [
                {"name": "feed", "purpose": "Facility", "query": "f", "type": "Counter", "unit": "Wh", "interval": "15m"}
            ]}
        }
    });
    json_patch::merge(&mut site, extra);
    let site: DeserializeGuard<DataCenter> = serde_json::from_value(site).unwrap();
    room.sites.apply(site);
}

#[tokio::test]
async fn a_site_lends_while_it_has_something_to_undo_and_orphans_are_those_without_a_site() {
    let room = room(&Arc::default());
    arrives(&room, &json!({}));
    assert_eq!((room.lending(), room.orphans()), (vec![], vec![]));
    arrives(&room, &json!({"metadata": {"finalizers": [FINALIZER]}}));
    assert_eq!(room.lending(), ["a"]);
    lend_node(&room, "datacenter.a");
    assert_eq!(room.orphans(), Vec::<String>::new());
    room.observer.nodes.forget("n");
    lend_node(&room, "datacenter.gone");
    assert_eq!(room.orphans(), ["gone"]);
}

#[tokio::test]
async fn a_site_on_its_way_out_is_not_read() {
    let room = room(&Arc::default());
    for (extra, asked) in [(json!({}), true), (json!({"deletionTimestamp": "2026-03-01T00:00:00Z"}), false)] {
        arrives(&room, &json!({"metadata": extra}));
        let Some(Arrived::Good(dc)) = room.sites.get("a") else { panic!("it is readable") };
        let site = Site::read(&dc.spec).unwrap();
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let seen = room.observer.observe(&dc, Some(&site), None, FoundLedger::default(), &[], now).await;
        assert_eq!(seen.samples.contains_key("feed"), asked);
    }
}

#[tokio::test]
async fn a_site_that_cannot_be_decoded_may_go_when_nothing_can_be_on_loan_any_more() {
    let room = room(&Arc::default());
    let bad = |meta: Value| json!({"metadata": meta, "spec": {"location": 7}});
    arrives(&room, &bad(json!({"finalizers": [FINALIZER]})));
    assert_eq!(room.round("a").await, Some(("Undecodable", Next::After(Duration::from_mins(5)))));
    // Kueue's queues cannot be seen: the finalizer stays, and no request is made.
    arrives(&room, &bad(json!({"finalizers": [FINALIZER], "deletionTimestamp": "2026-03-01T00:00:00Z"})));
    assert_eq!(room.round("a").await, Some(("ok", Next::Failed)));
    room.observer.batch.retain_queues(&std::collections::HashSet::new());
    assert_eq!(room.round("a").await, Some(("ApiServerUnreachable", Next::Failed)));
}

#[test]
fn another_uid_another_generation_and_a_deletion_are_changes_and_a_status_is_none() {
    let meta = |extra: Value| -> ObjectMeta {
        let mut meta = json!({"name": "a", "uid": "u", "generation": 3, "resourceVersion": "7"});
        json_patch::merge(&mut meta, &extra);
        serde_json::from_value(meta).unwrap()
    };
    let old = meta(json!({}));
    assert!(!has_changed(&old, &meta(json!({"resourceVersion": "8", "finalizers": [FINALIZER]}))));
    assert!(has_changed(&old, &meta(json!({"uid": "v"}))));
    assert!(has_changed(&old, &meta(json!({"generation": 4}))));
    assert!(has_changed(&old, &meta(json!({"deletionTimestamp": "2026-03-01T00:00:00Z"}))));
}
