//! What of a baseline is held at admission: policies, bindings and their parameters, as objects to ensure.

use std::collections::BTreeSet;

use banyan_crds::v1alpha1::{AdmissionAction, SecurityBaseline, SecurityBaselineSpec};
use banyan_policies::{
    admission::{self, Action, Scope},
    engine::{Compiled, Parameters},
    verdict::Waiver,
};
use jiff::Timestamp;
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{ResourceExt, core::ApiResource};
use serde_json::{Value, json};

use super::scope;
use crate::kernel::plan::{Basis, Defence, ObjectRef, Own, ROLE};

/// Namespaces whose objects are never held beside Banyan's own: what runs the cluster must be able to start.
const EXCEPTED: [&str; 2] = ["kube-system", "kube-node-lease"];

/// What is held, and what cannot be.
#[derive(Debug, Default)]
pub struct Held {
    /// The objects to ensure.
    pub own: Vec<Own>,
    /// How many controls are held.
    pub controls: usize,
    /// Controls that are to be held and are not decided at admission, and why.
    pub not_decided: Vec<(String, String)>,
    /// Fields of the spec that name what there is not, and what is wrong.
    pub faults: Vec<(String, String)>,
}

/// What a spec says should happen to a control at admission.
pub fn action(spec: &SecurityBaselineSpec, control: &str) -> AdmissionAction {
    let named = spec.enforcement.controls.iter().find(|named| named.id.0 == control);
    named.map_or(spec.enforcement.default_action, |named| named.action)
}

/// Plans what is held. `waivers` are those of the baseline; only approved ones that have not expired are taken in, so that what is updated is held
/// again from then on.
pub fn held(
    baseline: &SecurityBaseline,
    compiled: &Compiled,
    parameters: &Parameters,
    waivers: &[Waiver],
    namespace: &str,
    now: Timestamp,
) -> Held {
    let name = baseline.name_any();
    let spec = &baseline.spec;
    let mut held = Held::default();
    let known: BTreeSet<&str> = compiled.controls.iter().map(|active| active.control.id.as_str()).collect();
    for (place, named) in spec.enforcement.controls.iter().enumerate() {
        if !known.contains(named.id.0.as_str()) {
            let what = format!("no control of its packs at this level is called `{}`", named.id.0);
            held.faults.push((format!("spec.enforcement.controls[{place}].id"), what));
        }
    }
    let valid: Vec<Waiver> = waivers.iter().filter(|waiver| waiver.is_valid(now)).cloned().collect();
    let mut except = EXCEPTED.to_vec();
    except.push(namespace);
    let selectors = scope::selectors(spec.scope.as_ref(), &except);
    let parameters_name = format!("banyan-baseline-{name}-parameters");
    let mut reads = false;
    for active in &compiled.controls {
        let id = &active.control.id;
        let action = match action(spec, id) {
            AdmissionAction::Audit => continue,
            AdmissionAction::Warn => Action::Warn,
            AdmissionAction::Deny => Action::Deny,
        };
        let scope = Scope {
            prefix: format!("banyan-{name}"),
            labels: [].into(),
            annotations: [].into(),
            namespace_selector: json!({}),
            object_selector: json!({}),
            parameters: (namespace.to_owned(), parameters_name.clone()),
        };
        match admission::compile(compiled, active, action, &valid, &scope) {
            Err(undecided) => held.not_decided.push((id.clone(), undecided.to_string())),
            Ok((mut policy, binding)) => {
                // The server does not keep an empty list, and every look would find it missing.
                if let Some(spec) = policy["spec"].as_object_mut() {
                    spec.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
                }
                held.controls += 1;
                reads |= policy["spec"]["paramKind"].is_object();
                let why = format!("control {id} is held at admission");
                let called = admission::policy_name(&scope.prefix, id);
                held.own.push(own(
                    baseline,
                    ApiResource::erase::<ValidatingAdmissionPolicy>(&()),
                    None,
                    &called,
                    json!({ "spec": policy["spec"] }),
                    &why,
                ));
                for (way, selector) in &selectors {
                    let called = if way.is_empty() { called.clone() } else { format!("{called}.{way}") };
                    let mut body = json!({ "spec": binding["spec"] });
                    body["spec"]["matchResources"]["namespaceSelector"] = selector.clone();
                    let resource = ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&());
                    held.own.push(own(baseline, resource, None, &called, body, &why));
                }
            }
        }
    }
    if reads {
        held.own.push(own(
            baseline,
            ApiResource::erase::<ConfigMap>(&()),
            Some(namespace),
            &parameters_name,
            json!({ "data": admission::parameters(compiled, parameters) }),
            "parameters of what is held at admission",
        ));
    }
    held
}

/// A reference to the baseline, whose policies are worth nothing without it.
pub fn owner_reference(baseline: &SecurityBaseline) -> Option<Value> {
    Some(json!({
        "apiVersion": "banyan.dev/v1alpha1",
        "kind": "SecurityBaseline",
        "name": baseline.name_any(),
        "uid": baseline.uid()?,
    }))
}

fn own(
    baseline: &SecurityBaseline,
    resource: ApiResource,
    namespace: Option<&str>,
    name: &str,
    body: Value,
    why: &str,
) -> Own {
    Own {
        object: ObjectRef {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            uid: None,
        },
        body,
        basis: Basis::Any,
        defence: Defence::PutBack,
        labels: [(ROLE.to_owned(), "admission".to_owned())].into(),
        owner_reference: owner_reference(baseline),
        lends: false,
        action: None,
        why: why.to_owned(),
        until: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use banyan_policies::{engine::compile, pack::builtin};

    use super::{super::spec, *};

    fn planned(spec: &str) -> Held {
        let spec: SecurityBaselineSpec = serde_yaml::from_str(spec).unwrap();
        let mut baseline = SecurityBaseline::new("city", spec);
        baseline.metadata.uid = Some("u".to_owned());
        let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
        let asked = spec::asked(&baseline.spec, &packs);
        let (compiled, _) = compile(&packs, &asked.selections, &asked.parameters);
        held(&baseline, &compiled, &asked.parameters, &[], "banyan-system", Timestamp::UNIX_EPOCH)
    }

    fn names(held: &Held) -> Vec<String> {
        held.own.iter().map(|own| own.object.to_string()).collect()
    }

    #[test]
    fn only_what_is_asked_to_be_held_is() {
        assert_eq!(names(&planned("{level: 3, packs: [mlps]}")), Vec::<String>::new());
        let one = planned(
            "{level: 3, packs: [pod-security], enforcement: {controls: [{id: pod-security-privileged, action: Deny}, {id: nothing, action: Warn}]}}",
        );
        assert_eq!(one.controls, 1, "{:?}", names(&one));
        assert_eq!(
            names(&one),
            [
                "ValidatingAdmissionPolicy banyan-city-pod-security-privileged",
                "ValidatingAdmissionPolicyBinding banyan-city-pod-security-privileged"
            ]
        );
        assert_eq!(one.faults[0].0, "spec.enforcement.controls[1].id");
        let binding = &one.own[1].body["spec"];
        assert_eq!(binding["validationActions"], json!(["Deny"]));
        let except = &binding["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"];
        assert_eq!(except, &json!(["kube-system", "kube-node-lease", "banyan-system"]));
    }

    #[test]
    fn what_cannot_be_decided_at_admission_is_told_and_parameters_come_along() {
        let all = planned("{level: 3, packs: [mlps], enforcement: {default: Warn}}");
        assert!(all.controls > 50 && !all.not_decided.is_empty());
        assert!(
            names(&all).iter().any(|name| name == "ConfigMap banyan-system/banyan-baseline-city-parameters")
        );
        for own in &all.own {
            let fields = own.body["spec"].as_object().into_iter().flatten();
            assert!(fields.into_iter().all(|(_, value)| *value != json!([])), "{}", own.object);
        }
        let policies =
            all.own.iter().filter(|own| own.object.resource.kind == "ValidatingAdmissionPolicy").count();
        assert_eq!(policies, all.controls);
    }

    #[test]
    fn two_ways_to_select_are_two_bindings() {
        let both = planned(
            "{level: 3, packs: [pod-security], scope: {namespaceSelector: {}, tenants: [health]}, enforcement: {controls: [{id: pod-security-privileged, action: Deny}]}}",
        );
        assert_eq!(
            names(&both)[1..],
            [
                "ValidatingAdmissionPolicyBinding banyan-city-pod-security-privileged",
                "ValidatingAdmissionPolicyBinding banyan-city-pod-security-privileged.tenants"
            ]
        );
    }

    #[test]
    fn the_example_of_the_page_names_only_what_there_is() {
        let page = include_str!("../../../docs/security-baseline.md");
        let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let baseline: SecurityBaseline = serde_yaml::from_str(example).unwrap();
        let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
        let asked = spec::asked(&baseline.spec, &packs);
        assert_eq!(asked.faults, []);
        let (compiled, _) = compile(&packs, &asked.selections, &asked.parameters);
        let held = held(&baseline, &compiled, &asked.parameters, &[], "banyan-system", Timestamp::UNIX_EPOCH);
        assert_eq!((held.faults, held.controls), (vec![], 1));
        for name in baseline.spec.parameters.keys() {
            assert!(
                compiled.controls.iter().any(|active| active.control.parameters.contains_key(name)),
                "{name}"
            );
        }
        for clause in baseline
            .spec
            .not_applicable
            .iter()
            .map(|one| &one.clause)
            .chain(baseline.spec.attestations.iter().map(|one| &one.clause))
        {
            let there = compiled
                .packs
                .iter()
                .any(|chosen| chosen.requirements.iter().any(|(_, known)| known.clause == *clause));
            assert!(there, "{clause}");
        }
    }
}
