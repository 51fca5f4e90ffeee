//! Bytes as they come in, as UTF-8: byte order marks are taken off, and UTF-16 with one (as `PowerShell` writes files) is decoded.

use std::io::{ErrorKind, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE};

use super::Reason;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// A reader whose text is UTF-8, or at least was not said to be something else.
pub(super) struct Source<R> {
    inner: R,
    encoding: Encoding,
}

enum Encoding {
    /// Nothing is read yet.
    Unknown,
    Utf8,
    Utf16(Box<Decoder>),
    End,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, encoding: Encoding::Unknown }
    }

    /// Appends what comes next to `out`; `false` at the end.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Reason> {
        match &mut self.encoding {
            Encoding::Unknown => {
                let mut head = Vec::new();
                while head.len() < 3 && self.inner.read_more(&mut head)? {}
                if let Some(rest) = head.strip_prefix(b"\xEF\xBB\xBF") {
                    self.encoding = Encoding::Utf8;
                    out.extend_from_slice(rest);
                } else if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
                    let encoding = if head.starts_with(b"\xFF") { UTF_16LE } else { UTF_16BE };
                    let mut decoder = Box::new(encoding.new_decoder_without_bom_handling());
                    decode(&mut decoder, head.get(2..).unwrap_or_default(), out, false)?;
                    self.encoding = Encoding::Utf16(decoder);
                } else {
                    let more = !head.is_empty();
                    out.append(&mut head);
                    self.encoding = if more { Encoding::Utf8 } else { Encoding::End };
                    return Ok(more);
                }
                Ok(true)
            }
            Encoding::Utf8 => {
                let more = self.inner.read_more(out)?;
                if !more {
                    self.encoding = Encoding::End;
                }
                Ok(more)
            }
            Encoding::Utf16(decoder) => {
                let mut raw = Vec::new();
                let more = self.inner.read_more(&mut raw)?;
                let result = decode(decoder, &raw, out, !more);
                if !more || result.is_err() {
                    self.encoding = Encoding::End;
                }
                result.map(|()| more)
            }
            Encoding::End => Ok(false),
        }
    }
}

fn decode(decoder: &mut Decoder, mut raw: &[u8], out: &mut Vec<u8>, last: bool) -> Result<(), Reason> {
    let mut text = String::new();
    loop {
        text.reserve(decoder.max_utf8_buffer_length_without_replacement(raw.len()).unwrap_or(CHUNK));
        let (result, read) = decoder.decode_to_string_without_replacement(raw, &mut text, last);
        raw = raw.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => break,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                out.extend_from_slice(text.as_bytes());
                return Err(Reason::NotUtf16);
            }
        }
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Reading that goes on where a signal interrupted it.
trait ReadMore {
    fn read_more(&mut self, out: &mut Vec<u8>) -> Result<bool, Reason>;
}

impl<R: Read> ReadMore for R {
    fn read_more(&mut self, out: &mut Vec<u8>) -> Result<bool, Reason> {
        let filled = out.len();
        out.resize(filled + CHUNK, 0);
        loop {
            match self.read(out.get_mut(filled..).unwrap_or_default()) {
                Ok(read) => {
                    out.truncate(filled + read);
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    out.truncate(filled);
                    return Err(Reason::Io(error.to_string()));
                }
            }
        }
    }
}
