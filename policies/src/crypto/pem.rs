//! PEM (RFC 7468): the blocks of a text.
//!
//! Parsers of PEM decode every block, private keys too. Here a block is only cut out, and decoded by whoever may: keys are never.

/// Longest label.
const LABEL: usize = 64;
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A block of PEM, undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<'t> {
    /// What it is: `CERTIFICATE`, `RSA PRIVATE KEY`.
    pub label: &'t str,
    /// What stands between its lines; `None` when the block does not end.
    pub body: Option<&'t str>,
}

/// Whether a text may have PEM in it.
pub(super) fn is_pem(text: &str) -> bool {
    text.contains(BEGIN)
}

/// The blocks of a text, in its order. What stands between them is passed over, as are blanks before their lines.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let after = &rest[rest.find(BEGIN)? + BEGIN.len()..];
            let Some(label) = label(after) else {
                rest = after;
                continue;
            };
            let inside = &after[label.len() + DASHES.len()..];
            // A block that does not end before the next one begins has lost its end.
            let until = inside.find(BEGIN).unwrap_or(inside.len());
            let body = inside[..until].find(END).filter(|end| {
                inside[end + END.len()..].strip_prefix(label).is_some_and(|tail| tail.starts_with(DASHES))
            });
            rest = &inside[body.unwrap_or(until)..];
            return Some(Block { label, body: body.map(|end| &inside[..end]) });
        }
    })
}

/// The label that a text begins with, when dashes follow it soon.
fn label(text: &str) -> Option<&str> {
    let window = text.as_bytes().get(..LABEL + DASHES.len()).unwrap_or(text.as_bytes());
    let end = window.windows(DASHES.len()).position(|five| five == DASHES.as_bytes())?;
    text.get(..end).filter(|label| !label.is_empty() && !label.contains(['\r', '\n']))
}

impl Block<'_> {
    /// The bytes of the block.
    pub fn decode(&self) -> Result<Vec<u8>, &'static str> {
        let body = self.body.ok_or("the block does not end")?;
        base64(body).ok_or("what stands between its lines is no base64")
    }

    /// Whether it is a private key, encrypted or not.
    pub fn is_private_key(&self) -> bool {
        self.label.contains("PRIVATE KEY")
    }
}

/// The bytes of base64, blanks and line ends aside.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    data_encoding::BASE64.decode(&compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_out_whatever_stands_around_them() {
        let text = "subject=a\n  -----BEGIN CERTIFICATE-----\r\n  AAAA\r\n  -----END CERTIFICATE-----\nb\n-----BEGIN EC PRIVATE KEY-----\nBBBB\n-----END EC PRIVATE KEY-----";
        let found: Vec<_> = blocks(text).collect();
        assert_eq!(
            found.iter().map(|block| block.label).collect::<Vec<_>>(),
            ["CERTIFICATE", "EC PRIVATE KEY"]
        );
        assert_eq!(found[0].decode().unwrap(), [0, 0, 0]);
        assert!(found[1].is_private_key() && !found[0].is_private_key());
    }

    #[test]
    fn a_block_that_does_not_end_takes_no_other_with_it() {
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN X-----\nAA\n-----END Y-----\n-----BEGIN no end of the line\n-----BEGIN ";
        let found: Vec<_> = blocks(text).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].decode(), Err("the block does not end"));
        assert_eq!(found[1].decode().unwrap(), [0, 0, 0]);
        assert_eq!(found[2].body, None);
    }

    #[test]
    fn base64_is_base64() {
        let block = |body| Block { label: "CERTIFICATE", body: Some(body) };
        assert!(block("AA*A").decode().is_err());
        assert!(block("AAA").decode().is_err());
        assert_eq!(block(" A A\n\tAA ").decode().unwrap(), [0, 0, 0]);
    }
}
