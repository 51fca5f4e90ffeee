//! The admission policy of `FreezeGrowth`, by the API server itself: what it refuses while a site is frozen, and what never.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_e2e::chart::NAMESPACE;
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::wait::until;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use kube::core::Request;
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![a_frozen_site_takes_no_new_workloads_and_everything_else_goes_on]
}

/// How long the API server may take to see a change of the parameters.
const LIMIT: Duration = Duration::from_secs(30);

const SITE: &str = "frozen-1";
const ZONE: &str = "topology.kubernetes.io/zone";
const LABEL: &str = "banyan.dev/site";
/// A namespace of nobody, and one whose label says that it is the site's.
const CITY: &str = "freeze-city";
const TENANT: &str = "freeze-tenant";

const KINDS: [(&str, &str); 7] = [
    ("v1", "Pod"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ReplicationController"),
];

/// How a workload asks for its place.
#[derive(Clone, Default)]
struct Wish {
    selector: Option<Value>,
    affinity: Option<Value>,
    label: Option<&'static str>,
    pod_label: Option<&'static str>,
    controlled: bool,
}

/// A selector of the site's Nodes has both labels; one of them is not enough.
fn at(zone: &str) -> Wish {
    Wish { selector: Some(json!({ ZONE: zone, "room": "a" })), ..Wish::default() }
}

fn affinity(operator: &str, zones: &[&str]) -> Wish {
    let room = json!({ "key": "room", "operator": "In", "values": ["a"] });
    let zone = json!({ "key": ZONE, "operator": operator, "values": zones });
    Wish { affinity: Some(json!([{ "matchExpressions": [zone, room] }])), ..Wish::default() }
}

/// Nodes of the site, or any that have a disk of this kind: either will do.
fn either() -> Wish {
    let mut wish = affinity("In", &[SITE]);
    let disk = json!({ "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["ssd"] }] });
    if let Some(Value::Array(terms)) = &mut wish.affinity {
        terms.push(disk);
    }
    wish
}

/// A workload of this kind with one replica.
fn workload(api_version: &str, kind: &str, name: &str, wish: &Wish) -> Value {
    let mut pod = json!({ "containers": [{ "name": "main", "image": "example/work" }] });
    if let Some(selector) = &wish.selector {
        pod["nodeSelector"] = selector.clone();
    }
    if let Some(terms) = &wish.affinity {
        let required =
            json!({ "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } });
        pod["affinity"] = json!({ "nodeAffinity": required });
    }
    if matches!(kind, "Job" | "CronJob") {
        pod["restartPolicy"] = json!("Never");
    }
    let mut labels = json!({ "app": name });
    if let Some(site) = wish.pod_label {
        labels[LABEL] = json!(site);
    }
    let template = json!({ "metadata": { "labels": labels }, "spec": pod });
    let spec = match kind {
        "Pod" => pod,
        "Job" => json!({ "template": template }),
        "CronJob" => json!({ "schedule": "0 0 * * *", "jobTemplate": { "spec": { "template": template } } }),
        "ReplicationController" => json!({ "replicas": 1, "template": template }),
        "DaemonSet" => json!({ "selector": { "matchLabels": labels }, "template": template }),
        _ => json!({ "replicas": 1, "selector": { "matchLabels": labels }, "template": template }),
    };
    let mut object =
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec });
    if kind == "Pod" {
        object["metadata"]["labels"] = labels;
    }
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = json!("any");
    }
    if let Some(site) = wish.label {
        object["metadata"]["labels"][LABEL] = json!(site);
    }
    if wish.controlled {
        let owner = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "any", "uid": "1", "controller": true });
        object["metadata"]["ownerReferences"] = json!([owner]);
    }
    object
}

/// Somebody who may do everything, and whom admission asks as it asks all.
#[derive(Clone)]
struct Author {
    client: kube::Client,
}

/// What admission said.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    /// Refused by the policy, with its words.
    Frozen(String),
}

impl Author {
    fn api(&self, object: &Value, namespace: &str) -> Api<DynamicObject> {
        let (version, kind) =
            (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    /// Tries to create; nothing stays.
    async fn create(&self, object: &Value, namespace: &str) -> Result<Answer> {
        let params = PostParams { dry_run: true, ..PostParams::default() };
        answer(self.api(object, namespace).create(&params, &serde_json::from_value(object.clone())?).await)
    }

    /// Tries to change; nothing stays.
    async fn change(&self, object: &Value, namespace: &str, patch: Value) -> Result<Answer> {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        answer(self.api(object, namespace).patch(name, &params, &Patch::Merge(patch)).await)
    }

    /// As `kubectl scale`, which shows admission the number and the selector only.
    async fn scale(&self, object: &Value, namespace: &str, replicas: u32) -> Result<Answer> {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        answer(self.api(object, namespace).patch_scale(name, &params, &patch).await)
    }
}

fn answer<T>(result: kube::Result<T>) -> Result<Answer> {
    match result {
        Ok(_) => Ok(Answer::Yes),
        Err(kube::Error::Api(status)) if status.message.contains("banyan-freeze-growth") => {
            ensure!(status.is_forbidden(), "refused with another code than 403: {status:?}");
            Ok(Answer::Frozen(status.message))
        }
        Err(error) => Err(error).context("refused by somebody else than the policy"),
    }
}

/// The parameter that the operator keeps for a frozen site.
fn mark(site: &str, match_labels: &str, expressions: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": format!("banyan-freeze-{site}"),
            "labels": { "banyan.dev/role": "freeze", "app.kubernetes.io/managed-by": "banyan" },
        },
        "data": {
            "site": site, "matchLabels": match_labels, "expressions": expressions,
            "message": "PUE 1.31 is above 1.25", "since": "2026-01-01T00:00:00Z",
        },
    })
}

struct Scene<'a> {
    plane: &'a ControlPlane,
    author: Author,
}

impl Scene<'_> {
    fn marks(&self) -> Api<ConfigMap> {
        Api::namespaced(self.plane.client(), NAMESPACE)
    }

    async fn mark(&self, site: &str, match_labels: &str, expressions: &str) -> Result<()> {
        let patch = Patch::Apply(mark(site, match_labels, expressions));
        let params = PatchParams::apply("banyan").force();
        self.marks().patch(&format!("banyan-freeze-{site}"), &params, &patch).await?;
        Ok(())
    }

    /// Freezes a site, and waits until this workload is refused in the city's namespace.
    async fn freeze(&self, site: &str, match_labels: &str, probe: &Value) -> Result<()> {
        self.mark(site, match_labels, "").await?;
        until(LIMIT, format!("{site} to be frozen"), || async {
            Ok(self.author.create(probe, CITY).await? != Answer::Yes)
        })
        .await
    }

    /// Lifts a freeze, and waits until this workload is taken.
    async fn lift(&self, site: &str, probe: &Value) -> Result<()> {
        self.marks().delete(&format!("banyan-freeze-{site}"), &DeleteParams::default()).await?;
        until(LIMIT, format!("{site} to be open again"), || async {
            Ok(self.author.create(probe, CITY).await? == Answer::Yes)
        })
        .await
    }
}

/// Fails unless the workload was refused in the words of its site.
fn refused(answer: Answer, what: &str, site: &str) -> Result<()> {
    let Answer::Frozen(message) = answer else { bail!("{what} was taken") };
    let words = [
        format!("data centre {site} is frozen and takes no new workloads: PUE 1.31 is above 1.25"),
        format!("kubectl describe datacenter {site}"),
    ];
    ensure!(words.iter().all(|words| message.contains(words)), "{what} was refused with {message}");
    Ok(())
}

fn taken(answer: Answer, what: &str) -> Result<()> {
    match answer {
        Answer::Yes => Ok(()),
        Answer::Frozen(message) => bail!("{what} was refused: {message}"),
    }
}

async fn a_frozen_site_takes_no_new_workloads_and_everything_else_goes_on(world: World) -> Result<()> {
    let plane = world.installed().await?;
    plane.create_namespace(CITY).await?;
    let tenant = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": TENANT, "labels": { LABEL: SITE } },
    });
    plane.apply(&tenant.to_string()).await?;
    // There are no controllers, so what a namespace needs for its Pods is made here.
    for namespace in [CITY, TENANT, "kube-system"] {
        let account: ServiceAccount = serde_json::from_value(json!({ "metadata": { "name": "default" } }))?;
        Api::namespaced(plane.client(), namespace).create(&PostParams::default(), &account).await?;
    }
    let scene = Scene { plane, author: Author { client: plane.client() } };
    let author = &scene.author;
    let probe = workload("v1", "Pod", "probe", &at(SITE));

    // Nothing is refused while nothing is frozen.
    for (version, kind) in KINDS {
        let asking = workload(version, kind, "before", &at(SITE));
        taken(author.create(&asking, CITY).await?, &format!("a {kind} before the freeze"))?;
    }
    // What there is before the freeze, for changes during it.
    let old = workload("apps/v1", "Deployment", "old", &at(SITE));
    let labelled =
        workload("apps/v1", "Deployment", "labelled", &Wish { pod_label: Some(SITE), ..Wish::default() });
    let mover = workload("apps/v1", "Deployment", "mover", &at("elsewhere"));
    let nightly = workload("batch/v1", "CronJob", "nightly", &at(SITE));
    let mut idle =
        workload("apps/v1", "Deployment", "idle", &Wish { pod_label: Some(SITE), ..Wish::default() });
    idle["spec"]["replicas"] = json!(0);
    for object in [&old, &labelled, &mover, &nightly, &idle] {
        author
            .api(object, CITY)
            .create(&PostParams::default(), &serde_json::from_value(object.clone())?)
            .await?;
    }

    scene.freeze(SITE, &format!("{ZONE}={SITE},room=a"), &probe).await?;
    creations(author).await?;
    changes(author, [&old, &labelled, &mover, &nightly, &idle]).await?;
    others(plane).await?;
    owners(plane).await?;

    // Two sites: each refuses what asks for it, in its own name.
    let second = workload("v1", "Pod", "second", &at("frozen-2"));
    taken(author.create(&second, CITY).await?, "a Pod at a site that is not frozen")?;
    scene.freeze("frozen-2", &format!("{ZONE}=frozen-2,room=a"), &second).await?;
    refused(author.create(&probe, CITY).await?, "a Pod at the first site", SITE)?;
    refused(author.create(&second, CITY).await?, "a Pod at the second site", "frozen-2")?;
    scene.lift("frozen-2", &second).await?;

    // A selector that labels cannot express: only the label counts.
    let by_label = workload("v1", "Pod", "by-label", &Wish { label: Some(SITE), ..Wish::default() });
    scene.mark(SITE, &format!("{ZONE}={SITE},room=a"), "not by labels alone").await?;
    until(LIMIT, "the selector to stop counting", || async {
        Ok(author.create(&probe, CITY).await? == Answer::Yes)
    })
    .await?;
    refused(author.create(&by_label, CITY).await?, "a Pod by label", SITE)?;

    scene.lift(SITE, &by_label).await?;
    taken(author.change(&old, CITY, json!({ "spec": { "replicas": 9 } })).await?, "growth after the freeze")
}

/// Each kind, each way to ask for a place.
async fn creations(author: &Author) -> Result<()> {
    for (version, kind) in KINDS {
        for (what, wish) in [
            ("by nodeSelector", at(SITE)),
            ("by affinity", affinity("In", &[SITE])),
            ("by its label", Wish { label: Some(SITE), ..Wish::default() }),
            ("by its Pods' label", Wish { pod_label: Some(SITE), ..Wish::default() }),
        ] {
            let object = workload(version, kind, "new", &wish);
            refused(author.create(&object, CITY).await?, &format!("a {kind} {what}"), SITE)?;
        }
        for (what, wish) in [
            ("elsewhere", at("elsewhere")),
            ("with one label of two", Wish { selector: Some(json!({ "room": "a" })), ..Wish::default() }),
            ("with another choice", affinity("In", &[SITE, "elsewhere"])),
            ("with another term", either()),
            ("that keeps away", affinity("NotIn", &[SITE])),
            ("labelled for another site", Wish { pod_label: Some("elsewhere"), ..Wish::default() }),
            ("without wishes", Wish::default()),
            ("made by a controller", Wish { controlled: true, ..at(SITE) }),
        ] {
            let object = workload(version, kind, "new", &wish);
            taken(author.create(&object, CITY).await?, &format!("a {kind} {what}"))?;
        }
        let object = workload(version, kind, "new", &Wish::default());
        refused(author.create(&object, TENANT).await?, &format!("a {kind} in the site's namespace"), SITE)?;
        let object = workload(version, kind, "new", &at(SITE));
        taken(author.create(&object, "kube-system").await?, &format!("a {kind} of kube-system"))?;
    }
    let agent = workload("apps/v1", "DaemonSet", "agent", &at(SITE));
    taken(author.create(&agent, CITY).await?, "a DaemonSet")?;
    let mut none = workload("apps/v1", "Deployment", "none", &at(SITE));
    none["spec"]["replicas"] = json!(0);
    // It would come in by a scale, which does not show where it wants to be.
    refused(author.create(&none, CITY).await?, "a Deployment of no replica", SITE)?;
    none["spec"]["template"]["spec"]["nodeSelector"] = json!({});
    taken(author.create(&none, CITY).await?, "a Deployment of no replica elsewhere")?;
    let elsewhere =
        json!({ "matchExpressions": [{ "key": ZONE, "operator": "In", "values": ["elsewhere"] }] });
    for (count, passes) in [(8, true), (9, false)] {
        let wish = Wish { affinity: Some(json!(vec![elsewhere.clone(); count])), ..Wish::default() };
        let answer = author.create(&workload("v1", "Pod", "terms", &wish), CITY).await?;
        let what = format!("an affinity of {count} terms");
        if passes { taken(answer, &what) } else { refused(answer, &what, SITE) }?;
    }
    Ok(())
}

/// What was there may shrink, roll out and be suspended, and may not grow or move to the site.
async fn changes(author: &Author, [old, labelled, mover, nightly, idle]: [&Value; 5]) -> Result<()> {
    let replicas = |count: u32| json!({ "spec": { "replicas": count } });
    let image = json!({ "spec": { "template": { "metadata": { "annotations": { "roll": "out" } } } } });
    let to_site =
        json!({ "spec": { "template": { "spec": { "nodeSelector": { ZONE: SITE, "room": "a" } } } } });
    refused(author.change(old, CITY, replicas(2)).await?, "growth", SITE)?;
    refused(author.change(mover, CITY, to_site.clone()).await?, "a move to the site", SITE)?;
    refused(author.scale(labelled, CITY, 2).await?, "growth by scale, with the label in the selector", SITE)?;
    // Neither shows in a later scale where the Pods want to be, so the number they come with says nothing.
    let mut empty = to_site.clone();
    empty["spec"]["replicas"] = json!(0);
    refused(author.change(mover, CITY, empty).await?, "a move to the site with no replica", SITE)?;
    refused(author.scale(idle, CITY, 1).await?, "the first replica by scale", SITE)?;
    taken(author.scale(idle, CITY, 0).await?, "no replica, again")?;
    taken(author.change(old, CITY, replicas(1)).await?, "the same again")?;
    taken(author.change(old, CITY, replicas(0)).await?, "shrinking")?;
    taken(author.change(old, CITY, image).await?, "a roll-out")?;
    taken(author.change(mover, CITY, replicas(5)).await?, "growth elsewhere")?;
    taken(
        author.change(nightly, CITY, json!({ "spec": { "suspend": true } })).await?,
        "suspending a CronJob",
    )?;
    taken(author.scale(labelled, CITY, 0).await?, "shrinking by scale")?;
    // The documented limit: a scale shows admission no nodeSelector.
    taken(author.scale(old, CITY, 5).await?, "growth by scale, with the nodeSelector in the template")
}

/// The cluster's own controllers and the operator go on; everybody else is asked.
async fn others(plane: &ControlPlane) -> Result<()> {
    for (user, goes_on) in [
        ("system:serviceaccount:kube-system:job-controller", true),
        ("system:kube-controller-manager", true),
        ("system:serviceaccount:banyan-system:banyan", true),
        ("system:serviceaccount:freeze-city:kube-system", false),
        ("system:serviceaccount:argocd:argocd", false),
    ] {
        let object = workload("v1", "Pod", "by-somebody", &at(SITE));
        let answer = create_as(plane, &object, "/api/v1", "pods", user, Some("system:masters")).await?;
        let what = format!("a Pod of {user}");
        if goes_on { taken(answer, &what) } else { refused(answer, &what, SITE) }?;
    }
    Ok(())
}

/// Tries to create as somebody else; nothing stays.
async fn create_as(
    plane: &ControlPlane,
    object: &Value,
    group: &str,
    resource: &str,
    user: &str,
    member: Option<&str>,
) -> Result<Answer> {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let path = format!("{group}/namespaces/{CITY}/{resource}");
    let mut request = Request::new(path).create(&params, serde_json::to_vec(object)?)?;
    request.headers_mut().insert("Impersonate-User", user.parse()?);
    if let Some(member) = member {
        request.headers_mut().insert("Impersonate-Group", member.parse()?);
    }
    answer(plane.client().request::<Value>(request).await)
}

/// Who may create workloads in the city, and who may let its controllers grow the site.
const RIGHTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: freeze-authors}
rules:
- {apiGroups: ['', apps], resources: [pods, deployments], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: freeze-authors}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: freeze-authors}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:authenticated'}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: freeze-growers}
rules:
- {apiGroups: [banyan.dev], resources: [datacenters], resourceNames: [frozen-1], verbs: [grow]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: freeze-growers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: freeze-growers}
subjects:
- {kind: ServiceAccount, name: database-operator, namespace: freeze-city}
";

/// An owner that the author wrote itself opens nothing; one that an operator wrote does.
async fn owners(plane: &ControlPlane) -> Result<()> {
    plane.apply(RIGHTS).await?;
    let forged = Wish { controlled: true, ..at(SITE) };
    for (version, kind, group, resource) in
        [("v1", "Pod", "/api/v1", "pods"), ("apps/v1", "Deployment", "/apis/apps/v1", "deployments")]
    {
        let object = workload(version, kind, "owned", &forged);
        for (user, goes_on) in [
            ("somebody", false),
            ("system:serviceaccount:freeze-city:pipeline", false),
            ("system:serviceaccount:databases:operator", true),
            ("system:serviceaccount:freeze-city:database-operator", true),
        ] {
            let member = (user == "somebody").then_some("system:authenticated");
            let tried = || create_as(plane, &object, group, resource, user, member);
            // The rights take a moment to be seen.
            until(LIMIT, format!("{user} to have its rights"), || async {
                Ok(tried().await.is_ok_and(|answer| !goes_on || answer == Answer::Yes))
            })
            .await?;
            let (answer, what) = (tried().await?, format!("a {kind} with an owner, of {user}"));
            if goes_on { taken(answer, &what) } else { refused(answer, &what, SITE) }?;
        }
        // Whoever has the right is still refused what no controller owns.
        let object = workload(version, kind, "unowned", &at(SITE));
        let user = "system:serviceaccount:freeze-city:database-operator";
        let answer = create_as(plane, &object, group, resource, user, None).await?;
        refused(answer, &format!("a {kind} without an owner, of {user}"), SITE)?;
    }
    Ok(())
}
