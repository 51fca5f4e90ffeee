//! Distinguished names as text.

use std::fmt::Write;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Longest text of a name, in characters.
const LONGEST: usize = 1024;

/// The attributes that have a short name (RFC 4514 and what OpenSSL prints).
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// A name in the order of the certificate: `C=CN, O=Example, CN=example.com`. Several attributes of one step are joined by `+`.
pub(super) fn show(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for step in name.iter_rdn() {
        for (place, attribute) in step.iter().enumerate() {
            let separator = match (place, text.is_empty()) {
                (0, true) => "",
                (0, false) => ", ",
                _ => " + ",
            };
            let oid = attribute.attr_type().to_id_string();
            let known = ATTRIBUTES.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
            let _ = write!(text, "{separator}{}={}", known.unwrap_or(&oid), escaped(&value(attribute)));
        }
        if text.len() > 4 * LONGEST {
            break;
        }
    }
    cut(text)
}

/// The text of an attribute. Old Chinese issuers write names as `BMPString` or, in whatever encoding, as `T61String`.
fn value(attribute: &AttributeTypeAndValue<'_>) -> String {
    const BMP_STRING: u32 = 30;
    let bytes = attribute.as_slice();
    if attribute.attr_value().tag().0 == BMP_STRING {
        let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    String::from_utf8_lossy(bytes).into_owned()
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => {
                text.push('\\');
                text.push(character);
            }
            other => push(&mut text, other),
        }
    }
    text
}

/// A text of a certificate that a terminal and a table can show: no control characters, and not too long.
pub(super) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().take(LONGEST).for_each(|character| push(&mut shown, character));
    cut(shown)
}

/// Control characters, and those that turn the direction of the text, are written as their number.
fn push(text: &mut String, character: char) {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns {
        let _ = write!(text, "\\u{{{:x}}}", u32::from(character));
    } else {
        text.push(character);
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
