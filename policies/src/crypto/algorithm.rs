//! Algorithms by their object identifiers: what a key and a signature are called, how long the key is, and what is known of both.
//!
//! Names of signatures are those that `openssl x509 -text` prints. The object identifiers of SM2, SM3 and SM4 are those of GM/T 0006.

use std::fmt;

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum KeyAlgorithm {
    Rsa,
    /// ECDSA on any curve but that of SM2.
    Ecdsa,
    /// GB/T 32918.
    Sm2,
    Ed25519,
    Ed448,
    Dsa,
    /// FIPS 204.
    MlDsa,
    /// FIPS 205.
    SlhDsa,
    /// None of these.
    Unknown,
}

/// Yes, no, or not to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Answer {
    Yes,
    No,
    Unknown,
}

impl Answer {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl KeyAlgorithm {
    /// As packs and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
            Self::Sm2 => "SM2",
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
            Self::Dsa => "DSA",
            Self::MlDsa => "ML-DSA",
            Self::SlhDsa => "SLH-DSA",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether a large quantum computer breaks it: all that rests on factors or on discrete logarithms.
    pub fn quantum_vulnerable(self) -> Answer {
        match self {
            Self::Rsa | Self::Ecdsa | Self::Sm2 | Self::Ed25519 | Self::Ed448 | Self::Dsa => Answer::Yes,
            Self::MlDsa | Self::SlhDsa => Answer::No,
            Self::Unknown => Answer::Unknown,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The hash of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Hash {
    Md2,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    /// Of any length.
    Sha3,
    /// GB/T 32905.
    Sm3,
    /// The signature brings its own, as Ed25519 does.
    Own,
    Unknown,
}

impl Hash {
    /// As packs and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md2 => "MD2",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3 => "SHA-3",
            Self::Sm3 => "SM3",
            Self::Own => "own",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether two texts with the same hash can be made, so that a signature over it proves nothing.
    pub fn weak(self) -> bool {
        matches!(self, Self::Md2 | Self::Md5 | Self::Sha1)
    }
}

/// The algorithm of a signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// As OpenSSL calls it; an object identifier where it is none of those known here.
    pub name: String,
    /// Its object identifier, dotted.
    pub oid: String,
    /// The hash that is signed.
    pub hash: self::Hash,
    /// The key that signs.
    pub key: KeyAlgorithm,
}

/// Object identifier, name, hash and key of each signature that is known. RSASSA-PSS is not among them: its parameters name the hash.
const SIGNATURES: &[(&str, &str, Hash, KeyAlgorithm)] = {
    use Hash::{Md2, Md5, Own, Sha1, Sha3, Sha224, Sha256, Sha384, Sha512, Sm3};
    use KeyAlgorithm::{Dsa, Ecdsa, Ed448, Ed25519, MlDsa, Rsa, Sm2};
    &[
        ("1.2.840.113549.1.1.2", "md2WithRSAEncryption", Md2, Rsa),
        ("1.2.840.113549.1.1.4", "md5WithRSAEncryption", Md5, Rsa),
        ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption", Sha1, Rsa),
        ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption", Sha256, Rsa),
        ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption", Sha384, Rsa),
        ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption", Sha512, Rsa),
        ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption", Sha224, Rsa),
        ("1.3.14.3.2.3", "md5WithRSA", Md5, Rsa),
        ("1.3.14.3.2.29", "sha1WithRSA", Sha1, Rsa),
        ("1.2.840.10045.4.1", "ecdsa-with-SHA1", Sha1, Ecdsa),
        ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224", Sha224, Ecdsa),
        ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256", Sha256, Ecdsa),
        ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384", Sha384, Ecdsa),
        ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512", Sha512, Ecdsa),
        ("1.2.840.10040.4.3", "dsaWithSHA1", Sha1, Dsa),
        ("2.16.840.1.101.3.4.3.1", "dsa_with_SHA224", Sha224, Dsa),
        ("2.16.840.1.101.3.4.3.2", "dsa_with_SHA256", Sha256, Dsa),
        ("2.16.840.1.101.3.4.3.9", "ecdsa_with_SHA3-224", Sha3, Ecdsa),
        ("2.16.840.1.101.3.4.3.10", "ecdsa_with_SHA3-256", Sha3, Ecdsa),
        ("2.16.840.1.101.3.4.3.11", "ecdsa_with_SHA3-384", Sha3, Ecdsa),
        ("2.16.840.1.101.3.4.3.12", "ecdsa_with_SHA3-512", Sha3, Ecdsa),
        ("2.16.840.1.101.3.4.3.13", "RSA-SHA3-224", Sha3, Rsa),
        ("2.16.840.1.101.3.4.3.14", "RSA-SHA3-256", Sha3, Rsa),
        ("2.16.840.1.101.3.4.3.15", "RSA-SHA3-384", Sha3, Rsa),
        ("2.16.840.1.101.3.4.3.16", "RSA-SHA3-512", Sha3, Rsa),
        ("2.16.840.1.101.3.4.3.17", "ML-DSA-44", Own, MlDsa),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA-65", Own, MlDsa),
        ("2.16.840.1.101.3.4.3.19", "ML-DSA-87", Own, MlDsa),
        ("1.3.101.112", "ED25519", Own, Ed25519),
        ("1.3.101.113", "ED448", Own, Ed448),
        ("1.2.156.10197.1.501", "SM2-with-SM3", Sm3, Sm2),
        ("1.2.156.10197.1.502", "SM2-with-SHA1", Sha1, Sm2),
        ("1.2.156.10197.1.503", "SM2-with-SHA256", Sha256, Sm2),
        ("1.2.156.10197.1.504", "sm3WithRSAEncryption", Sm3, Rsa),
    ]
};

/// RSASSA-PSS.
pub(super) const RSA_PSS: &str = "1.2.840.113549.1.1.10";

impl Signature {
    /// The signature of an object identifier.
    pub(super) fn of(oid: &str) -> Self {
        let known = SIGNATURES.iter().find(|(known, ..)| *known == oid);
        let (name, hash, key) = match known {
            Some((_, name, hash, key)) => ((*name).to_owned(), *hash, *key),
            None if slh_dsa(oid) => ("SLH-DSA".to_owned(), Hash::Own, KeyAlgorithm::SlhDsa),
            None => (oid.to_owned(), Hash::Unknown, KeyAlgorithm::Unknown),
        };
        Self { name, oid: oid.to_owned(), hash, key }
    }

    /// RSASSA-PSS with the hash of an object identifier.
    pub(super) fn pss(hash: &str) -> Self {
        let (hash, word) = match hash {
            "1.3.14.3.2.26" => (Hash::Sha1, "sha1"),
            "2.16.840.1.101.3.4.2.4" => (Hash::Sha224, "sha224"),
            "2.16.840.1.101.3.4.2.1" => (Hash::Sha256, "sha256"),
            "2.16.840.1.101.3.4.2.2" => (Hash::Sha384, "sha384"),
            "2.16.840.1.101.3.4.2.3" => (Hash::Sha512, "sha512"),
            "1.2.156.10197.1.401" => (Hash::Sm3, "sm3"),
            _ => (Hash::Unknown, "unknown"),
        };
        Self { name: format!("rsassaPss-{word}"), oid: RSA_PSS.to_owned(), hash, key: KeyAlgorithm::Rsa }
    }
}

/// The twelve parameter sets of SLH-DSA.
fn slh_dsa(oid: &str) -> bool {
    oid.strip_prefix("2.16.840.1.101.3.4.3.")
        .and_then(|last| last.parse::<u8>().ok())
        .is_some_and(|last| (20..=31).contains(&last))
}

/// The curve of SM2, which some issuers also name as the algorithm of the key itself.
const SM2_CURVE: &str = "1.2.156.10197.1.301";

/// Object identifier, name and bits of each curve that is known.
const CURVES: &[(&str, &str, u32)] = &[
    ("1.2.840.10045.3.1.1", "P-192", 192),
    ("1.3.132.0.33", "P-224", 224),
    ("1.2.840.10045.3.1.7", "P-256", 256),
    ("1.3.132.0.34", "P-384", 384),
    ("1.3.132.0.35", "P-521", 521),
    ("1.3.132.0.10", "secp256k1", 256),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
    (SM2_CURVE, "sm2p256v1", 256),
];

/// What an object identifier of a key, that of its curve and the bytes of the key say: algorithm, bits (`None` where they mean nothing) and curve.
pub(super) fn key(
    oid: &str,
    curve: Option<&str>,
    bytes: &[u8],
    rsa_bits: impl FnOnce() -> Option<u32>,
) -> (KeyAlgorithm, Option<u32>, Option<String>) {
    match oid {
        "1.2.840.113549.1.1.1" | RSA_PSS => (KeyAlgorithm::Rsa, rsa_bits(), None),
        "1.2.840.10045.2.1" | SM2_CURVE => {
            let curve = if oid == SM2_CURVE { Some(SM2_CURVE) } else { curve };
            let known = curve.and_then(|curve| CURVES.iter().find(|(oid, ..)| *oid == curve));
            match (known, curve) {
                (Some((SM2_CURVE, name, bits)), _) => {
                    (KeyAlgorithm::Sm2, Some(*bits), Some((*name).to_owned()))
                }
                (Some((_, name, bits)), _) => (KeyAlgorithm::Ecdsa, Some(*bits), Some((*name).to_owned())),
                (None, Some(curve)) => (KeyAlgorithm::Ecdsa, point_bits(bytes), Some(curve.to_owned())),
                // Parameters that are spelt out may be those of any curve, SM2's too.
                (None, None) => (KeyAlgorithm::Unknown, point_bits(bytes), None),
            }
        }
        "1.3.101.112" => (KeyAlgorithm::Ed25519, Some(256), None),
        "1.3.101.113" => (KeyAlgorithm::Ed448, Some(456), None),
        "1.2.840.10040.4.1" => (KeyAlgorithm::Dsa, None, None),
        "2.16.840.1.101.3.4.3.17" | "2.16.840.1.101.3.4.3.18" | "2.16.840.1.101.3.4.3.19" => {
            (KeyAlgorithm::MlDsa, None, None)
        }
        other if slh_dsa(other) => (KeyAlgorithm::SlhDsa, None, None),
        _ => (KeyAlgorithm::Unknown, None, None),
    }
}

/// The bits of a coordinate of a point on a curve that is not known.
fn point_bits(point: &[u8]) -> Option<u32> {
    let bytes = match point {
        [4, both @ ..] => both.len() / 2,
        [2 | 3, one @ ..] => one.len(),
        _ => return None,
    };
    u32::try_from(bytes * 8).ok()
}
