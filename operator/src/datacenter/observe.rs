//! Gathers what a decision about a site needs. All reading is here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use banyan_crds::v1alpha1::{DataCenter, DataCenterStatus, PrometheusServer};
use jiff::{Timestamp, civil::Date};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};

mod days;
mod found;
mod span;

use super::{
    energy::Sample,
    holds::{self, Estate},
    ledger::{Change, Ledger, Racks},
    site::Side,
    spec::{Site, SiteMeter},
    verdict::Standing,
    windows,
};
use crate::{
    doctor::{Found, desk::Desk},
    index::{batch::Batch, nodes::Nodes},
    kernel::{loan::Record, plan::Owner, remote},
    prometheus::{Auth, Client as PrometheusClient, Clients, QueryError, Settings, fetch_meter, fetch_value},
};

pub use found::{FoundLedger, LEDGER_KEY, METERS_KEY, PROVENANCE_KEY};

/// How long credentials and certificates read from Secrets and `ConfigMaps` are taken to be current.
const SETTINGS_FOR: Duration = Duration::from_mins(2);
/// Type of Secrets that hold a credential of this cluster's API server.
const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";
/// How long the identity of a cluster is taken to be known.
const CLUSTER_FOR: Duration = Duration::from_mins(10);

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// Constant word for a condition's reason.
    pub reason: &'static str,
    /// What was attempted, and what to do next.
    pub message: String,
    /// There was an answer, and it had nothing in it.
    pub empty: bool,
}

/// What a look at the days for the ledger brought. Samples of days are worked on as they arrive and not kept.
#[derive(Clone, Debug)]
pub struct ClosedDays {
    /// The ledger with the days in it.
    pub ledger: Arc<Ledger>,
    /// Days that are new or changed.
    pub changes: Vec<(Date, Change)>,
    /// Every meter that the days need has answered for all of them.
    pub complete: bool,
}

/// Air at the inlets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Air {
    /// Highest inlet temperature, °C.
    pub hottest: f64,
    /// Lowest and highest relative humidity, percent.
    pub humidity: Option<(f64, f64)>,
}

/// Everything that a decision about a site needs.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Now.
    pub now: Timestamp,
    /// Banyan's namespace.
    pub namespace: String,
    /// The status to go on from, own writes included.
    pub status: Option<DataCenterStatus>,
    /// The ledger.
    pub found: FoundLedger,
    /// Days that were looked at for the ledger, where it was time to.
    pub days: Option<ClosedDays>,
    /// Recent samples of each meter, or why there are none.
    pub samples: BTreeMap<String, Result<Vec<Sample>, Blind>>,
    /// Air at the inlets, where it is asked for.
    pub air: Option<Result<Air, Blind>>,
    /// Racks in use, where they are asked for.
    pub racks_in_use: Option<Result<i64, Blind>>,
    /// The cluster as far as actions go.
    pub estate: Estate,
    /// Enforcement is on in this installation.
    pub enforcement: bool,
    /// The admission policy of `FreezeGrowth` is part of this installation.
    pub freeze_growth: bool,
    /// Whether the site's cluster is the one that Banyan runs in; what is wrong with it where that cannot be told.
    pub here: Result<bool, Blind>,
    /// What was found of the installation, this site's Prometheus included; nothing where nobody looks.
    pub installation: Vec<Found>,
}

impl Observation {
    /// Racks in use as last told, by the spec or by an earlier look.
    fn racks_told(&self, dc: &DataCenter) -> Racks {
        let declared = dc.spec.racks.as_ref();
        let seen = declared.filter(|racks| racks.in_use_query.is_some());
        let last = seen.and(self.status.as_ref()).and_then(|status| status.racks_in_use);
        last.or(declared.and_then(|racks| racks.in_use)).map(Racks::of).unwrap_or_default()
    }
}

/// What observing needs: connections and indexes.
pub struct Observer {
    /// The cluster that Banyan runs in.
    pub client: Client,
    /// Banyan's namespace.
    pub namespace: String,
    /// Uid of this cluster's `kube-system` Namespace.
    pub cluster_id: String,
    /// Enforcement is on in this installation.
    pub enforcement: bool,
    /// The admission policy of `FreezeGrowth` is part of this installation.
    pub freeze_growth: bool,
    /// Clients of the servers that hold readings.
    pub prometheus: Clients,
    /// Nodes.
    pub nodes: Arc<Nodes>,
    /// Batch work.
    pub batch: Arc<Batch>,
    /// What is remembered for a while.
    pub memory: Mutex<HashMap<String, Memory>>,
    /// What the operator finds of its installation; none for commands.
    pub desk: Option<Arc<Desk>>,
}

/// What is remembered of a site for a while.
#[derive(Clone, Default)]
pub struct Memory {
    settings: Option<(Instant, PrometheusServer, Settings)>,
    cluster: Option<(Instant, String, Result<(), Blind>)>,
    days: Option<days::LookedAt>,
    /// A look whose days are not in the ledger yet.
    looking: Option<days::LookedAt>,
}

impl Observer {
    /// Forgets a site that is gone.
    pub fn forget(&self, name: &str) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(desk) = &self.desk {
            desk.forget(name);
        }
    }

    /// Nodes and batch work that are on loan for `owner`.
    pub fn lent_to(&self, owner: &Owner) -> Estate {
        let owner = owner.to_string();
        let ours = |loans: &[(String, Record)]| loans.iter().any(|(_, record)| record.owner == owner);
        Estate {
            nodes: self.nodes.select(|node| ours(&node.loans)),
            batch: self.batch.select(|entry| ours(&entry.loans)),
            queues_known: self.batch.queues_known(),
        }
    }

    /// Names of the sites for which something is on loan.
    pub fn borrowers(&self) -> Vec<String> {
        let nodes = self.nodes.select(|node| !node.loans.is_empty());
        let batch = self.batch.select(|entry| !entry.loans.is_empty());
        let loans =
            nodes.iter().flat_map(|node| &node.loans).chain(batch.iter().flat_map(|entry| &entry.loans));
        let names: BTreeSet<String> = loans
            .filter_map(|(_, record)| record.owner.strip_prefix("datacenter.").map(str::to_owned))
            .collect();
        names.into_iter().collect()
    }

    fn remembered(&self, name: &str) -> Memory {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }

    fn remember(&self, name: &str, change: impl FnOnce(&mut Memory)) {
        change(
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default(),
        );
    }

    /// Observes a site. `twins` are names of other sites with the same cluster id.
    pub async fn observe(
        &self,
        dc: &DataCenter,
        site: Option<&Site>,
        status: Option<DataCenterStatus>,
        found: FoundLedger,
        twins: &[String],
        now: Timestamp,
    ) -> Observation {
        let name = dc.name_any();
        let owner = Owner { kind: "datacenter", name: name.clone() }.to_string();
        let deleting = dc.metadata.deletion_timestamp.is_some();
        let selector = dc.spec.node_selector.as_ref();
        let ours = |loans: &[(String, Record)]| loans.iter().any(|(_, record)| record.owner == owner);
        // Asked first: queues that come to be known meanwhile are left to the next look.
        let queues_known = self.batch.queues_known();
        let estate = Estate {
            nodes: self.nodes.select(|node| holds::has_node(selector, &node.labels) || ours(&node.loans)),
            batch: self.batch.select(|entry| holds::has_batch(&name, selector, entry) || ours(&entry.loans)),
            queues_known,
        };
        let mut observation = Observation {
            now,
            namespace: self.namespace.clone(),
            days: None,
            samples: BTreeMap::new(),
            air: None,
            racks_in_use: None,
            estate,
            enforcement: self.enforcement,
            freeze_growth: self.freeze_growth,
            // A site on its way out gives everything back, wherever it is and whatever its meters say.
            here: if deleting { Ok(true) } else { self.place(dc, twins).await },
            status,
            found,
            installation: self.desk.as_ref().map(|desk| desk.found()).unwrap_or_default(),
        };
        let (Some(site), Some(energy), false) = (site, &dc.spec.energy, deleting) else { return observation };

        let client = match self.prometheus(&name, &energy.prometheus).await {
            Ok(client) => client,
            Err(blind) => {
                let answers = site.meters.iter().map(|meter| (meter.meter.name.clone(), Err(blind.clone())));
                observation.samples = answers.collect();
                return observation;
            }
        };
        let to = now.as_millisecond();
        let racks_told = observation.racks_told(dc);
        let recent = match self.close_days(&name, site, &client, &observation, racks_told).await {
            Some((days, recent)) => {
                observation.days = Some(days);
                recent
            }
            None => BTreeMap::new(),
        };
        let down = read_live(site, &client, recent, &mut observation).await;
        if let Some(thermal) = &dc.spec.thermal {
            let humidity = thermal.relative_humidity_query.as_deref();
            observation.air = Some(match &down {
                Some(blind) => Err(blind.clone()),
                None => air(&client, &thermal.inlet_temperature_query, humidity, to).await,
            });
        }
        if let Some(query) = dc.spec.racks.as_ref().and_then(|racks| racks.in_use_query.as_deref()) {
            observation.racks_in_use = Some(match &down {
                Some(blind) => Err(blind.clone()),
                None => racks(&client, query, to).await,
            });
        }
        if let Some(desk) = self.desk.as_ref().filter(|_| down.is_none()) {
            observation.installation = self.with_server(desk, dc, site, &observation).await;
        }
        if down.is_some_and(|blind| blind.reason == "PrometheusUnauthorized") {
            // Credentials may have been rotated: read them again next time.
            self.remember(&name, |memory| memory.settings = None);
        }
        observation
    }

    /// The ledger of a site that the index does not know: one without its labels, restored from a backup perhaps, must
    /// not be taken for none.
    pub async fn ledger_by_name(&self, name: &str) -> FoundLedger {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let object = format!("banyan-ledger-{name}");
        match bounded(&format!("ConfigMap {object}"), api.get_opt(&object)).await {
            Ok(None) => FoundLedger::default(),
            Ok(Some(object)) => FoundLedger::read(&object)
                .unwrap_or_else(|| FoundLedger::unreadable(format!("it has no key {LEDGER_KEY}"))),
            Err(blind) => FoundLedger::unreadable(blind.message),
        }
    }

    /// Whether the site's cluster is this one.
    async fn place(&self, dc: &DataCenter, twins: &[String]) -> Result<bool, Blind> {
        let Some(cluster) = &dc.spec.cluster else { return Ok(true) };
        if let Some(twin) = twins.first() {
            return Err(Blind {
                reason: "DuplicateCluster",
                message: format!(
                    "spec.cluster.id: site {twin} has the same cluster id; a cluster runs in one site"
                ),
                empty: false,
            });
        }
        let name = dc.name_any();
        if let Some(reference) = &cluster.kubeconfig_secret_ref {
            let asked = format!("{}/{}/{}", cluster.id, reference.name, reference.key);
            let known = self
                .remembered(&name)
                .cluster
                .filter(|(at, key, _)| *key == asked && at.elapsed() < CLUSTER_FOR);
            let result = if let Some((_, _, result)) = known {
                result
            } else {
                let result = self.identify(&cluster.id, &reference.name.0, &reference.key.0).await;
                // What failed is looked at again soon.
                if result.is_ok() {
                    self.remember(&name, |memory| {
                        memory.cluster = Some((Instant::now(), asked, result.clone()));
                    });
                }
                result
            };
            result?;
        }
        Ok(cluster.id == self.cluster_id)
    }

    async fn identify(&self, id: &str, secret: &str, key: &str) -> Result<(), Blind> {
        let text = self.secret_key(secret, key).await?;
        let refused = |error: &remote::RemoteError| Blind {
            reason: error.category(),
            message: format!("spec.cluster: {error}"),
            empty: false,
        };
        let config = remote::vet(&text).map_err(|error| refused(&error))?;
        let client = remote::connect(config).await.map_err(|error| refused(&error))?;
        remote::identify(&client, id).await.map_err(|error| refused(&error))
    }

    /// The client for a server, with its credentials.
    async fn prometheus(&self, name: &str, server: &PrometheusServer) -> Result<PrometheusClient, Blind> {
        let known =
            self.remembered(name).settings.filter(|(at, of, _)| of == server && at.elapsed() < SETTINGS_FOR);
        let settings = if let Some((_, _, settings)) = known {
            settings
        } else {
            let settings = self.settings(server).await?;
            self.remember(name, |memory| {
                memory.settings = Some((Instant::now(), server.clone(), settings.clone()));
            });
            settings
        };
        self.prometheus.get(&settings).map_err(|error| blind(&error))
    }

    async fn settings(&self, server: &PrometheusServer) -> Result<Settings, Blind> {
        let auth = match &server.auth_secret_ref {
            None => None,
            Some(reference) => Some(credentials(&self.secret(&reference.name.0).await?, &reference.name.0)?),
        };
        let ca_pem = match &server.ca_config_map_ref {
            None => None,
            Some(reference) => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
                let found =
                    bounded(&format!("ConfigMap {}", reference.name), api.get(&reference.name.0)).await?;
                let text = found.data.as_ref().and_then(|data| data.get(&reference.key.0)).cloned();
                Some(text.map(String::into_bytes).ok_or_else(|| Blind {
                    reason: "ConfigMapIncomplete",
                    message: format!("ConfigMap {} has no key {}", reference.name, reference.key),
                    empty: false,
                })?)
            }
        };
        let timeout = server.timeout.to_std().unwrap_or(Duration::from_secs(10));
        Ok(Settings { url: server.url.clone(), timeout, auth, ca_pem })
    }

    async fn secret(&self, name: &str) -> Result<Secret, Blind> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        bounded(&format!("Secret {name}"), api.get(name)).await
    }

    async fn secret_key(&self, name: &str, key: &str) -> Result<String, Blind> {
        let secret = self.secret(name).await?;
        let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone());
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| Blind {
            reason: "SecretIncomplete",
            message: format!("Secret {name} has no text under the key {key}"),
            empty: false,
        })
    }
}

/// What a Secret says about who asks. The message never has what is in it.
fn credentials(secret: &Secret, name: &str) -> Result<Auth, Blind> {
    let refused = |reason, message| Err(Blind { reason, message, empty: false });
    if secret.type_.as_deref() == Some(SERVICE_ACCOUNT_TOKEN) {
        return refused(
            "SecretRefused",
            format!(
                "Secret {name} is the token of a service account, which is for the API server and goes to no other \
                 server; name a Secret with credentials made for this Prometheus"
            ),
        );
    }
    let value = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        String::from_utf8(bytes.0.clone()).ok()
    };
    match (value("token"), value("username"), value("password")) {
        (Some(token), ..) => Ok(Auth::Bearer(crate::prometheus::Secret::new(&token))),
        (None, Some(username), Some(password)) => Ok(Auth::Basic {
            username: username.trim_end_matches(['\r', '\n']).to_owned(),
            password: crate::prometheus::Secret::new(&password),
        }),
        _ => refused(
            "SecretIncomplete",
            format!("Secret {name}: it needs the key token, or the keys username and password"),
        ),
    }
}

/// Reads the recent samples of every meter, those that the PUE needs first, but for what is in `recent` already. Answers
/// the fault of the server, if it is the server's.
async fn read_live(
    site: &Site,
    client: &PrometheusClient,
    mut recent: BTreeMap<String, Vec<Sample>>,
    observation: &mut Observation,
) -> Option<Blind> {
    let to = observation.now.as_millisecond();
    let mut ordered: Vec<_> = site.meters.iter().collect();
    ordered.sort_by_key(|meter| Side::of(meter.meter.purpose).is_none());
    let mut down: Option<Blind> = None;
    for meter in ordered {
        let answer = match (recent.remove(&meter.meter.name), &down) {
            (Some(known), _) => Ok(known),
            // The server itself is the trouble: the next meter would only wait as long again.
            (None, Some(blind)) => Err(blind.clone()),
            (None, None) => {
                samples(client, meter, live_start(site, meter, observation), to).await.map_err(|error| {
                    let blind = blind(&error);
                    // Whether slow queries are the queries' fault or the server's, the client finds out.
                    if error.concerns_server() {
                        down = Some(blind.clone());
                    }
                    blind
                })
            }
        };
        observation.samples.insert(meter.meter.name.clone(), answer);
    }
    down
}

/// From when on a meter's readings are wanted to judge the windows.
fn live_start(site: &Site, meter: &SiteMeter, observation: &Observation) -> i64 {
    let status = observation.status.as_ref();
    let until = status.and_then(|status| Standing::from(status.operational.as_ref()?).judged_until());
    windows::live_from(site, until, observation.now) - meter.rules.lookback_ms()
}

async fn samples(
    client: &PrometheusClient,
    meter: &SiteMeter,
    from: i64,
    to: i64,
) -> Result<Vec<Sample>, QueryError> {
    let answer = fetch_meter(client, &meter.meter.query, from, to, meter.rules.interval_ms).await?;
    Ok(answer.into_iter().map(|(at, value)| Sample { at, value }).collect())
}

/// A whole number of racks.
async fn racks(client: &PrometheusClient, query: &str, at: i64) -> Result<i64, Blind> {
    let value = fetch_value(client, query, at).await.map_err(|error| blind(&error))?;
    if value.is_finite() && (0.0..=1e6).contains(&value) {
        return Ok(value.round() as i64);
    }
    Err(Blind {
        reason: "NotANumber",
        message: format!("the answer {value} is no count of racks"),
        empty: false,
    })
}

/// A read of this cluster with a limit. The message never has what was read.
async fn bounded<T>(what: &str, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Blind> {
    let blind = |reason, message| Blind { reason, message, empty: false };
    match tokio::time::timeout(Duration::from_secs(10), request).await {
        Err(_) => Err(blind("ApiServerTimeout", format!("{what}: the API server did not answer within 10s"))),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => {
            Err(blind("ReferenceNotFound", format!("{what} does not exist in Banyan's namespace")))
        }
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
            Err(blind("Forbidden", format!("{what} may not be read in Banyan's namespace")))
        }
        Ok(Err(error)) => Err(blind("ApiServerUnreachable", format!("{what}: {error}"))),
        Ok(Ok(value)) => Ok(value),
    }
}

fn blind(error: &QueryError) -> Blind {
    Blind { reason: error.category(), message: error.to_string(), empty: matches!(error, QueryError::Empty) }
}

/// The hottest inlet and the range of the humidity over all series. NaN among them is no reading.
async fn air(
    client: &PrometheusClient,
    temperature: &str,
    humidity: Option<&str>,
    at: i64,
) -> Result<Air, Blind> {
    let hottest = extremes(client, temperature, at).await?.1;
    let humidity = match humidity {
        None => None,
        Some(query) => Some(extremes(client, query, at).await?),
    };
    Ok(Air { hottest, humidity })
}

async fn extremes(client: &PrometheusClient, query: &str, at: i64) -> Result<(f64, f64), Blind> {
    let answer = client
        .instant(query, at)
        .await
        .and_then(crate::prometheus::Answer::complete)
        .map_err(|error| blind(&error))?;
    let values: Vec<f64> = answer
        .series
        .iter()
        .filter_map(|series| series.samples.last())
        .map(|(_, value)| *value)
        .filter(|value| value.is_finite())
        .collect();
    if values.is_empty() {
        return Err(Blind { reason: "NoSeries", message: format!("{query} answers no number"), empty: true });
    }
    Ok((
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    ))
}

#[cfg(test)]
mod tests;
