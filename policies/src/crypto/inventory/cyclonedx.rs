//! The inventory as a cryptography bill of materials (CBOM): CycloneDX 1.6.
//!
//! The same thing at several places is one component with several occurrences. Nothing in the document but the instant that it is given depends on
//! when or where it is made: components stand in the order of their references, and the serial number is made from the content.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::{Answer, Asset, Certificate, Inventory, KeyAlgorithm, Protocol, PublicKey, Row};
use crate::crypto::algorithm::Signature;

/// Who makes the document, of what and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The version of Banyan.
    pub version: String,
    /// What was looked at: a cluster, a folder.
    pub subject: String,
    /// When.
    pub now: Timestamp,
}

/// The components of a document, by reference.
#[derive(Default)]
struct Bill {
    components: BTreeMap<String, Component>,
}

#[derive(Default)]
struct Component {
    json: Map<String, Json>,
    occurrences: BTreeSet<(String, String)>,
    needs: BTreeSet<String>,
}

/// The inventory as a CycloneDX 1.6 document.
pub fn cyclonedx(inventory: &Inventory, origin: &Origin) -> Json {
    let mut bill = Bill::default();
    for row in &inventory.rows {
        bill.take(row);
    }
    let dependencies: Vec<Json> = bill
        .components
        .iter()
        .filter(|(_, component)| !component.needs.is_empty())
        .map(|(reference, component)| json!({ "ref": reference, "dependsOn": component.needs }))
        .collect();
    let components: Vec<Json> = bill.components.into_values().map(Component::finish).collect();
    let subject = json!({ "type": "platform", "bom-ref": "subject", "name": origin.subject });
    let digest = Sha256::digest(json!([subject, components, dependencies]).to_string());
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(&digest),
        "version": 1,
        "metadata": {
            "timestamp": origin.now.to_string(),
            "tools": { "components": [{ "type": "application", "name": "banyan", "version": origin.version }] },
            "component": subject,
        },
        "components": components,
        "dependencies": dependencies,
    })
}

/// A UUID of version 8 (RFC 9562), whose bits are ours to choose.
fn serial(digest: &[u8]) -> String {
    let mut bytes: Vec<u8> = digest.iter().copied().take(16).collect();
    if let Some(byte) = bytes.get_mut(6) {
        *byte = *byte & 0x0f | 0x80;
    }
    if let Some(byte) = bytes.get_mut(8) {
        *byte = *byte & 0x3f | 0x80;
    }
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts: Vec<&str> = parts.iter().filter_map(|(from, to)| hex.get(*from..*to)).collect();
    format!("urn:uuid:{}", parts.join("-"))
}

impl Component {
    fn finish(self) -> Json {
        let mut json = self.json;
        let occurrences: Vec<Json> = self
            .occurrences
            .into_iter()
            .map(|(location, note)| {
                let mut occurrence = json!({ "location": location });
                if !note.is_empty() {
                    occurrence["additionalContext"] = note.into();
                }
                occurrence
            })
            .collect();
        if !occurrences.is_empty() {
            json.insert("evidence".to_owned(), json!({ "occurrences": occurrences }));
        }
        Json::Object(json)
    }
}

/// `Secret web/tls data['tls.crt']#1`.
fn location(row: &Row) -> String {
    let place = &row.place;
    let name = if place.namespace.is_empty() {
        place.name.clone()
    } else {
        format!("{}/{}", place.namespace, place.name)
    };
    format!("{} {name} {}#{}", place.kind, place.key, place.number)
}

/// A piece of a reference that anything can be made of.
fn digest(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text)).chars().take(16).collect()
}

impl Bill {
    /// Adds a component unless it is there, and says what it needs.
    fn add(
        &mut self,
        reference: &str,
        name: &str,
        properties: &Json,
        needs: impl IntoIterator<Item = String>,
    ) -> &mut Component {
        let component = self.components.entry(reference.to_owned()).or_insert_with(|| {
            let json = json!({
                "type": "cryptographic-asset",
                "bom-ref": reference,
                "name": if name.is_empty() { "(no name)" } else { name },
                "cryptoProperties": properties,
            });
            Component { json: json.as_object().cloned().unwrap_or_default(), ..Component::default() }
        });
        component.needs.extend(needs);
        component
    }

    fn take(&mut self, row: &Row) {
        let location = location(row);
        let component = match &row.asset {
            Asset::Certificate(certificate) => self.certificate(certificate),
            Asset::PublicKey(key) => {
                let reference = self.public_key(key);
                self.components.entry(reference).or_default()
            }
            Asset::PrivateKey(label) => {
                let reference = format!("private-key/{}", digest(&location));
                let properties = json!({
                    "assetType": "related-crypto-material",
                    "relatedCryptoMaterialProperties": { "type": "private-key" },
                });
                let name = if label.is_empty() { "private key" } else { label };
                self.add(&reference, name, &properties, [])
            }
            Asset::KeyStore => {
                let reference = format!("key-store/{}", digest(&location));
                let properties = json!({
                    "assetType": "related-crypto-material",
                    "relatedCryptoMaterialProperties": { "type": "other" },
                });
                self.add(&reference, "key store, not opened", &properties, [])
            }
            Asset::Unreadable(reason) => {
                let reference = format!("unreadable/{}", digest(&location));
                let properties = json!({
                    "assetType": "related-crypto-material",
                    "relatedCryptoMaterialProperties": { "type": "unknown" },
                });
                self.add(&reference, &format!("unreadable: {reason}"), &properties, [])
            }
            Asset::Request(request) => {
                let algorithm = self.algorithm(request.algorithm, request.bits, None, None);
                let reference = format!("certificate-request/{}", digest(&location));
                let properties = json!({
                    "assetType": "certificate",
                    "certificateProperties": {
                        "subjectName": request.subject,
                        "issuerName": request.issuer,
                        "certificateFormat": "X.509",
                    },
                });
                self.add(&reference, &format!("asked for: {}", request.subject), &properties, [algorithm])
            }
            Asset::Protocol(protocol) => self.protocol(protocol),
            Asset::Encryption(encryption) => {
                let name = encryption.algorithm.as_deref().unwrap_or("encryption at rest");
                let key = encryption.key.as_deref().unwrap_or_default();
                let reference = format!("encryption/{}", digest(&format!("{name} {key}")));
                let properties =
                    json!({ "assetType": "algorithm", "algorithmProperties": { "primitive": "unknown" } });
                self.add(&reference, name, &properties, [])
            }
        };
        component.occurrences.insert((location, row.note.clone()));
        let national = row.national();
        let mut properties = vec![
            json!({ "name": "banyan.dev/national-algorithms", "value": national.show() }),
            json!({ "name": "banyan.dev/quantum-vulnerable", "value": row.quantum_vulnerable().as_str() }),
        ];
        if let Asset::Certificate(certificate) = &row.asset {
            properties.push(json!({ "name": "banyan.dev/serial-number", "value": certificate.serial }));
        }
        if let Asset::Encryption(super::Encryption { key: Some(key), .. }) = &row.asset {
            properties.push(json!({ "name": "banyan.dev/key-id", "value": key }));
        }
        component.json.insert("properties".to_owned(), properties.into());
    }

    fn certificate(&mut self, certificate: &Certificate) -> &mut Component {
        let signature = self.signature(&certificate.signature);
        let key = self.public_key(&certificate.key);
        let reference = format!("certificate/sha256/{}", certificate.fingerprint);
        let properties = json!({
            "assetType": "certificate",
            "certificateProperties": {
                "subjectName": certificate.subject,
                "issuerName": certificate.issuer,
                "notValidBefore": certificate.not_before.to_string(),
                "notValidAfter": certificate.not_after.to_string(),
                "signatureAlgorithmRef": signature,
                "subjectPublicKeyRef": key,
                "certificateFormat": "X.509",
            },
        });
        let component = self.add(&reference, &certificate.subject, &properties, [signature, key]);
        component
            .json
            .insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": certificate.fingerprint }]));
        component
    }

    fn public_key(&mut self, key: &PublicKey) -> String {
        let algorithm = self.algorithm(key.algorithm, key.bits, key.curve.as_deref(), Some(&key.oid));
        let reference = format!("public-key/sha256/{}", key.fingerprint);
        let mut material = json!({ "type": "public-key", "algorithmRef": algorithm });
        if let Some(bits) = key.bits {
            material["size"] = bits.into();
        }
        let properties =
            json!({ "assetType": "related-crypto-material", "relatedCryptoMaterialProperties": material });
        self.add(&reference, &format!("{} public key", key.algorithm), &properties, [algorithm]);
        reference
    }

    fn algorithm(
        &mut self,
        algorithm: KeyAlgorithm,
        bits: Option<u32>,
        curve: Option<&str>,
        oid: Option<&str>,
    ) -> String {
        let parts = [
            Some(algorithm.as_str().to_owned()),
            bits.map(|bits| bits.to_string()),
            curve.map(str::to_owned),
        ];
        let unknown = (algorithm == KeyAlgorithm::Unknown).then(|| oid.map(str::to_owned)).flatten();
        let name: Vec<String> = parts.into_iter().chain([unknown]).flatten().collect();
        let name = name.join("-");
        let mut properties = json!({ "primitive": "signature" });
        if let Some(bits) = bits {
            properties["parameterSetIdentifier"] = bits.to_string().into();
        }
        if let Some(curve) = curve {
            properties["curve"] = curve.into();
        }
        if algorithm.quantum_vulnerable() == Answer::Yes {
            properties["nistQuantumSecurityLevel"] = 0.into();
        }
        let mut properties = json!({ "assetType": "algorithm", "algorithmProperties": properties });
        if let Some(oid) = oid {
            properties["oid"] = oid.into();
        }
        let reference = format!("algorithm/{name}/{}", oid.unwrap_or_default());
        let reference = reference.trim_end_matches('/').to_owned();
        self.add(&reference, &name, &properties, []);
        reference
    }

    fn signature(&mut self, signature: &Signature) -> String {
        let mut properties = json!({ "primitive": "signature", "cryptoFunctions": ["sign", "verify"] });
        if signature.key.quantum_vulnerable() == Answer::Yes {
            properties["nistQuantumSecurityLevel"] = 0.into();
        }
        let properties =
            json!({ "assetType": "algorithm", "algorithmProperties": properties, "oid": signature.oid });
        let reference = format!("signature/{}", signature.name);
        self.add(&reference, &signature.name, &properties, []);
        reference
    }

    fn protocol(&mut self, protocol: &Protocol) -> &mut Component {
        let version = protocol.version.as_deref().unwrap_or_default();
        let reference =
            format!("protocol/tls/{}", digest(&format!("{version} {}", protocol.suites.join(" "))));
        let mut properties = json!({ "type": "tls" });
        // `VersionTLS12`, `TLSV1_2`, `TLSv1.2`: the lowest that is taken.
        let digits: Vec<String> = version
            .rsplit_once(['S', 'v', 'V'])
            .map(|(_, digits)| digits.chars().filter(char::is_ascii_digit).map(String::from).collect())
            .unwrap_or_default();
        if !digits.is_empty() {
            properties["version"] = digits.join(".").into();
        }
        if !protocol.suites.is_empty() {
            properties["cipherSuites"] =
                protocol.suites.iter().map(|suite| json!({ "name": suite })).collect::<Vec<_>>().into();
        }
        let name = if version.is_empty() { "TLS".to_owned() } else { format!("TLS from {version}") };
        let properties = json!({ "assetType": "protocol", "protocolProperties": properties });
        self.add(&reference, &name, &properties, [])
    }
}
