//! What is set: TLS of Ingresses, Gateways and the control plane, certificates asked for, encryption of storage.

use serde_json::Value as Json;

use super::{Asset, Encryption, Protocol, Request, Sight};
use crate::{
    cel::{Value, flags},
    crypto::algorithm::KeyAlgorithm,
    pack::join,
};

/// How an object of a kind is looked at.
type Look = fn(&mut Sight<'_, '_>);

const LOOKS: &[(&str, Look)] = &[
    ("networking.k8s.io/Ingress", ingress),
    ("gateway.networking.k8s.io/Gateway", gateway),
    ("networking.istio.io/Gateway", istio),
    ("ConfigMap", nginx),
    ("cert-manager.io/Certificate", request),
    ("storage.k8s.io/StorageClass", storage),
    ("Pod", control_plane),
];

/// The kinds that are looked at.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    LOOKS.iter().map(|(kind, _)| *kind)
}

pub(super) fn look(sight: &mut Sight<'_, '_>) {
    if let Some((_, look)) = LOOKS.iter().find(|(kind, _)| *kind == sight.place.kind) {
        look(sight);
    }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// The texts of a list, with commas between them.
fn listed(value: &Json) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}

fn items(value: &Json) -> impl Iterator<Item = (usize, &Json)> {
    value.as_array().into_iter().flatten().enumerate()
}

/// Suites as nginx and OpenSSL list them (colons) and as Go programs do (commas).
fn suites(text: &str) -> Vec<String> {
    text.split([':', ',']).map(str::trim).filter(|suite| !suite.is_empty()).map(str::to_owned).collect()
}

/// `words` with a name before each that is not empty.
fn note(words: &[(&str, &str)]) -> String {
    let words = words.iter().filter(|(_, value)| !value.is_empty());
    words.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join("; ")
}

fn ingress(sight: &mut Sight<'_, '_>) {
    let object = sight.object;
    let ciphers = text(&object["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-ciphers"]);
    for (place, tls) in items(&object["spec"]["tls"]) {
        let protocol = Protocol { version: None, suites: suites(ciphers) };
        let note = note(&[("hosts", &listed(&tls["hosts"])), ("Secret", text(&tls["secretName"]))]);
        sight.add(&format!("spec.tls[{place}]"), 1, Asset::Protocol(protocol), note);
    }
}

fn gateway(sight: &mut Sight<'_, '_>) {
    let object = sight.object;
    for (place, listener) in items(&object["spec"]["listeners"]) {
        if !["HTTPS", "TLS"].contains(&text(&listener["protocol"])) {
            continue;
        }
        let tls = &listener["tls"];
        let secrets: Vec<&str> =
            items(&tls["certificateRefs"]).map(|(_, secret)| text(&secret["name"])).collect();
        let note = note(&[
            ("host", text(&listener["hostname"])),
            ("mode", text(&tls["mode"])),
            ("Secret", &secrets.join(", ")),
        ]);
        sight.add(&format!("spec.listeners[{place}].tls"), 1, Asset::Protocol(Protocol::default()), note);
    }
}

fn istio(sight: &mut Sight<'_, '_>) {
    let object = sight.object;
    for (place, server) in items(&object["spec"]["servers"]) {
        let tls = &server["tls"];
        if !tls.is_object() {
            continue;
        }
        let protocol = Protocol {
            version: tls["minProtocolVersion"].as_str().map(str::to_owned),
            suites: items(&tls["cipherSuites"]).map(|(_, suite)| text(suite).to_owned()).collect(),
        };
        let note = note(&[
            ("hosts", &listed(&server["hosts"])),
            ("mode", text(&tls["mode"])),
            ("Secret", text(&tls["credentialName"])),
        ]);
        sight.add(&format!("spec.servers[{place}].tls"), 1, Asset::Protocol(protocol), note);
    }
}

/// The `ConfigMap` of ingress-nginx.
fn nginx(sight: &mut Sight<'_, '_>) {
    let data = &sight.object["data"];
    let (protocols, ciphers) = (text(&data["ssl-protocols"]), text(&data["ssl-ciphers"]));
    if protocols.is_empty() && ciphers.is_empty() {
        return;
    }
    let key = if protocols.is_empty() { "ssl-ciphers" } else { "ssl-protocols" };
    let lowest = protocols.split_whitespace().min();
    let protocol = Protocol { version: lowest.map(str::to_owned), suites: suites(ciphers) };
    let note = note(&[("versions", protocols)]);
    sight.add(&join("data", key), 1, Asset::Protocol(protocol), note);
}

/// A Certificate of cert-manager, whose key is RSA of 2048 bits or on P-256 where nothing else is asked for.
fn request(sight: &mut Sight<'_, '_>) {
    let spec = &sight.object["spec"];
    let key = &spec["privateKey"];
    let algorithm = match key["algorithm"].as_str() {
        None | Some("RSA" | "") => KeyAlgorithm::Rsa,
        Some("ECDSA") => KeyAlgorithm::Ecdsa,
        Some("Ed25519") => KeyAlgorithm::Ed25519,
        Some(_) => KeyAlgorithm::Unknown,
    };
    let usual = match algorithm {
        KeyAlgorithm::Rsa => Some(2048),
        KeyAlgorithm::Ecdsa | KeyAlgorithm::Ed25519 => Some(256),
        _ => None,
    };
    let asked = key["size"].as_u64().filter(|size| *size > 0).and_then(|size| u32::try_from(size).ok());
    let issuer = &spec["issuerRef"];
    let kind = issuer["kind"].as_str().unwrap_or("Issuer");
    let subject = match text(&spec["commonName"]) {
        "" => listed(&spec["dnsNames"]),
        name => format!("CN={name}"),
    };
    let request = Request {
        algorithm,
        bits: asked.or(usual),
        issuer: format!("{kind} {}", text(&issuer["name"])),
        subject,
    };
    let note = note(&[
        ("Secret", text(&spec["secretName"])),
        ("signed with", text(&spec["signatureAlgorithm"])),
        ("valid until", text(&sight.object["status"]["notAfter"])),
    ]);
    sight.add("spec.privateKey", 1, Asset::Request(request), note);
}

/// Parameters of a `StorageClass` that encrypt: the parameter, the values that say so (none: any), and whether the value is the id of a key.
const STORAGE: &[(&str, &[&str], bool)] = &[
    // AWS EBS, Longhorn, Ceph, Alibaba Cloud and others.
    ("encrypted", &["true"], false),
    // Tencent Cloud.
    ("encrypt", &["ENCRYPT"], false),
    // Portworx.
    ("secure", &["true"], false),
    ("kmsKeyId", &[], true),
    // Ceph.
    ("encryptionKMSID", &[], true),
    // Google Cloud.
    ("disk-encryption-kms-key", &[], true),
    // Azure.
    ("diskEncryptionSetID", &[], true),
    // Huawei Cloud.
    ("everest.io/crypt-key-id", &[], true),
];

fn storage(sight: &mut Sight<'_, '_>) {
    let parameters = &sight.object["parameters"];
    let (mut encryption, mut at) = (Encryption::default(), None);
    for (name, values, key) in STORAGE {
        let value = text(&parameters[*name]);
        if value.is_empty() || !(values.is_empty() || values.iter().any(|on| on.eq_ignore_ascii_case(value)))
        {
            continue;
        }
        at = at.or(Some(*name));
        if *key {
            encryption.key = encryption.key.or_else(|| Some(value.to_owned()));
        }
    }
    let Some(at) = at else { return };
    for name in ["encryptionAlgorithm", "cipher", "csi.storage.k8s.io/encryption-cipher"] {
        let value = text(&parameters[name]);
        if !value.is_empty() {
            encryption.algorithm = encryption.algorithm.or_else(|| Some(value.to_owned()));
        }
    }
    let note = note(&[("provisioner", text(&sight.object["provisioner"]))]);
    sight.add(&join("parameters", at), 1, Asset::Encryption(encryption), note);
}

/// The mirror Pods of the control plane.
fn control_plane(sight: &mut Sight<'_, '_>) {
    let metadata = &sight.object["metadata"];
    let component = text(&metadata["labels"]["component"]);
    if text(&metadata["namespace"]) != "kube-system"
        || !["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"].contains(&component)
    {
        return;
    }
    let object = sight.object;
    for (place, container) in items(&object["spec"]["containers"]) {
        let flags = flags(&Value::from_json(container)).to_json();
        let flag = |name: &str| Some(text(&flags[name])).filter(|value| !value.is_empty());
        let protocol = Protocol {
            version: flag("tls-min-version").map(str::to_owned),
            suites: suites(flag("tls-cipher-suites").or(flag("cipher-suites")).unwrap_or_default()),
        };
        let path = format!("spec.containers[{place}]");
        let usual = if protocol == Protocol::default() { "neither version nor suites are set" } else { "" };
        sight.add(&path, 1, Asset::Protocol(protocol), usual);
        if let Some(file) = flag("encryption-provider-config") {
            let note = format!("{file} is on the host, its providers cannot be seen");
            sight.add(&path, 2, Asset::Encryption(Encryption::default()), note);
        }
    }
}
