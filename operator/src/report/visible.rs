//! Texts of strangers, made harmless to look at. Names, labels and messages come from whoever wrote an object: they may hold escape sequences of
//! terminals, line breaks that look like another line of a log, and marks of direction that show a word backwards.

use std::{borrow::Cow, fmt::Write as _, io};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Whether a character is not seen for what it is: control characters, marks of direction, characters without width, those that no text holds.
pub fn hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(letter) & 0xfffe == 0xfffe
}

/// The text on one line, with what is hidden written out: `\n`, `\t`, `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if hidden(letter) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// The same of a text of several lines, each of which stays one.
pub fn lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// At most so many bytes of a text; an ellipsis says that there was more.
pub fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default()))
}

/// JSON to read, with two spaces a level. What is hidden is written with the escapes of JSON, so that it parses back to the same and does nothing
/// to a terminal.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    write_json(value, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// [`json`], written as it is made.
pub fn write_json(value: &impl Serialize, out: &mut impl io::Write) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Escaped(PrettyFormatter::new())))?;
    out.write_all(b"\n").map_err(serde_json::Error::io)
}

struct Escaped<'a>(PrettyFormatter<'a>);

impl Formatter for Escaped<'_> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        if !text.contains(hidden) {
            return writer.write_all(text.as_bytes());
        }
        let mut units = [0; 2];
        for letter in text.chars() {
            if hidden(letter) {
                for unit in letter.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                write!(writer, "{letter}")?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_hidden_is_written_out() {
        assert_eq!(visible("榕 a-b"), "榕 a-b");
        assert_eq!(
            visible("\u{1b}[31mred\r\n\u{202e}x\u{9b}\0"),
            "\\u{1b}[31mred\\r\\n\\u{202e}x\\u{9b}\\u{0}"
        );
        assert_eq!(
            json(&"\u{1b}\u{7f}\u{202e}\u{e0041}榕").unwrap(),
            "\"\\u001b\\u007f\\u202e\\udb40\\udc41榕\"\n"
        );
        assert_eq!(lines("a\u{1b}c\r\nb\tc"), "a\\u{1b}c\nb\\tc");
        assert_eq!((&*cut("榕树", 4), &*cut("榕树", 6)), ("榕…", "榕树"));
    }

    proptest! {
        #[test]
        fn json_parses_back_and_hides_nothing(text in ".*", key in "\\PC*|\\p{Cf}*") {
            let value = serde_json::json!({ key: [text] });
            let written = json(&value).unwrap();
            prop_assert!(!written.contains(|letter| letter != '\n' && hidden(letter)));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
        }
    }
}
