//! What a site refers to: the cluster that runs in it, and the credentials of its Prometheus.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use banyan_e2e::chart::NAMESPACE;
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::dirs;
use banyan_e2e::pki::Authority;
use banyan_e2e::prometheus::{PASSWORD, Prometheus, PrometheusOptions, USER};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::sites::{self, apply, nudge, until_condition, until_status};
use crate::trap::Trap;
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        a_kubeconfig_that_could_run_or_reach_something_else_is_refused_by_field,
        the_cluster_that_a_kubeconfig_opens_is_compared_with_the_one_that_is_meant,
        of_two_sites_of_one_cluster_the_later_one_is_refused,
        what_prometheus_needs_and_is_missing_is_named,
        prometheus_is_read_through_tls_and_a_password,
    ]
}

/// A cluster that does not exist, of which there are as many as a test wants.
fn cluster_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A site without anything but a cluster.
fn in_cluster(id: &str, secret: Option<&str>) -> Value {
    let mut spec = json!({ "location": { "timeZone": "Asia/Shanghai" }, "cluster": { "id": id } });
    if let Some(name) = secret {
        spec["cluster"]["kubeconfigSecretRef"] = json!({ "name": name, "key": "kubeconfig" });
    }
    spec
}

async fn put_secret(plane: &ControlPlane, name: &str, data: Value) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(plane.client(), NAMESPACE);
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
    let params = PatchParams::apply("banyan-e2e").force();
    secrets
        .patch(name, &params, &Patch::Apply(secret))
        .await
        .with_context(|| format!("the Secret {name}"))?;
    Ok(())
}

/// A token that no message and no log may show.
const TOKEN: &str = "token-that-nobody-may-see";

/// A kubeconfig that leads to the trap, with one thing in it that is not accepted.
fn refused_kubeconfigs(trap: &Trap, marker: &Path) -> Vec<(&'static str, &'static str, Value)> {
    let touch = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [marker], "interactiveMode": "Never" });
    let provider = json!({ "name": "gcp", "config": { "cmd-path": "touch", "cmd-args": marker } });
    let server = format!("http://{}", trap.address());
    let authority = Value::Null;
    vec![
        ("exec", "users[site].exec", json!({ "user": { "exec": touch } })),
        ("auth-provider", "users[site].auth-provider", json!({ "user": { "auth-provider": provider } })),
        ("token-file", "users[site].tokenFile", json!({ "user": { "tokenFile": marker } })),
        (
            "client-certificate",
            "users[site].client-certificate",
            json!({ "user": { "client-certificate": marker } }),
        ),
        ("client-key", "users[site].client-key", json!({ "user": { "client-key": marker } })),
        (
            "authority-file",
            "clusters[site].certificate-authority",
            json!({ "cluster": { "certificate-authority": marker, "certificate-authority-data": authority } }),
        ),
        ("proxy", "clusters[site].proxy-url", json!({ "cluster": { "proxy-url": server } })),
        (
            "insecure",
            "clusters[site].insecure-skip-tls-verify",
            json!({ "cluster": { "insecure-skip-tls-verify": true, "certificate-authority-data": authority } }),
        ),
        ("http", "clusters[site].server", json!({ "cluster": { "server": server } })),
    ]
}

/// A kubeconfig for the trap; `change` is laid over its one cluster and its one user.
fn trapped(plane: &ControlPlane, trap: &Trap, change: &Value) -> Result<String> {
    let own = std::fs::read_to_string(plane.admin_kubeconfig())?;
    let own: Value = serde_yaml::from_str(&own)?;
    let authority = &own["clusters"][0]["cluster"]["certificate-authority-data"];
    let mut cluster =
        json!({ "server": format!("https://{}", trap.address()), "certificate-authority-data": authority });
    let mut user = json!({ "token": TOKEN });
    for (part, change) in [(&mut cluster, &change["cluster"]), (&mut user, &change["user"])] {
        for (key, value) in change.as_object().into_iter().flatten() {
            part[key] = value.clone();
        }
    }
    Ok(serde_yaml::to_string(&json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "site",
        "clusters": [{ "name": "site", "cluster": cluster }],
        "users": [{ "name": "site", "user": user }],
        "contexts": [{ "name": "site", "context": { "cluster": "site", "user": "site" } }],
    }))?)
}

async fn a_kubeconfig_that_could_run_or_reach_something_else_is_refused_by_field(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let operator = world.operator().await?;
    let trap = Trap::start().await?;
    let dir = dirs::fresh("kubeconfigs")?;
    let marker = dir.join("was-here");
    let refused = refused_kubeconfigs(&trap, &marker);

    let mut names = vec![];
    for (number, (kind, _, change)) in refused.iter().enumerate() {
        let name = format!("refused-{kind}");
        put_secret(plane, &name, json!({ "kubeconfig": trapped(plane, &trap, change)? })).await?;
        apply(plane, &name, in_cluster(&cluster_id(number), Some(&name))).await?;
        names.push(name);
    }
    for (name, (_, field, _)) in names.iter().zip(&refused) {
        let message = until_condition(plane, name, "Ready", "False", "KubeconfigRefused").await?;
        ensure!(
            message.contains(&format!("{field} is not accepted")),
            "{name} names another field: {message}"
        );
        until_condition(plane, name, "ClusterIdentified", "False", "KubeconfigRefused").await?;
    }
    ensure!(!marker.exists(), "a program of a refused kubeconfig ran");
    ensure!(trap.connections() == 0, "{} connections were made for refused kubeconfigs", trap.connections());

    // The trap does catch: without any of these things the operator goes there.
    put_secret(plane, "trapped", json!({ "kubeconfig": trapped(plane, &trap, &json!({}))? })).await?;
    apply(plane, "trapped", in_cluster(&cluster_id(99), Some("trapped"))).await?;
    until_condition(plane, "trapped", "ClusterIdentified", "False", "ClusterUnreachable").await?;
    ensure!(trap.connections() > 0, "the trap catches nothing");

    let mut told = std::fs::read_to_string(operator.log())?;
    for name in names.iter().map(String::as_str).chain(["trapped"]) {
        let _ = write!(told, "{}", serde_json::to_string(&sites::sites(plane).get(name).await?.status)?);
    }
    ensure!(!told.contains(TOKEN), "a status or the log shows a token");
    names.push("trapped".to_owned());
    sites::delete(plane, &names).await
}

async fn kube_system(plane: &ControlPlane) -> Result<String> {
    let namespaces: Api<Namespace> = Api::all(plane.client());
    namespaces.get("kube-system").await?.metadata.uid.context("kube-system has a uid")
}

async fn the_cluster_that_a_kubeconfig_opens_is_compared_with_the_one_that_is_meant(
    world: World,
) -> Result<()> {
    let plane = world.installed().await?;
    let other = world.api_server().await?;
    world.operator().await?;
    let (here, there) = (kube_system(plane).await?, kube_system(other).await?);
    put_secret(plane, "here", json!({ "kubeconfig": std::fs::read_to_string(plane.admin_kubeconfig())? }))
        .await?;
    put_secret(plane, "there", json!({ "kubeconfig": std::fs::read_to_string(other.admin_kubeconfig())? }))
        .await?;
    put_secret(plane, "keyless", json!({ "config": "{}" })).await?;
    put_secret(plane, "unreadable", json!({ "kubeconfig": "clusters: 7" })).await?;
    let meant = cluster_id(200);
    for (name, id, secret) in [
        ("place-here", here.as_str(), "here"),
        ("place-there", &there, "there"),
        ("place-mistaken", &meant, "there"),
        ("place-keyless", &cluster_id(201), "keyless"),
        ("place-unreadable", &cluster_id(202), "unreadable"),
        ("place-missing", &cluster_id(203), "missing"),
    ] {
        apply(plane, name, in_cluster(id, Some(secret))).await?;
    }

    let identified = "ClusterIdentified";
    until_condition(plane, "place-here", identified, "True", "ThisCluster").await?;
    until_condition(plane, "place-here", "Ready", "True", "Reconciled").await?;
    until_condition(plane, "place-there", identified, "True", "AnotherCluster").await?;
    let message = until_condition(plane, "place-mistaken", identified, "False", "OtherCluster").await?;
    ensure!(message.contains(&there) && message.contains(&meant), "both ids are not named: {message}");
    until_condition(plane, "place-mistaken", "Ready", "False", "OtherCluster").await?;
    let message = until_condition(plane, "place-keyless", identified, "False", "SecretIncomplete").await?;
    ensure!(message.contains("Secret keyless") && message.contains("key kubeconfig"), "{message}");
    until_condition(plane, "place-unreadable", "Ready", "False", "KubeconfigUnreadable").await?;
    let message = until_condition(plane, "place-missing", identified, "False", "ReferenceNotFound").await?;
    ensure!(message.contains("Secret missing"), "{message}");

    let names =
        ["here", "there", "mistaken", "keyless", "unreadable", "missing"].map(|name| format!("place-{name}"));
    sites::delete(plane, &names).await
}

async fn of_two_sites_of_one_cluster_the_later_one_is_refused(world: World) -> Result<()> {
    let plane = world.installed().await?;
    world.operator().await?;
    // Both may be of one second: then the name decides.
    for name in ["twin-a", "twin-b"] {
        apply(plane, name, in_cluster(&cluster_id(300), None)).await?;
    }
    until_condition(plane, "twin-a", "ClusterIdentified", "True", "AnotherCluster").await?;
    for kind in ["ClusterIdentified", "Ready"] {
        let message = until_condition(plane, "twin-b", kind, "False", "DuplicateCluster").await?;
        ensure!(message.contains("spec.cluster.id") && message.contains("twin-a"), "{message}");
    }
    // Not the earlier one because of the later.
    let generation = nudge(plane, "twin-a").await?;
    until_status(plane, "twin-a", generation, |found| {
        sites::holds(found, "Ready", "True", "Reconciled").map(drop)
    })
    .await?;

    sites::delete(plane, &["twin-a"]).await?;
    nudge(plane, "twin-b").await?;
    until_condition(plane, "twin-b", "Ready", "True", "Reconciled").await?;
    sites::delete(plane, &["twin-b"]).await
}

/// A site whose two meters are read from this server.
fn metered(prometheus: &Value) -> Value {
    let meter = |name: &str, purpose: &str| {
        json!({
            "name": name, "purpose": purpose, "query": format!("kwh_total{{meter=\"{name}\"}}"), "type": "Counter",
            "unit": "kWh", "interval": "15m",
        })
    };
    let mut it = meter("it", "IT");
    it["position"] = json!("PDU");
    json!({
        "location": { "timeZone": "Asia/Shanghai" },
        "energy": { "prometheus": prometheus, "meters": [meter("feed", "Facility"), it] },
        "pue": { "targets": [{ "from": "2024-01-01", "max": "1.25" }] },
    })
}

async fn what_prometheus_needs_and_is_missing_is_named(world: World) -> Result<()> {
    let plane = world.installed().await?;
    world.operator().await?;
    let url = "https://127.0.0.1:9";
    put_secret(plane, "half", json!({ "username": "me" })).await?;
    put_authority(plane, "no-authority", &[("other.crt", "")]).await?;
    put_authority(plane, "no-pem", &[("ca.crt", "hello")]).await?;
    for (name, server, reason, words) in [
        (
            "auth-missing",
            json!({ "url": url, "authSecretRef": { "name": "nowhere" } }),
            "ReferenceNotFound",
            "Secret nowhere does not exist in Banyan's namespace",
        ),
        (
            "auth-incomplete",
            json!({ "url": url, "authSecretRef": { "name": "half" } }),
            "SecretIncomplete",
            "Secret half: it needs the key token, or the keys username and password",
        ),
        (
            "ca-missing",
            json!({ "url": url, "caConfigMapRef": { "name": "nowhere", "key": "ca.crt" } }),
            "ReferenceNotFound",
            "ConfigMap nowhere does not exist in Banyan's namespace",
        ),
        (
            "ca-incomplete",
            json!({ "url": url, "caConfigMapRef": { "name": "no-authority", "key": "ca.crt" } }),
            "ConfigMapIncomplete",
            "ConfigMap no-authority has no key ca.crt",
        ),
        (
            "ca-no-pem",
            json!({ "url": url, "caConfigMapRef": { "name": "no-pem", "key": "ca.crt" } }),
            "PrometheusMisconfigured",
            "prometheus.caConfigMapRef holds no certificate in PEM",
        ),
    ] {
        apply(plane, name, metered(&server)).await?;
        for kind in ["MetersHealthy", "PUEValid"] {
            let message = until_condition(plane, name, kind, "Unknown", reason).await?;
            ensure!(message.contains(words) && message.contains("feed"), "{name}, {kind}: {message}");
        }
        sites::delete(plane, &[name]).await?;
    }
    Ok(())
}

async fn put_authority(plane: &ControlPlane, name: &str, data: &[(&str, &str)]) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(plane.client(), NAMESPACE);
    let data: Value = data
        .iter()
        .map(|(key, text)| ((*key).to_owned(), json!(text)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data });
    maps.patch(name, &PatchParams::apply("banyan-e2e").force(), &Patch::Apply(map)).await?;
    Ok(())
}

/// Thirty hours up to now, a reading every 15 minutes: 300 kW by the feed, 250 kW of them by the IT equipment.
fn history() -> Result<std::path::PathBuf> {
    let file = dirs::fresh("readings")?.join("history.om");
    let now = Timestamp::now().as_second();
    let mut text = "# TYPE kwh counter\n".to_owned();
    for (meter, kilowatts) in [("feed", 300.0), ("it", 250.0)] {
        for back in (0..=120).rev() {
            let _ = writeln!(
                text,
                "kwh_total{{meter=\"{meter}\"}} {} {}",
                f64::from(120 - back) * kilowatts / 4.0,
                now - i64::from(back) * 900
            );
        }
    }
    text.push_str("# EOF\n");
    std::fs::write(&file, text)?;
    Ok(file)
}

async fn prometheus_is_read_through_tls_and_a_password(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let operator = world.operator().await?;
    let options = PrometheusOptions {
        name: "prometheus-tls".to_owned(),
        history: vec![history()?],
        tls: true,
        basic_auth: true,
        ..PrometheusOptions::default()
    };
    let prometheus = Prometheus::start(options).await?;
    let authority = prometheus.authority_cert().context("it was started with TLS")?;
    put_authority(plane, "tls-right", &[("ca.crt", &authority)]).await?;
    put_authority(plane, "tls-wrong", &[("ca.crt", &Authority::new("banyan-e2e-prometheus")?.cert())])
        .await?;
    put_secret(plane, "tls-right", json!({ "username": USER, "password": format!("{PASSWORD}\n") })).await?;
    put_secret(plane, "tls-wrong", json!({ "username": USER, "password": "guess-that-nobody-may-see" }))
        .await?;
    let site = |secret: Option<&str>, authority: &str| {
        let mut server =
            json!({ "url": prometheus.url(), "caConfigMapRef": { "name": authority, "key": "ca.crt" } });
        if let Some(name) = secret {
            server["authSecretRef"] = json!({ "name": name });
        }
        metered(&server)
    };

    apply(plane, "tls", site(Some("tls-right"), "tls-right")).await?;
    apply(plane, "tls-password", site(Some("tls-wrong"), "tls-right")).await?;
    apply(plane, "tls-stranger", site(None, "tls-right")).await?;
    apply(plane, "tls-authority", site(Some("tls-right"), "tls-wrong")).await?;
    until_condition(plane, "tls", "MetersHealthy", "True", "Healthy").await?;
    until_condition(plane, "tls", "PUEValid", "True", "Valid").await?;
    let found = until_status(plane, "tls", 0, |_| Ok(())).await?;
    // 300 / 250
    let value = found.operational.and_then(|operational| operational.value).map(|value| value.0);
    ensure!(value.as_deref() == Some("1.2000"), "the PUE is {value:?}");
    for name in ["tls-password", "tls-stranger"] {
        let message =
            until_condition(plane, name, "MetersHealthy", "Unknown", "PrometheusUnauthorized").await?;
        ensure!(message.contains("401") && message.contains("authSecretRef"), "{message}");
    }
    let message =
        until_condition(plane, "tls-authority", "MetersHealthy", "Unknown", "PrometheusUntrusted").await?;
    ensure!(message.contains("caConfigMapRef"), "{message}");

    let mut told = std::fs::read_to_string(operator.log())?;
    let names = ["tls", "tls-password", "tls-stranger", "tls-authority"];
    for name in names {
        let _ = write!(told, "{}", serde_json::to_string(&sites::sites(plane).get(name).await?.status)?);
    }
    ensure!(
        !told.contains(PASSWORD) && !told.contains("nobody-may-see"),
        "a status or the log shows a password"
    );
    sites::delete(plane, &names).await
}
