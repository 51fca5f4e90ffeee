//! The bytes of a file as text, whatever program wrote them.

use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::Wrong;

/// Largest file, bytes: a hundred sites with three years of days are ten of these megabytes.
pub const MAX_BYTES: usize = 32 << 20;

/// What a file begins with that is no text at all: workbooks of Excel since and before 2007.
const WORKBOOKS: [&[u8]; 2] = [b"PK\x03\x04", b"\xD0\xCF\x11\xE0"];

/// The text of a file: by its mark if it has one, else UTF-8 where it is that, else GB18030, of which GBK is a part.
pub fn read(bytes: &[u8]) -> Result<String, Wrong> {
    if bytes.len() > MAX_BYTES {
        return Err(Wrong::TooLarge { most_mib: (MAX_BYTES >> 20) as u64 });
    }
    if WORKBOOKS.iter().any(|magic| bytes.starts_with(magic)) {
        return Err(Wrong::Workbook);
    }
    let decoded = |encoding: &'static Encoding, bytes| {
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
    };
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) if [UTF_8, UTF_16LE, UTF_16BE].contains(&encoding) => {
            decoded(encoding, &bytes[mark..])
        }
        _ => decoded(UTF_8, bytes).or_else(|| decoded(GB18030, bytes)),
    };
    // No table has a NUL; other encodings and binary files do.
    let text = text.filter(|text| !text.contains('\0')).ok_or(Wrong::Encoding)?;
    if text.trim().is_empty() { Err(Wrong::Empty) } else { Ok(text) }
}
