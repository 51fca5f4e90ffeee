//! `banyan run`: the operator.

use std::{
    fmt::Debug,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use banyan_crds::v1alpha1::{DataCenter, SecurityBaseline, Waiver};
use http::{HeaderValue, header::USER_AGENT};
use jiff::Timestamp;
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Node},
};
use kube::{
    Api, Client, Config, Resource,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::watcher,
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::world::NO_CLUSTER;
use crate::{
    baseline::{self, made::Made, packs::Packs, reports::Reports},
    datacenter::{
        self, Room,
        figures::Board,
        observe::{FoundLedger, Observer},
    },
    doctor::{OLDEST_MINOR, desk::Desk},
    index::{
        batch::Batch,
        feed::{Index, feed},
        kueue,
        nodes::Nodes,
        owned::OwnedConfigMaps,
        resources::Resources,
        union::Union,
    },
    kernel::{
        admin::{self, Readiness},
        clock::Clock,
        driver::{self, Queue},
        events::Events,
        executor::Executor,
        lease::{self, Fence, Terms},
        metrics::{self, KernelMetrics},
        overlay::Overlay,
        plan::{FIELD_MANAGER, MANAGED_BY},
        remote,
        trail::Trail,
        writer::Writer,
    },
    prometheus::Clients,
};

/// Requests to Prometheus under way at once, over all sites.
const PROMETHEUS_CONCURRENCY: usize = 16;
/// How long after a change of Nodes or batch work the sites with actions in force are looked at.
const NUDGE_AFTER: Duration = Duration::from_secs(3);
/// How often it is looked for loans of sites that are gone.
const SWEEP_EVERY: Duration = Duration::from_mins(3);
/// Objects that a list brings at once.
const PAGE: u32 = 250;
/// After this long without a byte a connection of the indexes is given up.
const SILENCE: Duration = Duration::from_mins(5);
/// How long Kueue's queues are waited for at the start.
const QUEUES_WITHIN: Duration = Duration::from_secs(15);
/// What must be filled before anything is decided.
const INDEXES: [&str; 11] = [
    "datacenters",
    "ledgers",
    "nodes",
    "cronjobs",
    "jobs",
    "securitybaselines",
    "waivers",
    "baseline-configmaps",
    "policies",
    "policy-bindings",
    "policy-packs",
];

/// Arguments of `banyan run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Banyan's own namespace: its Lease, ledgers, and the Secrets that specs refer to.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, env = "BANYAN_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Name of this replica in the Lease; the host's name by default.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// After this long without a renewal another replica takes over.
    #[arg(long, env = "BANYAN_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// Whether actions may be taken at all in this installation.
    #[arg(long, env = "BANYAN_ENFORCEMENT", default_value_t = true, action = clap::ArgAction::Set)]
    enforcement: bool,
    /// Whether the admission policy behind the action `FreezeGrowth` is installed.
    #[arg(long, env = "BANYAN_FREEZE_GROWTH", default_value_t = true, action = clap::ArgAction::Set)]
    freeze_growth: bool,
    /// How often the installation is looked at.
    #[arg(long, env = "BANYAN_DOCTOR_INTERVAL", default_value = "10m", value_parser = interval, value_name = "DURATION")]
    doctor_interval: Duration,
    /// Start the clock at this instant, for rehearsals on recorded data.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

/// How often something is done, in the API's format.
fn interval(text: &str) -> Result<Duration, String> {
    let read = banyan_crds::values::Duration::from(text).to_std().map_err(|error| error.to_string())?;
    if read < Duration::from_secs(1) { Err("it is at least 1s".to_owned()) } else { Ok(read) }
}

/// A duration in the API's format.
fn duration(text: &str) -> Result<Duration, String> {
    let read = banyan_crds::values::Duration::from(text).to_std().map_err(|error| error.to_string())?;
    if read < Duration::from_secs(3) { Err("a lease lasts at least 3s".to_owned()) } else { Ok(read) }
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (stop, mut stopped) = watch::channel(false);
    let signalled = stop.clone();
    tokio::spawn(async move {
        interrupted().await;
        tracing::info!("stopping");
        signalled.send_replace(true);
    });

    let mut config = Config::infer().await.context(NO_CLUSTER)?;
    // By this name it is in the API server's audit log.
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(concat!("banyan/", env!("CARGO_PKG_VERSION")))));
    let client = Client::try_from(config.clone()).context("the cluster's configuration cannot be used")?;
    // Before anything is served, so that nobody finds the process ready for want of anything to wait for.
    let readiness = Readiness::default();
    for index in INDEXES {
        readiness.expect(index);
    }
    let registry = metrics::registry()?;
    let kernel = KernelMetrics::new(&registry)?;
    let board = Board::default();
    registry.register(Box::new(board.clone()))?;
    let baseline_board = baseline::figures::Board::default();
    registry.register(Box::new(baseline_board.clone()))?;
    let desk = Arc::new(Desk::new(&registry, &args.namespace, args.freeze_growth)?);
    let listener =
        admin::bind(args.listen).await.with_context(|| format!("{} cannot be listened on", args.listen))?;
    tracing::info!(address = %listener.local_addr()?, "serving /metrics, /healthz and /readyz");
    let served = admin::serve(listener, readiness.clone(), registry, stopped.clone());
    let admin = tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "the admin server ended");
        }
    });

    let asked = async {
        check_version(&client).await?;
        remote::cluster_id(&client)
            .await
            .context("the cluster's identity (uid of kube-system) cannot be read")
    };
    let cluster_id = tokio::select! {
        answered = asked => answered?,
        _ = stopped.wait_for(|stop| *stop) => return Ok(ExitCode::SUCCESS),
    };

    // Two processes of one name would both take themselves for the holder.
    let identity = args.identity.clone().unwrap_or_else(|| {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "banyan".to_owned());
        format!("{host}-{}", std::process::id())
    });
    let fence = Fence::closed();
    let terms = Terms {
        namespace: args.namespace.clone(),
        name: "banyan".to_owned(),
        identity: identity.clone(),
        duration: args.lease_duration,
    };
    // Retries would let a renewal arrive after its time.
    let mut unretried = config.clone();
    unretried.default_retry = false;
    let lease_client = Client::try_from(unretried)?;
    // A watch hears something each minute, if only a bookmark; a connection that has gone silent is given up.
    let mut hearing = config;
    hearing.read_timeout = Some(SILENCE);
    let feed_client = Client::try_from(hearing)?;

    let doctor_client = client.clone();
    let queue = Arc::new(Queue::default());
    let sites = Arc::new(Resources::<DataCenter>::new(Arc::clone(&queue)));
    let owned = Arc::new(OwnedConfigMaps::new("datacenter", FoundLedger::read).telling(Arc::clone(&queue)));
    let nodes = Arc::new(Nodes::default());
    let batch = Arc::new(Batch::default());
    let estate_changed = Arc::new(Notify::new());
    let mut feeds = JoinSet::new();
    feed_indexes(
        &mut feeds,
        &feed_client,
        &args.namespace,
        &readiness,
        &sites,
        &owned,
        &nodes,
        &batch,
        &estate_changed,
    );

    let baselines = baseline_room(
        &feed_client,
        &args,
        &Writer::new(client.clone(), fence.clone(), kernel.clone(), Trail::to_stdout(&identity)),
        &Events::new(client.clone(), &identity),
        kernel.clone(),
        baseline_board,
    );
    feed_baselines(&mut feeds, &feed_client, &args.namespace, &readiness, &baselines);

    let hook_metrics = kernel.clone();
    let prometheus = Clients::new(
        PROMETHEUS_CONCURRENCY,
        Arc::new(move |asked| {
            hook_metrics.prometheus_requests.with_label_values(&[asked.outcome]).inc();
            hook_metrics.prometheus_duration.observe(asked.duration.as_secs_f64());
        }),
    );
    let room = Arc::new(Room {
        sites: Arc::clone(&sites),
        owned: Arc::clone(&owned),
        observer: Observer {
            client: client.clone(),
            namespace: args.namespace.clone(),
            cluster_id,
            enforcement: args.enforcement,
            freeze_growth: args.freeze_growth,
            prometheus,
            nodes: Arc::clone(&nodes),
            batch: Arc::clone(&batch),
            memory: std::sync::Mutex::default(),
            desk: Some(Arc::clone(&desk)),
        },
        executor: Executor {
            writer: Writer::new(client.clone(), fence.clone(), kernel.clone(), Trail::to_stdout(&identity)),
            events: Events::new(client, &identity),
            inventory: Arc::new(Union { owned, nodes, batch: Arc::clone(&batch) }),
            repeats: Arc::default(),
        },
        overlay: Overlay::default(),
        clock: args.now.map_or_else(Clock::system, Clock::starting_at),
        metrics: kernel,
        board,
    });

    let work = async {
        // Who leads decides on full indexes only: what is not seen yet would look as if it were gone. Until then another
        // may lead.
        tokio::select! {
            // What the installation is like is known before the first site is looked at, so that no condition comes and goes.
            _ = async { tokio::join!(filled(&readiness, &batch), desk.look(&doctor_client)) } => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = lead(&room, &baselines, &queue, &estate_changed, lease_client, terms, fence, stopped.clone()) => {}
            () = inspect(&desk, &doctor_client, &room, &queue, args.doctor_interval) => {}
        }
    };
    // An index that is fed no more would be decided on for ever, as it was.
    let broken = AtomicBool::new(false);
    let guard = async {
        if let Some(ended) = feeds.join_next().await {
            tracing::error!(?ended, "an index is fed no more: the process ends");
            broken.store(true, Ordering::Relaxed);
            stop.send_replace(true);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = guard => {}
    }
    feeds.shutdown().await;
    admin.abort();
    Ok(if broken.into_inner() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Works whenever this replica leads, until `stopped` says true. The lease outlives the work: it is given up only when
/// nothing is under way any more.
#[allow(clippy::too_many_arguments)] // One call, in one place.
async fn lead(
    room: &Arc<Room>,
    baselines: &Arc<baseline::Room>,
    queue: &Arc<Queue>,
    estate_changed: &Notify,
    lease_client: Client,
    terms: Terms,
    fence: Fence,
    mut stopped: watch::Receiver<bool>,
) {
    let (leading, mut led) = watch::channel(false);
    let (release, released) = watch::channel(false);
    let lease_task = tokio::spawn(lease::hold(lease_client, terms, fence, leading, released));
    loop {
        tokio::select! {
            changed = led.wait_for(|leading| *leading) => if changed.is_err() { break },
            _ = stopped.wait_for(|stop| *stop) => break,
        }
        room.metrics.leader.set(1);
        for name in room.sites.names().into_iter().chain(room.orphans()) {
            queue.now(&name);
        }
        // When it stops, the work ends by itself, after what is under way. When another leads, it ends at once: the
        // fence has closed already.
        let drive =
            driver::drive(Arc::clone(queue), datacenter::CONCURRENCY, stopped.clone(), led.clone(), |name| {
                let room = Arc::clone(room);
                async move { room.reconcile(&name).await }
            });
        let held = drive_baselines(baselines, &stopped, &led);
        tokio::select! {
            _ = async { tokio::join!(drive, held) } => {}
            () = nudge(room, queue, estate_changed) => {}
        }
        room.metrics.leader.set(0);
        room.board.clear();
        baselines.rest();
        if *stopped.borrow() {
            break;
        }
    }
    release.send_replace(true);
    let _ = lease_task.await;
}

/// Reconciles baselines and waivers while this replica leads.
async fn drive_baselines(
    room: &Arc<baseline::Room>,
    stopped: &watch::Receiver<bool>,
    led: &watch::Receiver<bool>,
) {
    for name in room.names() {
        room.queue.now(&name);
    }
    for name in room.waivers.names() {
        room.waiver_queue.now(&name);
    }
    let of_baselines =
        driver::drive(Arc::clone(&room.queue), baseline::CONCURRENCY, stopped.clone(), led.clone(), |name| {
            let room = Arc::clone(room);
            async move { room.reconcile(&name).await }
        });
    let of_waivers = driver::drive(
        Arc::clone(&room.waiver_queue),
        baseline::CONCURRENCY,
        stopped.clone(),
        led.clone(),
        |name| {
            let room = Arc::clone(room);
            async move { room.reconcile_waiver(&name).await }
        },
    );
    tokio::join!(of_baselines, of_waivers);
}

/// The room of baselines, empty. What its watches read comes by `feeds`.
fn baseline_room(
    feeds: &Client,
    args: &Args,
    writer: &Writer,
    events: &Events,
    metrics: KernelMetrics,
    board: baseline::figures::Board,
) -> Arc<baseline::Room> {
    let queue = Arc::new(Queue::default());
    let waiver_queue = Arc::new(Queue::default());
    let baselines = Arc::new(Resources::<SecurityBaseline>::new(Arc::clone(&queue)));
    let waivers = Arc::new(Resources::<Waiver>::new(Arc::clone(&waiver_queue)));
    let made = Arc::new(Made::new(&queue));
    let all = (Arc::clone(&baselines), Arc::clone(&queue));
    let packs = Arc::new(Packs::new(Box::new(move || {
        all.0.names().iter().for_each(|name| all.1.now(name));
    })));
    let inventory: Arc<dyn crate::kernel::executor::Inventory> = Arc::clone(&made) as _;
    let room = Arc::new(baseline::Room {
        client: feeds.clone(),
        namespace: args.namespace.clone(),
        baselines,
        waivers,
        packs,
        reports: Arc::new(Reports::default()),
        made,
        executor: Executor {
            writer: writer.clone(),
            events: events.clone(),
            inventory,
            repeats: Arc::default(),
        },
        overlay: Overlay::default(),
        waiver_overlay: Overlay::default(),
        clock: args.now.map_or_else(Clock::system, Clock::starting_at),
        metrics,
        board,
        queue,
        waiver_queue,
        watched: std::sync::Mutex::default(),
        told: std::sync::Mutex::default(),
    });
    let told = Arc::downgrade(&room);
    room.reports.telling(Arc::new(move |name| {
        if let Some(room) = told.upgrade() {
            room.doubt_report(name.as_deref());
        }
    }));
    room
}

/// Feeds an index by a task of its own, which answers its name should it ever end.
fn spawn_feed<K, I>(
    tasks: &mut JoinSet<&'static str>,
    readiness: &Readiness,
    changed: &Arc<Notify>,
    name: &'static str,
    api: Api<K>,
    config: watcher::Config,
    index: &Arc<I>,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default + Clone + Send + Sync,
    I: Index<K>,
{
    let fed = feed(api, config, Arc::clone(index), name, readiness.clone(), Arc::clone(changed));
    tasks.spawn(async move {
        fed.await;
        name
    });
}

fn feed_baselines(
    tasks: &mut JoinSet<&'static str>,
    client: &Client,
    namespace: &str,
    readiness: &Readiness,
    room: &Arc<baseline::Room>,
) {
    let quiet = Arc::new(Notify::new());
    let few = || watcher::Config::default().page_size(50);
    let ours = || few().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let baselines: Api<DeserializeGuard<SecurityBaseline>> = Api::all(client.clone());
    let waivers: Api<DeserializeGuard<Waiver>> = Api::all(client.clone());
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    spawn_feed(tasks, readiness, &quiet, "securitybaselines", baselines, few(), &room.baselines);
    spawn_feed(tasks, readiness, &quiet, "waivers", waivers, few(), &room.waivers);
    spawn_feed(tasks, readiness, &quiet, "baseline-configmaps", maps.clone(), ours(), &room.made.maps);
    spawn_feed(tasks, readiness, &quiet, "policies", policies, ours(), &room.made.policies);
    spawn_feed(tasks, readiness, &quiet, "policy-bindings", bindings, ours(), &room.made.bindings);
    spawn_feed(
        tasks,
        readiness,
        &quiet,
        "policy-packs",
        maps,
        few().labels(baseline::packs::LABEL),
        &room.packs,
    );
    for (api, namespaced) in baseline::reports::KINDS {
        let (reports, client) = (Arc::clone(&room.reports), client.clone());
        tasks.spawn(async move {
            reports.feed(client, api, namespaced).await;
            "reports"
        });
    }
}

/// Looks at the installation now and then, and at every site when something else is found.
async fn inspect(desk: &Desk, client: &Client, room: &Room, queue: &Queue, every: Duration) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick is due at once, and has been done.
    tick.tick().await;
    loop {
        tick.tick().await;
        if desk.look(client).await {
            for name in room.sites.names() {
                queue.now(&name);
            }
        }
    }
}

/// Batch work and Nodes that come or change may be due for an action that is in force, or hold what was lent to a site
/// that is gone.
async fn nudge(room: &Room, queue: &Queue, changed: &Notify) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        let estate = tokio::select! {
            () = changed.notified() => true,
            _ = sweep.tick() => false,
        };
        // What changes in a row is looked at once.
        let soon = tokio::time::Instant::now() + NUDGE_AFTER;
        let due = if estate { room.lending() } else { Vec::new() };
        for name in due.into_iter().chain(room.orphans()) {
            queue.at(&name, soon);
        }
        tokio::time::sleep_until(soon).await;
    }
}

#[allow(clippy::too_many_arguments)] // One call, in one place: every index of the process.
fn feed_indexes(
    tasks: &mut JoinSet<&'static str>,
    client: &Client,
    namespace: &str,
    readiness: &Readiness,
    sites: &Arc<Resources<DataCenter>>,
    owned: &Arc<OwnedConfigMaps<FoundLedger>>,
    nodes: &Arc<Nodes>,
    batch: &Arc<Batch>,
    estate_changed: &Arc<Notify>,
) {
    let quiet = Arc::new(Notify::new());
    let paged = || watcher::Config::default().page_size(PAGE);
    let guarded: Api<DeserializeGuard<DataCenter>> = Api::all(client.clone());
    // Each has its status and months: few at a time keep the peak low.
    let few = watcher::Config::default().page_size(50);
    let ours = paged().page_size(50).labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let metas: Api<PartialObjectMeta<Node>> = Api::all(client.clone());
    let crons: Api<CronJob> = Api::all(client.clone());
    let jobs: Api<Job> = Api::all(client.clone());
    spawn_feed(tasks, readiness, &quiet, "datacenters", guarded, few, sites);
    spawn_feed(tasks, readiness, &quiet, "ledgers", maps, ours, owned);
    spawn_feed(tasks, readiness, estate_changed, "nodes", metas, paged(), nodes);
    spawn_feed(tasks, readiness, estate_changed, "cronjobs", crons, paged(), batch);
    spawn_feed(tasks, readiness, estate_changed, "jobs", jobs, paged(), batch);
    let queues = kueue::feed(client.clone(), Arc::clone(batch), Arc::clone(estate_changed));
    tasks.spawn(async move {
        queues.await;
        "clusterqueues"
    });
}

/// Waits until every index is filled. Kueue's queues are waited for as well, but not for ever: they may be broken while
/// everything else can be judged.
async fn filled(readiness: &Readiness, batch: &Batch) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while !readiness.missing().is_empty() {
        tick.tick().await;
    }
    let queues = async {
        while !batch.queues_known() {
            tick.tick().await;
        }
    };
    if tokio::time::timeout(QUEUES_WITHIN, queues).await.is_err() {
        tracing::warn!("Kueue's ClusterQueues cannot be listed: no batch work is held until they are");
    }
}

async fn check_version(client: &Client) -> anyhow::Result<()> {
    let version = client.apiserver_version().await.context("the API server does not answer")?;
    let minor: Option<u32> = version.minor.trim_end_matches('+').parse().ok();
    if version.major == "1" && minor.is_some_and(|minor| minor < OLDEST_MINOR) {
        anyhow::bail!(
            "Kubernetes {} is too old: Banyan needs 1.{OLDEST_MINOR} or newer",
            version.git_version
        );
    }
    tracing::info!(version = version.git_version, "connected");
    Ok(())
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be handled");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_lent_to_a_site_that_is_gone_is_swept_when_it_is_seen_and_now_and_then() {
        let queue = Arc::new(Queue::default());
        let room = datacenter::tests::room(&queue);
        let changed = Notify::new();
        let waiting = async {
            // The sweep of the beginning finds nothing.
            tokio::time::sleep(NUDGE_AFTER * 2).await;
            assert_eq!(queue.due("gone"), None);
            datacenter::tests::lend_node(&room, "datacenter.gone");
            changed.notify_one();
            tokio::time::sleep(NUDGE_AFTER).await;
            assert!(queue.due("gone").is_some());
            // Without any news.
            queue.forget("gone");
            tokio::time::sleep(SWEEP_EVERY).await;
            assert!(queue.due("gone").is_some());
        };
        tokio::select! {
            () = nudge(&room, &queue, &changed) => {}
            () = waiting => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn broken_queues_are_waited_for_a_while_and_an_index_until_it_is_filled() {
        let (readiness, batch) = (Readiness::default(), Batch::default());
        readiness.expect("nodes");
        let long = Duration::from_hours(1);
        assert!(tokio::time::timeout(long, filled(&readiness, &batch)).await.is_err());
        readiness.filled("nodes");
        let began = tokio::time::Instant::now();
        filled(&readiness, &batch).await;
        assert!((QUEUES_WITHIN..QUEUES_WITHIN * 2).contains(&began.elapsed()));
    }
}
