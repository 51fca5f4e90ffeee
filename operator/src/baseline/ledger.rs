//! What a baseline remembers over days: the counts of each day, for trends and for how long a fall lasts.
//!
//! A `ConfigMap` beside the operator holds it, in two keys: `updated`, when the last row was written, and `ledger`, a line with the version and a row
//! for each day in UTC, oldest first:
//!
//! ```text
//! banyan-baseline-ledger 1
//! 2026-11-25,1204,17,3,0,2,5,31,58,97,1,71.25
//! ```
//!
//! A row holds the date; the results `pass`, `fail`, `warn`, `error`, `skip`, `manual`, `unknown`; the clauses that are met, and all of them; the
//! high risks; and the score, empty where there is none.

use std::{collections::BTreeMap, fmt::Write as _};

use banyan_crds::{
    v1alpha1::{BaselineCounts, ClauseVerdict, SecurityBaselineStatus},
    values::Decimal,
};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ApiResource;

use super::status::whole_seconds;
use crate::kernel::plan::ObjectRef;

/// Days that a ledger holds; the oldest fall out.
pub const MAX_DAYS: usize = 400;
/// Value of [`ROLE`](crate::kernel::plan::ROLE) on a ledger.
pub const LEDGER_ROLE: &str = "baseline-ledger";
/// The key of the rows.
pub const LEDGER_KEY: &str = "ledger";
/// The key of the instant of the last change.
pub const UPDATED_KEY: &str = "updated";
/// Version of the text.
pub const VERSION: u32 = 1;

const MAGIC: &str = "banyan-baseline-ledger";
/// Fields of a row.
const FIELDS: usize = 12;
/// How long a row of the present day stands at least.
const STANDS: SignedDuration = SignedDuration::from_hours(1);

/// Why a text is no ledger. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The first line does not name a ledger.
    #[error("line 1 is not \"{MAGIC} {VERSION}\": this is no ledger")]
    NotALedger,
    /// Written by a newer Banyan.
    #[error(
        "the ledger has version {found}, and this Banyan reads up to {VERSION}: run the newer version that wrote it"
    )]
    TooNew {
        /// The version found.
        found: u32,
    },
    /// A row cannot be read.
    #[error("line {line} of the ledger: {wrong}")]
    Row {
        /// The line.
        line: usize,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// `updated` is no instant.
    #[error("the key {UPDATED_KEY} is no instant like 2026-11-25T10:00:00Z")]
    Updated,
}

/// What a baseline came to on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Results that are held.
    pub pass: i64,
    /// Results that are not.
    pub fail: i64,
    /// Results that are not, of low weight.
    pub warn: i64,
    /// Results that could not be evaluated.
    pub error: i64,
    /// Results that are waived, or do not apply.
    pub skip: i64,
    /// Clauses that somebody has to attest.
    pub manual: i64,
    /// Results that could not be seen.
    pub unknown: i64,
    /// Clauses that are met.
    pub compliant: i64,
    /// Clauses.
    pub clauses: i64,
    /// Controls of which a high risk stands.
    pub high_risks: i64,
    /// 0 to 100; none where there is none.
    pub score: Option<String>,
}

impl Day {
    /// What a status says; none while it tells of no whole look.
    pub fn of(status: &SecurityBaselineStatus) -> Option<Self> {
        let BaselineCounts { pass, fail, warn, error, skip, manual, unknown } = status.counts?;
        let count = |all: usize| i64::try_from(all).unwrap_or(i64::MAX);
        let compliant = |clause: &&_| matches!(clause, ClauseVerdict::Compliant);
        Some(Self {
            pass,
            fail,
            warn,
            error,
            skip,
            manual,
            unknown,
            compliant: count(status.clauses.iter().map(|clause| &clause.verdict).filter(compliant).count()),
            clauses: count(status.clauses.len()),
            high_risks: count(status.high_risks.len()),
            score: status.score.as_ref().map(|score| score.0.clone()),
        })
    }
}

/// The days of a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Each day in UTC, with the last that was told of it.
    pub days: BTreeMap<Date, Day>,
    /// When it was last changed, in whole seconds.
    pub updated: Option<Timestamp>,
}

impl Ledger {
    /// The ledger of a `ConfigMap`: an empty one if it has none yet, and none if what it has cannot be read. That must not be overwritten;
    /// [`Ledger::decode`] says what is wrong with it.
    pub fn read(object: &ConfigMap) -> Option<Self> {
        Self::decode(object).ok()
    }

    /// The same, with what is wrong.
    pub fn decode(object: &ConfigMap) -> Result<Self, LedgerError> {
        let key = |key: &str| object.data.as_ref().and_then(|data| data.get(key));
        let Some(text) = key(LEDGER_KEY) else { return Ok(Self::default()) };
        let updated = key(UPDATED_KEY).map(|at| at.parse().map_err(|_| LedgerError::Updated)).transpose()?;
        let mut lines = text.lines().zip(1..);
        let version = lines
            .next()
            .and_then(|(line, _)| line.strip_prefix(MAGIC))
            .and_then(|version| version.trim().parse::<u32>().ok())
            .ok_or(LedgerError::NotALedger)?;
        if version > VERSION {
            return Err(LedgerError::TooNew { found: version });
        }
        let mut days = BTreeMap::new();
        for (row, line) in lines.filter(|(row, _)| !row.trim().is_empty()) {
            let (date, day) = read_row(row).map_err(|wrong| LedgerError::Row { line, wrong })?;
            if days.insert(date, day).is_some() {
                return Err(LedgerError::Row { line, wrong: "its day was there before" });
            }
        }
        let mut ledger = Self { days, updated };
        ledger.forget();
        Ok(ledger)
    }

    /// Takes in what is so now, and says whether that changes anything. A new day always counts; within a day a row stands for an hour at
    /// least, however often the world changes, so that the ledger is written a few times a day.
    pub fn record(&mut self, now: Timestamp, day: Day) -> bool {
        let date = TimeZone::UTC.to_datetime(now).date();
        if let Some(told) = self.days.get(&date) {
            // A clock that was far ahead and was put right must not keep the row for as long as it was wrong.
            let stands = self.updated.is_some_and(|updated| now.duration_since(updated).abs() < STANDS);
            if *told == day || stands {
                return false;
            }
        }
        self.days.insert(date, day);
        self.updated = Some(whole_seconds(now));
        self.forget();
        true
    }

    /// Drops the oldest days beyond [`MAX_DAYS`].
    fn forget(&mut self) {
        while self.days.len() > MAX_DAYS {
            self.days.pop_first();
        }
    }

    /// The body of the `ConfigMap` as [`Own::body`](crate::kernel::plan::Own::body) takes it: its `data`, and nothing else.
    pub fn body(&self) -> serde_json::Value {
        let mut text = format!("{MAGIC} {VERSION}\n");
        for (date, day) in &self.days {
            write_row(&mut text, *date, day);
        }
        let mut data = serde_json::Map::new();
        data.insert(LEDGER_KEY.to_owned(), text.into());
        if let Some(updated) = self.updated {
            data.insert(UPDATED_KEY.to_owned(), updated.to_string().into());
        }
        serde_json::json!({ "data": data })
    }

    /// The last `days` days of the calendar up to the last one that is known, oldest first. Days on which nothing was recorded are left out.
    pub fn trend(&self, days: usize) -> Vec<(Date, Day)> {
        let Some(last) = self.days.last_key_value().map(|(date, _)| *date) else { return Vec::new() };
        let span = i64::try_from(days).unwrap_or(i64::MAX).min(100_000);
        let first = last.checked_sub((span - 1).days()).unwrap_or(Date::MIN);
        self.days.iter().filter(|(date, _)| **date >= first).map(|(date, day)| (*date, day.clone())).collect()
    }
}

/// The `ConfigMap` of a baseline's ledger.
pub fn object_ref(baseline: &str, namespace: &str) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<ConfigMap>(&()),
        namespace: Some(namespace.to_owned()),
        name: format!("banyan-baseline-ledger-{baseline}"),
        uid: None,
    }
}

/// Writing to a String cannot fail.
fn write_row(text: &mut String, date: Date, day: &Day) {
    let Day { pass, fail, warn, error, skip, manual, unknown, compliant, clauses, high_risks, score } = day;
    let _ = write!(
        text,
        "{date},{pass},{fail},{warn},{error},{skip},{manual},{unknown},{compliant},{clauses},{high_risks},"
    );
    let _ = writeln!(text, "{}", score.as_deref().filter(|score| is_number(score)).unwrap_or_default());
}

fn read_row(row: &str) -> Result<(Date, Day), &'static str> {
    let fields: Vec<&str> = row.trim().split(',').collect();
    let [date, counts @ .., score] = fields.as_slice() else { return Err("it has no fields") };
    if fields.len() != FIELDS {
        return Err("it has not twelve fields");
    }
    let date = date.parse().map_err(|_| "its day is none")?;
    let mut counts = counts.iter().map(|count| {
        count
            .parse::<i64>()
            .ok()
            .filter(|count| *count >= 0)
            .ok_or("a count is no whole number of at least 0")
    });
    let mut count = || counts.next().unwrap_or(Err("a count is missing"));
    let day = Day {
        pass: count()?,
        fail: count()?,
        warn: count()?,
        error: count()?,
        skip: count()?,
        manual: count()?,
        unknown: count()?,
        compliant: count()?,
        clauses: count()?,
        high_risks: count()?,
        score: match *score {
            "" => None,
            score if is_number(score) => Some(score.to_owned()),
            _ => return Err("its score is no number"),
        },
    };
    Ok((date, day))
}

/// Whether a text is a figure as a status has it.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && Decimal::from(text).number().is_ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(pass: i64) -> Day {
        Day { pass, clauses: 97, compliant: 58, score: Some("71.25".to_owned()), ..Day::default() }
    }

    fn object(ledger: &Ledger) -> ConfigMap {
        serde_json::from_value(ledger.body()).unwrap()
    }

    fn text(rows: &str) -> ConfigMap {
        let data = [(LEDGER_KEY.to_owned(), format!("banyan-baseline-ledger 1\n{rows}"))];
        ConfigMap { data: Some(data.into()), ..ConfigMap::default() }
    }

    #[test]
    fn a_new_day_always_counts_and_within_one_a_row_stands_for_an_hour() {
        let mut ledger = Ledger::default();
        assert!(ledger.record(at("2026-11-25T22:59:00.5Z"), day(1)));
        assert_eq!(ledger.updated, Some(at("2026-11-25T22:59:00Z")));
        assert!(!ledger.record(at("2026-11-25T23:58:59Z"), day(2)));
        assert_eq!(ledger.days[&date(2026, 11, 25)].pass, 1);
        assert!(ledger.record(at("2026-11-25T23:59:00Z"), day(2)));
        // A minute later, and yet another day, though nothing has changed.
        assert!(ledger.record(at("2026-11-26T00:00:00Z"), day(2)));
        assert!(!ledger.record(at("2026-11-26T05:00:00Z"), day(2)), "nothing has changed");
        assert_eq!(ledger.days.len(), 2);
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_keep_a_row() {
        let mut ledger = Ledger::default();
        ledger.record(at("2026-11-25T01:00:00Z"), day(1));
        ledger.record(at("2026-11-28T01:00:00Z"), day(3));
        assert!(ledger.record(at("2026-11-25T01:10:00Z"), day(2)));
        assert_eq!(ledger.days[&date(2026, 11, 25)].pass, 2);
    }

    #[test]
    fn four_hundred_days_are_kept() {
        let mut ledger = Ledger::default();
        for n in 0..450 {
            let now = at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * n);
            assert!(ledger.record(now, day(n)));
        }
        assert_eq!(ledger.days.len(), MAX_DAYS);
        assert_eq!(ledger.days.first_key_value().unwrap().1.pass, 50);
        let read = Ledger::read(&object(&ledger)).unwrap();
        assert_eq!(read, ledger);
        assert_eq!(read.body(), ledger.body());
        assert!(ledger.body().to_string().len() < 40_000);
    }

    #[test]
    fn the_text_is_what_the_page_says() {
        let ledger = Ledger {
            days: [
                (date(2026, 11, 24), Day { unknown: 3, ..Day::default() }),
                (date(2026, 11, 25), Day { high_risks: 1, ..day(1204) }),
            ]
            .into(),
            updated: Some(at("2026-11-25T10:00:00Z")),
        };
        assert_eq!(
            ledger.body(),
            serde_json::json!({ "data": {
                "ledger": "banyan-baseline-ledger 1\n2026-11-24,0,0,0,0,0,0,3,0,0,0,\n2026-11-25,1204,0,0,0,0,0,0,58,97,1,71.25\n",
                "updated": "2026-11-25T10:00:00Z"
            } })
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_apart_from_what_is_not_there() {
        assert_eq!(Ledger::read(&ConfigMap::default()), Some(Ledger::default()));
        for (rows, wrong) in [
            ("2026-11-25,1,2", "line 2 of the ledger: it has not twelve fields"),
            (
                "\n2026-11-25,1,2,3,4,5,6,7,8,9,ten,",
                "line 3 of the ledger: a count is no whole number of at least 0",
            ),
            (
                "2026-11-25,-1,2,3,4,5,6,7,8,9,10,",
                "line 2 of the ledger: a count is no whole number of at least 0",
            ),
            ("2026-13-25,1,2,3,4,5,6,7,8,9,10,", "line 2 of the ledger: its day is none"),
            ("2026-11-25,1,2,3,4,5,6,7,8,9,10,high", "line 2 of the ledger: its score is no number"),
            (
                "2026-11-25,1,2,3,4,5,6,7,8,9,10,\n2026-11-25,1,2,3,4,5,6,7,8,9,10,",
                "line 3 of the ledger: its day was there before",
            ),
        ] {
            let object = text(rows);
            assert_eq!(Ledger::read(&object), None);
            assert_eq!(Ledger::decode(&object).unwrap_err().to_string(), wrong);
        }
        let mut newer = text("");
        newer.data.as_mut().unwrap().insert(LEDGER_KEY.to_owned(), "banyan-baseline-ledger 2\n".to_owned());
        assert_eq!(Ledger::decode(&newer), Err(LedgerError::TooNew { found: 2 }));
        let mut dated = text("");
        dated.data.as_mut().unwrap().insert(UPDATED_KEY.to_owned(), "today".to_owned());
        assert_eq!(Ledger::decode(&dated), Err(LedgerError::Updated));
    }

    #[test]
    fn a_trend_is_of_days_of_the_calendar() {
        let mut ledger = Ledger::default();
        for at_ in ["2026-11-01T00:00:00Z", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"] {
            ledger.record(at(at_), day(1));
        }
        assert_eq!(ledger.trend(0).len(), 0);
        assert_eq!(ledger.trend(7).iter().map(|(date, _)| date.day()).collect::<Vec<_>>(), [24, 25]);
        assert_eq!(ledger.trend(25).len(), 3);
        assert_eq!(ledger.trend(usize::MAX).len(), 3);
        assert!(Ledger::default().trend(7).is_empty());
    }

    #[test]
    fn a_status_tells_of_a_day_once_it_was_looked() {
        let status = |value| serde_json::from_value::<SecurityBaselineStatus>(value).unwrap();
        assert_eq!(Day::of(&status(serde_json::json!({}))), None);
        let clause = |requirement: &str, verdict: &str| {
            serde_json::json!({"pack": "mlps", "requirement": requirement, "clause": "8.1", "verdict": verdict,
                "since": "2026-11-25T00:00:00Z", "failing": 0, "objects": 1})
        };
        let day = Day::of(&status(serde_json::json!({
            "counts": {"pass": 1, "fail": 2, "warn": 3, "error": 4, "skip": 5, "manual": 6, "unknown": 7},
            "clauses": [clause("a", "Compliant"), clause("b", "Partial")],
            "highRisks": [{"control": "c", "objects": 1, "since": "2026-11-25T00:00:00Z"}],
            "score": "71.25"
        })))
        .unwrap();
        let mut text = String::new();
        write_row(&mut text, date(2026, 11, 25), &day);
        assert_eq!(text, "2026-11-25,1,2,3,4,5,6,7,1,2,1,71.25\n");
    }

    #[test]
    fn the_name_of_the_object_is_not_that_of_a_sites_ledger() {
        assert_eq!(object_ref("city", "banyan").to_string(), "ConfigMap banyan/banyan-baseline-ledger-city");
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_ledger_that_it_is_not(text in "(banyan-baseline-ledger 1\n)?([0-9,.\\-a\n]|2026-11-2)*") {
            let data = [(LEDGER_KEY.to_owned(), text)];
            let object = ConfigMap { data: Some(data.into()), ..ConfigMap::default() };
            if let Some(ledger) = Ledger::read(&object) {
                let again = Ledger::read(&serde_json::from_value(ledger.body()).unwrap());
                prop_assert_eq!(again, Some(ledger));
            }
        }
    }
}
