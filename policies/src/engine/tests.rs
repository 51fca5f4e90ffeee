use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{fixtures::*, *};
use crate::{
    cel::Budget,
    pack::{Level, builtin, load},
};

fn now() -> jiff::Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// Judges objects as an audit does.
fn look(compiled: &Compiled, sight: Sight, objects: &[Json]) -> Vec<Judged> {
    let mut session = Session::new(compiled, now());
    let mut all: Vec<Judged> = objects
        .iter()
        .enumerate()
        .map(|(place, object)| session.take(place, compiled.examine(object, now())))
        .collect();
    all.extend(session.finish(sight));
    all.retain(|judged| !judged.findings.is_empty());
    all
}

fn outcomes(compiled: &Compiled, sight: Sight, objects: &[Json]) -> Vec<(String, Outcome)> {
    look(compiled, sight, objects)
        .into_iter()
        .flat_map(|judged| {
            judged.findings.into_iter().map(move |finding| (judged.object.name.clone(), finding.outcome))
        })
        .collect()
}

fn workload(kind: &str, api: &str, prefix: &[&str], spec: Json) -> Json {
    let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "w", "namespace": "n"}});
    let mut at = &mut object;
    for step in prefix {
        at = &mut at[*step];
    }
    at["spec"] = spec;
    object
}

#[test]
fn a_control_over_pods_judges_every_kind_with_a_template_and_names_the_path_as_written() {
    let compiled = compiled(&[(
        "c",
        "match: {pods: true}\neach: containers\nexpression: '!has(item.tty)'\nfield: tty\nmessage: item.name\n",
    )]);
    let spec =
        json!({"initContainers": [{"name": "i"}], "containers": [{"name": "a"}, {"name": "b", "tty": true}]});
    for (kind, api, prefix) in [
        ("Pod", "v1", &[][..]),
        ("Deployment", "apps/v1", &["spec", "template"]),
        ("ReplicaSet", "apps/v1", &["spec", "template"]),
        ("StatefulSet", "apps/v1beta1", &["spec", "template"]),
        ("DaemonSet", "apps/v1", &["spec", "template"]),
        ("ReplicationController", "v1", &["spec", "template"]),
        ("Job", "batch/v1", &["spec", "template"]),
        ("CronJob", "batch/v1", &["spec", "jobTemplate", "spec", "template"]),
        ("PodTemplate", "v1", &["template"]),
    ] {
        let judged = look(&compiled, Sight::Manifests, &[workload(kind, api, prefix, spec.clone())]);
        let place = &judged[0].findings[0].places[0];
        let at = prefix.iter().fold(String::new(), |at, step| at + step + ".");
        assert_eq!(
            (place.path.as_str(), place.message.as_str(), place.evidence.as_deref()),
            (format!("{at}spec.containers[1].tty").as_str(), "b", Some("true")),
            "{kind}"
        );
    }
    // Another group's Deployment is another kind.
    assert!(
        look(
            &compiled,
            Sight::Manifests,
            &[workload("Deployment", "example.org/v1", &["spec", "template"], spec)]
        )
        .is_empty()
    );
}

#[test]
fn an_evaluation_that_fails_is_an_error_and_never_a_pass() {
    let compiled = compiled(&[
        ("a", "match: {kinds: [ConfigMap]}\nexpression: object.data.x == 'y'\n"),
        ("b", "match: {kinds: [ConfigMap]}\nwhere: object.data.x == 'y'\nexpression: 'true'\n"),
        ("c", "match: {kinds: [ConfigMap]}\nknown: object.data.x == 'y'\nexpression: 'true'\n"),
        ("d", "match: {kinds: [ConfigMap]}\neach: ['items[*]']\nexpression: item.x == 'y'\n"),
        ("e", "match: {kinds: [ConfigMap]}\nexpression: \"'text'\"\n"),
    ]);
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "items": [{}]});
    let said = outcomes(&compiled, Sight::Manifests, &[object]);
    assert_eq!(said.iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>(), [Outcome::Error; 5]);
}

#[test]
fn of_items_one_failure_outweighs_the_errors_of_others() {
    let compiled =
        compiled(&[("d", "match: {kinds: [ConfigMap]}\neach: ['items[*]']\nexpression: item.x == 'y'\n")]);
    let object = |items: Json| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "items": items});
    for (items, outcome) in [
        (json!([{}, {"x": "z"}]), Outcome::Fail),
        (json!([{"x": "y"}, {}]), Outcome::Error),
        (json!([{"x": "y"}]), Outcome::Pass),
        (json!([]), Outcome::Pass),
        (json!(null), Outcome::Pass),
    ] {
        assert_eq!(outcomes(&compiled, Sight::Manifests, &[object(items.clone())])[0].1, outcome, "{items}");
    }
}

const POLICIES: &str = "match: {kinds: [Namespace]}\nrelated: [{name: policies, kind: networking.k8s.io/NetworkPolicy, in: Namespace}]\nexpression: related.policies.exists(p, p.spec.podSelector == {})\n";

fn namespace(name: &str) -> Json {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"grade": "core"}}})
}

fn network_policy(namespace: &str) -> Json {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, "ingress": []}})
}

#[test]
fn a_verdict_over_several_objects_does_not_depend_on_their_order() {
    let compiled = compiled(&[("c", POLICIES)]);
    let mut objects = vec![namespace("a"), network_policy("a"), namespace("b"), network_policy("c")];
    for _ in 0..2 {
        let mut said = outcomes(&compiled, Sight::Manifests, &objects);
        said.sort();
        assert_eq!(said, [("a".to_owned(), Outcome::Pass), ("b".to_owned(), Outcome::Fail)]);
        objects.reverse();
    }
    let unread = BTreeSet::from(["networking.k8s.io/NetworkPolicy".to_owned()]);
    let said = outcomes(&compiled, Sight::Cluster { unread }, &objects);
    assert!(
        said.len() == 2 && said.iter().all(|(_, outcome)| *outcome == Outcome::Unknown),
        "what could not be read is unknown: {said:?}"
    );
}

#[test]
fn the_cluster_is_judged_once_and_unknown_where_its_objects_are_not_there_to_be_read() {
    let compiled = compiled(&[(
        "c",
        "match: {cluster: true}\nrelated: [{name: nodes, kind: Node, in: Cluster}]\nexpression: related.nodes.size() >= 2\n",
    )]);
    let node = |name: &str| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"big": "x"}});
    let all = Sight::Cluster { unread: BTreeSet::new() };
    assert_eq!(
        outcomes(&compiled, all.clone(), &[node("a"), node("b")]),
        [("cluster".to_owned(), Outcome::Pass)]
    );
    assert_eq!(outcomes(&compiled, all.clone(), &[node("a")]), [("cluster".to_owned(), Outcome::Fail)]);
    assert_eq!(outcomes(&compiled, all, &[]), [("cluster".to_owned(), Outcome::Fail)]);
    assert_eq!(
        outcomes(&compiled, Sight::Manifests, &[namespace("a")]),
        [("cluster".to_owned(), Outcome::Unknown)]
    );
    let unread = BTreeSet::from(["Node".to_owned()]);
    assert_eq!(
        outcomes(&compiled, Sight::Cluster { unread }, &[node("a"), node("b")]),
        [("cluster".to_owned(), Outcome::Unknown)]
    );
}

#[test]
fn the_namespace_of_an_object_is_read_where_it_is_known() {
    let compiled = compiled(&[(
        "c",
        "match: {kinds: [ConfigMap]}\nexpression: namespaceObject.metadata.labels.grade == 'core'\n",
    )]);
    let map = |namespace: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": namespace, "namespace": namespace}});
    assert_eq!(
        outcomes(&compiled, Sight::Manifests, &[map("a"), map("b"), namespace("a")]),
        [("a".to_owned(), Outcome::Pass), ("b".to_owned(), Outcome::Unknown)]
    );
}

#[test]
fn a_level_a_part_and_a_profile_choose_what_is_asked_for() {
    let pack = pack(&[
        ("high", "match: {kinds: [ConfigMap]}\nexpression: 'true'\nlevels: ['2']\n"),
        ("cloudy", "match: {kinds: [ConfigMap]}\nexpression: 'true'\nrequirements: [cloud]\n"),
        ("strict", "match: {kinds: [ConfigMap]}\nexpression: 'true'\nlevels: ['2']\nreplaces: [loose]\n"),
        ("loose", "match: {kinds: [ConfigMap]}\nexpression: 'true'\n"),
    ]);
    let chosen = |selection: Selection| {
        let (compiled, faults) = compile(&[Arc::clone(&pack)], &[selection], &Parameters::new());
        assert!(faults.is_empty(), "{faults:?}");
        compiled
            .controls
            .iter()
            .map(|active| format!("{} {}", active.control.id, active.clauses[0].1.clause))
            .collect::<Vec<_>>()
    };
    assert_eq!(chosen(Selection::new("t", "1")), ["cloudy 1 c", "loose 1 a"]);
    assert_eq!(chosen(Selection::new("t", "2")), ["cloudy 2 c", "high 2 b", "strict 2 b"]);
    assert_eq!(chosen(Selection { parts: Vec::new(), ..Selection::new("t", "1") }), ["loose 1 a"]);
    let level = |level: &str| Level(level.to_owned());
    // S2A1G2: the requirement of assurance is asked for at level 1.
    let profile = Some([level("2"), level("1"), level("2")]);
    assert_eq!(
        chosen(Selection { profile, ..Selection::new("t", "2") }),
        ["cloudy 1 c", "high 2 b", "strict 2 b"]
    );
}

#[test]
fn one_broken_control_takes_no_other_with_it() {
    let good = "id: good\ntitle: {en: t, zh: t}\nseverity: high\ntype: Automatic\nrequirements: [r]\nremediation: {en: f, zh: f}\nmatch: {kinds: [ConfigMap]}\nexpression: 'true'\nmessage: \"'x'\"\n";
    let about =
        "name: t\ntitle: {en: T, zh: T}\nstandard: S\nversion: '1'\nlevels: ['1']\nnote: {en: n, zh: n}\n";
    let requirements = "- id: r\n  title: {en: t, zh: t}\n  summary: {en: s, zh: s}\n  type: Automatic\n  levels: {1: {clause: '1 a'}}\n";
    let broken = |from: &str, to: &str| good.replace("id: good", "id: bad").replace(from, to);
    for (text, says) in [
        (broken("severity: high", "severity: huge"), "bad.yaml:3: severity: unknown variant `huge`"),
        (broken("requirements: [r]", "requirements: [q]"), "bad.yaml:5: there is no requirement `q`"),
        (
            broken("match: {kinds: [ConfigMap]}", "match: {kinds: [ConfigMap], pods: true}"),
            "bad.yaml:7: exactly one of",
        ),
        (broken("expression: 'true'", "expression: 'true'\ncolour: red"), "unknown field `colour`"),
        (good.to_owned(), "bad.yaml:1: good.yaml has a control called good too"),
    ] {
        let (pack, faults) = load([
            ("pack.yaml", about),
            ("requirements.yaml", requirements),
            ("good.yaml", good),
            ("bad.yaml", text.as_str()),
        ]);
        let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(says), "{told} does not say {says}");
        assert_eq!(pack.unwrap().controls.len(), 1, "{says}");
    }
    let text = about.replace("note:", "variables: [{name: namespace, expression: 'true'}]\nnote:");
    let (_, faults) = load([("pack.yaml", text.as_str()), ("requirements.yaml", requirements)]);
    assert!(faults[0].to_string().contains("`namespace` is no name of a variable"), "{faults:?}");
    // CEL is checked when the pack is compiled.
    let text = broken("expression: 'true'", "expression: objekt.x");
    let (pack, faults) = load([
        ("pack.yaml", about),
        ("requirements.yaml", requirements),
        ("good.yaml", good),
        ("bad.yaml", text.as_str()),
    ]);
    assert!(faults.is_empty());
    let (compiled, faults) =
        compile(&[Arc::new(pack.unwrap())], &[Selection::new("t", "1")], &Parameters::new());
    assert_eq!(compiled.controls.len(), 1);
    assert!(faults[0].to_string().starts_with("bad.yaml:"), "{}", faults[0]);
    assert!(faults[0].to_string().contains("expression: there is no `objekt` here"), "{}", faults[0]);
}

#[test]
fn parameters_of_the_wrong_type_and_unknown_packs_are_told() {
    let body = "match: {kinds: [ConfigMap]}\nexpression: variables.most > 3\nparameters: {most: {type: Integer, default: 5, description: {en: d, zh: d}}}\n";
    let pack = pack(&[("c", body)]);
    let (_, faults) = compile(
        &[Arc::clone(&pack)],
        &[Selection::new("t", "1")],
        &Parameters::from([("most".to_owned(), json!("7"))]),
    );
    let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told.contains("the parameter most is \"7\", which is no Integer"), "{told}");
    let (_, faults) = compile(
        &[Arc::clone(&pack)],
        &[Selection::new("u", "1"), Selection::new("t", "9")],
        &Parameters::new(),
    );
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["t: the pack t has no level `9`, its levels are 1, 2", "u: there is no pack `u`"]
    );
}

#[test]
fn a_parameter_may_follow_the_level() {
    let body = "match: {kinds: [ConfigMap]}\nexpression: variables.most > 1\nparameters: {most: {type: Integer, default: 0, fromLevel: true, description: {en: d, zh: d}}}\n";
    let pack = pack(&[("c", body)]);
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    for (level, given, outcome) in [
        ("1", None, Outcome::Fail),
        ("2", None, Outcome::Pass),
        ("1", Some(2), Outcome::Pass),
        ("2", Some(0), Outcome::Fail),
    ] {
        let parameters = given.map(|given| ("most".to_owned(), json!(given))).into_iter().collect();
        let (compiled, faults) = compile(&[Arc::clone(&pack)], &[Selection::new("t", level)], &parameters);
        assert!(faults.is_empty(), "{faults:?}");
        let default = &compiled.controls[0].control.parameters["most"].default;
        assert_eq!(default.to_string(), level, "what is compiled for admission has it too");
        assert_eq!(compiled.examine(&object, now()).findings[0].outcome, outcome);
    }
}

#[test]
fn a_secret_is_no_evidence() {
    let compiled = compiled(&[
        ("a", "match: {kinds: [Secret, ConfigMap]}\nexpression: 'false'\nfield: data.password\n"),
        (
            "b",
            "match: {pods: true}\neach: ['spec.containers[*].env[*]']\nexpression: 'false'\nfield: value\n",
        ),
    ]);
    let objects = [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "c2VjcmV0"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"password": "secret"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s"}, "spec": {"containers": [{"env": [{"name": "P", "value": "secret"}]}]}}),
    ];
    for judged in look(&compiled, Sight::Manifests, &objects) {
        assert!(
            judged.findings.iter().flat_map(|finding| &finding.places).all(|place| place.evidence.is_none()),
            "{judged:?}"
        );
    }
}

/// What is kept of an object until its related objects are known is enough: every example of every pack comes out the same when the object is cut
/// down to it.
#[test]
fn what_is_kept_of_an_object_is_all_that_its_controls_read() {
    let (packs, _) = builtin();
    for pack in &packs {
        for control in &pack.controls {
            for example in control.examples.good.iter().chain(&control.examples.bad) {
                let Some(object) = &example.object else { continue };
                let Ok(compiled) = alone(pack, control, &example.parameters) else { continue };
                let cut = compiled.cut_down(object);
                let example_of_cut = crate::pack::Example { object: Some(cut), ..example.clone() };
                let (whole, cut) =
                    (judge_example(&compiled, example), judge_example(&compiled, &example_of_cut));
                assert_eq!(whole, cut, "{}: {}", control.id, example.name);
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(|value| json!(value)),
        "[a-z.:/@]{0,8}".prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
    ];
    let key = prop_oneof![
        Just("spec"),
        Just("metadata"),
        Just("template"),
        Just("containers"),
        Just("securityContext"),
        Just("labels"),
        Just("name"),
        Just("namespace"),
        Just("rules"),
        Just("subjects"),
        Just("ports"),
        Just("tls"),
        Just("hosts"),
        Just("volumes"),
        Just("image"),
        Just("env"),
        Just("data"),
        Just("x"),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((key.clone().prop_map(str::to_owned), inner), 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

fn every_pack_at_its_highest_level() -> Compiled {
    let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
    let selections: Vec<_> = packs
        .iter()
        .filter_map(|pack| Some(Selection::new(&pack.about.name, pack.about.levels.last()?)))
        .collect();
    compile(&packs, &selections, &Parameters::new()).0
}

proptest! {
    /// Whatever an object looks like, judging it ends with verdicts.
    #[test]
    fn no_object_breaks_the_judge(spec in any_json(), metadata in any_json(), kind in 0..40_usize) {
        thread_local! {
            static COMPILED: Compiled = every_pack_at_its_highest_level();
        }
        COMPILED.with(|compiled| {
            let mut kinds: Vec<&str> = compiled.judged_kinds().chain(["Pod", "apps/Deployment"]).collect();
            kinds.sort_unstable();
            let kind = kinds[kind % kinds.len()];
            let (group, kind) = kind.split_once('/').map_or(("", kind), |(group, kind)| (group, kind));
            let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
            let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec.clone(), "template": spec.clone(), "rules": spec});
            look(compiled, Sight::Manifests, &[object]);
        });
    }

    /// Whatever a pack's author writes, reading it ends.
    #[test]
    fn no_text_breaks_the_compiler(text in "[a-z.()\\[\\]{}'\"!&|?:+ =<>0-9-]{0,60}") {
        struct Anything;
        impl crate::cel::Names for Anything {
            fn variable(&self, _: &str) -> Option<crate::cel::Root> { None }
            fn related(&self, _: &str) -> Option<crate::cel::Root> { None }
            fn object(&self) -> bool { true }
            fn item(&self) -> bool { true }
        }
        if let Ok(expr) = crate::cel::compile(&text, &Anything) {
            let _ = (crate::cel::uses(&expr), crate::cel::mutants(&expr), expr.to_string(), Budget::new());
        }
    }
}
