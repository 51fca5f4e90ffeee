//! `certificates(text)`: what packs read of certificates.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    eval::{Budget, EvalError},
    value::Value,
};
use crate::crypto::{self, Certificate};

/// The certificates of a text, as maps. A text without any, or with one that cannot be read, is an error, so that nothing passes for want of
/// something to judge.
pub(super) fn certificates<'a>(text: &str, budget: &Budget) -> Result<Value<'a>, EvalError> {
    budget.charge(200 + text.len() / 4)?;
    let found = crypto::certificates(text).map_err(|error| EvalError::new(error.to_string()))?;
    Ok(Value::list(found.iter().map(map).collect()))
}

fn map<'a>(certificate: &Certificate) -> Value<'a> {
    let Certificate {
        subject,
        issuer,
        serial,
        not_before,
        not_after,
        key,
        signature,
        dns_names,
        ca,
        self_signed,
        fingerprint,
    } = certificate;
    let names = dns_names.iter().map(Value::text).collect();
    let members = [
        ("subject", Value::text(subject)),
        ("issuer", Value::text(issuer)),
        ("serial", Value::text(serial)),
        ("notBefore", Value::Time(*not_before)),
        ("notAfter", Value::Time(*not_after)),
        ("keyAlgorithm", Value::text(key.algorithm.as_str())),
        // 0: the length means nothing, or is not known.
        ("keyBits", Value::Int(key.bits.unwrap_or_default().into())),
        ("curve", Value::text(key.curve.as_deref().unwrap_or_default())),
        ("signatureAlgorithm", Value::text(&signature.name)),
        ("signatureHash", Value::text(signature.hash.as_str())),
        ("dnsNames", Value::list(names)),
        ("selfSigned", Value::Bool(*self_signed)),
        ("isCA", Value::Bool(*ca)),
        ("fingerprint", Value::text(fingerprint)),
    ];
    let members: BTreeMap<String, Value<'a>> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Map(Rc::new(members))
}
