//! What the operator's service account may do, and what it may not.

use anyhow::{Context, Result, bail, ensure};
use banyan::doctor::reads;
use banyan_e2e::chart::{NAMESPACE, RELEASE};
use banyan_e2e::controlplane::ControlPlane;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        the_operator_may_do_what_it_needs_and_its_roles_hold_nothing_else,
        no_role_of_the_chart_has_a_wildcard_or_a_way_to_more_rights,
        the_operator_cannot_give_itself_more_rights,
        the_operator_reads_only_the_secrets_of_its_namespace_that_it_can_name,
    ]
}

/// Rights in one namespace, or in the whole cluster (`""`): API group, resources, one name or none, verbs.
type Right = (&'static str, &'static str, &'static [&'static str], &'static str, &'static [&'static str]);

/// Everything that the operator does beside reading what packs judge, and why.
const NEEDED: [Right; 22] = [
    // Its own resources; a patch sets and clears the finalizer.
    ("", "banyan.dev", &["datacenters"], "", &["get", "list", "watch", "patch"]),
    ("", "banyan.dev", &["datacenters/status"], "", &["patch"]),
    // PreferElsewhere and HoldBatch.
    ("", "", &["nodes"], "", &["get", "list", "watch", "patch"]),
    ("", "batch", &["jobs", "cronjobs"], "", &["get", "list", "watch", "patch"]),
    ("", "kueue.x-k8s.io", &["clusterqueues"], "", &["get", "list", "watch", "patch"]),
    // Baselines and Waivers.
    ("", "banyan.dev", &["securitybaselines", "waivers"], "", &["get", "list", "watch"]),
    ("", "banyan.dev", &["securitybaselines/status", "waivers/status"], "", &["patch"]),
    // Controls that warn or deny.
    (
        "",
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        "",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    // Reports about objects.
    ("", "openreports.io", &["reports", "clusterreports"], "", REPORTS),
    ("", "wgpolicyk8s.io", &["policyreports", "clusterpolicyreports"], "", REPORTS),
    // The identity of the cluster.
    ("", "", &["namespaces"], "kube-system", &["get"]),
    // Whether the policies of its actions are in place.
    (
        "",
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        "banyan-freeze-growth",
        &["get"],
    ),
    (
        "",
        "admissionregistration.k8s.io",
        &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        "banyan-hold-batch",
        &["get"],
    ),
    // Whether Waivers are held to four eyes.
    (
        "",
        "admissionregistration.k8s.io",
        &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        "banyan-waiver-author",
        &["get"],
    ),
    (
        "",
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        "banyan-waiver-approval",
        &["get"],
    ),
    // Whether parameters of policies stay read.
    (
        "",
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        "banyan-parameters-in-use",
        &["get"],
    ),
    (
        "",
        "admissionregistration.k8s.io",
        &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        "banyan-parameters-in-use",
        &["get"],
    ),
    // Ledgers and marks of frozen sites; credentials that specs name.
    (NAMESPACE, "", &["configmaps"], "", &["get", "list", "watch", "create", "patch", "delete"]),
    (NAMESPACE, "", &["secrets"], "", &["get"]),
    // The lease; a create cannot be limited by name.
    (NAMESPACE, "coordination.k8s.io", &["leases"], "", &["create"]),
    (NAMESPACE, "coordination.k8s.io", &["leases"], "banyan", &["get", "update"]),
    // Events about what has no namespace.
    ("default", "events.k8s.io", &["events"], "", &["create", "patch"]),
];

/// What is done with reports.
const REPORTS: &[&str] = &["get", "list", "watch", "create", "update", "delete"];

/// The needed rights one by one: namespace, group, resource, name, verb.
fn each() -> Vec<[&'static str; 5]> {
    // That these are the kinds that packs read, the operator's own tests see to.
    let read = reads::OF_PACKS.map(|right| ("", right.group, right.resources, right.name, right.verbs));
    let mut all = Vec::new();
    for (namespace, group, resources, name, verbs) in NEEDED.into_iter().chain(read) {
        for resource in resources {
            all.extend(verbs.iter().map(|verb| [namespace, group, resource, name, verb]));
        }
    }
    all
}

/// A right in a line, to compare and to show.
fn right(verb: &str, group: &str, resource: &str, name: &str, namespace: &str) -> String {
    format!("{verb} {group}/{resource}/{name} in {namespace}")
}

/// The rules that are bound to the operator's account, each with the namespace that it holds in.
async fn granted(plane: &ControlPlane) -> Result<Vec<(String, PolicyRule)>> {
    let is_operator = |subjects: &Option<Vec<Subject>>| {
        subjects.iter().flatten().any(|one| one.kind == "ServiceAccount" && one.name == RELEASE)
    };
    let all = ListParams::default();
    let mut granted = Vec::new();
    for binding in Api::<ClusterRoleBinding>::all(plane.client()).list(&all).await? {
        if is_operator(&binding.subjects) {
            let role = Api::<ClusterRole>::all(plane.client()).get(&binding.role_ref.name).await?;
            granted.extend(role.rules.into_iter().flatten().map(|rule| (String::new(), rule)));
        }
    }
    for binding in Api::<RoleBinding>::all(plane.client()).list(&all).await? {
        if is_operator(&binding.subjects) {
            let namespace = binding.metadata.namespace.clone().unwrap_or_default();
            let role =
                Api::<Role>::namespaced(plane.client(), &namespace).get(&binding.role_ref.name).await?;
            granted.extend(role.rules.into_iter().flatten().map(|rule| (namespace.clone(), rule)));
        }
    }
    ensure!(granted.len() > 5, "the operator's roles were not found by their bindings: {granted:?}");
    Ok(granted)
}

/// The rules of all the chart's roles, those for people among them, each with the namespace that it holds in.
async fn of_the_chart(plane: &ControlPlane) -> Result<Vec<(String, PolicyRule)>> {
    let ours = ListParams::default().labels(&format!("app.kubernetes.io/instance={RELEASE}"));
    let mut granted = Vec::new();
    for role in Api::<ClusterRole>::all(plane.client()).list(&ours).await? {
        granted.extend(role.rules.into_iter().flatten().map(|rule| (String::new(), rule)));
    }
    for role in Api::<Role>::all(plane.client()).list(&ours).await? {
        let namespace = role.metadata.namespace.clone().unwrap_or_default();
        granted.extend(role.rules.into_iter().flatten().map(|rule| (namespace.clone(), rule)));
    }
    ensure!(granted.len() > 15, "the chart's roles were not found by their label: {granted:?}");
    Ok(granted)
}

async fn the_operator_may_do_what_it_needs_and_its_roles_hold_nothing_else(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let reviews: Api<SelfSubjectAccessReview> = Api::all(plane.client_for(NAMESPACE, RELEASE).await?);
    for [namespace, group, resource, name, verb] in each() {
        let (kind, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = serde_json::from_value(json!({ "spec": { "resourceAttributes": {
            "namespace": namespace, "group": group, "resource": kind, "subresource": subresource, "name": name,
            "verb": verb,
        } } }))?;
        let answer = reviews.create(&PostParams::default(), &review).await?;
        let allowed = answer.status.is_some_and(|status| status.allowed);
        ensure!(allowed, "it may not {}", right(verb, group, resource, name, namespace));
    }

    let mut held = Vec::new();
    for (namespace, rule) in granted(plane).await? {
        ensure!(rule.non_resource_urls.is_none(), "a role has paths of the API server: {rule:?}");
        let names = rule.resource_names.unwrap_or_else(|| vec![String::new()]);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for name in &names {
                    held.extend(rule.verbs.iter().map(|verb| right(verb, group, resource, name, &namespace)));
                }
            }
        }
    }
    let right =
        |[namespace, group, resource, name, verb]: [&str; 5]| right(verb, group, resource, name, namespace);
    let mut needed: Vec<String> = each().into_iter().map(right).collect();
    held.sort();
    needed.sort();
    ensure!(held == needed, "the roles hold\n{}\nand needed is\n{}", held.join("\n"), needed.join("\n"));
    Ok(())
}

async fn no_role_of_the_chart_has_a_wildcard_or_a_way_to_more_rights(world: World) -> Result<()> {
    for (namespace, rule) in of_the_chart(world.installed().await?).await? {
        let words = [&rule.api_groups, &rule.resources].into_iter().flatten().flatten().chain(&rule.verbs);
        for word in words {
            ensure!(!word.contains('*'), "a wildcard in {namespace:?}: {rule:?}");
            ensure!(
                !["escalate", "bind", "impersonate"].contains(&word.as_str()),
                "{word} in {namespace:?}: {rule:?}"
            );
        }
        // To write any of these is a way to act as another account; the subjects of one binding are excepted.
        let others = [
            "pods",
            "pods/exec",
            "serviceaccounts/token",
            "roles",
            "rolebindings",
            "clusterroles",
            "clusterrolebindings",
            "deployments",
        ];
        let acts = rule.resources.iter().flatten().any(|one| others.contains(&one.as_str()));
        let writes = rule.verbs.iter().any(|verb| !["get", "list", "watch"].contains(&verb.as_str()));
        let growing = rule.resource_names.as_deref() == Some(&["banyan-grow".to_owned()]);
        ensure!(!(acts && writes) || growing, "in {namespace:?}: {rule:?}");
        ensure!(!rule.resources.iter().flatten().any(|one| one == "pods/exec"), "{rule:?}");
    }
    Ok(())
}

async fn the_operator_cannot_give_itself_more_rights(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let client = plane.client_for(NAMESPACE, RELEASE).await?;
    let own = json!([{ "kind": "ServiceAccount", "name": RELEASE, "namespace": NAMESPACE }]);
    let admin =
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" });

    let everywhere: ClusterRoleBinding = serde_json::from_value(
        json!({ "metadata": { "name": "more" }, "roleRef": &admin, "subjects": &own }),
    )?;
    let created = Api::all(client.clone()).create(&PostParams::default(), &everywhere).await;
    forbidden(created.map(drop), "bind cluster-admin")?;

    let here: RoleBinding = serde_json::from_value(
        json!({ "metadata": { "name": "more" }, "roleRef": &admin, "subjects": &own }),
    )?;
    let created = Api::namespaced(client.clone(), NAMESPACE).create(&PostParams::default(), &here).await;
    forbidden(created.map(drop), "bind cluster-admin in its namespace")?;

    let all = json!({ "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }] });
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let widened = roles.patch(RELEASE, &PatchParams::default(), &Patch::Merge(&all)).await;
    forbidden(widened.map(drop), "widen its own role")?;

    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "kube-system");
    let request = serde_json::from_value(json!({ "spec": { "audiences": [] } }))?;
    let token = accounts.create_token_request("default", &PostParams::default(), &request).await;
    forbidden(token.map(drop), "ask for another account's token")?;

    let mut request =
        Request::new("/api/v1/namespaces").get("kube-system", &kube::api::GetParams::default())?;
    request.headers_mut().insert("Impersonate-User", "admin".parse()?);
    request.headers_mut().insert("Impersonate-Group", "system:masters".parse()?);
    forbidden(client.request::<Value>(request).await.map(drop), "act as an administrator")
}

async fn the_operator_reads_only_the_secrets_of_its_namespace_that_it_can_name(world: World) -> Result<()> {
    let plane = world.installed().await?;
    for namespace in [NAMESPACE, "default"] {
        let secret: Secret =
            serde_json::from_value(json!({ "metadata": { "name": "rights" }, "stringData": { "a": "b" } }))?;
        Api::namespaced(plane.client(), namespace).create(&PostParams::default(), &secret).await?;
    }
    let client = plane.client_for(NAMESPACE, RELEASE).await?;
    let own: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    own.get("rights").await.context("reading a Secret of its own namespace")?;
    forbidden(own.list(&ListParams::default()).await.map(drop), "list the Secrets of its namespace")?;
    let emptied = Patch::Merge(json!({ "data": null }));
    forbidden(own.patch("rights", &PatchParams::default(), &emptied).await.map(drop), "change a Secret")?;

    let elsewhere: Api<Secret> = Api::namespaced(client.clone(), "default");
    forbidden(elsewhere.get("rights").await.map(drop), "read a Secret of another namespace")?;
    let all: Api<Secret> = Api::all(client);
    forbidden(all.list(&ListParams::default()).await.map(drop), "list all Secrets")
}

/// The API server's authorization said no, and nothing else went wrong.
fn forbidden(result: kube::Result<()>, what: &str) -> Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.is_forbidden() && status.message.contains(&user()) => Ok(()),
        other => bail!("the operator's account was not forbidden to {what}: {other:?}"),
    }
}

fn user() -> String {
    banyan_e2e::operator::user()
}
