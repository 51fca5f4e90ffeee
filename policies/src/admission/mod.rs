//! Controls as `ValidatingAdmissionPolicy` objects: the same CEL text, so that what is refused is what is reported, and nothing of Banyan's has to run when a
//! request comes.
//!
//! A policy holds what the object alone decides. A control that looks at other objects, at the clock or at what only an audit can see is not
//! compiled; [`undecided`] says why, for the baseline's status.

mod kinds;
mod text;
mod waived;

pub use kinds::resource;

use std::{collections::BTreeMap, fmt};

use regex::Regex;
use serde_json::{Value as Json, json};

use crate::{
    engine::{Active, Compiled},
    pack::{About, Control, Each, ParameterKind, Variable},
    verdict::Waiver,
};

/// What happens to a request that a control refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is let through with a warning to its user.
    Warn,
    /// It is refused.
    Deny,
}

/// Where policies apply, and what they are called.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// Policies are called `<prefix>-<control>`.
    pub prefix: String,
    /// Labels of every object that is made.
    pub labels: BTreeMap<String, String>,
    /// Annotations of every object that is made.
    pub annotations: BTreeMap<String, String>,
    /// The label selector of namespaces; objects of the cluster are always in scope.
    pub namespace_selector: Json,
    /// The label selector of objects, `{}` for all.
    pub object_selector: Json,
    /// Namespace and name of the `ConfigMap` with the parameters.
    pub parameters: (String, String),
}

/// Why a control is not decided at admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// It looks at other objects.
    Related(String),
    /// It judges the cluster as a whole.
    Cluster,
    /// It looks at the clock; a policy has none.
    Clock,
    /// Whether it can be known depends on more than the request.
    Known,
    /// It uses a function that only Banyan has.
    Function(&'static str),
    /// Its author says so.
    Author(String),
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Related(kind) => write!(f, "it depends on {kind} objects beside the one that is written"),
            Self::Cluster => f.write_str("it judges the cluster as a whole, not one request"),
            Self::Clock => f.write_str("it depends on the time, which a policy does not know"),
            Self::Known => f.write_str("whether it can be known does not show at the request"),
            Self::Function(name) => write!(f, "it uses {name}(), which the API server does not have"),
            Self::Author(reason) => f.write_str(reason),
        }
    }
}

/// Why a control of a pack is not decided at admission; `None` when it is. A shared expression that it uses counts as its own.
pub fn undecided(control: &Control, about: &About) -> Option<Undecided> {
    if let Some(related) = control.related.first() {
        return Some(Undecided::Related(related.kind.clone()));
    }
    if control.matches.cluster {
        return Some(Undecided::Cluster);
    }
    if control.known.is_some() {
        return Some(Undecided::Known);
    }
    if let Some(undecided) = &control.admission {
        return Some(Undecided::Author(undecided.reason.en.clone()));
    }
    let wanted = wanted(control, &about.variables);
    let shared = about.variables.iter().filter(|variable| wanted.contains(&variable.name));
    for text in own(control).chain(shared.map(|variable| variable.expression.as_str())) {
        for (name, call) in [("selects", "selects("), ("flags", "flags("), ("certificates", "certificates(")]
        {
            if calls(text, call) {
                return Some(Undecided::Function(name));
            }
        }
        if text::names(text).any(|name| name == "now") {
            return Some(Undecided::Clock);
        }
    }
    None
}

/// The expressions of a control.
fn own(control: &Control) -> impl Iterator<Item = &str> {
    [Some(control.expression.as_str()), Some(control.message.as_str()), control.condition.as_deref()]
        .into_iter()
        .flatten()
}

/// The names of the variables that a control uses, itself or by way of shared expressions.
fn wanted(control: &Control, shared: &[Variable]) -> Vec<String> {
    let mut wanted = Vec::new();
    own(control).for_each(|text| text::variables(text, &mut wanted));
    // A shared expression may use others; those are declared before it in the pack.
    for variable in shared.iter().rev() {
        if wanted.contains(&variable.name) {
            text::variables(&variable.expression, &mut wanted);
        }
    }
    wanted
}

fn calls(text: &str, call: &str) -> bool {
    text.match_indices(call).any(|(place, _)| {
        !text
            .get(..place)
            .and_then(|before| before.chars().next_back())
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')
    })
}

/// The policy and the binding of a control; an error says why there is none.
///
/// Waivers must be the valid ones of the control's baseline; those for other controls are left out here.
pub fn compile(
    compiled: &Compiled,
    active: &Active,
    action: Action,
    waivers: &[Waiver],
    scope: &Scope,
) -> Result<(Json, Json), Undecided> {
    let control = &active.control;
    let about = &compiled
        .packs
        .get(active.pack)
        .ok_or_else(|| Undecided::Author("its pack is not there".to_owned()))?
        .pack
        .about;
    if let Some(undecided) = undecided(control, about) {
        return Err(undecided);
    }
    let name = policy_name(&scope.prefix, &control.id);
    let mut variables: Vec<(String, String)> = Vec::new();
    let wanted = wanted(control, &about.variables);
    let shared = about.variables.as_slice();
    if control.matches.pods {
        variables.push(("podSpec".into(), text::of_pod("object", "spec")));
        variables.push((
            "podMetadata".into(),
            format!("has({0}.metadata) ? {0}.metadata : dyn({{}})", paren(&text::of_pod_root("object"))),
        ));
        variables.push((
            "containers".into(),
            ["containers", "initContainers", "ephemeralContainers"]
                .map(|list| format!("(has(variables.podSpec.{list}) ? variables.podSpec.{list} : [])"))
                .join(" + "),
        ));
        // Whoever touches something else (an owner reference, a replica count) is not held up by a Pod that was let in earlier.
        variables.push((
            "unchanged".into(),
            format!(
                "request.operation == 'UPDATE' && {} == variables.podSpec",
                paren(&text::of_pod("oldObject", "spec"))
            ),
        ));
    }
    // A shared expression may read parameters that other controls of the pack declare.
    let parameters: BTreeMap<_, _> = compiled
        .controls
        .iter()
        .filter(|other| other.pack == active.pack)
        .flat_map(|other| &other.control.parameters)
        .collect();
    for (name, parameter) in parameters.into_iter().filter(|(name, _)| wanted.contains(name)) {
        variables.push((name.clone(), text::parameter(name, parameter.kind, &parameter.default)));
    }
    for variable in shared.iter().filter(|variable| wanted.contains(&variable.name)) {
        variables.push((variable.name.clone(), variable.expression.clone()));
    }
    let mut excuses = vec!["has(object.metadata.deletionTimestamp)".to_owned()];
    if control.matches.pods {
        excuses.push("variables.unchanged".into());
    }
    if let Some(condition) = &control.condition {
        excuses.push(format!("!{}", paren(condition)));
    }
    let waived = waived::expression(&control.id, waivers);
    if let Some(waived) = &waived {
        variables.push(("waived".into(), waived.clone()));
        excuses.push("variables.waived".into());
    }
    let held = match &control.each {
        None => paren(&control.expression),
        Some(_) => text::all(control, &control.expression),
    };
    let title = format!("[{}] {}", control.id, control.title.en);
    let mut validation = json!({
        "expression": format!("{} || {held}", excuses.join(" || ")),
        "message": title,
        "reason": "Forbidden",
    });
    if let Some(message) = text::message(control) {
        validation["messageExpression"] =
            format!("{} + {message}", text::quoted(&format!("[{}] ", control.id))).into();
    }
    let metadata =
        |name: &str| json!({ "name": name, "labels": scope.labels, "annotations": scope.annotations });
    let variables = used(variables, &validation);
    let reads_parameters = variables.iter().any(|(_, expression)| expression.contains("params.data"));
    let mut policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(&name),
        "spec": {
            "failurePolicy": "Fail",
            // With the server's defaults written out: whoever compares what is there with what was meant finds no difference.
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "resourceRules": kinds::rules(control),
            },
            "variables": variables.into_iter().map(|(name, expression)| json!({ "name": name, "expression": expression })).collect::<Vec<_>>(),
            "validations": [validation],
        },
    });
    let mut binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata(&name),
        "spec": {
            "policyName": name,
            "validationActions": [match action { Action::Warn => "Warn", Action::Deny => "Deny" }],
            "matchResources": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": scope.namespace_selector,
                "objectSelector": scope.object_selector,
            },
        },
    });
    if reads_parameters {
        policy["spec"]["paramKind"] = json!({ "apiVersion": "v1", "kind": "ConfigMap" });
        let (namespace, name) = &scope.parameters;
        // A wall whose parameters were taken away stays a wall; a warning does not.
        let missing = match action {
            Action::Warn => "Allow",
            Action::Deny => "Deny",
        };
        binding["spec"]["paramRef"] =
            json!({ "namespace": namespace, "name": name, "parameterNotFoundAction": missing });
    }
    Ok((policy, binding))
}

/// The name of a control's policy.
pub fn policy_name(prefix: &str, control: &str) -> String {
    format!("{prefix}-{control}")
}

/// Parameters as the data of a `ConfigMap`: lists one element a line.
pub fn parameters(compiled: &Compiled, given: &crate::engine::Parameters) -> BTreeMap<String, String> {
    let mut data = BTreeMap::new();
    for (name, parameter) in compiled
        .controls
        .iter()
        .filter(|active| {
            let chosen = compiled.packs.get(active.pack);
            chosen.is_some_and(|chosen| undecided(&active.control, &chosen.pack.about).is_none())
        })
        .flat_map(|active| &active.control.parameters)
    {
        let value = given.get(name).filter(|value| parameter.kind.takes(value)).unwrap_or(&parameter.default);
        let text = match (parameter.kind, value) {
            (ParameterKind::Strings, Json::Array(items)) => {
                items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n")
            }
            (_, Json::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        };
        data.insert(name.clone(), text);
    }
    data
}

/// The variables that the validation reaches, in their order.
fn used(variables: Vec<(String, String)>, validation: &Json) -> Vec<(String, String)> {
    let mut wanted = Vec::new();
    for field in ["expression", "messageExpression"] {
        text::variables(validation[field].as_str().unwrap_or_default(), &mut wanted);
    }
    let mut kept: Vec<_> = variables
        .into_iter()
        .rev()
        .filter(|(name, expression)| {
            let reached = wanted.contains(name);
            if reached {
                text::variables(expression, &mut wanted);
            }
            reached
        })
        .collect();
    kept.reverse();
    kept
}

fn paren(text: &str) -> String {
    format!("({})", text.trim())
}

impl Control {
    /// Whether it judges items one by one.
    fn is_each(&self) -> bool {
        matches!(self.each, Some(Each::Word(_) | Each::Paths(_)))
    }
}

/// `variables.<name>` in a text.
fn variable_pattern() -> Option<Regex> {
    Regex::new(r"\bvariables\.([A-Za-z][A-Za-z0-9]*)").ok()
}

#[cfg(test)]
mod tests;
