//! A workbook: the sheet, with its header frozen, and its notes on a second one. What is written is told by what is given,
//! byte for byte.

use jiff::Timestamp;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};

use super::sheet::{Cell, Sheet, width};

/// Paper of 210 × 297 mm.
const A4: u8 = 9;
/// Widest column, in characters.
const WIDEST: usize = 48;
/// Wide enough for a paragraph.
const NOTES_WIDTH: f64 = 110.0;

/// The workbook, as made at `made`. Texts are never formulas.
pub fn write(sheet: &Sheet, table_title: &str, made: Timestamp) -> Result<Vec<u8>, XlsxError> {
    write_all(&[(sheet, table_title)], made)
}

/// A workbook of several tables, each with its title. The first one names the workbook, and its notes follow the tables.
pub fn write_all(sheets: &[(&Sheet, &str)], made: Timestamp) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let first = sheets.first().map(|(sheet, _)| *sheet);
    let properties = DocProperties::new()
        .set_title(first.map_or("", |sheet| &sheet.title))
        .set_author("Banyan")
        .set_creation_datetime(&ExcelDateTime::from_timestamp(made.as_second())?);
    workbook.set_properties(&properties);
    for (sheet, title) in sheets {
        table(workbook.add_worksheet(), sheet, title)?;
    }
    if let Some(sheet) = first.filter(|sheet| !sheet.notes.is_empty()) {
        notes(workbook.add_worksheet(), sheet)?;
    }
    workbook.save_to_buffer()
}

fn table(worksheet: &mut Worksheet, sheet: &Sheet, title: &str) -> Result<(), XlsxError> {
    worksheet.set_name(title)?.set_landscape().set_paper_size(A4).set_print_fit_to_pages(1, 0);
    worksheet.set_footer("&L&A&R&P / &N").set_freeze_panes(1, 1)?.set_repeat_rows(0, 0)?;
    let header = Format::new()
        .set_bold()
        .set_text_wrap()
        .set_align(FormatAlign::Center)
        .set_align(FormatAlign::VerticalCenter)
        .set_border_bottom(FormatBorder::Thin);
    let whole = Format::new().set_num_format("#,##0");
    for ((at, column), place) in sheet.columns.iter().enumerate().zip(0_u16..) {
        worksheet.write_string_with_format(0, place, &column.title, &header)?;
        // A header may take two lines.
        let header = width(&column.title).div_ceil(2);
        let cells = sheet.rows.iter().map(|row| width(&row[at].shown()));
        let widest = cells.max().unwrap_or(0).max(header).clamp(6, WIDEST);
        worksheet.set_column_width(place, widest as f64 + 2.0)?;
    }
    for (cells, row) in sheet.rows.iter().zip(1_u32..) {
        for (cell, place) in cells.iter().zip(0_u16..) {
            match cell {
                Cell::Blank => {}
                Cell::Text(text) => {
                    worksheet.write_string(row, place, text)?;
                }
                Cell::Whole(number) => {
                    worksheet.write_number_with_format(row, place, *number as f64, &whole)?;
                }
                Cell::Decimal(_, digits) => {
                    // As it is shown elsewhere: the forms of one report say the same number.
                    let number = cell.plain().parse::<f64>().unwrap_or_default();
                    let format = Format::new().set_num_format(format!("0.{}", "0".repeat(*digits)));
                    worksheet.write_number_with_format(row, place, number, &format)?;
                }
            }
        }
    }
    let last_row = u32::try_from(sheet.rows.len()).unwrap_or(u32::MAX);
    let last_column = u16::try_from(sheet.columns.len().saturating_sub(1)).unwrap_or(u16::MAX);
    worksheet.autofilter(0, 0, last_row, last_column)?;
    worksheet.set_row_height(0, 32)?;
    Ok(())
}

fn notes(worksheet: &mut Worksheet, sheet: &Sheet) -> Result<(), XlsxError> {
    worksheet.set_name(&sheet.notes_title)?.set_paper_size(A4).set_print_fit_to_pages(1, 0);
    worksheet.set_column_width(0, NOTES_WIDTH)?;
    let title = Format::new().set_bold();
    let paragraph = Format::new().set_text_wrap().set_align(FormatAlign::Top);
    worksheet.write_string_with_format(0, 0, &sheet.title, &title)?;
    for (note, row) in sheet.notes.iter().zip(1_u32..) {
        worksheet.write_string_with_format(row, 0, note, &paragraph)?;
        // A program that reads it may not break lines by itself.
        let lines = width(note).div_ceil(NOTES_WIDTH as usize).max(1);
        worksheet.set_row_height(row, 16.0 * lines as f64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Column, Shown},
        *,
    };

    #[test]
    fn the_same_sheet_gives_the_same_bytes() {
        let sheet = Sheet {
            title: "t".into(),
            columns: vec![Column { title: "数据中心".into(), shown: Shown::Always }],
            rows: vec![vec![Cell::text("=1+1")], vec![Cell::Decimal(1.25, 4)]],
            notes_title: "说明".into(),
            notes: vec!["n".into()],
        };
        let made = Timestamp::from_second(1_775_000_000).unwrap();
        assert_eq!(write(&sheet, "x", made).unwrap(), write(&sheet, "x", made).unwrap());
    }
}
