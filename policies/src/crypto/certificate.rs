//! Certificates, read and never verified: who, by whom, until when, and by which algorithms.
//!
//! What is read comes from anybody, so every size is bounded and nothing here trusts a length, a date or a text of it.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::{
    asn1_rs::Tag,
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer,
    public_key::RSAPublicKey,
    signature_algorithm::RsaSsaPssParams,
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo},
};

use super::{
    algorithm::{self, KeyAlgorithm, RSA_PSS, Signature},
    name,
    pem::{self, Block},
};

/// Longest text that is looked into, in bytes. etcd takes objects of 1.5 MiB, and base64 is a third longer.
pub const LONGEST: usize = 2 * 1024 * 1024;
/// Most blocks of one text. The bundles of public authorities have about 150.
pub const MOST: usize = 1000;
/// Longest certificate, in bytes of DER.
const LONGEST_DER: usize = 256 * 1024;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The distinguished name, in the order of the certificate: `C=CN, O=Example, CN=example.com`.
    pub subject: String,
    /// The issuer's.
    pub issuer: String,
    /// Hexadecimal digits, in pairs.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until, inclusive.
    pub not_after: Timestamp,
    /// The key.
    pub key: PublicKey,
    /// How it was signed.
    pub signature: Signature,
    /// The DNS names that it is for.
    pub dns_names: Vec<String>,
    /// Whether it may issue others.
    pub ca: bool,
    /// Whether it names itself as its issuer. The signature is not verified.
    pub self_signed: bool,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    /// The algorithm.
    pub algorithm: KeyAlgorithm,
    /// The object identifier of the algorithm, dotted.
    pub oid: String,
    /// Its length, where it has one that means something.
    pub bits: Option<u32>,
    /// The curve, by name, or by object identifier when it is none of the known ones.
    pub curve: Option<String>,
    /// SHA-256 of the key with its algorithm (`SubjectPublicKeyInfo`), hexadecimal.
    pub fingerprint: String,
}

/// Why a text has no certificates, or not only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is nothing.
    #[error("the text is empty, there is no certificate")]
    Empty,
    /// It is longer than what is looked into.
    #[error("the text has {0} bytes, certificates are looked for in at most {LONGEST}")]
    TooLong(usize),
    /// It has more certificates than are read.
    #[error("there are more than {MOST} blocks of PEM")]
    TooMany,
    /// It is something else.
    #[error("this is neither PEM nor base64 of PEM or DER")]
    Other,
    /// It is PEM without a certificate.
    #[error("there is no certificate among the blocks of PEM")]
    None,
    /// One certificate cannot be read.
    #[error("certificate {number} cannot be read: {reason}")]
    Broken {
        /// Which, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
}

/// A part of a text that has to do with keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A certificate, or why it cannot be read.
    Certificate(Box<Result<Certificate, CertificateError>>),
    /// A public key on its own, or why it cannot be read.
    PublicKey(Result<PublicKey, String>),
    /// A private key. Nothing but its label was looked at.
    PrivateKey(String),
}

/// The certificates of a text: PEM with any number of them, or base64 of such PEM or of DER. All of them can be read, and there is one, or it is
/// an error.
pub fn certificates(text: &str) -> Result<Vec<Certificate>, CertificateError> {
    let mut found = Vec::new();
    for piece in pieces(text)? {
        if let Piece::Certificate(certificate) = piece {
            found.push((*certificate)?);
        }
    }
    if found.is_empty() { Err(CertificateError::None) } else { Ok(found) }
}

/// Everything in a text that has to do with keys, in its order.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, CertificateError> {
    if text.trim().is_empty() {
        return Err(CertificateError::Empty);
    }
    if text.len() > LONGEST {
        return Err(CertificateError::TooLong(text.len()));
    }
    if pem::is_pem(text) {
        return of_pem(text);
    }
    of_bytes(&pem::base64(text).ok_or(CertificateError::Other)?)
}

/// The same of bytes: PEM or DER.
pub(super) fn of_bytes(bytes: &[u8]) -> Result<Vec<Piece>, CertificateError> {
    if bytes.len() > LONGEST {
        return Err(CertificateError::TooLong(bytes.len()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if pem::is_pem(text) => of_pem(text),
        // DER of a certificate begins with a sequence.
        _ if bytes.first() == Some(&0x30) => of_der(bytes),
        _ => Err(CertificateError::Other),
    }
}

fn of_pem(text: &str) -> Result<Vec<Piece>, CertificateError> {
    let (mut pieces, mut number) = (Vec::new(), 0);
    for (place, block) in pem::blocks(text).enumerate() {
        if place == MOST {
            return Err(CertificateError::TooMany);
        }
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                number += 1;
                pieces.push(Piece::Certificate(Box::new(of_block(&block, number))));
            }
            "PUBLIC KEY" => {
                let key = block.decode().map_err(str::to_owned).and_then(|der| public_key(&der));
                pieces.push(Piece::PublicKey(key));
            }
            label if block.is_private_key() => pieces.push(Piece::PrivateKey(label.to_owned())),
            _ => {}
        }
    }
    Ok(pieces)
}

fn of_block(block: &Block<'_>, number: usize) -> Result<Certificate, CertificateError> {
    let broken = |reason: String| CertificateError::Broken { number, reason };
    let der = block.decode().map_err(|reason| broken(reason.to_owned()))?;
    let (certificate, rest) = certificate(&der).map_err(broken)?;
    // OpenSSL appends what it trusts a certificate for.
    if !rest.is_empty() && block.label != "TRUSTED CERTIFICATE" {
        return Err(broken(format!("{} bytes follow it in its block", rest.len())));
    }
    Ok(certificate)
}

fn of_der(bytes: &[u8]) -> Result<Vec<Piece>, CertificateError> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let number = pieces.len() + 1;
        if number > MOST {
            return Err(CertificateError::TooMany);
        }
        match certificate(rest) {
            Ok((certificate, after)) => {
                pieces.push(Piece::Certificate(Box::new(Ok(certificate))));
                rest = after;
            }
            // What is no certificate from its first byte on is something else, such as a key.
            Err(_) if pieces.is_empty() => return Err(CertificateError::Other),
            Err(reason) => {
                let broken = CertificateError::Broken { number, reason };
                pieces.push(Piece::Certificate(Box::new(Err(broken))));
                break;
            }
        }
    }
    Ok(pieces)
}

/// A certificate at the beginning of DER, and what follows it.
fn certificate(bytes: &[u8]) -> Result<(Certificate, &[u8]), String> {
    let (rest, parsed) = X509Certificate::from_der(bytes).map_err(|error| error.to_string())?;
    let der = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
    if der.len() > LONGEST_DER {
        return Err(format!("it has {} bytes, at most {LONGEST_DER} are read", der.len()));
    }
    let validity = parsed.validity();
    let (mut dns_names, mut ca) = (Vec::new(), false);
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                dns_names.extend(names.general_names.iter().filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(name::harmless(name)),
                    _ => None,
                }));
            }
            ParsedExtension::BasicConstraints(constraints) => ca = constraints.ca,
            _ => {}
        }
    }
    let certificate = Certificate {
        subject: name::show(parsed.subject()),
        issuer: name::show(parsed.issuer()),
        serial: hex(parsed.raw_serial()),
        not_before: instant(validity.not_before.timestamp()),
        not_after: instant(validity.not_after.timestamp()),
        key: key_of(parsed.public_key()),
        signature: signature_of(&parsed.signature_algorithm),
        dns_names,
        ca,
        self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
        fingerprint: fingerprint(der),
    };
    Ok((certificate, rest))
}

/// An instant. RFC 5280 has certificates that never expire say the last second of the year 9999, which is after the last instant that there is here.
fn instant(seconds: i64) -> Timestamp {
    let bounded = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(bounded).unwrap_or_default()
}

/// A public key on its own.
fn public_key(der: &[u8]) -> Result<PublicKey, String> {
    let (rest, key) = SubjectPublicKeyInfo::from_der(der).map_err(|error| error.to_string())?;
    if rest.is_empty() { Ok(key_of(&key)) } else { Err(format!("{} bytes follow the key", rest.len())) }
}

fn key_of(info: &SubjectPublicKeyInfo<'_>) -> PublicKey {
    let oid = info.algorithm.algorithm.to_id_string();
    let curve = info
        .algorithm
        .parameters
        .as_ref()
        .filter(|parameters| parameters.tag() == Tag::Oid)
        .and_then(|parameters| parameters.as_oid().ok())
        .map(|curve| curve.to_id_string());
    let bytes: &[u8] = &info.subject_public_key.data;
    let (algorithm, bits, curve) = algorithm::key(&oid, curve.as_deref(), bytes, || rsa_bits(bytes));
    PublicKey { algorithm, oid, bits, curve, fingerprint: fingerprint(info.raw) }
}

/// The bits of an RSA modulus: without the byte that makes it positive, and without leading zeros.
fn rsa_bits(key: &[u8]) -> Option<u32> {
    let (_, key) = RSAPublicKey::from_der(key).ok()?;
    let significant = key.modulus.iter().position(|byte| *byte != 0)?;
    let modulus = key.modulus.get(significant..)?;
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    u32::try_from(bits).ok()
}

fn signature_of(identifier: &AlgorithmIdentifier<'_>) -> Signature {
    let oid = identifier.algorithm.to_id_string();
    if oid != RSA_PSS {
        return Signature::of(&oid);
    }
    let parameters = identifier.parameters.as_ref().and_then(|any| RsaSsaPssParams::try_from(any).ok());
    Signature::pss(
        &parameters.map(|parameters| parameters.hash_algorithm_oid().to_id_string()).unwrap_or_default(),
    )
}

fn fingerprint(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
