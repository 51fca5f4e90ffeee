//! Reads what the checks are judged by. All reading of the API server is here.

use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        admissionregistration::v1::{
            MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicy,
            ValidatingAdmissionPolicyBinding,
        },
        apps::v1::Deployment,
        authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SelfSubjectRulesReview,
            SelfSubjectRulesReviewSpec, SubjectAccessReview, SubjectAccessReviewSpec,
        },
        coordination::v1::Lease as LeaseObject,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use serde_json::Value;

use super::{
    facts::{self, Answer, Drift, Lease, Policies},
    rights::{self, Place, Right, Single},
    schema,
};

/// Name of the policy of `FreezeGrowth` and of its binding.
pub const FREEZE_POLICY: &str = "banyan-freeze-growth";
/// Name of the policy of `HoldBatch` and of its binding.
pub const HOLD_POLICY: &str = "banyan-hold-batch";
/// Name of the policy that records who wrote a Waiver, and of its binding.
pub const AUTHOR_POLICY: &str = "banyan-waiver-author";
/// Name of the policy that holds Waivers to four eyes, and of its binding.
pub const APPROVAL_POLICY: &str = "banyan-waiver-approval";
/// Name of the policies that match nothing and keep the API server reading parameters, one of each kind, and of their bindings.
pub const PARAMETERS_POLICY: &str = "banyan-parameters-in-use";
/// Name of the lease.
const LEASE: &str = "banyan";
/// Questions that are asked at once.
const ASKED: usize = 8;
/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What came of a question, in words that have nothing of an answer in them.
async fn ask<T>(what: &str, request: impl Future<Output = kube::Result<T>>) -> Answer<T> {
    match tokio::time::timeout(LIMIT, request).await {
        Err(_) => Err(format!("{what}: the API server did not answer within {}s", LIMIT.as_secs())),
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Err(format!("{what}: forbidden")),
        Ok(Err(error)) => Err(format!("{what}: {error}")),
        Ok(Ok(found)) => Ok(found),
    }
}

/// The server's version: major, minor, and as it tells it.
pub async fn version(client: &Client) -> Answer<(u32, u32, String)> {
    let told = ask("the server's version", client.apiserver_version()).await?;
    let number = |text: &str| text.trim_end_matches('+').parse().ok();
    number(&told.major)
        .zip(number(&told.minor))
        .map(|(major, minor)| (major, minor, told.git_version.clone()))
        .ok_or_else(|| format!("{} is no version", told.git_version))
}

/// By how much the API server's clock is ahead of this one's, ms.
pub async fn clock(client: &Client) -> Answer<i64> {
    let request = http::Request::get("/version")
        .body(kube::client::Body::empty())
        .map_err(|error| format!("the server's clock: {error}"))?;
    let before = Timestamp::now();
    let answer = ask("the server's clock", client.send(request)).await?;
    let after = Timestamp::now();
    let date = answer.headers().get(http::header::DATE).and_then(|value| value.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let date = date.ok_or("the server's clock: its answers have no date")?.timestamp();
    Ok(skew_ms(date, before, after))
}

/// By how much a clock that told `date`, in whole seconds and between `before` and `after`, is ahead of the one that told
/// those, ms. 0 as long as it may have been the same.
pub fn skew_ms(date: Timestamp, before: Timestamp, after: Timestamp) -> i64 {
    let (date, before, after) = (date.as_millisecond(), before.as_millisecond(), after.as_millisecond());
    if date > after {
        date - after
    } else if date + 1_000 < before {
        date + 1_000 - before
    } else {
        0
    }
}

/// Each definition of this binary against the one in the cluster.
pub async fn definitions(client: &Client) -> Vec<(String, Answer<Option<Drift>>)> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut all = Vec::new();
    for own in banyan_crds::all() {
        let name = own.name_any();
        let live = ask("the definition", api.get_opt(&name)).await;
        all.push((name, live.map(|live| live.map(|live| schema::drift(&own, &live)))));
    }
    all
}

/// The same by what the API server publishes, which whoever has logged in may read.
pub async fn published(client: &Client) -> Vec<(String, Answer<Option<Drift>>)> {
    let path = format!("/openapi/v3/apis/{}/v1alpha1", banyan_crds::GROUP);
    let openapi: Answer<Value> = async {
        let request = http::Request::get(&path).body(Vec::new()).map_err(|error| error.to_string())?;
        ask("the published schemas", client.request(request)).await
    }
    .await;
    banyan_crds::all()
        .into_iter()
        .map(|own| {
            let drift =
                openapi.as_ref().map(|openapi| schema::published(&own, openapi)).map_err(Clone::clone);
            (own.name_any(), drift)
        })
        .collect()
}

fn attributes(single: &Single, namespace: &str) -> ResourceAttributes {
    let place = match single.right.place {
        Place::Cluster => None,
        Place::Own => Some(namespace.to_owned()),
        Place::Default => Some("default".to_owned()),
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ResourceAttributes {
        group: some(single.right.group),
        resource: Some(single.resource.to_owned()),
        subresource: some(single.subresource),
        name: some(single.right.name),
        namespace: place,
        verb: Some(single.verb.to_owned()),
        ..ResourceAttributes::default()
    }
}

/// Rights of `rights` that are lacking, as `allowed` says of each, and how many were asked for.
async fn reviewed<F, Fut>(rights: &[Right], allowed: F) -> Answer<(Vec<String>, usize)>
where
    F: Fn(Single) -> Fut,
    Fut: Future<Output = Answer<bool>>,
{
    let singles: Vec<Single> = rights::singles(rights).collect();
    let answers: Vec<Answer<bool>> =
        stream::iter(singles.iter().copied()).map(&allowed).buffered(ASKED).collect().await;
    let mut lacking = Vec::new();
    for (single, answer) in singles.iter().zip(answers) {
        if !answer? {
            lacking.push(single.to_string());
        }
    }
    Ok((lacking, singles.len()))
}

/// Rights that a service account of Banyan's namespace lacks.
pub async fn rights_of(client: &Client, namespace: &str, account: &str) -> Answer<(Vec<String>, usize)> {
    let api: &Api<SubjectAccessReview> = &Api::all(client.clone());
    let user = &format!("system:serviceaccount:{namespace}:{account}");
    let groups =
        ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"]
            .map(str::to_owned);
    let groups = &groups;
    reviewed(&rights::needed(), |single| async move {
        let spec = SubjectAccessReviewSpec {
            user: Some(user.clone()),
            groups: Some(groups.to_vec()),
            resource_attributes: Some(attributes(&single, namespace)),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer =
            ask("a review of the operator's rights", api.create(&PostParams::default(), &review)).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    })
    .await
}

/// Rights that who asks lacks for the command line.
pub async fn own_rights(client: &Client, namespace: &str) -> Answer<(Vec<String>, usize)> {
    let api: &Api<SelfSubjectAccessReview> = &Api::all(client.clone());
    reviewed(&rights::READ_BY_CALLER, |single| async move {
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes(&single, namespace)),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let answer = ask("a review of your rights", api.create(&PostParams::default(), &review)).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    })
    .await
}

/// Rights that the operator lacks, by the rules that it is told of itself: two questions instead of forty. An authorizer
/// that does not tell all its rules makes this unknown rather than wrong.
pub async fn own_rules(client: &Client, namespace: &str) -> Answer<(Vec<String>, usize)> {
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let needed = rights::needed();
    let mut lacking = Vec::new();
    for (name, places) in [(namespace, &[Place::Cluster, Place::Own][..]), ("default", &[Place::Default][..])]
    {
        let spec = SelfSubjectRulesReviewSpec { namespace: Some(name.to_owned()) };
        let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
        let answer = ask("the operator's own rights", api.create(&PostParams::default(), &review)).await?;
        let status = answer.status.unwrap_or_default();
        for place in places {
            let found = rights::lacking(&needed, *place, &status.resource_rules);
            if status.incomplete && !found.is_empty() {
                return Err("the operator's own rights: the API server does not tell all of them".to_owned());
            }
            lacking.extend(found.iter().map(ToString::to_string));
        }
    }
    Ok((lacking, rights::singles(&needed).count()))
}

/// Which objects of the policies are there.
pub async fn policies(client: &Client) -> Answer<Policies> {
    macro_rules! there {
        ($kind:ty, $name:expr) => {
            ask(stringify!($kind), Api::<$kind>::all(client.clone()).get_metadata_opt($name)).await?.is_some()
        };
    }
    Ok(Policies {
        freeze: (
            there!(ValidatingAdmissionPolicy, FREEZE_POLICY),
            there!(ValidatingAdmissionPolicyBinding, FREEZE_POLICY),
        ),
        hold: (
            there!(MutatingAdmissionPolicy, HOLD_POLICY),
            there!(MutatingAdmissionPolicyBinding, HOLD_POLICY),
        ),
        author: (
            there!(MutatingAdmissionPolicy, AUTHOR_POLICY),
            there!(MutatingAdmissionPolicyBinding, AUTHOR_POLICY),
        ),
        approval: (
            there!(ValidatingAdmissionPolicy, APPROVAL_POLICY),
            there!(ValidatingAdmissionPolicyBinding, APPROVAL_POLICY),
        ),
        validating_parameters: (
            there!(ValidatingAdmissionPolicy, PARAMETERS_POLICY),
            there!(ValidatingAdmissionPolicyBinding, PARAMETERS_POLICY),
        ),
        mutating_parameters: (
            there!(MutatingAdmissionPolicy, PARAMETERS_POLICY),
            there!(MutatingAdmissionPolicyBinding, PARAMETERS_POLICY),
        ),
    })
}

/// The operator's Deployment as it stands: what runs `banyan run`.
pub async fn deployment(client: &Client, namespace: &str) -> Answer<Option<Deployment>> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let all = ask("Deployments", api.list(&ListParams::default())).await?;
    Ok(all.items.into_iter().find(|one| arguments(one).first().is_some_and(|word| word == "run")))
}

/// Arguments of the operator's container.
pub fn arguments(deployment: &Deployment) -> Vec<String> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.into_iter().flat_map(|pod| &pod.containers);
    containers
        .filter_map(|container| container.args.clone())
        .find(|args| args.first().is_some_and(|word| word == "run"))
        .unwrap_or_default()
}

/// What is judged of a Deployment. Its status counts only if it speaks of this generation.
pub fn shown(deployment: &Deployment) -> facts::Deployment {
    let status = deployment.status.clone().unwrap_or_default();
    let current = status.observed_generation >= deployment.metadata.generation;
    facts::Deployment {
        ready: status.ready_replicas.filter(|_| current).unwrap_or(0),
        wanted: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
        version: deployment.labels().get("app.kubernetes.io/version").cloned(),
    }
}

/// The lease, its age by the API server's clock, which is ahead of this one's by `skew_ms`.
pub async fn lease(client: &Client, namespace: &str, skew_ms: i64) -> Answer<Option<Lease>> {
    let api: Api<LeaseObject> = Api::namespaced(client.clone(), namespace);
    let found = ask("the Lease", api.get_opt(LEASE)).await?;
    let now = Timestamp::now().as_millisecond() + skew_ms;
    Ok(found.map(|found| {
        let spec = found.spec.unwrap_or_default();
        Lease {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            age_seconds: spec.renew_time.map(|at| (now - at.0.as_millisecond()) / 1000),
            duration_seconds: i64::from(spec.lease_duration_seconds.unwrap_or(15)),
        }
    }))
}

/// Kinds of the Prometheus Operator that the chart makes and that are not there; none where they are not served.
pub async fn monitoring(client: &Client, namespace: &str) -> Answer<Option<Vec<&'static str>>> {
    const GROUP: &str = "monitoring.coreos.com";
    let groups = ask("the API's groups", client.list_api_groups()).await?;
    if !groups.groups.iter().any(|group| group.name == GROUP) {
        return Ok(None);
    }
    let mut missing = Vec::new();
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1", kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        // The chart's label, whatever the release is called.
        let ours = ListParams::default().labels("app.kubernetes.io/name=banyan");
        if ask(kind, api.list_metadata(&ours)).await?.items.is_empty() {
            missing.push(kind);
        }
    }
    Ok(Some(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_may_be_now_is_in_step() {
        let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap();
        // A date has whole seconds: 10.9 s is told as 10 s.
        assert_eq!(skew_ms(at(10_000), at(10_900), at(11_200)), 0);
        assert_eq!(skew_ms(at(11_000), at(10_900), at(11_200)), 0);
        assert_eq!(skew_ms(at(21_000), at(10_900), at(11_200)), 9_800);
        assert_eq!(skew_ms(at(1_000), at(10_900), at(11_200)), -8_900);
    }
}
