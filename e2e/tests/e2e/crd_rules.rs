//! What the API server refuses of Banyan's kinds by itself, and with which words.

pub mod cases;
mod schema;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::dirs;
use kube::api::PostParams;
use kube::core::{Request, Status};
use serde_json::{Value, json};

use crate::world::{Test, World};
use schema::Rule;

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        each_rule_accepts_what_is_just_inside_and_refuses_what_is_just_outside,
        no_rule_of_the_definition_is_without_a_case,
        what_would_name_another_namespace_is_no_field,
        the_examples_are_accepted_and_stay_as_they_are_written,
    ]
}

/// Sends a manifest as a dry run with strict field validation, which is what kubectl asks for. What the definitions let pass and the policy of
/// approvals refuses was accepted as far as these tests go: a Waiver is created without the approval that its definition allows, and
/// admission is asked last.
pub async fn send(plane: &ControlPlane, manifest: &Value) -> Result<std::result::Result<Value, Box<Status>>> {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let crds = banyan_crds::all();
    let names = crds.iter().map(|crd| &crd.spec.names).find(|names| manifest["kind"] == names.kind);
    let plural = &names.context("there is no such kind")?.plural;
    let path = format!("/apis/{}/v1alpha1/{plural}", banyan_crds::GROUP);
    let mut request = Request::new(path).create(&params, serde_json::to_vec(manifest)?)?;
    *request.uri_mut() = format!("{}&fieldValidation=Strict", request.uri()).parse()?;
    match plane.client().request::<Value>(request).await {
        Ok(object) => Ok(Ok(object)),
        Err(kube::Error::Api(status)) if status.message.contains("'banyan-waiver-approval'") => {
            Ok(Ok(manifest.clone()))
        }
        Err(kube::Error::Api(status)) => Ok(Err(status)),
        Err(error) => Err(error.into()),
    }
}

/// The fields that a refusal names, with what it says of each.
pub fn causes(status: &Status) -> Vec<(String, String)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| (cause.field.clone(), cause.message.clone())).collect()
}

/// What a refusal by this rule says.
fn words(rule: &Rule) -> String {
    let limit = &rule.limit;
    match rule.what.as_str() {
        "pattern" => format!("should match '{limit}'"),
        "minLength" => format!("should be at least {limit} chars long"),
        "maxLength" => format!("may not be more than {limit} bytes"),
        "minimum" => format!("should be greater than or equal to {limit}"),
        "maximum" => format!("should be less than or equal to {limit}"),
        "minItems" => format!("should have at least {limit} items"),
        "minProperties" => format!("should have at least {limit} properties"),
        "multipleOf" => format!("should be a multiple of {limit}"),
        "maxItems" | "maxProperties" => format!("must have at most {limit} items"),
        "enum" => "supported values: ".to_owned(),
        "format" => format!("must be of type {limit}"),
        "required" => "Required value".to_owned(),
        "x-kubernetes-list-type" => "Duplicate value".to_owned(),
        message => message.to_owned(),
    }
}

/// `a[0].b[12]` as `a[].b[]`.
pub fn any_item(field: &str) -> String {
    let mut inside = false;
    let keep = |letter: &char| {
        inside = *letter == '[' || (inside && *letter != ']');
        !(inside && letter.is_ascii_digit())
    };
    field.chars().filter(keep).collect()
}

async fn each_rule_accepts_what_is_just_inside_and_refuses_what_is_just_outside(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let rules = schema::rules();
    let mut wrong = Vec::new();
    for case in cases::all() {
        let (kind, field) = (case.kind(), any_item(&case.field));
        let name = format!("{kind} {} ({})", case.field, case.rule);
        let rule =
            rules.iter().find(|rule| rule.kind == kind && rule.field == field && rule.what == case.rule);
        let rule = rule.with_context(|| format!("the definition has no rule {name}"))?;
        if let Err(status) = send(plane, &case.accepted()).await? {
            wrong.push(format!("{name}: what is inside was refused: {}", status.message));
        }
        match send(plane, &case.refused()).await? {
            Ok(_) => wrong.push(format!("{name}: what is outside was accepted")),
            Err(status) => {
                let causes = causes(&status);
                // The API server gives a rule about the whole object no field.
                let named =
                    |field: &str| field == case.field || (case.field == "metadata.name" && field == "<nil>");
                if !causes.iter().any(|(field, message)| named(field) && message.contains(&words(rule))) {
                    wrong
                        .push(format!("{name}: refused with other words than {:?}: {causes:?}", words(rule)));
                }
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of the cases went wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

async fn no_rule_of_the_definition_is_without_a_case(_: World) -> Result<()> {
    let tried: BTreeSet<_> = cases::all()
        .into_iter()
        .map(|case| (case.kind(), any_item(&case.field), case.rule.to_owned()))
        .collect();
    let missing: Vec<_> = schema::rules()
        .into_iter()
        .map(|rule| (rule.kind, rule.field, rule.what))
        .filter(|rule| !tried.contains(rule))
        .map(|(kind, field, rule)| format!("{kind} {field} ({rule})"))
        .collect();
    ensure!(missing.is_empty(), "rules without a case in crd_rules/cases:\n{}", missing.join("\n"));
    Ok(())
}

/// References have a name and no namespace: Secrets are always in Banyan's own. A misspelt field is an error too.
async fn what_would_name_another_namespace_is_no_field(world: World) -> Result<()> {
    let plane = world.installed().await?;
    for (parent, name) in [
        ("/spec/energy/prometheus/authSecretRef", "namespace"),
        ("/spec/energy/prometheus/caConfigMapRef", "namespace"),
        ("/spec/cluster/kubeconfigSecretRef", "namespace"),
        ("/spec/pue", "target"),
    ] {
        let mut manifest = cases::whole();
        let field = format!("{}.{name}", parent.trim_start_matches('/').replace('/', "."));
        manifest.pointer_mut(parent).context("the base has no such field")?[name] = json!("kube-system");
        let Err(status) = send(plane, &manifest).await? else { bail!("{field} was accepted") };
        ensure!(
            status.message.contains(&format!("unknown field \"{field}\"")),
            "{field}: {}",
            status.message
        );
    }
    ensure!(send(plane, &cases::whole()).await?.is_ok(), "the base itself is refused");
    Ok(())
}

async fn the_examples_are_accepted_and_stay_as_they_are_written(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let folder = dirs::repository().join("docs/examples");
    let folder = folder.to_str().context("the path of the repository is no text")?;
    plane.kubectl(["apply", "--validate=strict", "-f", folder]).await?;
    // It ends with 1 when applying again would change something.
    let differs =
        plane.kubectl(["diff", "-f", folder]).await.context("applying an example twice changes something");
    plane.kubectl(["delete", "--wait=false", "-f", folder]).await?;
    differs.map(drop)
}
