//! Marks: the `ConfigMaps` in Banyan's namespace that the chart's admission policies take as their parameters.
//!
//! A policy does nothing without a mark, so admission never waits for Banyan, and there is one policy for all sites.

use std::collections::BTreeMap;

use banyan_crds::v1alpha1::{Action, DataCenter};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{ResourceExt, core::ApiResource};
use serde_json::{Value, json};

use super::holds;
use crate::kernel::plan::{Basis, Defence, ObjectRef, Own, Owner, ROLE};

/// What a mark makes a policy do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Refuse new workloads for the site.
    Freeze,
    /// Suspend the site's deferrable Jobs as they are created: once created, they start within milliseconds.
    Hold,
}

impl Mark {
    /// Value of [`ROLE`], by which the policy finds it.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Hold => "hold",
        }
    }

    /// The action that it carries out.
    pub const fn action(self) -> Action {
        match self {
            Self::Freeze => Action::FreezeGrowth,
            Self::Hold => Action::HoldBatch,
        }
    }

    /// The mark of the site called `site`.
    pub fn object(self, site: &str, namespace: &str) -> ObjectRef {
        ObjectRef {
            resource: ApiResource::erase::<ConfigMap>(&()),
            namespace: Some(namespace.to_owned()),
            name: format!("banyan-{}-{site}", self.role()),
            uid: None,
        }
    }

    /// The mark to ensure while its action is in force, since `since`.
    pub fn own(self, dc: &DataCenter, owner: &Owner, namespace: &str, since: Timestamp, why: &str) -> Own {
        let site = dc.name_any();
        let mut data = place(dc);
        data["site"] = json!(site);
        data["since"] = json!(since.to_string());
        match self {
            Self::Freeze => {
                data["message"] = json!(
                    "its PUE is above the target; it is lifted when the operational verdict is clear again"
                );
            }
            // In the record of the loan.
            Self::Hold => data["owner"] = json!(owner.to_string()),
        }
        Own {
            object: self.object(&site, namespace),
            body: json!({ "data": data }),
            basis: Basis::Any,
            defence: Defence::PutBack,
            labels: BTreeMap::from([(ROLE.to_owned(), self.role().to_owned())]),
            owner_reference: holds::owner_reference(dc),
            lends: self == Self::Hold,
            action: Some(holds::name(self.action())),
            why: why.to_owned(),
            until: Some(holds::UNTIL.to_owned()),
        }
    }
}

/// How a policy tells that something asks for the site's Nodes.
fn place(dc: &DataCenter) -> Value {
    let selector = dc.spec.node_selector.as_ref();
    let labels: Vec<String> = selector
        .and_then(|selector| selector.match_labels.as_ref())
        .map(|labels| labels.iter().map(|(key, value)| format!("{key}={value}")).collect())
        .unwrap_or_default();
    // Without a selector, or with one that labels alone cannot express, only the site label counts.
    let whole = selector.is_some_and(|selector| selector.match_expressions.iter().flatten().next().is_none());
    json!({
        "matchLabels": labels.join(","),
        "expressions": if whole { "" } else { "not by labels alone" },
    })
}
