//! The inventory of cryptography: what a cluster shows is what its manifests show, and what could not be read is said.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use banyan_e2e::dirs;
use banyan_e2e::operator::cli;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![a_cluster_has_the_inventory_of_its_manifests, kinds_that_may_not_be_read_are_named]
}

const NAMESPACE: &str = "crypto-inventory";
const LEAF: &str = include_str!("../../../policies/testdata/certificates/sm2-leaf.pem");
const ROOT: &str = include_str!("../../../policies/testdata/certificates/sm2-ca.pem");
const SECRET: &str = "-----BEGIN PRIVATE KEY-----\nnobody-may-see-this\n-----END PRIVATE KEY-----\n";

/// A namespace's objects as manifests: a Secret with an SM2 chain, the authority in a `ConfigMap`, and an Ingress.
fn manifests() -> Result<Vec<String>> {
    let metadata = |name: &str| ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(NAMESPACE.to_owned()),
        ..ObjectMeta::default()
    };
    let data = [("tls.crt", [LEAF, ROOT].concat()), ("tls.key", SECRET.to_owned())];
    let secret = Secret {
        metadata: metadata("gm"),
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(BTreeMap::from(data.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))))),
        ..Secret::default()
    };
    let others: [Value; 2] = [
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("ca"), "data": { "ca.crt": ROOT } }),
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata("front"), "spec": {
            "defaultBackend": { "service": { "name": "front", "port": { "number": 80 } } },
            "tls": [{ "hosts": ["gm.example.cn"], "secretName": "gm" }],
        } }),
    ];
    let mut all = vec![serde_json::to_string(&secret)?];
    all.extend(others.iter().map(Value::to_string));
    Ok(all)
}

async fn a_cluster_has_the_inventory_of_its_manifests(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    let kubeconfig = plane.admin_kubeconfig();
    let manifests = manifests()?;
    plane
        .apply(
            &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } })
                .to_string(),
        )
        .await?;
    for manifest in &manifests {
        plane.apply(manifest).await?;
    }
    let file = dirs::fresh("crypto")?.join("objects.json");
    std::fs::write(&file, manifests.join("\n"))?;

    let of_files = cli(&kubeconfig, &["crypto", "inventory", &file.to_string_lossy(), "-o", "csv"]).await?;
    ensure!(of_files.status.code() == Some(0), "{of_files:?}");
    let of_cluster = cli(&kubeconfig, &["crypto", "inventory", "--cluster", "-o", "csv"]).await?;
    ensure!(of_cluster.status.code() == Some(0), "{of_cluster:?}");
    let here = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains(NAMESPACE)).map(str::to_owned).collect()
    };
    let rows = here(&of_files.stdout);
    // The API server and its controllers may have put other objects there, such as the cluster's own authority.
    let found = here(&of_cluster.stdout);
    ensure!(rows.len() == 5, "{rows:#?}");
    ensure!(rows.iter().all(|row| found.contains(row)), "{rows:#?} are not all in {found:#?}");
    ensure!(
        rows.iter().filter(|row| row.contains(",SM2,256,sm2p256v1,SM2-with-SM3,")).count() == 3,
        "{rows:#?}"
    );

    let bill = async || {
        let args = ["crypto", "inventory", "--cluster", "-o", "cyclonedx", "--now", "2026-12-01T00:00:00Z"];
        cli(&kubeconfig, &args).await
    };
    let first = bill().await?;
    let read: Value = serde_json::from_str(&first.stdout)?;
    ensure!(read["specVersion"] == "1.6", "{first:?}");
    for text in [&of_files.stdout, &of_cluster.stdout, &first.stdout] {
        ensure!(!text.contains("nobody-may-see-this"), "a private key is printed");
    }
    Ok(())
}

async fn kinds_that_may_not_be_read_are_named(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    let kubeconfig = plane.kubeconfig_for_user("nobody-in-particular", &[])?;
    let refused = cli(&kubeconfig, &["crypto", "inventory", "--cluster"]).await?;
    ensure!(refused.status.code() == Some(2), "{refused:?}");
    for kind in ["Secret: ", "ConfigMap: ", "networking.k8s.io/Ingress: "] {
        ensure!(refused.stderr.contains(kind), "{kind} is not named:\n{}", refused.stderr);
    }
    Ok(())
}
