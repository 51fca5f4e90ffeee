//! Certificates and keys in the fields where Kubernetes and its common extensions keep them.

use serde_json::Value as Json;

use super::{Asset, Sight};
use crate::{
    crypto::{
        certificate::{self, CertificateError, Piece},
        pem,
    },
    pack::{Path, join},
};

/// Fields that hold PEM or base64 of it, by kind.
const FIELDS: &[(&str, &[&str])] = &[
    ("admissionregistration.k8s.io/ValidatingWebhookConfiguration", &["webhooks[*].clientConfig.caBundle"]),
    ("admissionregistration.k8s.io/MutatingWebhookConfiguration", &["webhooks[*].clientConfig.caBundle"]),
    ("apiregistration.k8s.io/APIService", &["spec.caBundle"]),
    ("apiextensions.k8s.io/CustomResourceDefinition", &["spec.conversion.webhook.clientConfig.caBundle"]),
    ("certificates.k8s.io/CertificateSigningRequest", &["status.certificate"]),
    ("certificates.k8s.io/ClusterTrustBundle", &["spec.trustBundle"]),
    ("cert-manager.io/Issuer", ISSUER),
    ("cert-manager.io/ClusterIssuer", ISSUER),
    ("cert-manager.io/CertificateRequest", &["status.certificate", "status.ca"]),
    ("trust.cert-manager.io/Bundle", &["spec.sources[*].inLine"]),
    (
        "route.openshift.io/Route",
        &[
            "spec.tls.certificate",
            "spec.tls.caCertificate",
            "spec.tls.destinationCACertificate",
            "spec.tls.key",
        ],
    ),
    (
        "kyverno.io/ClusterPolicy",
        &[
            "spec.rules[*].verifyImages[*].attestors[*].entries[*].keys.publicKeys",
            "spec.rules[*].verifyImages[*].attestors[*].entries[*].certificates.cert",
        ],
    ),
    ("policy.sigstore.dev/ClusterImagePolicy", &["spec.authorities[*].key.data"]),
];

const ISSUER: &[&str] = &["spec.acme.caBundle", "spec.vault.caBundle", "spec.venafi.tpp.caBundle"];

/// The kinds that are looked at.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    ["Secret", "ConfigMap"].into_iter().chain(FIELDS.iter().map(|(kind, _)| *kind))
}

pub(super) fn look(sight: &mut Sight<'_, '_>) {
    let object = sight.object;
    match sight.place.kind.as_str() {
        "Secret" => secret(sight),
        "ConfigMap" => {
            for (key, text) in texts(&object["data"]) {
                if pem::is_pem(text) {
                    found(sight, &join("data", key), certificate::pieces(text), false);
                }
            }
            for (key, text) in texts(&object["binaryData"]) {
                bytes(sight, &join("binaryData", key), key, text);
            }
        }
        kind => {
            let Some((_, fields)) = FIELDS.iter().find(|(known, _)| *known == kind) else { return };
            for path in fields.iter().filter_map(|field| Path::parse(field).ok()) {
                for (path, value) in path.find(object, "") {
                    let Some(text) = value.as_str() else { continue };
                    // References such as `k8s://…` stand in the same fields as keys.
                    if text.is_empty() || text.contains("://") {
                        continue;
                    }
                    found(sight, &path, certificate::pieces(text), true);
                }
            }
        }
    }
}

/// The texts of a map.
fn texts(map: &Json) -> impl Iterator<Item = (&str, &str)> {
    map.as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .filter(|(_, text)| !text.is_empty())
}

fn secret(sight: &mut Sight<'_, '_>) {
    let object = sight.object;
    let tls = object["type"] == "kubernetes.io/tls";
    for (key, text) in texts(&object["data"]) {
        let path = join("data", key);
        if tls && key == "tls.key" {
            sight.add(&path, 1, Asset::PrivateKey(String::new()), "");
        } else {
            bytes(sight, &path, key, text);
        }
    }
    for (key, text) in texts(&object["stringData"]) {
        let path = join("stringData", key);
        if tls && key == "tls.key" {
            sight.add(&path, 1, Asset::PrivateKey(String::new()), "");
        } else if is_store(key) {
            sight.add(&path, 1, Asset::KeyStore, "");
        } else if pem::is_pem(text) || is_certificate(key) {
            found(sight, &path, certificate::pieces(text), is_certificate(key));
        }
    }
}

/// What base64 of bytes shows.
fn bytes(sight: &mut Sight<'_, '_>, path: &str, key: &str, text: &str) {
    if is_store(key) {
        sight.add(path, 1, Asset::KeyStore, "");
    } else if text.len() > certificate::LONGEST {
        if is_certificate(key) {
            found(sight, path, Err(CertificateError::TooLong(text.len())), true);
        }
    } else {
        let pieces = match pem::base64(text) {
            Some(bytes) => certificate::of_bytes(&bytes),
            None => Err(CertificateError::Other),
        };
        found(sight, path, pieces, is_certificate(key));
    }
}

/// Whether a key of a map is named as certificates are.
fn is_certificate(key: &str) -> bool {
    has_ending(key, &["crt", "cer", "cert"])
}

fn is_store(key: &str) -> bool {
    has_ending(key, &["jks", "p12", "pfx", "keystore", "truststore"])
}

fn has_ending(key: &str, endings: &[&str]) -> bool {
    key.rsplit_once('.').is_some_and(|(_, ending)| {
        let ending = ending.to_ascii_lowercase();
        endings.contains(&ending.as_str())
    })
}

/// Adds what was found in a field. A text that is something else is only told of where a certificate was `expected`.
fn found(
    sight: &mut Sight<'_, '_>,
    path: &str,
    pieces: Result<Vec<Piece>, CertificateError>,
    expected: bool,
) {
    let pieces = match pieces {
        Ok(pieces) => pieces,
        Err(error) => {
            if expected || !matches!(error, CertificateError::Other | CertificateError::Empty) {
                sight.add(path, 1, Asset::Unreadable(error.to_string()), "");
            }
            return;
        }
    };
    for (place, piece) in pieces.into_iter().enumerate() {
        let asset = match piece {
            Piece::Certificate(certificate) => match *certificate {
                Ok(certificate) => Asset::Certificate(Box::new(certificate)),
                Err(error) => Asset::Unreadable(error.to_string()),
            },
            Piece::PublicKey(Ok(key)) => Asset::PublicKey(key),
            Piece::PublicKey(Err(reason)) => {
                Asset::Unreadable(format!("the public key cannot be read: {reason}"))
            }
            Piece::PrivateKey(label) => Asset::PrivateKey(label),
        };
        sight.add(path, place + 1, asset, "");
    }
}
