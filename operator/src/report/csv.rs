//! CSV after RFC 4180, as Excel opens it: UTF-8 with a byte order mark, without which it takes Chinese for another
//! encoding; lines end with CR LF.
//!
//! No text is taken for a formula: one that begins with a sign that a spreadsheet may calculate gets an apostrophe before
//! it. Numbers are written as they are.

use csv::{Error, Terminator, WriterBuilder};

use super::Sheet;
use super::sheet::Cell;

/// The byte order mark.
pub const BOM: &str = "\u{feff}";

/// The sheet's columns and rows.
pub fn write(sheet: &Sheet) -> Result<Vec<u8>, Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(BOM.as_bytes().to_vec());
    writer.write_record(sheet.columns.iter().map(|column| harmless(&column.title)))?;
    for row in &sheet.rows {
        writer.write_record(row.iter().map(|cell| match cell {
            Cell::Text(text) => harmless(text),
            other => other.plain(),
        }))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A text that no spreadsheet calculates. Full-width signs count as well: Chinese and Japanese editions take them for the
/// narrow ones.
fn harmless(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Column, Shown},
        *,
    };

    #[test]
    fn it_begins_with_a_mark_and_ends_lines_as_excel_does() {
        let sheet = Sheet {
            columns: ["数据中心", "kWh", "PUE"]
                .map(|title| Column { title: title.into(), shown: Shown::Always })
                .into(),
            rows: vec![
                vec![Cell::text("榕, \"大\""), Cell::Whole(1_234_567), Cell::Decimal(1.27, 4)],
                vec![Cell::text("=HYPERLINK(\"http://x\")"), Cell::Whole(-5), Cell::Blank],
                vec![Cell::text("-2+3"), Cell::Blank, Cell::text("@SUM(A1)")],
                vec![Cell::text("a-b=c"), Cell::Blank, Cell::text("＝1")],
            ],
            ..Sheet::default()
        };
        let text = String::from_utf8(write(&sheet).unwrap()).unwrap();
        let lines = [
            "\u{feff}数据中心,kWh,PUE",
            "\"榕, \"\"大\"\"\",1234567,1.2700",
            "\"'=HYPERLINK(\"\"http://x\"\")\",-5,",
            "'-2+3,,'@SUM(A1)",
            "a-b=c,,'＝1",
            "",
        ];
        assert_eq!(text, lines.join("\r\n"));
    }
}
