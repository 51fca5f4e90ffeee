//! Policies that read `ConfigMaps` as their parameters go on to do so, whatever is bound and unbound.
//!
//! When the last such policy loses its binding, the API server stops reading for good, unless the chart's policies
//! `banyan-parameters-in-use` are bound: their template says why.

use std::time::Duration;

use anyhow::{Result, ensure};
use banyan_e2e::chart;
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::wait::eventually;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![a_policy_that_is_bound_anew_sees_its_parameters_come_and_change]
}

/// How long the API server may take to see a change: it looks at policies once a second.
const LIMIT: Duration = Duration::from_secs(20);

/// The two kinds of policies.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Validating,
    Mutating,
}

const KINDS: [Kind; 2] = [Kind::Validating, Kind::Mutating];

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Mutating => "mutating",
        }
    }

    /// The policy says the word of its parameters about each service account that has its label: it refuses it with the
    /// word, or writes the word on it.
    fn policy(self) -> String {
        let (label, says) = match self {
            Self::Validating => (
                self.label(),
                "validations: [{ expression: 'false', messageExpression: \"'the word is ' + params.data.word\" }]",
            ),
            Self::Mutating => (
                self.label(),
                "reinvocationPolicy: Never
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: \"Object{ metadata: Object.metadata{ annotations: {'word': 'the word is ' + params.data.word} } }\"",
            ),
        };
        format!(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: {self:?}AdmissionPolicy
metadata: {{ name: word }}
spec:
  failurePolicy: Ignore
  paramKind: {{ apiVersion: v1, kind: ConfigMap }}
  matchConstraints:
    objectSelector: {{ matchLabels: {{ word: {label} }} }}
    resourceRules: [{{ apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [serviceaccounts] }}]
  {says}
"
        )
    }

    fn binding(self) -> String {
        let actions = match self {
            Self::Validating => "validationActions: [Deny]",
            Self::Mutating => "",
        };
        format!(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: {self:?}AdmissionPolicyBinding
metadata: {{ name: word }}
spec:
  policyName: word
  paramRef: {{ namespace: default, selector: {{ matchLabels: {{ word: given }} }}, parameterNotFoundAction: Allow }}
  {actions}
"
        )
    }
}

/// What the policy of a kind says; nothing if it is not bound, or has no parameters.
async fn said(plane: &ControlPlane, kind: Kind) -> Result<Option<String>> {
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client(), "default");
    let account = json!({ "metadata": { "name": "probe", "labels": { "word": kind.label() } } });
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match accounts.create(&dry_run, &serde_json::from_value(account)?).await {
        Ok(taken) => Ok(taken.annotations().get("word").cloned()),
        Err(kube::Error::Api(status)) if status.is_forbidden() || status.is_invalid() => {
            Ok(Some(status.message.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits until the policy of a kind says this word, or nothing.
async fn says(plane: &ControlPlane, kind: Kind, word: Option<&str>, when: &str) -> Result<()> {
    let wanted = word.map(|word| format!("the word is {word}"));
    let what = format!("the {} policy to say {word:?} {when}", kind.label());
    eventually(LIMIT, what, || async {
        let said = said(plane, kind).await?;
        let right = match (&said, &wanted) {
            (Some(said), Some(wanted)) => said.ends_with(wanted),
            (said, wanted) => said.is_none() && wanted.is_none(),
        };
        ensure!(right, "it says {said:?}");
        Ok(Some(()))
    })
    .await
}

async fn give(plane: &ControlPlane, name: &str, word: &str) -> Result<()> {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default", "labels": { "word": "given" } },
        "data": { "word": word },
    });
    plane.apply(&map.to_string()).await.map(drop)
}

/// Binds the policy of a kind, and waits until it says this word.
async fn bind(plane: &ControlPlane, kind: Kind, word: &str) -> Result<()> {
    plane.apply(&kind.binding()).await?;
    says(plane, kind, Some(word), "when it is bound").await
}

async fn a_policy_that_is_bound_anew_sees_its_parameters_come_and_change(_: World) -> Result<()> {
    // No other policy with parameters may be bound, so the plane is the test's own.
    let options = Options { name: "parameters".to_owned(), ..Options::default() };
    let plane = ControlPlane::start(options).await?;
    for kind in KINDS {
        plane.apply(&kind.policy()).await?;
    }
    give(&plane, "first", "first").await?;
    // Both kinds read by what the first one started. Which one that is, where all come at once, is chance; here it is the one whose end stops
    // what a validating policy reads by, whatever keeps the validating ones.
    bind(&plane, Kind::Mutating, "first").await?;
    let off = json!({ "enabled": false });
    chart::install(&plane, &json!({ "freezeGrowth": off, "holdBatch": off })).await?;
    bind(&plane, Kind::Validating, "first").await?;

    for kind in KINDS {
        let binding = format!("{}admissionpolicybinding/word", kind.label());
        plane.kubectl(["delete", &binding]).await?;
        // What is not bound any more is found out together with which parameters nobody has.
        says(&plane, kind, None, "when it is unbound").await?;
    }
    plane.kubectl(["delete", "configmap", "first", "--namespace=default"]).await?;
    give(&plane, "second", "second").await?;
    for kind in KINDS {
        bind(&plane, kind, "second").await?;
    }
    give(&plane, "second", "third").await?;
    for kind in KINDS {
        says(&plane, kind, Some("third"), "when its parameters have changed").await?;
    }
    Ok(())
}
