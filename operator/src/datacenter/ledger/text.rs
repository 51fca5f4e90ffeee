//! The ledger as text.
//!
//! A line with the version, then a row for each day, oldest first:
//!
//! ```text
//! banyan-ledger 2
//! 2026-03-01,121600000,95000000,9987,10000,0,c2
//! 2026-03-02,121700000,95100000,9987,10000,2,w5000000,r1450,c2
//! ```
//!
//! A row holds the date, the energy of facility and IT in Wh, the coverage of both in hundredths of a percent, and the
//! flags. What is known beside that follows, each amount behind its letter: renewable (`n`) and reused (`u`) energy in Wh,
//! water (`w`) in mL, carbon (`k`) in g, energy of generators (`g`) and of excluded loads (`x`) in Wh, racks in use (`r`),
//! and the category (`c`).
//!
//! In version 1 the first four of these stood in four fields without a letter, all or none, and the others did not exist. A
//! ledger that holds nothing that version 1 could not is written as version 1: so an upgrade writes nothing by itself, and
//! the first day that tells more brings version 2.

use std::fmt::Write as _;

use super::{ALL, Day, Extras, Flags, Ledger, MAX_DAYS, MOST, Racks};

/// Version of the text.
pub const VERSION: u32 = 2;

const MAGIC: &str = "banyan-ledger";
/// The flags of version 1.
const FIRST_FLAGS: u16 = 0xff;

/// Why a text is not a ledger. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The first line does not name a ledger.
    #[error("line 1 is not \"banyan-ledger {VERSION}\": this is no ledger")]
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
}

impl Ledger {
    /// The ledger as text, in the lowest version that can hold it.
    pub fn encode(&self) -> String {
        let version = if self.days.iter().all(is_of_first_version) { 1 } else { VERSION };
        let mut text = format!("{MAGIC} {version}\n");
        for day in &self.days {
            write_row(&mut text, day, version);
            text.push('\n');
        }
        text
    }

    /// The ledger that `text` holds. Of more than [`MAX_DAYS`] rows the last ones are kept.
    pub fn decode(text: &str) -> Result<Self, LedgerError> {
        let mut lines = text.lines().zip(1..);
        let version = lines
            .next()
            .and_then(|(line, _)| line.strip_prefix(MAGIC))
            .and_then(|version| version.trim().parse::<u32>().ok())
            .ok_or(LedgerError::NotALedger)?;
        if version > VERSION {
            return Err(LedgerError::TooNew { found: version });
        }
        let mut days: Vec<Day> = Vec::new();
        for (text, line) in lines.filter(|(text, _)| !text.trim().is_empty()) {
            let day = read_row(text, version).map_err(|wrong| LedgerError::Row { line, wrong })?;
            if days.last().is_some_and(|last| last.date >= day.date) {
                return Err(LedgerError::Row {
                    line,
                    wrong: "its day does not come after the one before it",
                });
            }
            days.push(day);
        }
        let surplus = days.len().saturating_sub(MAX_DAYS);
        days.drain(..surplus);
        days.shrink_to_fit();
        Ok(Self { days })
    }
}

impl Day {
    /// The row as text, in the present version, without an end of line.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        write_row(&mut text, self, VERSION);
        text
    }

    /// The row that `text` holds, in the present version; else what is wrong with it.
    pub fn decode(text: &str) -> Result<Self, &'static str> {
        read_row(text, VERSION)
    }
}

fn is_of_first_version(day: &Day) -> bool {
    let Extras { generator_wh, excluded_wh, .. } = day.extras();
    day.flags.0 <= FIRST_FLAGS
        && day.category == 0
        && day.racks == Racks::default()
        && generator_wh.is_none()
        && excluded_wh.is_none()
}

/// Writing to a String cannot fail.
fn write_row(text: &mut String, day: &Day, version: u32) {
    let Day { date, facility_wh, it_wh, facility_coverage, it_coverage, flags, category, racks, .. } = day;
    let _ = write!(text, "{date},{facility_wh},{it_wh},{facility_coverage},{it_coverage},{}", flags.0);
    let Extras { renewable_wh, reuse_wh, water_ml, carbon_g, generator_wh, excluded_wh } = day.extras();
    if version < 2 {
        if day.extras.is_some() {
            for amount in [renewable_wh, reuse_wh, water_ml, carbon_g] {
                text.push(',');
                if let Some(amount) = amount {
                    let _ = write!(text, "{amount}");
                }
            }
        }
        return;
    }
    let told = [
        ('n', renewable_wh),
        ('u', reuse_wh),
        ('w', water_ml),
        ('k', carbon_g),
        ('g', generator_wh),
        ('x', excluded_wh),
        ('r', racks.count()),
        ('c', (*category > 0).then_some(i64::from(*category))),
    ];
    for (letter, amount) in told {
        if let Some(amount) = amount {
            let _ = write!(text, ",{letter}{amount}");
        }
    }
}

fn number(text: &str) -> Result<i64, &'static str> {
    text.parse::<i64>()
        .ok()
        .filter(|amount| (-MOST..=MOST).contains(amount))
        .ok_or("an amount is not a whole number up to 10^15")
}

fn read_row(text: &str, version: u32) -> Result<Day, &'static str> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let Some((plain, told)) = fields.split_at_checked(6) else {
        return Err(if version < 2 {
            "it has neither 6 nor 10 fields"
        } else {
            "it has fewer than 6 fields"
        });
    };
    let coverage = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|share| *share <= ALL)
            .ok_or("a coverage is not a whole number from 0 to 10000")
    };
    let mut day = Day {
        date: plain[0].parse().map_err(|_| "its first field is not a day like 2026-01-31")?,
        facility_wh: number(plain[1])?,
        it_wh: number(plain[2])?,
        facility_coverage: coverage(plain[3])?,
        it_coverage: coverage(plain[4])?,
        flags: Flags(plain[5].parse().map_err(|_| "its flags are not a number from 0 to 65535")?),
        category: 0,
        racks: Racks::default(),
        extras: None,
    };
    day.extras = if version < 2 { first_extras(told)? } else { read_told(told, &mut day)? }.kept();
    Ok(day)
}

/// The four fields behind a row of version 1.
fn first_extras(told: &[&str]) -> Result<Extras, &'static str> {
    let amount = |text: &str| if text.is_empty() { Ok(None) } else { number(text).map(Some) };
    match told {
        [] => Ok(Extras::default()),
        [renewable, reuse, water, carbon] => Ok(Extras {
            renewable_wh: amount(renewable)?,
            reuse_wh: amount(reuse)?,
            water_ml: amount(water)?,
            carbon_g: amount(carbon)?,
            ..Extras::default()
        }),
        _ => Err("it has neither 6 nor 10 fields"),
    }
}

/// The fields with letters; racks and category go into `day`.
fn read_told(told: &[&str], day: &mut Day) -> Result<Extras, &'static str> {
    let mut extras = Extras::default();
    let mut seen = String::new();
    for field in told {
        let letter = field.chars().next().ok_or("a field is empty")?;
        if seen.contains(letter) {
            return Err("a letter stands before two amounts");
        }
        seen.push(letter);
        let amount = number(field.get(letter.len_utf8()..).unwrap_or_default())?;
        match letter {
            'n' => extras.renewable_wh = Some(amount),
            'u' => extras.reuse_wh = Some(amount),
            'w' => extras.water_ml = Some(amount),
            'k' => extras.carbon_g = Some(amount),
            'g' => extras.generator_wh = Some(amount),
            'x' => extras.excluded_wh = Some(amount),
            'r' => {
                day.racks = Racks::of(amount);
                day.racks.count().ok_or("its racks are not a number up to a million")?;
            }
            'c' => {
                day.category = u8::try_from(amount)
                    .ok()
                    .filter(|category| (1..=3).contains(category))
                    .ok_or("its category is not 1, 2 or 3")?;
            }
            _ => return Err("a field begins with none of the letters n, u, w, k, g, x, r and c"),
        }
    }
    Ok(extras)
}
