//! What was read of an installation, before anything is made of it.

/// What was read, or what was attempted and failed.
pub type Answer<T> = Result<T, String>;

/// Everything that the checks are judged by. What was not asked for is none.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Version of this binary.
    pub own_version: String,
    /// The server's version: major, minor, and as it tells it.
    pub server: Option<Answer<(u32, u32, String)>>,
    /// Each definition by name, and how it differs from this binary's; none where there is none.
    pub schemas: Vec<(String, Answer<Option<Drift>>)>,
    /// Rights that the operator lacks, and how many were asked for.
    pub operator_rights: Option<Answer<(Vec<String>, usize)>>,
    /// The same of who asks.
    pub caller_rights: Option<Answer<(Vec<String>, usize)>>,
    /// By how much the API server's clock is ahead, ms.
    pub clock: Option<Answer<i64>>,
    /// The lease, if there is one.
    pub lease: Option<Answer<Option<Lease>>>,
    /// The policies.
    pub policies: Option<Answer<Policies>>,
    /// What the operator was told on its command line: whether the policy of `FreezeGrowth` is installed.
    pub freeze_growth: Option<bool>,
    /// The operator's Deployment, if there is one.
    pub deployment: Option<Answer<Option<Deployment>>>,
    /// What is scraped and alerted by; none where the API is not served.
    pub monitoring: Option<Answer<Option<Vec<&'static str>>>>,
    /// The Prometheus server of each site.
    pub servers: Vec<Server>,
}

/// How a definition differs from this binary's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// It is served.
    pub established: bool,
    /// Fields and rules that it lacks or has otherwise.
    pub missing: Vec<String>,
    /// Fields that this binary does not know.
    pub extra: Vec<String>,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it; none when it was given up.
    pub holder: Option<String>,
    /// How long ago it was renewed, by the API server's clock, s.
    pub age_seconds: Option<i64>,
    /// How long it lasts, s.
    pub duration_seconds: i64,
}

/// Which objects of the policies are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// `FreezeGrowth`: policy and binding.
    pub freeze: (bool, bool),
    /// `HoldBatch`: policy and binding.
    pub hold: (bool, bool),
    /// The policy that records who wrote a Waiver, and its binding.
    pub author: (bool, bool),
    /// The policy that holds Waivers to four eyes, and its binding.
    pub approval: (bool, bool),
    /// What keeps validating policies' parameters read: policy and binding.
    pub validating_parameters: (bool, bool),
    /// What keeps mutating policies' parameters read: policy and binding.
    pub mutating_parameters: (bool, bool),
}

/// The operator's Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Replicas that are ready.
    pub ready: i32,
    /// Replicas that should be.
    pub wanted: i32,
    /// Version that its label tells.
    pub version: Option<String>,
}

/// The Prometheus server of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The site.
    pub site: String,
    /// What the server says of itself.
    pub told: Answer<Told>,
    /// Days that the ledger has.
    pub ledger_days: i64,
    /// Days of readings that are needed to close each day: see [`needed_days`].
    pub needed_days: i64,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Days that it keeps readings; none where it does not tell.
    pub retention_days: Option<i64>,
    /// By how much its clock is ahead, ms; none where it does not tell.
    pub skew_ms: Option<i64>,
}

/// Days of readings without which days are lost before they are closed for good: the day itself, a day before it by which it
/// is judged, the days for which it is open for late readings, and as long as its slowest meter takes.
pub fn needed_days(reopen_days: i64, settle_ms: i64) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    2 + reopen_days + (settle_ms + DAY_MS - 1).div_euclid(DAY_MS)
}
