//! How to reach a server that speaks the Prometheus HTTP API.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::values::{ConfigMapKeyRef, Duration, SecretRef};

/// A server that speaks the Prometheus HTTP API: Prometheus, Thanos, Mimir, `VictoriaMetrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.authSecretRef) || self.url.startsWith('https://')")
    .message("credentials travel over https only: use an https url or leave authSecretRef out").field_path(".url"))]
pub struct PrometheusServer {
    /// Base address, without `/api/v1`, for instance `https://prometheus.monitoring:9090`.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s@?#]+$"))]
    pub url: String,
    /// Secret in Banyan's namespace: `username` and `password` for basic, or `token` for bearer authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret_ref: Option<SecretRef>,
    /// Certificate authority in PEM, in a `ConfigMap` of Banyan's namespace; the system's roots when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<ConfigMapKeyRef>,
    /// Limit of one request, 1s to 2m.
    #[serde(default = "default_timeout")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('2m')")
        .message("a request's time limit lies between 1s and 2m"))]
    pub timeout: Duration,
}

fn default_timeout() -> Duration {
    "10s".into()
}
