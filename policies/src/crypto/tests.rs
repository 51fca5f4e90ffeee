//! Certificates of every algorithm, made by OpenSSL and by rcgen, and texts that are none.

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

use super::*;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/certificates/", $name, ".pem"))
    };
}
pub(super) use pem;

fn one(text: &str) -> Certificate {
    let mut found = certificates(text).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// Key, bits, curve, signature and hash.
fn algorithms(text: &str) -> (&'static str, Option<u32>, Option<String>, String, &'static str) {
    let Certificate { key, signature, .. } = one(text);
    (key.algorithm.as_str(), key.bits, key.curve, signature.name, signature.hash.as_str())
}

#[test]
fn algorithms_are_what_openssl_says() {
    let curve = |name: &str| Some(name.to_owned());
    let expected = [
        (pem!("sm2-ca"), "SM2", Some(256), curve("sm2p256v1"), "SM2-with-SM3", "SM3"),
        (pem!("sm2-leaf"), "SM2", Some(256), curve("sm2p256v1"), "SM2-with-SM3", "SM3"),
        (pem!("rsa1024-sha1"), "RSA", Some(1024), None, "sha1WithRSAEncryption", "SHA-1"),
        (pem!("rsa1024-md5"), "RSA", Some(1024), None, "md5WithRSAEncryption", "MD5"),
        (pem!("rsa-pss"), "RSA", Some(2048), None, "rsassaPss-sha256", "SHA-256"),
        (pem!("secp256k1"), "ECDSA", Some(256), curve("secp256k1"), "ecdsa-with-SHA256", "SHA-256"),
        (pem!("p521"), "ECDSA", Some(521), curve("P-521"), "ecdsa-with-SHA512", "SHA-512"),
        (pem!("explicit"), "Unknown", Some(256), None, "ecdsa-with-SHA256", "SHA-256"),
        (pem!("ed25519"), "Ed25519", Some(256), None, "ED25519", "own"),
        (pem!("ed448"), "Ed448", Some(456), None, "ED448", "own"),
        (pem!("dsa"), "DSA", None, None, "dsaWithSHA1", "SHA-1"),
    ];
    for (text, key, bits, curve, signature, hash) in expected {
        assert_eq!(algorithms(text), (key, bits, curve, signature.to_owned(), hash));
    }
    assert!(
        one(pem!("rsa1024-sha1")).signature.hash.weak() && one(pem!("rsa1024-md5")).signature.hash.weak()
    );
    assert!(!one(pem!("sm2-ca")).signature.hash.weak());
}

#[test]
fn who_and_until_when_is_what_openssl_says() {
    let leaf = one(pem!("sm2-leaf"));
    assert_eq!(leaf.subject, "C=CN, O=Rongcheng, CN=gm.example.cn");
    assert_eq!(leaf.issuer, "C=CN, O=榕城测试, CN=榕城国密根");
    assert_eq!(leaf.serial, "1f3a");
    assert_eq!(leaf.not_before.to_string(), "2026-11-25T08:56:07Z");
    assert_eq!(leaf.not_after.to_string(), "2029-08-21T08:56:07Z");
    assert_eq!(leaf.dns_names, ["gm.example.cn", "*.gm.example.cn"]);
    assert!(!leaf.ca && !leaf.self_signed);
    let root = one(pem!("sm2-ca"));
    assert!(root.ca && root.self_signed);
    // openssl x509 -in sm2-leaf.pem -noout -fingerprint -sha256
    assert_eq!(leaf.fingerprint, "1db6982cc0b62c65b7804472da63eb1b6f8a62e62254b345c4e69e46404d68ce");
    assert_eq!(leaf.key.algorithm.quantum_vulnerable(), Answer::Yes);
}

#[test]
fn a_chain_is_read_in_its_order_in_pem_in_base64_and_in_der() {
    let chain = [pem!("sm2-leaf"), "issuer=…\n", pem!("sm2-ca")].concat();
    let subjects = |text: &str| -> Vec<String> {
        certificates(text).unwrap().into_iter().map(|certificate| certificate.subject).collect()
    };
    let expected = ["C=CN, O=Rongcheng, CN=gm.example.cn", "C=CN, O=榕城测试, CN=榕城国密根"];
    assert_eq!(subjects(&chain), expected);
    assert_eq!(subjects(&data_encoding::BASE64.encode(chain.as_bytes())), expected);
    let der: Vec<u8> = pem::blocks(&chain).flat_map(|block| block.decode().unwrap()).collect();
    assert_eq!(subjects(&data_encoding::BASE64.encode(&der)), expected);
    // As `base64` of a shell breaks its lines.
    let lines = data_encoding::BASE64_MIME.encode(&der);
    assert_eq!(subjects(&lines), expected);
}

#[test]
fn what_rcgen_makes_is_read() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let mut params =
        CertificateParams::new(vec!["*.example.com".to_owned(), "example.com".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "a, \"b\" \u{1b}[31m\u{202e}");
    params.not_before = rcgen::date_time_ymd(1949, 1, 1);
    params.not_after = rcgen::date_time_ymd(9999, 12, 31);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let made = params.self_signed(&key).unwrap();
    let read = one(&made.pem());
    assert_eq!(algorithms(&made.pem()).2.as_deref(), Some("P-384"));
    assert_eq!(read.subject, "O=a\\, \\\"b\\\" \\u{1b}[31m\\u{202e}");
    assert_eq!(read.not_after.to_string(), "9999-12-30T22:00:00Z");
    assert_eq!(read.dns_names, ["*.example.com", "example.com"]);
    assert!(read.ca && read.self_signed);
}

#[test]
fn what_is_no_certificate_says_why() {
    let why = |text: &str| certificates(text).unwrap_err().to_string();
    assert_eq!(why(" \n"), "the text is empty, there is no certificate");
    assert_eq!(why("hello"), "this is neither PEM nor base64 of PEM or DER");
    assert_eq!(why("aGVsbG8="), "this is neither PEM nor base64 of PEM or DER");
    let key = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(why(&key), "there is no certificate among the blocks of PEM");
    let cut = &pem!("sm2-leaf")[..200];
    assert_eq!(why(&[pem!("sm2-ca"), cut].concat()), "certificate 2 cannot be read: the block does not end");
    let short = format!("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n{}", pem!("sm2-ca"));
    assert!(why(&short).starts_with("certificate 1 cannot be read: "), "{}", why(&short));
    assert!(why(&"A".repeat(LONGEST + 1)).starts_with("the text has "));
    assert_eq!(
        why(&"-----BEGIN X-----\n-----END X-----\n".repeat(MOST + 1)),
        "there are more than 1000 blocks of PEM"
    );
    // A certificate that is followed by something in its own block is none.
    let mut der = pem::blocks(pem!("sm2-ca")).next().unwrap().decode().unwrap();
    der.push(0);
    let longer = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----",
        data_encoding::BASE64.encode(&der)
    );
    assert_eq!(why(&longer), "certificate 1 cannot be read: 1 bytes follow it in its block");
}

#[test]
fn a_text_of_nothing_but_beginnings_is_passed_over_quickly() {
    let text = "-----BEGIN ".repeat(LONGEST / 11);
    let begun = std::time::Instant::now();
    assert_eq!(certificates(&text), Err(CertificateError::None));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,300}") {
        let _ = certificates(&text);
    }

    #[test]
    fn no_damaged_certificate_makes_it_panic(place in 0usize..2000, byte: u8, cut in 0usize..2000, which in 0usize..4) {
        let text = [pem!("sm2-leaf"), pem!("rsa-pss"), pem!("explicit"), pem!("dsa")][which];
        let mut der = pem::blocks(text).next().unwrap().decode().unwrap();
        let length = der.len();
        der[place % length] = byte;
        der.truncate(length - cut % (length / 4) * (cut % 2));
        let _ = certificates(&data_encoding::BASE64.encode(&der));
        let mut pem = text.as_bytes().to_vec();
        let length = pem.len();
        pem[place % length] = byte;
        let _ = certificates(&String::from_utf8_lossy(&pem));
    }

    #[test]
    fn no_der_makes_it_panic(mut der in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(first) = der.first_mut() {
            *first = 0x30;
        }
        let _ = certificates(&data_encoding::BASE64.encode(&der));
    }
}
