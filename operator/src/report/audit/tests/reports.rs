use banyan_policies::{engine::ObjectRef, verdict::ObjectLine};

use super::{
    super::openreports::{self, Api, CLAUSES, MOST},
    schemas::valid_report,
    *,
};

fn list(api: Api) -> Vec<Json> {
    let mut bytes = Vec::new();
    openreports::write_json(&audit(), api, &mut bytes).unwrap();
    nothing_hidden(std::str::from_utf8(&bytes).unwrap());
    let list: Json = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
    list["items"].as_array().unwrap().clone()
}

#[test]
fn both_apis_get_reports_after_their_schemas() {
    for api in [Api::OpenReports, Api::PolicyReport] {
        let reports = list(api);
        assert_eq!(reports.len(), audit().objects.len() + 1);
        reports.iter().for_each(valid_report);
        let mut names: Vec<_> = reports
            .iter()
            .map(|report| format!("{}/{}", report["metadata"]["namespace"], report["metadata"]["name"]))
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), reports.len(), "each has its name");
        for report in &reports {
            let name = report["metadata"]["name"].as_str().unwrap();
            assert!(
                name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()),
                "{name}"
            );
            let results = report["results"].as_array().unwrap();
            let keys: Vec<_> =
                results.iter().map(|result| format!("{} {}", result["policy"], result["rule"])).collect();
            if report["metadata"]["name"] != CLAUSES {
                assert!(keys.is_sorted(), "{keys:?}");
            }
            let all: u64 = report["summary"].as_object().unwrap().values().filter_map(Json::as_u64).sum();
            assert_eq!(all, results.len() as u64, "all are kept and counted");
        }
    }
}

fn of<'a>(reports: &'a [Json], kind: &str, name: &str) -> &'a Json {
    reports.iter().find(|report| report["scope"]["kind"] == kind && report["scope"]["name"] == name).unwrap()
}

fn result<'a>(report: &'a Json, rule: &str) -> &'a Json {
    report["results"].as_array().unwrap().iter().find(|result| result["rule"] == rule).unwrap()
}

#[test]
fn a_report_says_what_was_found_where() {
    let reports = list(Api::OpenReports);
    let shop = of(&reports, "Namespace", "shop");
    assert_eq!(shop["kind"], "ClusterReport");
    assert_eq!(shop["metadata"]["name"], "6f3c1c1e-0f6a-4a5e-9a55-0d3f7a1b2c3d");
    assert_eq!(shop["metadata"]["ownerReferences"][0]["uid"], shop["metadata"]["name"]);
    assert_eq!(result(shop, "closed")["message"], "no NetworkPolicy in shop");
    assert_eq!(result(shop, "closed")["severity"], "critical");
    assert_eq!(
        result(shop, "closed")["timestamp"],
        json!({ "seconds": 1_795_575_845, "nanos": 678_000_000 })
    );

    let web = of(&reports, "Deployment", "web");
    assert_eq!((&web["kind"], &web["metadata"]["namespace"]), (&json!("Report"), &json!("shop")));
    assert!(web["metadata"].get("ownerReferences").is_none(), "what claims to be a UID is none");
    let privileged = result(web, "no-privilege");
    assert_eq!(privileged["message"], "container a is privileged; container b is privileged");
    let properties = &privileged["properties"];
    let at = |at: usize| format!("spec.template.spec.containers[{at}].securityContext.privileged");
    assert_eq!(properties["paths"], format!("{}, {}", at(0), at(1)));
    assert_eq!(properties["evidence"], format!("{}=true, {}=true", at(0), at(1)));
    assert_eq!((&properties["clauses"], &properties["items"]), (&json!("8.1.4.2 d"), &json!("L3-CES1-08")));
    assert_eq!(
        (&properties["file"], &properties["line"]),
        (&json!("/srv/with space/web#1.yaml"), &json!("5"))
    );
    assert_eq!(privileged["category"], "computing");
    assert_eq!(result(web, "probed")["result"], "warn", "it is optional");
    assert_eq!(result(web, "probed")["scored"], false);

    let many = result(of(&reports, "Pod", "many"), "no-privilege");
    assert_eq!((&many["result"], &many["properties"]["waiver"]), (&json!("skip"), &json!("many")));
    assert_eq!(many["properties"]["waiver.expires"], "2027-01-01T00:00:00Z");
    assert_eq!(many["properties"]["morePaths"], "5");

    let config = of(&reports, "ConfigMap", "c");
    assert_eq!(result(config, "broken")["result"], "error");
    let clocked = result(config, "clocked");
    assert_eq!((&clocked["result"], &clocked["properties"]["unknown"]), (&json!("skip"), &json!("true")));
    // A manifest of a kind that has a namespace and leaves it to whoever applies it.
    assert_eq!(of(&reports, "CronJob", "quiet")["kind"], "Report");
    assert_eq!(of(&reports, "Cluster", "cluster")["metadata"]["name"], "banyan-cluster");
}

#[test]
fn clauses_have_a_report_of_their_own() {
    let reports = list(Api::OpenReports);
    let clauses = &reports[0];
    assert_eq!((&clauses["kind"], &clauses["metadata"]["name"]), (&json!("ClusterReport"), &json!(CLAUSES)));
    for (rule, result, key, value) in [
        ("least-privilege", "fail", "verdict", "NonCompliant"),
        ("training", "pass", "verdict", "Compliant"),
        ("drills", "skip", "manual", "true"),
        ("doors", "skip", "unknown", "true"),
        ("radio", "skip", "notApplicable", "true"),
        ("probes", "warn", "verdict", "Partial"),
    ] {
        let found = super::reports::result(clauses, rule);
        assert_eq!(
            (&found["result"], &found["properties"][key]),
            (&json!(result), &json!(value)),
            "{rule}: {found}"
        );
    }
    let of = |rule: &str| {
        clauses["results"].as_array().unwrap().iter().filter(|result| result["rule"] == rule).count()
    };
    assert_eq!((of("waiver"), of("input"), of("unread")), (4, HOSTILE.len(), 2));
    assert_eq!(clauses["metadata"]["annotations"]["banyan.dev/note"], "pre-check, not certification");
}

#[test]
fn yaml_says_the_same_and_hides_nothing() {
    let mut bytes = Vec::new();
    openreports::write_yaml(&audit(), Api::OpenReports, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    nothing_hidden(&text);
    let list: Json = serde_yaml::from_str(&text).unwrap();
    let items = list["items"].as_array().unwrap();
    items.iter().for_each(valid_report);
    assert_eq!(items.len(), audit().objects.len() + 1);
    assert_eq!(of(items, "Deployment", "web"), of(&self::list(Api::OpenReports), "Deployment", "web"));
}

#[test]
fn a_report_stays_under_its_limit_and_says_what_it_leaves_out() {
    let mut audit = audit();
    let line = audit.objects.iter().find(|line| line.object.name == "many").unwrap().clone();
    let object = ObjectRef { name: "large".into(), uid: String::new(), ..line.object.clone() };
    let findings = line.findings.iter().cycle().take(600).cloned().collect();
    let large = ObjectLine { object, findings, ..line };
    audit.objects = vec![large];
    let report = openreports::report_for(&audit.objects[0], &audit, Api::PolicyReport);
    valid_report(&report);
    let size = report.to_string().len();
    assert!((MOST / 2..=MOST).contains(&size), "{size}");
    let results = report["results"].as_array().unwrap();
    let last = results.last().unwrap();
    let left: usize = last["properties"]["truncated"].as_str().unwrap().parse().unwrap();
    assert_eq!(left + results.len() - 1, 600);
    // What fails outlasts what is waived.
    let of = |rule: &str| results.iter().filter(|result| result["rule"] == rule).count();
    assert_eq!((of("probed"), of("no-privilege")), (results.len() - 1, 0), "{:?}", report["summary"]);
    let view = super::super::View::new(&audit);
    let tiny = openreports::report_within(&audit.objects[0], &view, Api::OpenReports, 0);
    valid_report(&tiny);
    assert_eq!(tiny["results"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_not_kept_is_counted() {
    let mut audit = audit();
    let line = audit.objects.iter_mut().find(|line| line.object.name == "web").unwrap();
    assert_eq!((line.tally.fail, line.findings.len()), (2, 2));
    line.tally.pass = 7;
    let line = line.clone();
    let report = openreports::report_for(&line, &audit, Api::OpenReports);
    assert_eq!(report["summary"], json!({ "pass": 7, "fail": 1, "warn": 1, "error": 0, "skip": 0 }));
}
