//! A table of typed cells.

use crate::lang::numbers;

/// A table, and what there is to say about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Its title.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a cell a column.
    pub rows: Vec<Vec<Cell>>,
    /// What the notes are called.
    pub notes_title: String,
    /// The notes, a paragraph each.
    pub notes: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its title, with the unit.
    pub title: String,
    /// Where it is shown.
    pub shown: Shown,
}

/// Where a column is shown. A file for programs has all of them, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Always.
    Always,
    /// Where a row has something in it.
    WhereKnown,
    /// In files only.
    InFiles,
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing is known.
    Blank,
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number that is shown with so many digits behind the point.
    Decimal(f64, usize),
}

impl Cell {
    /// A text, or blank where it is empty.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Blank } else { Self::Text(text) }
    }

    /// A whole number, if there is one.
    pub fn whole(number: Option<i64>) -> Self {
        number.map_or(Self::Blank, Self::Whole)
    }

    /// A number with so many digits behind the point, if there is one.
    pub fn decimal(number: Option<f64>, digits: usize) -> Self {
        number.map_or(Self::Blank, |number| Self::Decimal(number, digits))
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Decimal(..))
    }

    /// For programs: numbers without grouping. Nothing where nothing is known.
    pub fn plain(&self) -> String {
        match self {
            Self::Blank => String::new(),
            Self::Text(text) => text.clone(),
            Self::Whole(number) => number.to_string(),
            Self::Decimal(number, digits) => format!("{number:.digits$}"),
        }
    }

    /// For people: whole numbers in groups of three. A dash where nothing is known.
    pub fn shown(&self) -> String {
        match self {
            Self::Blank => "-".to_owned(),
            Self::Whole(number) => numbers::whole(*number),
            other => other.plain(),
        }
    }
}

impl Sheet {
    /// As people look at it: without what is only for files, and without what is blank throughout.
    #[must_use]
    pub fn dense(mut self) -> Self {
        let keep: Vec<bool> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| match column.shown {
                Shown::Always => true,
                Shown::WhereKnown => self.rows.iter().any(|row| row[at] != Cell::Blank),
                Shown::InFiles => false,
            })
            .collect();
        let mut kept = keep.iter();
        self.columns.retain(|_| kept.next().copied().unwrap_or(true));
        for row in &mut self.rows {
            let mut kept = keep.iter();
            row.retain(|_| kept.next().copied().unwrap_or(true));
        }
        self
    }
}

/// Columns that a terminal or a spreadsheet gives to a text: East Asian wide characters take two.
pub fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x1100..=0x115F
            | 0x2E80..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x20000..=0x3FFFD => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_for_people_only() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(Cell::Whole(number).shown(), text);
            assert_eq!(Cell::Whole(number).plain(), number.to_string());
        }
        assert_eq!(Cell::Decimal(1.274_95, 4).shown(), "1.2750");
        assert_eq!((Cell::Blank.shown(), Cell::Blank.plain()), ("-".to_owned(), String::new()));
    }

    #[test]
    fn what_is_blank_throughout_or_for_files_only_is_left_out() {
        let column = |title: &str, shown| Column { title: title.to_owned(), shown };
        let (always, where_known) = (Shown::Always, Shown::WhereKnown);
        let sheet = Sheet {
            columns: vec![
                column("a", always),
                column("b", where_known),
                column("c", where_known),
                column("d", Shown::InFiles),
            ],
            rows: vec![
                vec![Cell::Blank, Cell::Blank, Cell::Blank, Cell::Whole(1)],
                vec![Cell::Blank, Cell::Blank, Cell::Whole(1), Cell::Blank],
            ],
            ..Sheet::default()
        };
        let dense = sheet.dense();
        let titles: Vec<_> = dense.columns.iter().map(|column| column.title.as_str()).collect();
        assert_eq!(titles, ["a", "c"]);
        assert_eq!(dense.rows, [vec![Cell::Blank, Cell::Blank], vec![Cell::Blank, Cell::Whole(1)]]);
    }
}
