//! What is found where, and that the documents are what their readers expect.

use serde_json::{Value as Json, json};

use super::*;
use crate::crypto::tests::pem;

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

fn estate() -> Vec<Json> {
    let (leaf, root) = (pem!("sm2-leaf"), pem!("sm2-ca"));
    let chain = [leaf, root].concat();
    let object = |api: &str, kind: &str, namespace: &str, name: &str, rest: Json| {
        let mut object = json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name } });
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        for (key, value) in rest.as_object().unwrap() {
            object[key] = value.clone();
        }
        object
    };
    let key = "-----BEGIN EC PRIVATE KEY-----\nnot to be read\n-----END EC PRIVATE KEY-----\n";
    let mut apiserver = object(
        "v1",
        "Pod",
        "kube-system",
        "kube-apiserver-a",
        json!({ "spec": { "containers": [{
        "name": "kube-apiserver",
        "command": ["kube-apiserver", "--tls-min-version=VersionTLS12", "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "--encryption-provider-config=/etc/kubernetes/enc.yaml"],
    }] } }),
    );
    apiserver["metadata"]["labels"] = json!({ "component": "kube-apiserver" });
    vec![
        object(
            "v1",
            "Secret",
            "web",
            "gm",
            json!({
                "type": "kubernetes.io/tls",
                "data": { "tls.crt": base64(&chain), "tls.key": base64(key) },
            }),
        ),
        object(
            "v1",
            "Secret",
            "web",
            "mixed",
            json!({
                "type": "Opaque",
                "data": {
                    "haproxy.pem": base64(&[pem!("rsa1024-sha1"), key].concat()),
                    "password": base64("hunter2"),
                    "store.p12": base64("\u{30}\u{82}secret"),
                    "broken.crt": base64("nothing"),
                    "id_rsa": base64("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
                },
                "stringData": { "cosign.pub": pem!("sm2-public-key"), "note": "text" },
            }),
        ),
        object(
            "v1",
            "ConfigMap",
            "web",
            "kube-root-ca.crt",
            json!({ "data": { "ca.crt": root, "readme": "=1+1" } }),
        ),
        object(
            "v1",
            "ConfigMap",
            "ingress",
            "nginx",
            json!({ "data": {
            "ssl-protocols": "TLSv1.3 TLSv1.1", "ssl-ciphers": "ECDHE-SM4-GCM-SM3:TLS_SM4_GCM_SM3",
        } }),
        ),
        object(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "",
            "hook",
            json!({ "webhooks": [
            { "clientConfig": {} }, { "clientConfig": { "caBundle": base64(root) } },
        ] }),
        ),
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "",
            "a.example",
            json!({ "spec": { "conversion": {
            "webhook": { "clientConfig": { "caBundle": "bm90aGluZw==" } },
        } } }),
        ),
        object(
            "cert-manager.io/v1",
            "Certificate",
            "web",
            "asked",
            json!({ "spec": {
            "dnsNames": ["=cmd()"], "secretName": "asked", "privateKey": { "algorithm": "ECDSA", "size": 384 },
            "issuerRef": { "name": "ca", "kind": "ClusterIssuer" },
        } }),
        ),
        object(
            "cert-manager.io/v1",
            "Certificate",
            "web",
            "usual",
            json!({ "spec": {
            "commonName": "a.example", "dnsNames": ["b.example"], "secretName": "usual", "issuerRef": { "name": "ca" },
        } }),
        ),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            "front",
            json!({ "spec": {
            "tls": [{ "hosts": ["gm.example.cn"], "secretName": "gm" }],
        } }),
        ),
        object(
            "gateway.networking.k8s.io/v1",
            "Gateway",
            "web",
            "edge",
            json!({ "spec": { "listeners": [
            { "name": "http", "protocol": "HTTP" },
            { "name": "https", "protocol": "HTTPS", "hostname": "a.example", "tls": { "mode": "Terminate", "certificateRefs": [{ "name": "gm" }] } },
        ] } }),
        ),
        object(
            "networking.istio.io/v1",
            "Gateway",
            "web",
            "mesh",
            json!({ "spec": { "servers": [
            { "hosts": ["a"], "tls": { "mode": "SIMPLE", "minProtocolVersion": "TLSV1_2", "cipherSuites": ["AES256-SHA"] } }, { "hosts": ["b"] },
        ] } }),
        ),
        object(
            "storage.k8s.io/v1",
            "StorageClass",
            "",
            "fast",
            json!({
                "provisioner": "ebs.csi.aws.com", "parameters": { "encrypted": "true", "kmsKeyId": "arn:key" },
            }),
        ),
        object(
            "storage.k8s.io/v1",
            "StorageClass",
            "",
            "plain",
            json!({ "provisioner": "x", "parameters": { "encrypted": "false" } }),
        ),
        apiserver,
    ]
}

fn all() -> Inventory {
    inventory(&mut estate().iter())
}

/// Place, kind, algorithm or what else says what it is.
fn told(inventory: &Inventory) -> Vec<String> {
    inventory
        .rows
        .iter()
        .map(|row| {
            let Place { kind, namespace, name, key, number } = &row.place;
            let what = match &row.asset {
                Asset::Certificate(certificate) => {
                    format!(
                        "{} {} {}",
                        certificate.key.algorithm, certificate.signature.name, certificate.subject
                    )
                }
                Asset::Unreadable(reason) => reason.clone(),
                Asset::PublicKey(key) => key.algorithm.to_string(),
                Asset::PrivateKey(label) => label.clone(),
                Asset::KeyStore => String::new(),
                Asset::Request(request) => format!("{request:?}"),
                Asset::Protocol(protocol) => format!("{:?} {:?}", protocol.version, protocol.suites),
                Asset::Encryption(encryption) => format!("{:?} {:?}", encryption.algorithm, encryption.key),
            };
            let kind = kind.rsplit('/').next().unwrap_or_default();
            format!(
                "{kind} {namespace}/{name} {key}#{number}: {} {what} [{}; {}; {}]",
                row.kind(),
                row.national().show(),
                row.quantum_vulnerable().as_str(),
                row.note
            )
        })
        .collect()
}

#[test]
fn everything_is_found_where_it_is() {
    let expected = include_str!("../../../testdata/inventory/expected.txt");
    assert_eq!(told(&all()).join("\n"), expected.trim_end());
}

#[test]
fn the_order_of_objects_does_not_matter_and_none_counts_twice() {
    let mut objects = estate();
    objects.extend(estate());
    objects.reverse();
    assert_eq!(inventory(&mut objects.iter()), all());
}

#[test]
fn private_keys_and_passwords_appear_nowhere() {
    let inventory = all();
    let origin =
        Origin { version: "1".to_owned(), subject: "x".to_owned(), now: jiff::Timestamp::UNIX_EPOCH };
    let texts = [
        format!("{inventory:?}"),
        String::from_utf8(csv(&inventory, &COLUMNS, &english).unwrap()).unwrap(),
        cyclonedx(&inventory, &origin).to_string(),
    ];
    for text in texts {
        for secret in ["not to be read", "hunter2", &base64("hunter2"), "AAAA\n"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

#[test]
fn the_table_opens_in_excel_and_nothing_is_calculated() {
    let text = String::from_utf8(csv(&all(), &COLUMNS, &english).unwrap()).unwrap();
    assert_eq!(text, include_str!("../../../testdata/inventory/expected.csv"));
    assert!(text.starts_with('\u{feff}') && text.lines().count() == all().rows.len() + 1);
    let mut reader = ::csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    for record in reader.records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell}");
        }
    }
}

fn origin() -> Origin {
    Origin {
        version: "0.1.0".to_owned(),
        subject: "cluster".to_owned(),
        now: "2026-06-01T00:00:00Z".parse().unwrap(),
    }
}

#[test]
fn the_bill_of_materials_is_cyclonedx() {
    let read = |text: &str| -> Json { serde_json::from_str(text).unwrap() };
    let schema = read(include_str!("../../../testdata/cyclonedx/bom-1.6.schema.json"));
    let spdx = read(include_str!("../../../testdata/cyclonedx/spdx.schema.json"));
    let jsf = read(include_str!("../../../testdata/cyclonedx/jsf-0.82.schema.json"));
    let registry = jsonschema::Registry::new()
        .add("http://cyclonedx.org/schema/spdx.schema.json", &spdx)
        .unwrap()
        .add("http://cyclonedx.org/schema/jsf-0.82.schema.json", &jsf)
        .unwrap()
        .prepare()
        .unwrap();
    let validator =
        jsonschema::options().with_registry(&registry).should_validate_formats(true).build(&schema).unwrap();
    let valid = |bill: &Json| -> Vec<String> {
        validator.iter_errors(bill).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    let bill = cyclonedx(&all(), &origin());
    assert_eq!(valid(&bill), [""; 0]);
    assert_eq!(valid(&cyclonedx(&Inventory::default(), &origin())), [""; 0]);
    // The schema is looked at.
    let mut wrong = bill.clone();
    wrong["components"][0]["cryptoProperties"]["assetType"] = "spell".into();
    assert_ne!(valid(&wrong), [""; 0]);
}

#[test]
fn every_reference_of_the_bill_leads_somewhere_and_the_same_thing_is_one_component() {
    let bill = cyclonedx(&all(), &origin());
    let components = bill["components"].as_array().unwrap();
    let references: Vec<&str> =
        components.iter().map(|component| component["bom-ref"].as_str().unwrap()).collect();
    let mut sorted = references.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(references, sorted);
    for dependency in bill["dependencies"].as_array().unwrap() {
        let needs = dependency["dependsOn"].as_array().unwrap();
        assert!(
            needs.iter().chain([&dependency["ref"]]).all(|to| references.contains(&to.as_str().unwrap()))
        );
    }
    for component in components {
        let certificate = &component["cryptoProperties"]["certificateProperties"];
        for to in ["signatureAlgorithmRef", "subjectPublicKeyRef"]
            .iter()
            .filter_map(|field| certificate[*field].as_str())
        {
            assert!(references.contains(&to));
        }
    }
    let root: Vec<&Json> = components
        .iter()
        .filter(|component| component["name"] == "C=CN, O=榕城测试, CN=榕城国密根")
        .collect();
    assert_eq!(root.len(), 1);
    assert_eq!(root[0]["evidence"]["occurrences"].as_array().unwrap().len(), 3);
}

#[test]
fn the_same_content_has_the_same_serial_number() {
    let bill = cyclonedx(&all(), &origin());
    let later = Origin { now: "2027-06-01T00:00:00Z".parse().unwrap(), ..origin() };
    assert_eq!(cyclonedx(&all(), &later)["serialNumber"], bill["serialNumber"]);
    assert_ne!(cyclonedx(&Inventory::default(), &origin())["serialNumber"], bill["serialNumber"]);
}

/// Every object that differs from this one in a single value.
fn damaged(value: &Json, with: &Json) -> Vec<Json> {
    let mut made = vec![with.clone()];
    match value {
        Json::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                made.extend(damaged(item, with).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[place] = item;
                    Json::Array(items)
                }));
            }
        }
        Json::Object(map) => {
            for (key, member) in map {
                made.extend(damaged(member, with).into_iter().map(|member| {
                    let mut map = map.clone();
                    map.insert(key.clone(), member);
                    Json::Object(map)
                }));
            }
        }
        _ => {}
    }
    made
}

#[test]
fn no_object_of_another_shape_makes_it_panic() {
    for with in [Json::Null, json!(-1), json!("é"), json!(["é", {}]), json!({ "é": null, "tls.crt": "é" })]
    {
        for object in estate().iter().flat_map(|object| damaged(object, &with)) {
            let inventory = inventory(&mut std::iter::once(&object));
            csv(&inventory, &COLUMNS, &english).unwrap();
            cyclonedx(&inventory, &origin());
        }
    }
}

#[test]
fn every_kind_that_shows_something_is_named() {
    let inventory = all();
    assert!(inventory.rows.iter().all(|row| kinds().contains(row.place.kind.as_str())));
    assert!(kinds().len() >= 18);
}

#[test]
fn the_table_speaks_any_language() {
    let said = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let say = |word: &'static str| {
        said.borrow_mut().insert(word);
        format!("<{word}>")
    };
    let text = String::from_utf8(csv(&all(), &COLUMNS.map(str::to_uppercase), &say).unwrap()).unwrap();
    assert!(text.starts_with("\u{feff}KIND,") && text.contains("<key store>") && text.contains("<unknown>"));
    assert!(said.borrow().iter().all(|word| WORDS.contains(word)), "{said:?}");
}
