//! Reports for Kubernetes: openreports.io/v1alpha1, and wgpolicyk8s.io/v1alpha2, which has the same fields. One for each object of which a finding
//! was kept, and one that says what comes of it, clause by clause.
//!
//! Their results know `pass`, `fail`, `warn` (not met, and not counted), `error` (could not be evaluated) and `skip`. What a person has to attest
//! and what cannot be seen is `skip` with the property `manual` or `unknown`, so that no summary is better than what was seen.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use banyan_policies::{
    engine::{ObjectRef, Outcome, POD_KINDS, kind_key},
    pack::Severity,
    verdict::{Audit, ClauseLine, FindingLine, ObjectLine, PlaceLine, Tally, Verdict, WaiverState},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{
    super::visible::{cut, visible, write_json as write},
    RenderError, TOOL, View,
    view::{conclusion, message, rank, result},
};

/// The APIs of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Api {
    /// openreports.io/v1alpha1: `Report`, `ClusterReport`.
    #[default]
    OpenReports,
    /// wgpolicyk8s.io/v1alpha2: `PolicyReport`, `ClusterPolicyReport`.
    PolicyReport,
}

impl Api {
    /// Group and version.
    pub fn version(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io/v1alpha1",
            Self::PolicyReport => "wgpolicyk8s.io/v1alpha2",
        }
    }

    /// The kind, of a namespace or of the cluster.
    pub fn kind(self, namespaced: bool) -> &'static str {
        match (self, namespaced) {
            (Self::OpenReports, true) => "Report",
            (Self::OpenReports, false) => "ClusterReport",
            (Self::PolicyReport, true) => "PolicyReport",
            (Self::PolicyReport, false) => "ClusterPolicyReport",
        }
    }
}

/// A report is not larger than this, in bytes of JSON: etcd takes 1.5 MB, and a list of many has to be read.
pub const MOST: usize = 256 * 1024;
/// The report on clauses of an audit without a cluster.
pub const CLAUSES: &str = "banyan-clauses";
/// Longest property and message, in bytes.
const LONGEST: usize = 2_000;
/// Built-in kinds of a namespace, beside those with a Pod, whose manifests may leave it out.
const NAMESPACED: [&str; 18] = [
    "ConfigMap",
    "Endpoints",
    "LimitRange",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "Secret",
    "Service",
    "ServiceAccount",
    "autoscaling/HorizontalPodAutoscaler",
    "coordination.k8s.io/Lease",
    "discovery.k8s.io/EndpointSlice",
    "gateway.networking.k8s.io/Gateway",
    "gateway.networking.k8s.io/HTTPRoute",
    "networking.k8s.io/Ingress",
    "networking.k8s.io/NetworkPolicy",
    "policy/PodDisruptionBudget",
    "rbac.authorization.k8s.io/Role",
    "rbac.authorization.k8s.io/RoleBinding",
];

/// The report on an object, of at most [`MOST`] bytes.
pub fn report_for(line: &ObjectLine, audit: &Audit, api: Api) -> Json {
    report_within(line, &View::new(audit), api, MOST)
}

/// The report on an object, of at most about so many bytes. What is left out is counted in a result of its own, whose property `truncated` has the
/// number: passes go first, then what is skipped, then the least severe.
pub fn report_within(line: &ObjectLine, view: &View<'_>, api: Api, most: usize) -> Json {
    let object = &line.object;
    let mut results: Vec<Found> =
        line.findings.iter().filter_map(|finding| Found::of(line, finding, view, api)).collect();
    results.sort_by(|a, b| (&a.policy, &a.rule).cmp(&(&b.policy, &b.rule)));
    let mut summary = BTreeMap::from([("pass", 0), ("fail", 0), ("warn", 0), ("error", 0), ("skip", 0)]);
    let kept = results.iter().fold(Tally::default(), |mut kept, found| {
        match found.outcome {
            Outcome::Pass => kept.pass += 1,
            Outcome::Fail => kept.fail += 1,
            Outcome::Error => kept.error += 1,
            Outcome::Unknown => kept.unknown += 1,
            Outcome::Skip => kept.skip += 1,
        }
        kept
    });
    for found in &results {
        *summary.entry(found.result).or_default() += 1;
    }
    // What is not kept is counted nevertheless. Only a warning cannot be told from a failure then; both are kept or neither is.
    let rest = |all: usize, kept: usize| all.saturating_sub(kept);
    for (result, count) in [
        ("pass", rest(line.tally.pass, kept.pass)),
        ("fail", rest(line.tally.fail, kept.fail)),
        ("error", rest(line.tally.error, kept.error)),
        ("skip", rest(line.tally.skip + line.tally.unknown, kept.skip + kept.unknown)),
    ] {
        *summary.entry(result).or_default() += count;
    }
    let results = within(results, most, view.audit, api);
    let mut metadata = json!({ "name": name(line), "labels": { "app.kubernetes.io/managed-by": TOOL } });
    if !object.namespace.is_empty() {
        metadata["namespace"] = json!(object.namespace);
    }
    if is_uid(&object.uid) {
        metadata["ownerReferences"] = json!([{
            "apiVersion": object.api_version, "kind": object.kind, "name": object.name, "uid": object.uid,
        }]);
    }
    assemble(api, is_namespaced(object), metadata, Some(scope(object)), &summary, results)
}

/// The report on what comes of an audit: a result a clause, those of waivers, and what could not be read. `property.verdict` is the verdict.
pub fn clauses_report(audit: &Audit, api: Api, name: &str) -> Json {
    let view = View::new(audit);
    let mut results: Vec<Json> =
        audit.clauses.iter().map(|clause| of_clause(clause, &view, audit, api)).collect();
    results.extend(audit.waivers.iter().map(|waiver| {
        let (result, what) = match waiver.state {
            WaiverState::Active => ("pass", "is in force"),
            WaiverState::Unused => ("warn", "covers nothing"),
            WaiverState::Pending => ("warn", "has not been approved and covers nothing"),
            WaiverState::Suspended => ("warn", "is suspended and covers nothing"),
            WaiverState::Expired => ("fail", "has expired and covers nothing"),
        };
        let properties = properties([
            ("waiver", waiver.name.clone()),
            ("waiver.controls", waiver.controls.join(", ")),
            ("waiver.expires", waiver.expires.to_string()),
            ("waiver.ticket", waiver.ticket.clone()),
            ("waiver.approvedBy", waiver.approved_by.clone()),
            ("waiver.uses", waiver.uses.to_string()),
            ("waiver.missed", waiver.missed.to_string()),
        ]);
        let message = format!("waiver {} {what}: {}", waiver.name, waiver.reason);
        entry(audit, api, TOOL, "waiver", "waivers", result, false, &message, properties)
    }));
    results.extend(
        audit
            .faults
            .iter()
            .map(|fault| entry(audit, api, TOOL, "input", "input", "error", false, fault, Map::new())),
    );
    results.extend(audit.unread.iter().map(|kind| {
        let message = format!("not read, and what depends on it is unknown: {kind}");
        let properties = properties([("unknown", "true".to_owned())]);
        entry(audit, api, TOOL, "unread", "input", "skip", false, &message, properties)
    }));
    let mut summary = BTreeMap::from([("pass", 0), ("fail", 0), ("warn", 0), ("error", 0), ("skip", 0)]);
    for result in &results {
        if let Some(count) = result["result"].as_str().and_then(|word| summary.get_mut(word)) {
            *count += 1;
        }
    }
    // What an audit comes to is for programs as well; it is no result, since nothing would be compared.
    let figures: Map<String, Json> = audit
        .packs
        .iter()
        .flat_map(|pack| {
            let key =
                |what: &str| format!("{what}.{}.banyan.dev/{}", visible(&pack.name), visible(&pack.level));
            let verdicts =
                pack.verdicts.iter().map(|(verdict, count)| format!("{}={count}", verdict.as_str()));
            let verdicts = verdicts.collect::<Vec<_>>().join(",");
            let score = pack.score.as_ref().map(|score| {
                let text = format!(
                    "{}by the template of {}: {:.2} points, {:.2} % compliant, {} of {} undecided",
                    conclusion(pack).map(|conclusion| format!("{conclusion:?} ")).unwrap_or_default(),
                    match score.model {
                        banyan_policies::verdict::ScoringModel::Of2021 => "2021",
                        banyan_policies::verdict::ScoringModel::Of2025 => "2025",
                    },
                    score.points,
                    score.compliance_rate,
                    score.undecided,
                    score.counted
                );
                (key("score"), json!(text))
            });
            [(key("verdicts"), json!(verdicts))].into_iter().chain(score)
        })
        .chain([("banyan.dev/note".to_owned(), json!("pre-check, not certification"))])
        .collect();
    let metadata = json!({
        "name": name, "labels": { "app.kubernetes.io/managed-by": TOOL }, "annotations": figures,
    });
    assemble(api, false, metadata, None, &summary, results)
}

/// A `v1` List of all reports, the clauses first. They are made while they are written: an audit may have tens of thousands.
pub fn write_json(audit: &Audit, api: Api, out: &mut impl io::Write) -> Result<(), RenderError> {
    Ok(write(&List { audit, api, plain: false }, out)?)
}

/// The same in YAML. Marks of direction and their like, which YAML has no need to escape, are written out.
pub fn write_yaml(audit: &Audit, api: Api, out: &mut impl io::Write) -> Result<(), RenderError> {
    Ok(serde_yaml::to_writer(out, &List { audit, api, plain: true })?)
}

struct List<'a> {
    audit: &'a Audit,
    api: Api,
    plain: bool,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Items<'l>(&'l List<'l>);
        impl Serialize for Items<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let List { audit, api, plain } = *self.0;
                let view = View::new(audit);
                let mut names: HashMap<(String, String), usize> = HashMap::new();
                let reports = audit.objects.iter().map(|line| {
                    let mut report = report_within(line, &view, api, MOST);
                    // Two files may have the same object.
                    let name = report["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                    let times = names.entry((line.object.namespace.clone(), name.clone())).or_default();
                    *times += 1;
                    if *times > 1 {
                        report["metadata"]["name"] = json!(format!("{name}-{times}"));
                    }
                    report
                });
                let clauses = std::iter::once_with(|| clauses_report(audit, api, CLAUSES));
                serializer.collect_seq(
                    clauses.chain(reports).map(|report| if plain { shown(report) } else { report }),
                )
            }
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("apiVersion", "v1")?;
        map.serialize_entry("kind", "List")?;
        map.serialize_entry("items", &Items(self))?;
        map.end()
    }
}

/// Every text of a value written out.
fn shown(value: Json) -> Json {
    match value {
        Json::String(text) => Json::String(visible(&text).into_owned()),
        Json::Array(items) => items.into_iter().map(shown).collect(),
        Json::Object(map) => {
            map.into_iter().map(|(key, value)| (visible(&key).into_owned(), shown(value))).collect()
        }
        other => other,
    }
}

/// A result before it is known whether there is room for it.
struct Found {
    policy: String,
    rule: String,
    severity: Severity,
    outcome: Outcome,
    result: &'static str,
    json: Json,
}

impl Found {
    fn of(line: &ObjectLine, finding: &FindingLine, view: &View<'_>, api: Api) -> Option<Self> {
        let control = view.control(finding.control)?;
        let policy = view.pack(control.pack);
        let result = result(control, finding.outcome);
        let waiver = view.waiver(finding);
        let (path, paths) = match finding.places.as_slice() {
            [place] => (place.path.clone(), String::new()),
            places => (String::new(), listed(places, |place| Some(place.path.clone()))),
        };
        let evidence = match finding.places.as_slice() {
            [place] => place.evidence.clone().unwrap_or_default(),
            places => listed(places, |place| Some(format!("{}={}", place.path, place.evidence.as_deref()?))),
        };
        let at = finding.places.first().and_then(|place| place.line);
        let origin = line.origin.as_ref();
        let yes = |what: bool| if what { "true".to_owned() } else { String::new() };
        let failed = matches!(finding.outcome, Outcome::Fail | Outcome::Skip);
        let properties = properties([
            ("level", view.pack_of(control).map(|pack| pack.level.clone()).unwrap_or_default()),
            ("clauses", control.clauses.join(", ")),
            ("items", control.items.join(", ")),
            ("path", path),
            ("paths", paths),
            ("morePaths", if finding.more > 0 { finding.more.to_string() } else { String::new() }),
            ("evidence", visible(&evidence).into_owned()),
            ("waiver", finding.waiver.clone().unwrap_or_default()),
            ("waiver.expires", waiver.map(|waiver| waiver.expires.to_string()).unwrap_or_default()),
            ("waiver.ticket", waiver.map(|waiver| waiver.ticket.clone()).unwrap_or_default()),
            ("unknown", yes(finding.outcome == Outcome::Unknown)),
            ("highRisk", yes(control.high_risk && failed)),
            ("file", origin.map(|origin| origin.file.clone()).unwrap_or_default()),
            ("line", origin.map(|origin| at.unwrap_or(origin.line).to_string()).unwrap_or_default()),
            ("remediation", if failed { control.remediation.en.clone() } else { String::new() }),
        ]);
        let mut json = entry(
            view.audit,
            api,
            policy,
            &control.id,
            view.area(finding.control),
            result,
            control.scored,
            &message(control, finding),
            properties,
        );
        json["severity"] = json!(control.severity.as_str());
        Some(Self {
            policy: policy.to_owned(),
            rule: control.id.clone(),
            severity: control.severity,
            outcome: finding.outcome,
            result,
            json,
        })
    }
}

fn listed(places: &[PlaceLine], of: impl Fn(&PlaceLine) -> Option<String>) -> String {
    let mut all: Vec<String> = places.iter().filter_map(of).filter(|text| !text.is_empty()).collect();
    all.dedup();
    all.join(", ")
}

fn of_clause(clause: &ClauseLine, view: &View<'_>, audit: &Audit, api: Api) -> Json {
    let controls: Vec<_> = clause.controls.iter().filter_map(|place| view.control(*place)).collect();
    let seen_to_hold = clause.verdict == Verdict::Partial && clause.failing == 0;
    let result = match clause.verdict {
        Verdict::Compliant => "pass",
        // What does not count; and what holds as far as it is seen, which is not the whole.
        Verdict::Partial | Verdict::NonCompliant if clause.optional || seen_to_hold => "warn",
        Verdict::Partial | Verdict::NonCompliant => "fail",
        Verdict::ManualDue | Verdict::Unknown | Verdict::NotApplicable => "skip",
    };
    let yes = |what: bool| if what { "true".to_owned() } else { String::new() };
    let properties = properties([
        ("verdict", clause.verdict.as_str().to_owned()),
        ("clause", clause.clause.clone()),
        ("item", clause.item.clone().unwrap_or_default()),
        ("title", clause.title.en.clone()),
        ("title.zh", clause.title.zh.clone()),
        ("part", clause.part.clone()),
        ("score", clause.score.map(|score| format!("{score:.2}")).unwrap_or_default()),
        ("failing", clause.failing.to_string()),
        ("controls", controls.iter().map(|control| control.id.as_str()).collect::<Vec<_>>().join(", ")),
        ("attestedBy", clause.attested.iter().map(|word| word.by.as_str()).collect::<Vec<_>>().join(", ")),
        (
            "attestedUntil",
            clause.attested.iter().map(|word| word.valid_until.to_string()).collect::<Vec<_>>().join(", "),
        ),
        ("manual", yes(clause.verdict == Verdict::ManualDue)),
        ("unknown", yes(clause.verdict == Verdict::Unknown)),
        ("notApplicable", yes(clause.verdict == Verdict::NotApplicable)),
    ]);
    let message = format!("{} {}: {}", clause.clause, clause.title.en, clause.reason);
    let policy = view.pack(clause.pack);
    let scored = !clause.optional && clause.verdict != Verdict::NotApplicable;
    let mut json =
        entry(audit, api, policy, &clause.requirement, &clause.area, result, scored, &message, properties);
    if let Some(severity) = controls.iter().map(|control| control.severity).max() {
        json["severity"] = json!(severity.as_str());
    }
    json
}

#[allow(clippy::too_many_arguments)]
fn entry(
    audit: &Audit,
    api: Api,
    policy: &str,
    rule: &str,
    category: &str,
    result: &str,
    scored: bool,
    message: &str,
    properties: Map<String, Json>,
) -> Json {
    let mut entry = json!({
        "policy": policy,
        "rule": rule,
        "result": result,
        "scored": scored,
        "message": cut(&visible(message), LONGEST),
        "timestamp": { "seconds": audit.at.as_second(), "nanos": audit.at.subsec_nanosecond().max(0) },
    });
    if !category.is_empty() {
        entry["category"] = json!(category);
    }
    if !properties.is_empty() {
        entry["properties"] = Json::Object(properties);
    }
    // The newer API says it once, for the whole report.
    if api == Api::PolicyReport {
        entry["source"] = json!(TOOL);
    }
    entry
}

/// Those that say something, none too long.
fn properties<const N: usize>(all: [(&str, String); N]) -> Map<String, Json> {
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), json!(cut(&value, LONGEST))))
        .collect()
}

/// The results that there is room for, in their order.
fn within(results: Vec<Found>, most: usize, audit: &Audit, api: Api) -> Vec<Json> {
    // What is around the results, and the result that says what was left out.
    const AROUND: usize = 1_500;
    let sizes: Vec<usize> = results.iter().map(|found| length(&found.json) + 1).collect();
    if sizes.iter().sum::<usize>() + AROUND <= most {
        return results.into_iter().map(|found| found.json).collect();
    }
    let mut order: Vec<usize> = (0..results.len()).collect();
    let worth = |found: &Found| (rank(found.outcome), std::cmp::Reverse(found.severity));
    order.sort_by_key(|place| results.get(*place).map(worth));
    let mut room = most.saturating_sub(AROUND);
    let mut keep = vec![false; results.len()];
    for place in order {
        let size = sizes.get(place).copied().unwrap_or(usize::MAX);
        if size > room {
            break;
        }
        room -= size;
        if let Some(keep) = keep.get_mut(place) {
            *keep = true;
        }
    }
    let left = keep.iter().filter(|keep| !**keep).count();
    let mut kept: Vec<Json> =
        results.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(found, _)| found.json).collect();
    let message = format!("{left} results are left out: the report would be too large");
    let properties = properties([("truncated", left.to_string())]);
    kept.push(entry(audit, api, TOOL, "truncated", "", "warn", false, &message, properties));
    kept
}

/// The length of a value in bytes of JSON, which are not made for it.
fn length(value: &Json) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and a value is JSON.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

fn assemble(
    api: Api,
    namespaced: bool,
    metadata: Json,
    scope: Option<Json>,
    summary: &BTreeMap<&str, usize>,
    results: Vec<Json>,
) -> Json {
    // Without a copy of the results, which `json!` would make.
    let mut report = Map::new();
    let mut put = |key: &str, value: Json| report.insert(key.to_owned(), value);
    put("apiVersion", api.version().into());
    put("kind", api.kind(namespaced).into());
    put("metadata", metadata);
    put("summary", json!(summary));
    put("results", Json::Array(results));
    if let Some(scope) = scope {
        put("scope", scope);
    }
    if api == Api::OpenReports {
        put("source", TOOL.into());
    }
    Json::Object(report)
}

fn scope(object: &ObjectRef) -> Json {
    let fields = [
        ("apiVersion", &object.api_version),
        ("kind", &object.kind),
        ("namespace", &object.namespace),
        ("name", &object.name),
        ("uid", &object.uid),
    ];
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// The UID of an object of a cluster. Of a manifest, a digest of what names it and of its file: the same run gives the same names.
fn name(line: &ObjectLine) -> String {
    let ObjectRef { api_version, kind, namespace, name, uid } = &line.object;
    if is_uid(uid) {
        return uid.clone();
    }
    if *kind == ObjectRef::cluster().kind && api_version.is_empty() {
        return "banyan-cluster".to_owned();
    }
    let file = line.origin.as_ref().map_or("", |origin| &origin.file);
    let text = serde_json::json!([api_version, kind, namespace, name, file]).to_string();
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(10).fold("banyan-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

/// Whether it can be a name; a manifest may claim any.
fn is_uid(uid: &str) -> bool {
    uid.len() == 36
        && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && !uid.starts_with('-')
        && !uid.ends_with('-')
}

fn is_namespaced(object: &ObjectRef) -> bool {
    let key = kind_key(&object.api_version, &object.kind);
    !object.namespace.is_empty()
        || object.uid.is_empty()
            && (NAMESPACED.contains(&key.as_str()) || POD_KINDS.iter().any(|(kind, _)| *kind == key))
}
