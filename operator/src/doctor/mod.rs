//! Whether the installation is sound: what Banyan stands on, looked at and judged.
//!
//! ```text
//! look, servers ── Facts ──► judge ── Found ──► say
//!     reads                  pure                words
//! ```
//!
//! `banyan doctor` looks with the rights of who asks. The operator looks now and then with its own, at what it may see, and
//! each resource shows the result as a condition ([`desk`]).

pub mod desk;
pub mod facts;
pub mod judge;
pub mod look;
pub mod reads;
pub mod rights;
pub mod say;
pub mod schema;

use serde::Serialize;

/// Oldest Kubernetes that Banyan works with: `MutatingAdmissionPolicy` is v1 from there on.
pub const OLDEST_MINOR: u32 = 36;
/// Newest Kubernetes that it is tested with.
pub const NEWEST_MINOR: u32 = 37;
/// A clock that is off by more than this is told, ms. The `Date` of an answer has whole seconds.
pub const SKEW_WARN_MS: i64 = 5_000;
/// A clock that is off by more than this makes windows and leases wrong, ms.
pub const SKEW_FAIL_MS: i64 = 60_000;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The version of the API server.
    Server,
    /// The custom resource definitions.
    Crds,
    /// The operator's Deployment.
    Deployment,
    /// The rights of the operator.
    OperatorRights,
    /// The rights of who asks, as far as the command line needs them.
    CallerRights,
    /// The clock of the API server.
    Clock,
    /// The lease by which one replica leads.
    Lease,
    /// The admission policies of the actions.
    Policies,
    /// What Prometheus scrapes and alerts by.
    Monitoring,
    /// The clocks of the Prometheus servers.
    PrometheusClock,
    /// How long the Prometheus servers keep readings.
    Retention,
}

impl Check {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::Server,
        Self::Crds,
        Self::Deployment,
        Self::OperatorRights,
        Self::CallerRights,
        Self::Clock,
        Self::Lease,
        Self::Policies,
        Self::Monitoring,
        Self::PrometheusClock,
        Self::Retention,
    ];

    /// Its id, as on the command line, in JSON and in metrics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Crds => "crds",
            Self::Deployment => "deployment",
            Self::OperatorRights => "operator-rights",
            Self::CallerRights => "caller-rights",
            Self::Clock => "clock",
            Self::Lease => "lease",
            Self::Policies => "policies",
            Self::Monitoring => "monitoring",
            Self::PrometheusClock => "prometheus-clock",
            Self::Retention => "retention",
        }
    }
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, and something should be known or done.
    Warn,
    /// It could not be looked at.
    Unknown,
    /// Something does not work.
    Fail,
}

/// What was seen, as constant words and figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Finding {
    /// It could not be looked at.
    Unread {
        /// What was attempted, and what came of it.
        message: String,
    },
    /// The server's version is one that Banyan is tested with.
    Version {
        /// As the server tells it.
        version: String,
    },
    /// It is older than the oldest.
    TooOld {
        /// As the server tells it.
        version: String,
    },
    /// It is newer than the newest that was tested.
    Untested {
        /// As the server tells it.
        version: String,
    },
    /// The definition is the one of this binary.
    SchemaEqual,
    /// There is no such definition.
    SchemaAbsent,
    /// It is not served.
    SchemaNotServed,
    /// It lacks fields of this binary, or has other rules: it is older.
    SchemaOlder {
        /// The first of the fields.
        fields: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// It has fields that this binary does not know: it is newer.
    SchemaNewer {
        /// The first of the fields.
        fields: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// All rights are there.
    RightsHeld {
        /// How many.
        count: usize,
    },
    /// Some are not.
    RightsMissing {
        /// Each as `verb resource.group`.
        rights: Vec<String>,
    },
    /// Clocks agree.
    InStep,
    /// A clock is off.
    Skewed {
        /// By how many seconds it is ahead of this one's; behind if below zero.
        seconds: i64,
    },
    /// The lease is held.
    Held {
        /// By whom.
        holder: String,
        /// How long ago it was renewed, s.
        seconds: i64,
    },
    /// The lease has run out or was never taken: nobody leads.
    NobodyLeads {
        /// Who held it last.
        holder: Option<String>,
        /// How long ago it was renewed, s.
        seconds: Option<i64>,
    },
    /// Every policy is there with its binding.
    PoliciesInPlace,
    /// An object of a policy is missing.
    PolicyMissing {
        /// Kind and name.
        objects: Vec<String>,
        /// The action that it carries out.
        action: &'static str,
    },
    /// A policy was left out of this installation.
    PolicyLeftOut {
        /// The action that it would carry out.
        action: &'static str,
    },
    /// The policy is there, and the operator was told that it is not.
    PolicyUnused {
        /// The action that it would carry out.
        action: &'static str,
    },
    /// An object of the policies that hold Waivers to four eyes is missing.
    WaiversUnguarded {
        /// Kind and name.
        objects: Vec<String>,
    },
    /// An object of the policies that keep the API server reading parameters is missing.
    ParametersUnkept {
        /// Kind and name.
        objects: Vec<String>,
    },
    /// What is scraped and alerted by is there.
    Monitored,
    /// The cluster has no Prometheus Operator.
    NotServed,
    /// An object is missing.
    MonitoringMissing {
        /// Their kinds.
        kinds: Vec<&'static str>,
    },
    /// The Deployment is ready, in the version of this binary.
    Ready {
        /// Replicas that are.
        ready: i32,
        /// Its version.
        version: String,
    },
    /// There is no Deployment of the operator.
    NoDeployment,
    /// Some replicas are not ready.
    NotReady {
        /// Replicas that are.
        ready: i32,
        /// Replicas that should be.
        wanted: i32,
    },
    /// The operator has another version than this binary.
    OtherVersion {
        /// The operator's.
        theirs: String,
        /// This one's.
        own: String,
    },
    /// The retention does for the ledger.
    Kept {
        /// Days that are kept, and can be filled into the ledger.
        days: i64,
        /// Days of the ledger.
        ledger_days: i64,
    },
    /// The retention leaves little time to come back after an outage.
    KeptBriefly {
        /// Days that are kept.
        days: i64,
        /// Days that are needed to close each day.
        needed: i64,
    },
    /// Days are lost before they are closed.
    TooBrief {
        /// Days that are kept.
        days: i64,
        /// Days that are needed to close each day.
        needed: i64,
    },
    /// The server does not tell its retention.
    NotTold,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// By which check.
    pub check: Check,
    /// Of what: a definition, a site; none for the whole installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it comes to.
    pub verdict: Verdict,
    /// What was seen.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The worst of what was found; a pass if nothing was.
pub fn worst<'a>(found: impl IntoIterator<Item = &'a Found>) -> Verdict {
    found.into_iter().map(|found| found.verdict).max().unwrap_or(Verdict::Pass)
}
