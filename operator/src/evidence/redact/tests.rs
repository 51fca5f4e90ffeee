use banyan_policies::{
    engine::{alone, judge_example},
    pack::{Example, builtin},
};

use super::*;

const SECRET: &str = "hunter2";

fn redacted(mut object: Json) -> Json {
    redact(&mut object);
    object
}

/// What a control says of an object is what it says of the redacted object, with the same words at the same places.
#[test]
fn the_programs_own_packs_say_the_same_of_a_redacted_object() {
    let (packs, _) = builtin();
    let mut compared = 0;
    for pack in &packs {
        for control in &pack.controls {
            let examples = &control.examples;
            let lists = [&examples.good, &examples.bad, &examples.unknown, &examples.skipped];
            let usual = alone(pack, control, &std::collections::BTreeMap::new()).unwrap();
            for example in lists.into_iter().flatten() {
                let special = (!example.parameters.is_empty())
                    .then(|| alone(pack, control, &example.parameters).unwrap());
                let compiled = special.as_ref().unwrap_or(&usual);
                let other = Example {
                    object: example.object.clone().map(redacted),
                    with: example.with.iter().cloned().map(redacted).collect(),
                    ..example.clone()
                };
                let (whole, clean) = (judge_example(compiled, example), judge_example(compiled, &other));
                assert_eq!(clean, whole, "{}: {}: {}: {other:?}", pack.about.name, control.id, example.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn a_second_time_changes_nothing() {
    for pack in builtin().0 {
        for control in &pack.controls {
            let examples = &control.examples;
            for object in
                [&examples.good, &examples.bad].into_iter().flatten().filter_map(|it| it.object.clone())
            {
                let once = redacted(object);
                assert_eq!(redacted(once.clone()), once, "{}", control.id);
            }
        }
    }
}

#[test]
fn no_secret_stays_wherever_it_stands() {
    let encoded = BASE64.encode(SECRET);
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----\n");
    let token = format!("eyJhbGciOiJSUzI1NiJ9.eyJ{SECRET}.{SECRET}");
    let address = format!("postgres://user:{SECRET}@db:5432/x?y");
    let pod = json!({
        "containers": [{
            "name": "a", "image": "a", "command": ["sh", "-c", SECRET], "args": [format!("--password={SECRET}"), SECRET],
            "env": [{ "name": "MODE", "value": SECRET }, { "name": "B", "value": format!("$(A){SECRET}") }],
            "livenessProbe": { "exec": { "command": [SECRET] }, "httpGet": { "httpHeaders": [{ "name": "Authorization", "value": SECRET }] } },
        }],
        "volumes": [{ "csi": { "volumeAttributes": { "clientSecret": SECRET, "url": address } } }],
    });
    let annotations = json!({
        "kubectl.kubernetes.io/last-applied-configuration": SECRET, "x": SECRET, "nginx.ingress.kubernetes.io/ssl-ciphers": address, NOTE: SECRET,
    });
    let metadata = json!({
        "name": "n", "annotations": annotations,
        "managedFields": [{ "manager": "kubectl", "fieldsV1": { format!("v:{SECRET}"): {} } }],
    });
    let template = json!({ "metadata": { "annotations": annotations }, "spec": pod });
    let component = json!({ "name": "n", "namespace": "kube-system", "labels": { "component": "etcd" } });
    let objects = [
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": { "a": encoded, "tls.crt": encoded, "k": BASE64.encode(&key) },
            "stringData": { "b": SECRET, "ca.crt": SECRET } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": SECRET, "key.pem": key, "kubelet": SECRET },
            "binaryData": { "b": encoded } }),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "kubelet-config", "namespace": "kube-system" },
            "data": { "kubelet": format!("a: 1\nstaticPodURLHeader:\n  Authorization: [{SECRET}]\nb: 2\n") } }),
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod }),
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": component, "spec": { "containers": [
            { "name": "etcd", "command": ["etcd", format!("--root-password={SECRET}"), format!("--urls={address}"), token] }
        ] } }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": { "template": template } }),
        json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": { "jobTemplate": { "spec": { "template": template } } } }),
        json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "n" }, "parameters": { "restuserkey": SECRET } }),
        json!({ "apiVersion": "example.org/v1", "kind": "Thing", "metadata": { "name": "n" }, "spec": {
            "password": SECRET, "tokens": [{ "token": SECRET }], "apiKey": SECRET, "text": token, "deep": [[{ "url": address }]], "k": key,
        } }),
        json!({ "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "ExposedSecretReport", "metadata": { "name": "n" },
            "report": { "secrets": [{ "match": SECRET }] } }),
    ];
    for object in objects {
        let clean = redacted(object);
        let text = clean.to_string();
        assert!(!text.contains(SECRET) && !text.contains(&encoded), "{clean:#}");
        assert!(!text.contains(&BASE64.encode(&key)), "{clean:#}");
        assert!(noted(&clean).len() > 1, "{clean:#}");
    }
}

#[test]
fn names_keys_and_what_is_public_stays() {
    const LEAF: &str = include_str!("../../../../policies/testdata/certificates/sm2-leaf.pem");
    let encoded = BASE64.encode(public_part(LEAF).unwrap());
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "n" }, "type": "kubernetes.io/tls",
        "data": { "tls.crt": encoded, "tls.key": "c2VjcmV0", "empty": "" } });
    let clean = redacted(secret);
    assert_eq!(clean["data"], json!({ "tls.crt": encoded, "tls.key": BASE64.encode(REDACTED), "empty": "" }));
    assert_eq!(clean["metadata"]["annotations"][NOTE], r#"["data['tls.key']"]"#);

    let untouched = json!({ "apiVersion": "v1", "kind": "Service", "metadata": {
        "name": "n", "labels": { "app": "x" }, "annotations": { "kubernetes.io/config.source": "file", "a": "true" },
        "managedFields": [{ "manager": "kubectl-edit", "time": "2026-01-01T00:00:00Z" }],
    }, "spec": { "ports": [{ "port": 80 }], "automountServiceAccountToken": false, "secretName": "s", "tls": [{ "secretName": "t" }] } });
    assert_eq!(redacted(untouched.clone()), untouched);
}

#[test]
fn what_was_replaced_can_be_found_again() {
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "n" },
        "spec": { "containers": [{ "name": "a", "env": [{ "name": "A", "value": "x" }] }, { "name": "b", "args": ["y"] }] } });
    let paths: Vec<String> = noted(&redacted(object)).iter().map(ToString::to_string).collect();
    assert_eq!(
        paths,
        [
            "spec.containers[*].args[*]",
            "spec.containers[*].env[*].value",
            "metadata.managedFields[*].fieldsV1"
        ]
    );
}
