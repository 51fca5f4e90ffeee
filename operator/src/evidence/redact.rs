//! Taking out of an object what nobody else may see, so that the verdict on it stays.
//!
//! Values that may carry a secret leave the house only where a control of the program's own packs reads them: of a Secret its keys and certificates, of
//! a `ConfigMap` its keys, certificates and settings of TLS and kubelets, of a container the names of its variables, of annotations those of
//! [`ANNOTATIONS`]. Everything else of these fields is replaced by [`REDACTED`], or by a stand-in of which a control says the same: what is
//! empty stays empty, a private key in clear stays known as one. Elsewhere fields that are called like credentials are replaced, and passwords
//! in addresses, private keys and signed tokens wherever they stand.
//!
//! Which values were replaced is noted on the object in the annotation [`NOTE`]: a pack that is not the program's own may read them, and then its verdict
//! is unknown. Redacting a second time changes nothing.

use std::{borrow::Cow, collections::BTreeSet, sync::LazyLock};

use banyan_policies::{
    crypto::{certificates, public_part},
    engine::kind_key,
    pack::{Path, join},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use regex::Regex;
use serde_json::{Map, Value as Json, json};

/// What stands where a value was.
pub const REDACTED: &str = "redacted";
/// The annotation that lists the paths of what was replaced, as a JSON list; `[*]` is any element.
pub const NOTE: &str = "banyan.dev/redacted";
/// Annotations whose values stay: controls read them. One that ends in `/` is all of that prefix.
pub const ANNOTATIONS: [&str; 8] = [
    "container.apparmor.security.beta.kubernetes.io/",
    "kubernetes.io/config.mirror",
    "kubernetes.io/config.source",
    "kubernetes.io/service-account.name",
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "nginx.ingress.kubernetes.io/ssl-ciphers",
    "nginx.ingress.kubernetes.io/ssl-redirect",
    "storageclass.kubernetes.io/is-default-class",
];
/// Values of a `ConfigMap` that stay: settings of ingress-nginx that controls read.
const SETTINGS: [&str; 2] = ["ssl-ciphers", "ssl-protocols"];
/// Labels of private keys that are in clear.
const CLEAR_KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
/// How names of fields with credentials end, without dashes and the like.
const CREDENTIALS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "accountkey",
    "userkey",
    "credential",
    "credentials",
];
/// The programs of the control plane, whose flags controls read, by the label `component`.
const COMPONENTS: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

/// The paths that redaction may replace in any object of a kind, for controls that look at it from another object.
pub fn usual_paths(kind: &str) -> Vec<Path> {
    let mut all = vec!["metadata.annotations", "metadata.managedFields[*].fieldsV1"];
    all.extend(match kind {
        "Secret" => &["data", "stringData"][..],
        "ConfigMap" => &["data", "binaryData"][..],
        _ => &["spec"][..],
    });
    all.into_iter().filter_map(|path| Path::parse(path).ok()).collect()
}

/// The paths that were replaced in an object that [`redact`] returned, and what is left out of every one.
pub fn noted(object: &Json) -> Vec<Path> {
    let note = object["metadata"]["annotations"][NOTE].as_str().unwrap_or_default();
    let paths: Vec<String> = serde_json::from_str(note).unwrap_or_default();
    let always = ["metadata.managedFields[*].fieldsV1".to_owned()];
    // A name that no path can hold stands for the whole object.
    paths.iter().chain(&always).map(|path| Path::parse(path).unwrap_or(Path(Vec::new()))).collect()
}

/// Takes out of an object what nobody else may see.
pub fn redact(object: &mut Json) {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let kind = kind_key(&text(&object["apiVersion"]), &text(&object["kind"]));
    let metadata = &object["metadata"];
    let component = kind == "Pod"
        && metadata["namespace"] == "kube-system"
        && COMPONENTS.iter().any(|name| metadata["labels"]["component"] == *name);
    let kubelet =
        kind == "ConfigMap" && metadata["namespace"] == "kube-system" && metadata["name"] == "kubelet-config";
    let mut redactor =
        Redactor { component, exposed: kind.ends_with("/ExposedSecretReport"), paths: BTreeSet::new() };
    if let Json::Object(map) = object {
        match kind.as_str() {
            "Secret" => redactor.secret(map),
            "ConfigMap" => redactor.settings(map, kubelet),
            _ => {}
        }
        // Whatever it says there was not said by this function.
        if let Some(Json::Object(annotations)) =
            map.get_mut("metadata").and_then(|it| it.get_mut("annotations"))
        {
            annotations.remove(NOTE);
        }
        for (key, value) in map.iter_mut() {
            if !["data", "stringData", "binaryData"].contains(&key.as_str())
                || !["Secret", "ConfigMap"].contains(&kind.as_str())
            {
                redactor.field(key, key, value);
            }
        }
        if !redactor.paths.is_empty() {
            let paths: Vec<&String> = redactor.paths.iter().collect();
            let note = Json::String(json!(paths).to_string());
            let metadata = map.entry("metadata").or_insert_with(|| json!({}));
            if metadata["annotations"].is_object() {
                metadata["annotations"][NOTE] = note;
            } else if let Json::Object(metadata) = metadata {
                metadata.insert("annotations".to_owned(), json!({ NOTE: note }));
            }
        }
    }
}

struct Redactor {
    /// Whether it is a Pod of the control plane.
    component: bool,
    /// Whether it is a report on secrets that were found somewhere.
    exposed: bool,
    paths: BTreeSet<String>,
}

impl Redactor {
    /// Puts a stand-in where a text was.
    fn replace(&mut self, path: &str, value: &mut Json, stand_in: impl Into<Json>) {
        *value = stand_in.into();
        self.paths.insert(path.to_owned());
    }

    fn secret(&mut self, object: &mut Map<String, Json>) {
        for (list, encoded) in [("data", true), ("stringData", false)] {
            let Some(Json::Object(values)) = object.get_mut(list) else { continue };
            for (key, value) in values.iter_mut() {
                let path = join(list, key);
                let Some(text) = value.as_str() else {
                    self.replace(&path, value, Json::Null);
                    continue;
                };
                if text.is_empty() {
                    continue;
                }
                let public = ["tls.crt", "ca.crt"].contains(&key.as_str());
                let (stays, plain) =
                    if encoded { encoded_value(text, public) } else { plain_value(text, public) };
                match stays {
                    Some(kept) if kept == text => {}
                    Some(kept) => self.replace(&path, value, kept),
                    None => self.replace(&path, value, plain),
                }
            }
        }
    }

    fn settings(&mut self, object: &mut Map<String, Json>, kubelet: bool) {
        for list in ["data", "binaryData"] {
            let Some(Json::Object(values)) = object.get_mut(list) else { continue };
            for (key, value) in values.iter_mut() {
                let path = join(list, key);
                let Some(text) = value.as_str() else {
                    self.replace(&path, value, Json::Null);
                    continue;
                };
                let plain = list == "data";
                if text.is_empty() || plain && SETTINGS.contains(&key.as_str()) {
                    continue;
                }
                let kept = if !plain {
                    None
                } else if kubelet && key == "kubelet" {
                    Some(kubelet_settings(text))
                } else {
                    public_part(text)
                };
                match kept {
                    Some(kept) if kept == text => {}
                    Some(kept) => self.replace(&path, value, kept),
                    None if plain => {
                        let stand_in = key_stand_in(text).unwrap_or_else(|| REDACTED.to_owned());
                        self.replace(&path, value, stand_in);
                    }
                    None => self.replace(&path, value, BASE64.encode(REDACTED)),
                }
            }
        }
    }

    /// Any field, by its name.
    fn field(&mut self, path: &str, name: &str, value: &mut Json) {
        match (name, value) {
            ("managedFields", Json::Array(entries)) => {
                for entry in entries.iter_mut().filter_map(Json::as_object_mut) {
                    entry.remove("fieldsV1");
                }
            }
            ("annotations", Json::Object(annotations)) => {
                for (key, value) in annotations.iter_mut() {
                    self.annotation(&join(path, key), key, value);
                }
            }
            ("env" | "httpHeaders", Json::Array(entries)) => {
                for entry in entries.iter_mut() {
                    match entry.get_mut("value") {
                        Some(value) => self.variable(&format!("{path}[*].value"), value),
                        None => self.any(&format!("{path}[*]"), "", entry),
                    }
                }
            }
            ("env", Json::Object(variables)) => {
                for (key, value) in variables.iter_mut() {
                    self.variable(&join(path, key), value);
                }
            }
            ("command" | "args", Json::Array(words)) => self.words(path, words),
            (name, value) => self.any(path, name, value),
        }
    }

    fn any(&mut self, path: &str, name: &str, value: &mut Json) {
        match value {
            Json::Object(map) => {
                for (key, value) in map.iter_mut() {
                    self.field(&join(path, key), key, value);
                }
            }
            Json::Array(items) => {
                let path = format!("{path}[*]");
                for item in items {
                    self.any(&path, name, item);
                }
            }
            Json::String(text) => {
                let secret = is_credential(name) || self.exposed && name == "match";
                if secret && !text.is_empty() {
                    self.replace(path, value, REDACTED);
                } else if let Cow::Owned(clean) = scrubbed(text) {
                    self.replace(path, value, clean);
                }
            }
            Json::Number(_) if is_credential(name) => self.replace(path, value, 0),
            Json::Number(_) | Json::Bool(_) | Json::Null => {}
        }
    }

    fn annotation(&mut self, path: &str, key: &str, value: &mut Json) {
        let stays =
            ANNOTATIONS.iter().any(|known| key == *known || known.ends_with('/') && key.starts_with(known));
        match value.as_str() {
            Some("" | "true" | "false") => {}
            Some(text) if stays => {
                if let Cow::Owned(clean) = scrubbed(text) {
                    self.replace(path, value, clean);
                }
            }
            _ => self.replace(path, value, REDACTED),
        }
    }

    /// A variable of a container. A reference to another one is no secret.
    fn variable(&mut self, path: &str, value: &mut Json) {
        match value.as_str() {
            Some("") => {}
            Some(text) if text.starts_with("$(") => self.replace(path, value, format!("$({REDACTED})")),
            _ => self.replace(path, value, REDACTED),
        }
    }

    /// A command line. Flags of the control plane stay; of any other one the program that gives a remote shell, which a control looks for.
    fn words(&mut self, path: &str, words: &mut [Json]) {
        static SHELLS: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new("(?:^|[/ ])(sshd|dropbear|telnetd|rlogind|rshd|x11vnc)(?: |$)").ok());
        static FLAGS: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new("^(--?[a-z-]*(?:password|secret|token)=).+").ok());
        let item = format!("{path}[*]");
        for word in words {
            let Some(text) = word.as_str() else {
                self.any(&item, "", word);
                continue;
            };
            if self.component {
                let clean = match FLAGS.as_ref().and_then(|flags| flags.captures(text)) {
                    Some(found) => Cow::Owned(format!("{}{REDACTED}", &found[1])),
                    None => scrubbed(text),
                };
                if let Cow::Owned(clean) = clean {
                    self.replace(&item, word, clean);
                }
            } else if !text.is_empty() {
                let shell =
                    SHELLS.as_ref().and_then(|shells| shells.captures(text)).and_then(|found| found.get(1));
                let stand_in = shell.map_or(REDACTED, |shell| shell.as_str()).to_owned();
                self.replace(&item, word, stand_in);
            }
        }
    }
}

/// What of a value of a Secret's `data` stays, and what stands for it where nothing does.
fn encoded_value(text: &str, public: bool) -> (Option<String>, String) {
    let bytes = BASE64.decode(text.split_ascii_whitespace().collect::<String>()).unwrap_or_default();
    let plain = String::from_utf8_lossy(&bytes);
    let kept = match public_part(&plain) {
        _ if !public => None,
        Some(kept) if kept == plain => Some(text.to_owned()),
        Some(kept) => Some(BASE64.encode(kept)),
        // DER is read to its end, so it has nothing but certificates in it.
        None => (!plain.contains("-----BEGIN") && certificates(text).is_ok()).then(|| text.to_owned()),
    };
    let clear = CLEAR_KEYS.iter().find(|label| plain.starts_with(&format!("-----BEGIN {label}")));
    (kept, BASE64.encode(clear.map_or_else(|| REDACTED.to_owned(), |label| pem(label))))
}

/// The same of `stringData`.
fn plain_value(text: &str, public: bool) -> (Option<String>, String) {
    let clear = CLEAR_KEYS.iter().find(|label| text.contains(&format!("-----BEGIN {label}")));
    (
        public.then(|| public_part(text)).flatten(),
        clear.map_or_else(|| REDACTED.to_owned(), |label| pem(label)),
    )
}

/// What stands for a text with a private key in it.
fn key_stand_in(text: &str) -> Option<String> {
    let clear = CLEAR_KEYS.iter().find(|label| text.contains(&format!("-----BEGIN {label}-----")));
    text.contains("PRIVATE KEY-----").then(|| pem(clear.unwrap_or(&"OTHER PRIVATE KEY")))
}

fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\n{REDACTED}\n-----END {label}-----\n")
}

/// A kubelet's settings without the headers with which it asks for the Pods of its host.
fn kubelet_settings(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut within = false;
    for line in text.split_inclusive('\n') {
        within = line.starts_with("staticPodURL") || within && line.starts_with([' ', '\t', '-']);
        if !within {
            kept.push_str(&scrubbed(line));
        }
    }
    kept
}

/// Whether a field is called like a credential.
fn is_credential(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    CREDENTIALS.iter().any(|ending| plain.ends_with(ending))
}

/// A text without passwords in addresses, private keys and signed tokens.
fn scrubbed(text: &str) -> Cow<'_, str> {
    static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("://[^/@ \t\r\n]*@").ok());
    static TOKEN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("eyJ[A-Za-z0-9_-]{8,}[.]eyJ[A-Za-z0-9_-]+[.][A-Za-z0-9_-]*").ok());
    if let Some(stand_in) = key_stand_in(text) {
        return Cow::Owned(stand_in);
    }
    let mut clean = Cow::Borrowed(text);
    // Nearly no text has one.
    if text.contains("://")
        && text.contains('@')
        && let Some(address) = ADDRESS.as_ref()
        && address.is_match(text)
    {
        clean = Cow::Owned(address.replace_all(text, format!("://{REDACTED}@")).into_owned());
    }
    if clean.contains("eyJ")
        && let Some(token) = TOKEN.as_ref()
        && token.is_match(&clean)
    {
        clean = Cow::Owned(token.replace_all(&clean, REDACTED).into_owned());
    }
    clean
}

#[cfg(test)]
mod tests;
