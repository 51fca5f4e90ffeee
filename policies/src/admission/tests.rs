use std::sync::Arc;

use super::*;
use crate::{
    engine::{Selection, compile as compile_packs},
    pack::load,
};

const ABOUT: &str = "name: t\ntitle: {en: T, zh: T}\nstandard: S\nversion: '1'\nlevels: ['1']\nnote: {en: n, zh: n}\nvariables:\n- {name: loose, expression: \"variables.ports.size() > 1\"}\n- {name: strict, expression: \"!variables.loose\"}\n- {name: set, expression: \"flags(object.spec.containers[0])\"}\n- {name: quiet, expression: \"!('v' in variables.set)\"}\n";
const REQUIREMENTS: &str = "- id: r\n  title: {en: t, zh: t}\n  summary: {en: s, zh: s}\n  type: Automatic\n  levels: {1: {clause: '1 a'}}\n";

fn control(body: &str) -> Compiled {
    let text = format!(
        "id: c\ntitle: {{en: It holds, zh: 成立}}\nseverity: high\ntype: Automatic\nrequirements: [r]\nremediation: {{en: f, zh: f}}\n{body}"
    );
    let (pack, faults) =
        load([("pack.yaml", ABOUT), ("requirements.yaml", REQUIREMENTS), ("c.yaml", text.as_str())]);
    assert!(faults.is_empty(), "{faults:?}");
    let (compiled, faults) = compile_packs(
        &[Arc::new(pack.unwrap())],
        &[Selection::new("t", "1")],
        &crate::engine::Parameters::new(),
    );
    assert!(faults.is_empty(), "{faults:?}");
    compiled
}

fn scope() -> Scope {
    Scope {
        prefix: "banyan-city".into(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        namespace_selector: json!({}),
        object_selector: json!({}),
        parameters: ("banyan-system".into(), "banyan-city".into()),
    }
}

fn policy(body: &str, waivers: &[Waiver]) -> Result<(Json, Json), Undecided> {
    let compiled = control(body);
    super::compile(&compiled, &compiled.controls[0], Action::Deny, waivers, &scope())
}

#[test]
fn a_control_over_containers_judges_every_kind_with_a_template() {
    let (policy, binding) = policy(
        "match: {pods: true}\neach: containers\nexpression: '!has(item.tty) || item.name in variables.ports'\nmessage: item.name + ' has a terminal'\nparameters: {ports: {type: Strings, default: [a], description: {en: d, zh: d}}}\n",
        &[],
    )
    .unwrap();
    let rules = policy["spec"]["matchConstraints"]["resourceRules"].as_array().unwrap();
    assert_eq!(rules.len(), 3);
    assert_eq!(
        rules[0]["resources"],
        json!(["pods", "pods/ephemeralcontainers", "replicationcontrollers", "podtemplates"])
    );
    assert_eq!(rules[1]["resources"], json!(["deployments", "replicasets", "statefulsets", "daemonsets"]));
    let expression = policy["spec"]["validations"][0]["expression"].as_str().unwrap();
    assert!(
        expression.starts_with("has(object.metadata.deletionTimestamp) || variables.unchanged || ("),
        "{expression}"
    );
    assert_eq!(expression.matches(".all(item, (!has(item.tty) || item.name in variables.ports))").count(), 3);
    let variables: Vec<_> = policy["spec"]["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(variables, ["podSpec", "unchanged", "ports"], "only what is reached");
    assert_eq!(binding["spec"]["paramRef"]["parameterNotFoundAction"], "Deny");
    assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
}

#[test]
fn shared_expressions_bring_what_they_use() {
    let (policy, _) = policy(
        "match: {kinds: [Service]}\nexpression: variables.strict\nmessage: \"'no'\"\nparameters: {ports: {type: Strings, default: [a], description: {en: d, zh: d}}}\n",
        &[],
    )
    .unwrap();
    let variables: Vec<_> = policy["spec"]["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(variables, ["ports", "loose", "strict"]);
    assert_eq!(
        policy["spec"]["variables"][0]["expression"],
        "has(params.data) && has(params.data.ports) ? (params.data.ports == '' ? [] : params.data.ports.split('\\n')) : [\"a\"]"
    );
}

#[test]
fn items_in_lists_of_lists_are_reached() {
    let (policy, _) = policy("match: {kinds: [networking.k8s.io/Ingress]}\neach: ['spec.rules[*].http.paths[*]']\nexpression: has(item.path)\nmessage: \"'x'\"\n", &[]).unwrap();
    assert_eq!(
        policy["spec"]["validations"][0]["expression"],
        "has(object.metadata.deletionTimestamp) || ((has(object.spec) && has(object.spec.rules) && dyn(object.spec.rules) != null ? object.spec.rules : []).all(outer0, (has(outer0.http) && has(outer0.http.paths) && dyn(outer0.http.paths) != null ? outer0.http.paths : []).all(item, (has(item.path)))))"
    );
    assert_eq!(policy["spec"]["validations"][0].get("messageExpression"), None);
    assert_eq!(policy["spec"]["validations"][0]["message"], "[c] It holds");
}

#[test]
fn a_waiver_carries_its_expiry() {
    let waiver = Waiver {
        name: "w".into(),
        controls: vec!["c".into()],
        namespaces: vec!["a".into()],
        kinds: vec!["Service".into()],
        names: vec!["x-*".into()],
        reason: "r".into(),
        ticket: "t".into(),
        expires: "2027-01-31T00:00:00Z".parse().unwrap(),
        approved_by: "b".into(),
        suspended: false,
    };
    let body = "match: {kinds: [Service]}\nexpression: has(object.spec)\nmessage: \"'x'\"\n";
    let (with, _) = policy(body, std::slice::from_ref(&waiver)).unwrap();
    let text = with["spec"]["variables"][0]["expression"].as_str().unwrap();
    assert!(
        text.contains("timestamp(object.metadata.creationTimestamp) < timestamp(\"2027-01-31T00:00:00Z\")"),
        "{text}"
    );
    assert!(text.contains("request.namespace in [\"a\"]") && text.contains("startsWith(\"x-\")"), "{text}");
    // Not yet approved, set aside, or for another control: as if it were not there.
    for waiver in [
        Waiver { suspended: true, ..waiver.clone() },
        Waiver { approved_by: String::new(), ..waiver.clone() },
        Waiver { controls: vec!["d".into()], ..waiver },
    ] {
        let (without, _) = policy(body, &[waiver]).unwrap();
        assert_eq!(without["spec"]["variables"], json!([]));
    }
}

#[test]
fn what_is_not_decided_at_admission_says_why() {
    for (body, why) in [
        (
            "match: {kinds: [Service]}\nrelated: [{name: p, kind: Pod, in: Namespace}]\nexpression: related.p.size() > 0\nmessage: \"'x'\"\n",
            Undecided::Related("Pod".into()),
        ),
        ("match: {cluster: true}\nexpression: 'true'\nmessage: \"'x'\"\n", Undecided::Cluster),
        (
            "match: {kinds: [Service]}\nknown: 'true'\nexpression: 'true'\nmessage: \"'x'\"\n",
            Undecided::Known,
        ),
        (
            "match: {kinds: [Service]}\nexpression: now > timestamp(object.metadata.creationTimestamp)\nmessage: \"'x'\"\n",
            Undecided::Clock,
        ),
        (
            "match: {kinds: [Pod]}\nexpression: \"flags(object.spec.containers[0]).a == 'b'\"\nmessage: \"'x'\"\n",
            Undecided::Function("flags"),
        ),
        (
            "match: {kinds: [Service]}\nadmission: {decided: false, reason: {en: because, zh: 因为}}\nexpression: 'true'\nmessage: \"'x'\"\n",
            Undecided::Author("because".into()),
        ),
    ] {
        assert_eq!(policy(body, &[]).unwrap_err(), why, "{body}");
    }
    // A word in a string, or a member of that name, is no clock.
    assert!(
        policy(
            "match: {kinds: [Service]}\nexpression: \"object.spec.now == 'now'\"\nmessage: \"'x'\"\n",
            &[]
        )
        .is_ok()
    );
}

#[test]
fn every_text_that_is_made_can_be_parsed() {
    let (packs, _) = crate::pack::builtin();
    let packs: Vec<_> = packs.into_iter().map(Arc::new).collect();
    for pack in &packs {
        for level in &pack.about.levels {
            let (compiled, _) = compile_packs(
                &packs,
                &[Selection::new(&pack.about.name, level)],
                &crate::engine::Parameters::new(),
            );
            for active in &compiled.controls {
                let Ok((policy, _)) = super::compile(&compiled, active, Action::Deny, &[], &scope()) else {
                    continue;
                };
                let variables = policy["spec"]["variables"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|variable| &variable["expression"]);
                let validation = &policy["spec"]["validations"][0];
                for text in
                    variables.chain([&validation["expression"]]).chain(validation.get("messageExpression"))
                {
                    let parsed = kube_cel::cel::parser::Parser::new().parse(text.as_str().unwrap());
                    assert!(parsed.is_ok(), "{}: {text}: {parsed:?}", active.control.id);
                }
            }
        }
    }
}

#[test]
fn what_only_banyan_has_is_seen_behind_shared_expressions() {
    for expression in
        ["'v' in variables.set", "variables.quiet", "flags(object.spec.containers[0]).size() > 0"]
    {
        let refused = policy(
            &format!("match: {{kinds: [Pod]}}\nexpression: {}\nmessage: \"'m'\"\n", json!(expression)),
            &[],
        );
        assert_eq!(refused, Err(Undecided::Function("flags")), "{expression}");
    }
}
