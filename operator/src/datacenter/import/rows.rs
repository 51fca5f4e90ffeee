//! From the text of a file to its rows.

use std::collections::HashMap;

use banyan_crds::v1alpha1::Position;
use csv::{ReaderBuilder, StringRecord, Trim};
use jiff::civil::Date;

use super::{
    Column, MAX_NOTE, Problem, Row, Span, Wrong,
    columns::{self, Header},
};
use crate::datacenter::ledger::{MOST, Racks};

/// What may stand between two cells.
const SEPARATORS: [u8; 3] = *b",;\t";

/// A file, read.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its rows that could be read.
    pub rows: Vec<Row>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// How the header names the columns.
    names: HashMap<Column, String>,
}

impl File {
    /// One of which nothing could be read.
    pub fn refused(wrong: Wrong) -> Self {
        Self { problems: vec![Problem::of_file(wrong)], ..Self::default() }
    }

    /// A column as the header names it, in English where the file does not have it.
    pub fn name(&self, column: Column) -> String {
        self.names.get(&column).cloned().unwrap_or_else(|| column.english().to_owned())
    }
}

/// The separator of a file: of those in its header the most frequent.
fn separator(text: &str) -> u8 {
    let header =
        text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let mut quoted = false;
    let mut counts = [0_usize; 3];
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let Some(index) = SEPARATORS.iter().position(|separator| *separator == byte && !quoted) {
            counts[index] += 1;
        }
    }
    // Of equals the first, which is the comma.
    let best = (0..3).rev().max_by_key(|index| counts[*index]).unwrap_or(0);
    SEPARATORS[best]
}

/// Reads the text of a file. `dc` is the site that it is of, if it has no column for that.
pub fn read(text: &str, dc: Option<&str>) -> File {
    let mut file = File::default();
    let delimiter = separator(text);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .flexible(true)
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Lines::new(text);
    let mut columns: Option<Vec<Option<Header>>> = None;
    for record in reader.records() {
        let record = match record {
            Err(error) => {
                let line = error.position().map(csv::Position::line);
                file.problems.push(Problem { line, column: None, wrong: Wrong::Syntax(error.to_string()) });
                return file;
            }
            Ok(record) => record,
        };
        let line = lines.of(&record);
        if is_blank(&record) {
            continue;
        }
        let Some(columns) = &columns else {
            columns = Some(heads(&record, line, dc, &mut file));
            // With a header that is not understood every line would be wrong.
            if !file.problems.is_empty() {
                return file;
            }
            continue;
        };
        let before = file.problems.len();
        let comma = delimiter != b';';
        let mut cells = Cells { columns, record: &record, line, comma, file: &mut file };
        if let Some(row) = cells.row(dc)
            && file.problems.len() == before
        {
            file.rows.push(row);
        }
    }
    if columns.is_none() {
        file.problems.push(Problem::of_file(Wrong::Empty));
        return file;
    }
    if file.rows.is_empty() && file.problems.is_empty() {
        file.problems.push(Problem::of_file(Wrong::NoRows));
    }
    file
}

/// Spreadsheets leave rows of nothing but separators behind.
fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(str::is_empty)
}

/// Counts lines. The reader tells where it began to look for a record, which is before the line end, the empty lines and the
/// remarks in front of it.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of `record`, which comes after the one asked for before.
    fn of(&mut self, record: &StringRecord) -> u64 {
        let begin = record.position().map_or(0, |position| position.byte() as usize);
        let mut remark = false;
        while let Some(byte) = self.bytes.get(self.at) {
            let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let fresh = self.at == 0 || is_end(&self.bytes[self.at - 1]);
            if self.at >= begin {
                remark |= *byte == b'#' && fresh;
                if !remark && !is_end(byte) {
                    break;
                }
                remark &= !is_end(byte);
            }
            let pair = *byte == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n');
            self.line += u64::from(is_end(byte) && !pair);
            self.at += 1;
        }
        self.line
    }
}

/// The columns of a header, by their place; those without a name have none.
fn heads(header: &StringRecord, line: u64, dc: Option<&str>, file: &mut File) -> Vec<Option<Header>> {
    let mut columns = Vec::with_capacity(header.len());
    for text in header {
        let head = if text.is_empty() { None } else { Some(columns::header(text)) };
        match head {
            None => columns.push(None),
            Some(Err(wrong)) => {
                file.problems.push(Problem::of_cell(line, text, wrong));
                columns.push(None);
            }
            Some(Ok(head)) => {
                if let Some(first) = file.names.insert(head.column, text.to_owned()) {
                    file.problems.push(Problem::of_cell(line, text, Wrong::TwoColumns { first }));
                }
                columns.push(Some(head));
            }
        }
    }
    let unknown = !file.problems.is_empty();
    let lacks = |column: Column| !unknown && !file.names.contains_key(&column);
    let mut missing = Vec::new();
    if lacks(Column::Site) && dc.is_none() {
        missing.push(Wrong::NoColumn(Column::Site));
    }
    if lacks(Column::Date) && lacks(Column::Month) {
        missing.push(Wrong::NoSpanColumn);
    }
    if lacks(Column::Facility) && lacks(Column::It) {
        missing.push(Wrong::NoColumn(Column::Facility));
    }
    file.problems.extend(missing.into_iter().map(|wrong| Problem::of_line(line, wrong)));
    columns
}

/// The cells of a row.
struct Cells<'a> {
    columns: &'a [Option<Header>],
    record: &'a StringRecord,
    line: u64,
    /// Commas may group the digits of a number.
    comma: bool,
    file: &'a mut File,
}

impl Cells<'_> {
    fn row(&mut self, dc: Option<&str>) -> Option<Row> {
        let line = self.line;
        let (found, wanted) = (self.record.len(), self.columns.len());
        // Spreadsheets leave out empty cells at the end of a row, and add some.
        if self.record.iter().skip(wanted).any(|cell| !cell.is_empty()) {
            self.file.problems.push(Problem::of_line(line, Wrong::Ragged { found, wanted }));
            return None;
        }
        if self.columns.iter().zip(self.record).any(|(column, cell)| column.is_none() && !cell.is_empty()) {
            self.file.problems.push(Problem::of_line(line, Wrong::Unnamed));
        }
        let site = self.site(dc);
        let span = self.span();
        let facility_wh = self.amount(Column::Facility);
        let it_wh = self.amount(Column::It);
        let generator_wh = self.amount(Column::Generator);
        let excluded_wh = self.amount(Column::Excluded);
        let renewable_wh = self.amount(Column::Renewable);
        let reuse_wh = self.amount(Column::Reuse);
        let water_ml = self.amount(Column::Water);
        let carbon_g = self.amount(Column::Carbon);
        let racks = self.read(Column::Racks, count);
        let position = self.read(Column::Position, position);
        let coverage = self.read(Column::Coverage, share);
        let note = self.read(Column::Note, |text| {
            if text.chars().count() > MAX_NOTE {
                Err(Wrong::TooLong { most: MAX_NOTE })
            } else {
                Ok(text.to_owned())
            }
        });
        Some(Row {
            line,
            site: site?,
            span: span?,
            facility_wh,
            it_wh,
            generator_wh,
            excluded_wh,
            renewable_wh,
            reuse_wh,
            water_ml,
            carbon_g,
            racks,
            position,
            coverage,
            note,
        })
    }

    /// The cell of a column, with how its header is read; none where it is empty.
    fn cell(&self, column: Column) -> Option<(&str, Header)> {
        let (index, head) =
            self.columns.iter().enumerate().find_map(|(index, head)| {
                head.filter(|head| head.column == column).map(|head| (index, head))
            })?;
        self.record.get(index).filter(|cell| !cell.is_empty()).map(|cell| (cell, head))
    }

    fn wrong(&mut self, column: Column, wrong: Wrong) {
        let name = self.file.name(column);
        self.file.problems.push(Problem::of_cell(self.line, name, wrong));
    }

    fn read<T>(&mut self, column: Column, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let (cell, _) = self.cell(column)?;
        match read(cell) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.wrong(column, wrong);
                None
            }
        }
    }

    fn amount(&mut self, column: Column) -> Option<i64> {
        let scale = self.cell(column)?.1.scale;
        let comma = self.comma;
        self.read(column, |text| amount(text, scale, comma))
    }

    fn site(&mut self, dc: Option<&str>) -> Option<String> {
        let told = self.cell(Column::Site).map(|(site, _)| site.to_owned());
        match (told, dc) {
            (Some(site), Some(wanted)) if site != wanted => {
                self.wrong(Column::Site, Wrong::OtherSite { site, wanted: wanted.to_owned() });
                None
            }
            (Some(site), _) => Some(site),
            (None, Some(dc)) if !self.file.names.contains_key(&Column::Site) => Some(dc.to_owned()),
            (None, _) => {
                self.wrong(Column::Site, Wrong::NoSite);
                None
            }
        }
    }

    fn span(&mut self) -> Option<Span> {
        let (day, month) = (self.cell(Column::Date).is_some(), self.cell(Column::Month).is_some());
        match (day, month) {
            (true, false) => self.read(Column::Date, day_of).map(Span::Day),
            (false, true) => self.read(Column::Month, month_of).map(Span::Month),
            (told, _) => {
                let has_days = self.file.names.contains_key(&Column::Date);
                let column = if has_days { Column::Date } else { Column::Month };
                self.wrong(column, if told { Wrong::TwoSpans } else { Wrong::NoSpan });
                None
            }
        }
    }
}

/// A number, as people and spreadsheets write it: digits, in groups of three behind commas or spaces if need be, and a
/// decimal point. Where commas do not separate cells they may be decimal ones, and are refused.
fn number(text: &str, comma: bool) -> Result<f64, Wrong> {
    let wrong = || Wrong::NotANumber { text: text.to_owned() };
    let digits = text.trim_start_matches(['-', '+', '−']);
    let mantissa = digits.find(['e', 'E']).map(|at| &digits[..at]);
    if mantissa.is_some_and(|mantissa| !mantissa.is_empty() && mantissa.parse::<f64>().is_ok()) {
        return Err(Wrong::Exponent { text: text.to_owned() });
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let grouped = |group: char| {
        let mut groups = whole.split(group);
        let first = groups.next().unwrap_or_default();
        (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3)
    };
    let group = [',', ' ', '\u{a0}', '\u{202f}'].into_iter().find(|group| whole.contains(*group));
    if digits.contains(',') && !comma {
        return Err(Wrong::CommaInNumber { text: text.to_owned() });
    }
    if group.is_some_and(|group| !grouped(group)) {
        return Err(if group == Some(',') {
            Wrong::CommaInNumber { text: text.to_owned() }
        } else {
            wrong()
        });
    }
    let whole: String = whole.chars().filter(|letter| Some(*letter) != group).collect();
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(&whole) || !all_digits(fraction) {
        return Err(wrong());
    }
    let value: f64 = format!("{whole}.{fraction}0").parse().map_err(|_| wrong())?;
    if digits.len() < text.len() && !text.starts_with('+') && value > 0.0 {
        return Err(Wrong::Negative { text: text.to_owned() });
    }
    Ok(value)
}

fn amount(text: &str, scale: f64, comma: bool) -> Result<i64, Wrong> {
    let value = (number(text, comma)? * scale).round();
    if value > MOST as f64 { Err(Wrong::TooBig { text: text.to_owned() }) } else { Ok(value as i64) }
}

fn count(text: &str) -> Result<i64, Wrong> {
    let wrong = || Wrong::NotACount { text: text.to_owned() };
    let value = number(text, true).map_err(|_| wrong())?;
    Some(value as i64)
        .filter(|count| value.fract() == 0.0 && Racks::of(*count).count().is_some())
        .ok_or_else(wrong)
}

fn share(text: &str) -> Result<u16, Wrong> {
    let wrong = || Wrong::NotAShare { text: text.to_owned() };
    let percent = number(text.trim_end_matches(['%', '％']).trim_end(), true).map_err(|_| wrong())?;
    // The small addend keeps 99.87 from losing its last digit.
    if percent <= 100.0 { Ok((percent * 100.0 + 1e-6).floor() as u16) } else { Err(wrong()) }
}

fn position(text: &str) -> Result<Position, Wrong> {
    match text.to_lowercase().replace(' ', "").as_str() {
        "ups" | "ups输出" => Ok(Position::Ups),
        "pdu" | "pdu输出" => Ok(Position::Pdu),
        "rack" | "机柜" | "it设备输入" | "设备输入" => Ok(Position::Rack),
        _ => Err(Wrong::NotAPosition { text: text.to_owned() }),
    }
}

/// The numbers of a date: between `-`, `/`, `.` or 年, 月 and 日, the year first.
fn parts(text: &str) -> Option<Vec<i16>> {
    let text = text.trim_end_matches(['日', '月']);
    text.split(['-', '/', '.', '年', '月'])
        .map(|part| Some(part).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok())
        .collect()
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    let within = (1990..=2200).contains(&year);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok().filter(|_| within)
}

/// 2025-03-01, 2025/3/1, 2025.3.1 or 2025年3月1日; a midnight behind it is taken for granted.
fn day_of(text: &str) -> Result<Date, Wrong> {
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let midnight = time.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.' | b'Z'));
    let day = parts(day).filter(|_| midnight);
    day.and_then(|parts| match parts[..] {
        [year, month, day] => date(year, month, day),
        _ => None,
    })
    .ok_or_else(|| Wrong::NotADay { text: text.to_owned() })
}

/// 2025-03, 2025/3 or 2025年3月; also its first day, which spreadsheets make of it.
fn month_of(text: &str) -> Result<Date, Wrong> {
    parts(text)
        .and_then(|parts| match parts[..] {
            [year, month] | [year, month, 1] => date(year, month, 1),
            _ => None,
        })
        .ok_or_else(|| Wrong::NotAMonth { text: text.to_owned() })
}
