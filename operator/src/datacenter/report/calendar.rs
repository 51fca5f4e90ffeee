//! The months and years that a report speaks of.

use std::{fmt, str::FromStr};

use jiff::{ToSpan, civil::Date};

/// A calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

impl Month {
    /// The month that holds `date`.
    pub fn of(date: Date) -> Self {
        Self { first: date.first_of_month() }
    }

    /// Its first day.
    pub fn first(self) -> Date {
        self.first
    }

    /// Its last day.
    pub fn last(self) -> Date {
        self.first.last_of_month()
    }

    /// The month so many months before.
    #[must_use]
    pub fn before(self, months: i32) -> Self {
        Self { first: self.first.saturating_sub(months.months()) }
    }

    /// This month and those before it, so many in all, oldest first.
    pub fn back(self, count: i32) -> Vec<Self> {
        (0..count).rev().map(|months| self.before(months)).collect()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// Years of four digits, within which no date of a report reaches the end of the calendar.
fn number<T: FromStr>(text: &str, digits: usize) -> Option<T> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn year(text: &str) -> Option<i16> {
    number(text, 4).filter(|year| (1970..=9998).contains(year))
}

/// A text is no month or year.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct NotASpan {
    text: String,
    wanted: &'static str,
}

impl FromStr for Month {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let first = text
            .split_once('-')
            .and_then(|(begin, end)| Date::new(year(begin)?, number(end, 2)?, 1).ok())
            .ok_or_else(|| NotASpan { text: text.to_owned(), wanted: "a month like 2026-03" })?;
        Ok(Self { first })
    }
}

/// A calendar year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Year(i16);

impl FromStr for Year {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        year(text).map(Self).ok_or_else(|| NotASpan { text: text.to_owned(), wanted: "a year like 2025" })
    }
}

/// What a report speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// One month.
    Month(Month),
    /// The months of a year.
    Year(Year),
}

impl Span {
    /// Its first month.
    pub fn first(self) -> Month {
        match self {
            Self::Month(month) => month,
            Self::Year(Year(year)) => Month { first: Date::constant(year, 1, 1) },
        }
    }

    /// Its last month.
    pub fn last(self) -> Month {
        match self {
            Self::Month(month) => month,
            Self::Year(Year(year)) => Month { first: Date::constant(year, 12, 1) },
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(month) => month.fmt(f),
            Self::Year(Year(year)) => write!(f, "{year}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_years_are_read_strictly() {
        assert_eq!("2026-03".parse::<Month>().unwrap().last().to_string(), "2026-03-31");
        for text in
            ["2026-3", "2026-13", "2026-00", "26-03", "2026/03", "2026-03-01", "+026-03", "0001-01", ""]
        {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        assert!("2025".parse::<Year>().is_ok());
        for text in ["25", "20255", "2o25", "-025", "0000"] {
            assert!(text.parse::<Year>().is_err(), "{text}");
        }
        let wrong = "March".parse::<Month>().unwrap_err().to_string();
        assert_eq!(wrong, r#""March" is not a month like 2026-03"#);
    }

    #[test]
    fn twelve_months_end_with_the_given_one() {
        let months = "2026-02".parse::<Month>().unwrap().back(12);
        assert_eq!(months.len(), 12);
        assert_eq!(months[0].to_string(), "2025-03");
        assert_eq!(months[11].last().to_string(), "2026-02-28");
        let year = Span::Year("2024".parse().unwrap());
        assert_eq!((year.first().to_string(), year.last().to_string()), ("2024-01".into(), "2024-12".into()));
    }
}
