//! What of a text with certificates may be shown to anybody.

use std::fmt::Write as _;

use super::{certificate::certificates, pem};

/// Bytes of base64 on a line of PEM (RFC 7468).
const LINE: usize = 64;

/// The certificates of a PEM text and nothing else: private keys, and whatever stands between the blocks, are left out. `None` where there is no
/// certificate, or one that cannot be read: then it is not known what the text is.
pub fn public_part(text: &str) -> Option<String> {
    if !pem::is_pem(text) || certificates(text).is_err() {
        return None;
    }
    let mut public = String::with_capacity(text.len());
    for block in pem::blocks(text) {
        if !matches!(block.label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            continue;
        }
        // Encoded again, so that nothing is in it but what was decoded.
        let body = data_encoding::BASE64.encode(&block.decode().ok()?);
        let _ = writeln!(public, "-----BEGIN {}-----", block.label);
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(LINE));
            public.push_str(line);
            public.push('\n');
            rest = after;
        }
        let _ = writeln!(public, "-----END {}-----", block.label);
    }
    (!public.is_empty()).then_some(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: &str = include_str!("../../testdata/certificates/sm2-leaf.pem");
    const ROOT: &str = include_str!("../../testdata/certificates/sm2-ca.pem");
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";

    #[test]
    fn certificates_stay_and_nothing_beside_them() {
        let text = format!("password=hunter2\n{LEAF}{KEY}{ROOT}hunter2");
        let public = public_part(&text).unwrap();
        assert!(!public.contains("hunter2") && !public.contains("PRIVATE") && !public.contains("MIIB\n"));
        assert_eq!(certificates(&public).unwrap(), certificates(&text).unwrap());
        assert_eq!(public_part(&public).unwrap(), public);
    }

    #[test]
    fn what_is_no_certificate_is_not_known_to_be_public() {
        for text in ["", "hunter2", KEY, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(public_part(text), None, "{text}");
        }
    }
}
