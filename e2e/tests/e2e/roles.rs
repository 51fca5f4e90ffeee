//! The separated administrators and the readers, bound by the commands of the page, before the API server itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::chart::{self, NAMESPACE, RELEASE};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::wait::until;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::page;
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![each_administrator_may_do_its_own_work_and_none_of_the_others]
}

/// How long the controller may take to fill the aggregated roles in.
const LIMIT: Duration = Duration::from_secs(30);
const ADMINISTRATORS: [&str; 3] =
    ["banyan-system-administrator", "banyan-security-administrator", "banyan-audit-administrator"];

/// The users of the page, in the order of the administrators; the last one only reads.
const USERS: [&str; 4] = ["lin", "chen", "wu", "zheng"];

/// Who of them may: verb, group, resource with its subresource, name, namespace.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const DATACENTERS: &str = "datacenters";
const BASELINES: &str = "securitybaselines";
const WAIVERS: &str = "waivers";
const BANYAN: &str = "banyan.dev";
const RBAC: &str = "rbac.authorization.k8s.io";
const POLICIES: &str = "admissionregistration.k8s.io";

const CASES: [Case; 61] = [
    // DataCenters.
    ("list", BANYAN, DATACENTERS, "", "", &USERS),
    ("watch", BANYAN, DATACENTERS, "", "", &USERS),
    ("create", BANYAN, DATACENTERS, "", "", &["lin"]),
    ("update", BANYAN, DATACENTERS, "gulou-1", "", &["lin"]),
    ("patch", BANYAN, DATACENTERS, "gulou-1", "", &["lin"]),
    ("delete", BANYAN, DATACENTERS, "gulou-1", "", &["lin"]),
    ("deletecollection", BANYAN, DATACENTERS, "", "", &[]),
    ("update", BANYAN, "datacenters/status", "gulou-1", "", &[]),
    ("patch", BANYAN, "datacenters/status", "gulou-1", "", &[]),
    ("grow", BANYAN, DATACENTERS, "gulou-1", "", &["chen"]),
    // Baselines and Waivers.
    ("list", BANYAN, BASELINES, "", "", &USERS),
    ("create", BANYAN, BASELINES, "", "", &["chen"]),
    ("update", BANYAN, BASELINES, "city", "", &["chen"]),
    ("patch", BANYAN, BASELINES, "city", "", &["chen"]),
    ("delete", BANYAN, BASELINES, "city", "", &["chen"]),
    ("patch", BANYAN, "securitybaselines/status", "city", "", &[]),
    ("list", BANYAN, WAIVERS, "", "", &USERS),
    ("create", BANYAN, WAIVERS, "", "", &["lin"]),
    ("update", BANYAN, WAIVERS, "camera", "", &["lin"]),
    ("delete", BANYAN, WAIVERS, "camera", "", &["lin"]),
    ("patch", BANYAN, WAIVERS, "camera", "", &["chen"]),
    ("approve", BANYAN, WAIVERS, "camera", "", &["chen"]),
    ("patch", BANYAN, "waivers/status", "camera", "", &[]),
    ("patch", POLICIES, "validatingadmissionpolicybindings", "banyan-waiver-approval", "", &[]),
    ("delete", POLICIES, "mutatingadmissionpolicybindings", "banyan-waiver-author", "", &[]),
    // The operator.
    ("get", "apps", "deployments", RELEASE, NAMESPACE, &["lin"]),
    ("patch", "apps", "deployments/scale", RELEASE, NAMESPACE, &["lin"]),
    ("patch", "apps", "deployments/scale", "other", NAMESPACE, &[]),
    ("patch", "apps", "deployments/scale", RELEASE, "default", &[]),
    ("patch", "apps", "deployments", RELEASE, NAMESPACE, &[]),
    ("create", "", "pods", "", NAMESPACE, &[]),
    ("create", "", "pods/exec", "banyan-0", NAMESPACE, &[]),
    ("create", "", "serviceaccounts/token", RELEASE, NAMESPACE, &[]),
    // Credentials and authorities.
    ("create", "", "secrets", "", NAMESPACE, &["chen"]),
    ("delete", "", "secrets", "prom", NAMESPACE, &["chen"]),
    ("get", "", "secrets", "prom", NAMESPACE, &[]),
    ("list", "", "secrets", "", NAMESPACE, &[]),
    ("create", "", "secrets", "", "default", &[]),
    ("create", "", "configmaps", "", NAMESPACE, &["chen"]),
    ("patch", "", "configmaps", "banyan-ledger-gulou-1", NAMESPACE, &[]),
    ("delete", "", "configmaps", "banyan-ledger-gulou-1", NAMESPACE, &[]),
    // Rights.
    ("patch", RBAC, "clusterrolebindings", "banyan-grow", "", &["chen"]),
    ("patch", RBAC, "clusterrolebindings", "cluster-admin", "", &[]),
    ("create", RBAC, "clusterrolebindings", "", "", &[]),
    ("create", RBAC, "rolebindings", "", NAMESPACE, &[]),
    ("bind", RBAC, "clusterroles", "cluster-admin", "", &[]),
    ("escalate", RBAC, "clusterroles", "banyan-grow", "", &[]),
    ("impersonate", "", "users", "admin", "", &[]),
    // The audit.
    ("get", "", "pods/log", "banyan-0", NAMESPACE, &["wu"]),
    ("list", "", "pods", "", NAMESPACE, &["wu"]),
    ("get", "", "pods/log", "web-0", "default", &[]),
    ("list", "", "configmaps", "", NAMESPACE, &["wu"]),
    ("list", "", "configmaps", "", "default", &[]),
    ("get", "coordination.k8s.io", "leases", "banyan", NAMESPACE, &["wu"]),
    ("list", "", "events", "", "default", &["wu"]),
    ("list", "events.k8s.io", "events", "", "default", &["wu"]),
    ("delete", "", "events", "a", "default", &[]),
    ("list", POLICIES, "validatingadmissionpolicies", "", "", &["wu"]),
    ("list", POLICIES, "mutatingadmissionpolicybindings", "", "", &["wu"]),
    ("patch", POLICIES, "validatingadmissionpolicies", "banyan-freeze-growth", "", &[]),
    ("list", RBAC, "clusterrolebindings", "", "", &["wu"]),
];

async fn each_administrator_may_do_its_own_work_and_none_of_the_others(_: World) -> Result<()> {
    // Aggregated roles are filled in by a controller.
    let options = Options { name: "roles".to_owned(), controller_manager: true, ..Options::default() };
    let plane = ControlPlane::start(options).await?;
    chart::install(&plane, &json!({})).await?;
    let blocks = page::blocks("roles.md")?;
    let [bind, grow] = blocks.as_slice() else { anyhow::bail!("{} blocks", blocks.len()) };
    page::run(&plane, &plane.admin_kubeconfig(), bind).await?;
    let reading = ("list", BANYAN, DATACENTERS, "", "", &USERS[..]);
    until(LIMIT, "the roles to be filled in", || async {
        Ok(may(&plane, "zheng", &reading).await? && rights(&plane).await?.values().all(|held| held.len() > 3))
    })
    .await?;

    for case in &CASES {
        for user in USERS {
            let allowed = may(&plane, user, case).await?;
            ensure!(allowed == case.5.contains(&user), "{user} may {:?}: {allowed}", &case);
        }
    }
    disjoint(&rights(&plane).await?)?;
    viewers_read_and_nobody_else(&plane).await?;

    // What is given can be taken back; nobody else can give it, and nothing else can be given.
    let operator = "system:serviceaccount:flink:flink-operator";
    let growing = ("grow", BANYAN, DATACENTERS, "gulou-1", "", &[][..]);
    ensure!(!may(&plane, operator, &growing).await?, "it may grow before it was given");
    for user in ["lin", "wu", "zheng"] {
        let refused = page::run(&plane, &plane.kubeconfig_for_user(user, &[])?, grow).await;
        ensure!(refused.is_err(), "{user} has given the verb");
    }
    let security = plane.kubeconfig_for_user("chen", &[])?;
    page::run(&plane, &security, grow).await.context("giving")?;
    until(LIMIT, "the verb to be given", || may(&plane, operator, &growing)).await?;
    let nobody = grow.replace("- { kind: ServiceAccount, namespace: flink, name: flink-operator }\n", "");
    page::run(&plane, &security, &nobody).await.context("withdrawing")?;
    until(LIMIT, "the verb to be withdrawn", || async { Ok(!may(&plane, operator, &growing).await?) })
        .await?;
    let secret = "kubectl create secret generic prom -n banyan-system --from-literal=token=t
kubectl delete secret prom -n banyan-system";
    page::run(&plane, &security, secret).await.context("writing a credential")?;
    let stopped = "kubectl scale -n banyan-system deployment/banyan --replicas=0";
    page::run(&plane, &plane.kubeconfig_for_user("lin", &[])?, stopped).await.context("stopping")?;

    // Another release, or a company with roles of its own, goes without.
    chart::install(&plane, &json!({ "administrators": { "enabled": false } })).await?;
    let roles: Api<ClusterRole> = Api::all(plane.client());
    for name in ADMINISTRATORS {
        ensure!(roles.get_opt(name).await?.is_none(), "{name} is still there");
    }
    Ok(())
}

async fn may(plane: &ControlPlane, user: &str, case: &Case) -> Result<bool> {
    let (verb, group, resource, name, namespace, _) = case;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = serde_json::from_value(json!({ "spec": {
        "user": user,
        "resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name,
            "namespace": namespace,
        },
    } }))?;
    let reviews: Api<SubjectAccessReview> = Api::all(plane.client());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// The rights of each administrator, those in Banyan's namespace among them, from the roles as the cluster has them.
async fn rights(plane: &ControlPlane) -> Result<BTreeMap<&'static str, BTreeSet<String>>> {
    let everywhere: Api<ClusterRole> = Api::all(plane.client());
    let here: Api<Role> = Api::namespaced(plane.client(), NAMESPACE);
    let mut all = BTreeMap::new();
    for name in ADMINISTRATORS {
        let mut rules = everywhere.get(name).await?.rules.unwrap_or_default();
        ensure!(everywhere.get(name).await?.aggregation_rule.is_some(), "{name} is not aggregated");
        rules.extend(here.get(name).await?.rules.unwrap_or_default());
        all.insert(name, rules.iter().flat_map(each).collect());
    }
    Ok(all)
}

/// Verb, group and resource of each right in a rule.
fn each(rule: &PolicyRule) -> Vec<String> {
    let mut rights = Vec::new();
    for verb in &rule.verbs {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.push(format!("{verb} {resource}.{group}"));
            }
        }
    }
    rights
}

fn disjoint(rights: &BTreeMap<&'static str, BTreeSet<String>>) -> Result<()> {
    for (one, held) in rights {
        ensure!(!held.is_empty(), "{one} holds nothing");
        ensure!(held.iter().all(|right| !right.contains('*')), "{one} holds a wildcard: {held:?}");
        for (other, theirs) in rights.iter().filter(|(other, _)| *other > one) {
            let shared: Vec<_> = held.intersection(theirs).collect();
            ensure!(shared.is_empty(), "{one} and {other} share {shared:?}");
        }
    }
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    let auditor = &rights["banyan-audit-administrator"];
    let written: Vec<_> =
        auditor.iter().filter(|right| writes.iter().any(|verb| right.starts_with(verb))).collect();
    ensure!(written.is_empty(), "the audit administrator writes: {written:?}");
    Ok(())
}

/// Who may view the cluster may view `DataCenter`s.
async fn viewers_read_and_nobody_else(plane: &ControlPlane) -> Result<()> {
    let bind = "kubectl create clusterrolebinding viewers --clusterrole=view --user=viewer";
    page::run(plane, &plane.admin_kubeconfig(), bind).await?;
    let reading = ("get", BANYAN, DATACENTERS, "gulou-1", "", &[][..]);
    until(LIMIT, "the viewer to read", || may(plane, "viewer", &reading)).await?;
    let writing = ("patch", BANYAN, DATACENTERS, "gulou-1", "", &[][..]);
    ensure!(!may(plane, "viewer", &writing).await?, "a viewer writes");
    ensure!(!may(plane, "stranger", &reading).await?, "a stranger reads");
    // Where a cluster is weak is not for everybody who may view it.
    for resource in [BASELINES, WAIVERS] {
        let reading = ("list", BANYAN, resource, "", "", &[][..]);
        ensure!(!may(plane, "viewer", &reading).await?, "a viewer reads {resource}");
    }
    Ok(())
}
