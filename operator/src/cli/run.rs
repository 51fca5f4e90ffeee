//! `banyan run`: the operator.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use banyan_crds::v1alpha1::DataCenter;
use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Node},
};
use kube::{
    Api, Client, Config,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::watcher,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use crate::{
    datacenter::{
        self, Room,
        figures::Board,
        observe::{FoundLedger, Observer},
    },
    index::{
        batch::Batch, feed::feed, kueue, nodes::Nodes, owned::OwnedConfigMaps, resources::Resources,
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
        writer::Writer,
    },
    prometheus::Clients,
};

/// Oldest Kubernetes that Banyan works with: `MutatingAdmissionPolicy` is v1 from there on.
const OLDEST_MINOR: u32 = 36;
/// Requests to Prometheus under way at once, over all sites.
const PROMETHEUS_CONCURRENCY: usize = 16;
/// How long after a change of Nodes or batch work the sites with actions in force are looked at.
const NUDGE_AFTER: Duration = Duration::from_secs(3);
/// Objects that a list brings at once.
const PAGE: u32 = 250;

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
    /// Start the clock at this instant, for rehearsals on recorded data.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

/// A duration in the API's format.
fn duration(text: &str) -> Result<Duration, String> {
    let read = banyan_crds::values::Duration::from(text).to_std().map_err(|error| error.to_string())?;
    if read < Duration::from_secs(3) { Err("a lease lasts at least 3s".to_owned()) } else { Ok(read) }
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        interrupted().await;
        tracing::info!("stopping");
        stop.send_replace(true);
    });

    let config =
        Config::infer().await.context("no cluster: neither a kubeconfig nor a service account was found")?;
    let client = Client::try_from(config.clone()).context("the cluster's configuration cannot be used")?;
    check_version(&client).await?;
    let cluster_id = remote::cluster_id(&client)
        .await
        .context("the cluster's identity (uid of kube-system) cannot be read")?;

    let registry = metrics::registry()?;
    let kernel = KernelMetrics::new(&registry)?;
    let board = Board::default();
    registry.register(Box::new(board.clone()))?;
    let readiness = Readiness::default();
    let listener =
        admin::bind(args.listen).await.with_context(|| format!("{} cannot be listened on", args.listen))?;
    tracing::info!(address = %listener.local_addr()?, "serving /metrics, /healthz and /readyz");
    let mut tasks: JoinSet<()> = JoinSet::new();
    {
        let (readiness, registry, stopped) = (readiness.clone(), registry.clone(), stopped.clone());
        tasks.spawn(async move {
            if let Err(error) = admin::serve(listener, readiness, registry, stopped).await {
                tracing::error!(%error, "the admin server ended");
            }
        });
    }

    // Two processes of one name would both take themselves for the holder.
    let identity = args.identity.clone().unwrap_or_else(|| {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "banyan".to_owned());
        format!("{host}-{}", std::process::id())
    });
    let fence = Fence::closed();
    let (leading, mut led) = watch::channel(false);
    let terms = Terms {
        namespace: args.namespace.clone(),
        name: "banyan".to_owned(),
        identity: identity.clone(),
        duration: args.lease_duration,
    };
    // Retries would let a renewal arrive after its time.
    let mut unretried = config;
    unretried.default_retry = false;
    let lease_client = Client::try_from(unretried)?;

    let queue = Arc::new(Queue::default());
    let sites = Arc::new(Resources::<DataCenter>::new(Arc::clone(&queue)));
    let owned = Arc::new(OwnedConfigMaps::new(FoundLedger::read));
    let nodes = Arc::new(Nodes::default());
    let batch = Arc::new(Batch::default());
    let estate_changed = Arc::new(Notify::new());
    feed_indexes(
        &mut tasks,
        &client,
        &args.namespace,
        &readiness,
        &sites,
        &owned,
        &nodes,
        &batch,
        &estate_changed,
    );

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
        },
        executor: Executor {
            writer: Writer::new(client.clone(), fence.clone(), kernel.clone()),
            events: Events::new(client, &identity),
            inventory: Arc::new(Union { owned, nodes, batch }),
        },
        overlay: Overlay::default(),
        clock: args.now.map_or_else(Clock::system, Clock::starting_at),
        metrics: kernel.clone(),
        board: board.clone(),
    });

    // The lease outlives the work: it is given up only when nothing is under way any more.
    let (release, released) = watch::channel(false);
    let lease_task = tokio::spawn(lease::hold(lease_client, terms, fence, leading, released));
    let mut stopping = stopped.clone();
    loop {
        tokio::select! {
            changed = led.wait_for(|leading| *leading) => if changed.is_err() { break },
            _ = stopping.wait_for(|stop| *stop) => break,
        }
        kernel.leader.set(1);
        // A leader decides on full indexes only: what is not seen yet would look as if it were gone.
        let work = async {
            filled(&readiness).await;
            for name in sites.names().into_iter().chain(room.orphans()) {
                queue.now(&name);
            }
            let drive = driver::drive(Arc::clone(&queue), datacenter::CONCURRENCY, stopped.clone(), |name| {
                let room = Arc::clone(&room);
                async move { room.reconcile(&name).await }
            });
            tokio::select! {
                () = drive => {}
                () = nudge(&sites, &queue, &estate_changed) => {}
            }
        };
        // When it stops, the work ends by itself, after what is under way. When another leads, it ends at once: the
        // fence has closed already.
        tokio::select! {
            () = work => {}
            _ = led.wait_for(|leading| !*leading) => {}
        }
        kernel.leader.set(0);
        board.clear();
        if *stopping.borrow() {
            break;
        }
    }
    release.send_replace(true);
    let _ = lease_task.await;
    tasks.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Batch work and Nodes that come or change may be due for an action that is in force.
async fn nudge(sites: &Resources<DataCenter>, queue: &Queue, changed: &Notify) {
    loop {
        changed.notified().await;
        // What changes in a row is looked at once.
        let soon = tokio::time::Instant::now() + NUDGE_AFTER;
        for dc in sites.all() {
            let engaged = dc.status.as_ref().and_then(|status| status.enforcement.as_ref());
            if engaged.is_some_and(|enforcement| !enforcement.engaged.is_empty()) {
                queue.at(&kube::ResourceExt::name_any(dc.as_ref()), soon);
            }
        }
        tokio::time::sleep_until(soon).await;
    }
}

#[allow(clippy::too_many_arguments)] // One call, in one place: every index of the process.
fn feed_indexes(
    tasks: &mut JoinSet<()>,
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
    for name in ["datacenters", "ledgers", "nodes", "cronjobs", "jobs", "clusterqueues"] {
        readiness.expect(name);
    }
    let guarded: Api<DeserializeGuard<DataCenter>> = Api::all(client.clone());
    // Each has its status and months: few at a time keep the peak low.
    let few = watcher::Config::default().page_size(50);
    tasks.spawn(feed(guarded, few, Arc::clone(sites), "datacenters", readiness.clone(), Arc::clone(&quiet)));
    let ours = paged().page_size(50).labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    tasks.spawn(feed(maps, ours, Arc::clone(owned), "ledgers", readiness.clone(), quiet));
    let metas: Api<PartialObjectMeta<Node>> = Api::all(client.clone());
    tasks.spawn(feed(
        metas,
        paged(),
        Arc::clone(nodes),
        "nodes",
        readiness.clone(),
        Arc::clone(estate_changed),
    ));
    let crons: Api<CronJob> = Api::all(client.clone());
    tasks.spawn(feed(
        crons,
        paged(),
        Arc::clone(batch),
        "cronjobs",
        readiness.clone(),
        Arc::clone(estate_changed),
    ));
    let jobs: Api<Job> = Api::all(client.clone());
    tasks.spawn(feed(
        jobs,
        paged(),
        Arc::clone(batch),
        "jobs",
        readiness.clone(),
        Arc::clone(estate_changed),
    ));
    tasks.spawn(kueue::feed(
        client.clone(),
        Arc::clone(batch),
        readiness.clone(),
        Arc::clone(estate_changed),
    ));
}

/// Waits until every index is filled.
async fn filled(readiness: &Readiness) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while !readiness.missing().is_empty() {
        tick.tick().await;
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
