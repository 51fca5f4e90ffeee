//! What the operator itself finds: it looks now and then, with its own rights and no others, and each resource shows it as
//! a condition.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use banyan_crds::conditions::{Stated, Truth};
use kube::Client;
use prometheus::{IntGaugeVec, Opts, Registry};

use super::{
    Check, Found, Verdict,
    facts::{Answer, Facts, Server, Told},
    judge, look, say,
};
use crate::{lang::Lang, t};

/// The installation is sound as far as the operator sees it.
pub const INSTALLATION_SOUND: &str = "InstallationSound";
/// How long what a Prometheus server said of itself is taken to be so.
const SERVER_FOR: Duration = Duration::from_hours(1);
/// How soon one that could not be asked is asked again.
const RETRY_AFTER: Duration = Duration::from_mins(10);
/// How long a look may take in all.
const LIMIT: Duration = Duration::from_secs(20);

/// What a server said of itself, and when; none before it was asked.
type Remembered = Arc<tokio::sync::Mutex<Option<(Instant, Answer<Told>)>>>;

/// What was found last.
pub struct Desk {
    namespace: String,
    freeze_growth: bool,
    found: Mutex<Vec<Found>>,
    servers: Mutex<HashMap<String, Remembered>>,
    sites: Mutex<HashMap<String, Vec<Found>>>,
    checks: IntGaugeVec,
}

impl Desk {
    /// Nothing has been looked at yet. `freeze_growth`: the operator was told that the policy is installed.
    pub fn new(registry: &Registry, namespace: &str, freeze_growth: bool) -> Result<Self, prometheus::Error> {
        let help = "1 where a check of the installation passes or warns, 0 where it fails; absent where it is unknown";
        let checks = IntGaugeVec::new(Opts::new("banyan_doctor_check", help), &["check"])?;
        registry.register(Box::new(checks.clone()))?;
        Ok(Self {
            namespace: namespace.to_owned(),
            freeze_growth,
            found: Mutex::default(),
            servers: Mutex::default(),
            sites: Mutex::default(),
            checks,
        })
    }

    /// Looks at the installation. Says whether something else was found than before. What could not be looked at stays as it
    /// was: a server that is slow for a moment is no news.
    pub async fn look(&self, client: &Client) -> bool {
        let namespace = self.namespace.as_str();
        let look = Box::pin(async {
            tokio::join!(
                look::version(client),
                look::published(client),
                look::own_rules(client, namespace),
                look::clock(client),
                look::policies(client),
            )
        });
        let Ok((server, schemas, operator_rights, clock, policies)) = tokio::time::timeout(LIMIT, look).await
        else {
            return false;
        };
        let facts = Facts {
            server: Some(server),
            schemas,
            operator_rights: Some(operator_rights),
            clock: Some(clock),
            policies: Some(policies),
            freeze_growth: Some(self.freeze_growth),
            ..Facts::default()
        };
        let mut found = judge::judge(&facts);
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for check in Check::ALL {
            let unread = found.iter().any(|new| new.check == check && new.verdict == Verdict::Unknown);
            let before: Vec<_> = known.iter().filter(|old| old.check == check).cloned().collect();
            if unread && !before.is_empty() {
                found.retain(|new| new.check != check);
                found.extend(before);
            }
        }
        let changed = stated(&found) != stated(&known);
        for found in found.iter().filter(|found| found.verdict == Verdict::Fail) {
            tracing::warn!(
                check = found.check.id(),
                what = say::seen(Lang::En, found),
                "the installation is not sound"
            );
        }
        self.show(&found);
        *known = found;
        changed
    }

    /// What was found of the installation.
    pub fn found(&self) -> Vec<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was found of the installation and of a site's Prometheus server, which is asked at most once an hour for all of
    /// its sites.
    pub async fn with_server<F, Fut>(&self, url: &str, site: &str, days: (i64, i64), ask: F) -> Vec<Found>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Answer<Told>>,
    {
        let remembered = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(servers.entry(url.to_owned()).or_default())
        };
        let told = {
            let mut remembered = remembered.lock().await;
            let due = remembered
                .as_ref()
                .is_none_or(|(at, told)| at.elapsed() >= if told.is_ok() { SERVER_FOR } else { RETRY_AFTER });
            if due {
                *remembered = Some((Instant::now(), ask().await));
            }
            remembered.as_ref().map_or_else(|| Err(String::new()), |(_, told)| told.clone())
        };
        let (ledger_days, needed_days) = days;
        let server = Server { site: site.to_owned(), told, ledger_days, needed_days };
        let of_server = judge::judge(&Facts { servers: vec![server], ..Facts::default() });
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        sites.insert(site.to_owned(), of_server.clone());
        self.show(&sites.values().flatten().cloned().collect::<Vec<_>>());
        drop(sites);
        let mut found = self.found();
        found.extend(of_server);
        found
    }

    /// Forgets a site that is gone.
    pub fn forget(&self, site: &str) {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner).remove(site);
    }

    /// Shows what was found as metrics, for the checks that it speaks of.
    fn show(&self, found: &[Found]) {
        for check in Check::ALL {
            let mut of_check = found.iter().filter(|found| found.check == check).peekable();
            if of_check.peek().is_none() {
                continue;
            }
            match super::worst(of_check) {
                Verdict::Unknown => drop(self.checks.remove_label_values(&[check.id()])),
                verdict => {
                    let passes = i64::from(verdict != Verdict::Fail);
                    self.checks.with_label_values(&[check.id()]).set(passes);
                }
            }
        }
    }
}

/// The condition that follows; none before anything was looked at. Its message has no figure that moves.
pub fn stated(found: &[Found]) -> Option<Stated> {
    if found.is_empty() {
        return None;
    }
    let failing = || found.iter().filter(|found| found.verdict == Verdict::Fail);
    let told = |found: &Found| {
        let seen = say::steady(Lang::En, found);
        say::remedy(Lang::En, found).map_or_else(|| seen.clone(), |remedy| format!("{seen}: {remedy}"))
    };
    if let Some(first) = failing().next() {
        let message = failing().map(told).collect::<Vec<_>>().join("; ");
        return Some(Stated::new(INSTALLATION_SOUND, false, reason(first.check), message));
    }
    // Servers that do not tell their retention, as Thanos and Mimir do not, are not wrong, and one that cannot be reached is
    // what MetersHealthy tells.
    let of_server = |check: Check| matches!(check, Check::Retention | Check::PrometheusClock);
    let unread: Vec<_> = found
        .iter()
        .filter(|found| found.verdict == Verdict::Unknown && !of_server(found.check))
        .map(|found| found.check.id())
        .collect();
    Some(if unread.is_empty() {
        Stated::new(INSTALLATION_SOUND, true, "Sound", t!(Lang::En, "doctor-sound"))
    } else {
        let message = t!(Lang::En, "doctor-not-looked-at", checks = unread.join(", "));
        Stated::new(INSTALLATION_SOUND, Truth::Unknown, "NotLookedAt", message)
    })
}

/// The reason for which an installation is not sound.
const fn reason(check: Check) -> &'static str {
    match check {
        Check::Server => "ServerTooOld",
        Check::Crds => "SchemaOutdated",
        Check::OperatorRights | Check::CallerRights => "RightMissing",
        Check::Clock | Check::PrometheusClock => "ClockSkewed",
        Check::Policies => "PolicyMissing",
        Check::Retention => "RetentionTooShort",
        Check::Deployment | Check::Lease | Check::Monitoring => "NotSound",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Finding;

    fn found(check: Check, verdict: Verdict, finding: Finding) -> Found {
        Found { check, subject: None, verdict, finding }
    }

    fn skewed(seconds: i64) -> Found {
        found(Check::Clock, Verdict::Fail, Finding::Skewed { seconds })
    }

    #[test]
    fn the_condition_names_what_fails_and_does_not_move_with_figures() {
        assert_eq!(stated(&[]), None);
        let sound = stated(&[found(Check::Clock, Verdict::Pass, Finding::InStep)]).unwrap();
        assert_eq!((sound.truth, sound.reason), (Truth::True, "Sound"));
        let (now, later) = (stated(&[skewed(61)]).unwrap(), stated(&[skewed(75)]).unwrap());
        assert_eq!((now.truth, now.reason), (Truth::False, "ClockSkewed"));
        assert_eq!(now, later);
        // Not told is not wrong; not seen is not well.
        let not_told = found(Check::Retention, Verdict::Unknown, Finding::NotTold);
        assert_eq!(stated(&[not_told]).unwrap().truth, Truth::True);
        let unread = Finding::Unread { message: "forbidden".into() };
        let unseen = stated(&[found(Check::Policies, Verdict::Unknown, unread)]).unwrap();
        assert_eq!((unseen.truth, unseen.reason), (Truth::Unknown, "NotLookedAt"));
        assert!(unseen.message.contains("policies"), "{}", unseen.message);
    }

    #[tokio::test]
    async fn a_server_is_asked_once_for_all_its_sites() {
        let registry = Registry::new();
        let desk = Desk::new(&registry, "banyan-system", true).unwrap();
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let ask = |days| {
            let asked = &asked;
            move || async move {
                asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(Told { retention_days: Some(days), skew_ms: Some(0) })
            }
        };
        for site in ["a", "b"] {
            let found = desk.with_server("http://p", site, (30, 6), ask(3)).await;
            assert_eq!(super::super::worst(&found), Verdict::Fail);
        }
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
        let metrics = || crate::kernel::metrics::render(&registry).unwrap();
        assert!(metrics().contains(r#"banyan_doctor_check{check="retention"} 0"#), "{}", metrics());
        desk.with_server("http://q", "c", (30, 6), ask(400)).await;
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2);
        assert!(metrics().contains(r#"banyan_doctor_check{check="retention"} 0"#));
        desk.forget("a");
        desk.forget("b");
        desk.with_server("http://q", "c", (30, 6), ask(400)).await;
        assert!(metrics().contains(r#"banyan_doctor_check{check="retention"} 1"#));
    }
}
