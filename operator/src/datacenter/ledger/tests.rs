use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::datacenter::energy::Window;
use crate::datacenter::site::ExtraAmounts;

fn day(date: Date) -> Day {
    Day { facility_coverage: 9987, ..Day::full(date, 121_600_000, 95_000_000) }
}

/// `count` days from `first`.
fn days(first: Date, count: i64) -> Ledger {
    (0..count).map(|index| day(first + index.days())).collect()
}

/// Two days with what version 1 could hold.
fn first_version() -> (Ledger, &'static str) {
    let second = Day {
        facility_wh: 121_700_000,
        it_wh: 95_100_000,
        flags: Flags::RESET,
        extras: Extras { water_ml: Some(5_000_000), ..Extras::default() }.kept(),
        ..day(date(2026, 3, 2))
    };
    let text = "banyan-ledger 1\n\
        2026-03-01,121600000,95000000,9987,10000,0\n\
        2026-03-02,121700000,95100000,9987,10000,2,,,5000000,\n";
    ([second, day(date(2026, 3, 1))].into_iter().collect(), text)
}

#[test]
fn a_ledger_reads_as_its_documentation_shows() {
    let (mut ledger, _) = first_version();
    for (number, racks) in [(1, Racks::default()), (2, Racks::of(1450))] {
        let row = ledger.get(date(2026, 3, number)).unwrap().clone();
        ledger.upsert(Day { category: 2, racks, ..row });
    }
    let text = "banyan-ledger 2\n\
        2026-03-01,121600000,95000000,9987,10000,0,c2\n\
        2026-03-02,121700000,95100000,9987,10000,2,w5000000,r1450,c2\n";
    assert_eq!(ledger.encode(), text);
    assert_eq!(Ledger::decode(text).unwrap(), ledger);
    // All that there is, racks of none among it.
    let all = Day {
        flags: Flags::IMPORTED.with(Flags::CORRECTED).with(Flags::SPREAD),
        category: 1,
        racks: Racks::of(0),
        extras: Extras {
            renewable_wh: Some(1),
            reuse_wh: Some(2),
            water_ml: Some(3),
            carbon_g: Some(4),
            generator_wh: Some(5),
            excluded_wh: Some(6),
        }
        .kept(),
        ..day(date(2026, 3, 3))
    };
    let text = "2026-03-03,121600000,95000000,9987,10000,1792,n1,u2,w3,k4,g5,x6,r0,c1";
    assert_eq!(all.encode(), text);
    assert_eq!(Day::decode(text).unwrap(), all);
}

#[test]
fn a_ledger_of_the_first_version_is_written_as_it_was_until_a_day_tells_more() {
    let (mut ledger, text) = first_version();
    assert_eq!(Ledger::decode(text).unwrap(), ledger);
    assert_eq!(ledger.encode(), text);
    ledger.upsert(Day { category: 3, ..day(date(2026, 3, 3)) });
    let written = ledger.encode();
    assert!(
        written.starts_with("banyan-ledger 2\n2026-03-01,121600000,95000000,9987,10000,0\n"),
        "{written}"
    );
    assert_eq!(Ledger::decode(&written).unwrap(), ledger);
    // What the first version could not hold is no part of it.
    for row in ["2026-03-01,1,1,0,0,0,c2", "2026-03-01,1,1,0,0,0,w5,r1,c2,k1"] {
        assert!(Ledger::decode(&format!("banyan-ledger 1\n{row}")).is_err(), "{row}");
        assert!(Ledger::decode(&format!("banyan-ledger 2\n{row}")).is_ok(), "{row}");
    }
}

#[test]
fn a_full_ledger_fits_where_it_is_kept() {
    // Days of a 100 MW site: 2.4 GWh are ten digits, 10 + 10 + 10 + 4 + 5 + 1 + 2, and seven separators a row.
    let big = |index: i64| Day {
        facility_wh: 3_100_000_000,
        it_wh: 2_400_000_000,
        category: 2,
        ..day(date(2024, 1, 1) + index.days())
    };
    let ledger: Ledger = (0..1130).map(big).collect();
    let text = ledger.encode();
    assert_eq!(text.lines().nth(1).unwrap().len() + 1, 49);
    assert!(text.len() < 56_000, "{} bytes", text.len());
    // And with all that can be known, corrected and counted: 145 kB, a seventh of what a ConfigMap holds.
    let all = |day: &Day| Day {
        flags: Flags(1 << 10),
        racks: Racks::of(30_000),
        extras: Extras {
            renewable_wh: Some(1_200_000_000),
            reuse_wh: Some(120_000_000),
            water_ml: Some(4_300_000_000),
            carbon_g: Some(1_700_000_000),
            generator_wh: Some(100_000_000),
            excluded_wh: Some(100_000_000),
        }
        .kept(),
        ..day.clone()
    };
    let length = ledger.iter().map(all).collect::<Ledger>().encode().len();
    assert!(length < 150_000, "{length} bytes");
}

#[test]
fn a_day_stays_small() {
    assert_eq!(size_of::<Day>(), 40);
    assert_eq!(
        [-1, 0, 7, 1_000_000, 1_000_001].map(|count| Racks::of(count).count()),
        [None, Some(0), Some(7), Some(1_000_000), None]
    );
}

#[test]
fn three_years_and_the_present_month_are_kept_and_the_oldest_days_fall_out() {
    // 1132 days from 1 January 2024: the first two fall out, and the last is 1131 days later, 5 February 2027.
    let ledger = days(date(2024, 1, 1), 1132);
    assert_eq!(
        (ledger.len(), ledger.first_date(), ledger.last_date()),
        (1130, Some(date(2024, 1, 3)), Some(date(2027, 2, 5)))
    );
    let mut text = days(date(2024, 1, 1), 1130).encode();
    text.push_str("2027-02-04,1,1,0,0,0\n");
    assert_eq!(Ledger::decode(&text).unwrap().first_date(), Some(date(2024, 1, 2)));
    // On the last day of any month the 36 closed months before it are there.
    for month in date(2023, 1, 1).series(1.month()).take(48) {
        let first = month.first_of_month().checked_sub(MONTHS.months()).unwrap();
        let held = (month.last_of_month() - first).get_days() + 1;
        assert!(usize::try_from(held).unwrap() <= MAX_DAYS, "{month}: {held}");
    }
}

#[test]
fn a_text_that_is_no_ledger_is_refused_with_its_line() {
    let wrong =
        |rows: &str| Ledger::decode(&format!("banyan-ledger 1\n2026-03-01,1,1,0,0,0\n{rows}")).unwrap_err();
    for (rows, message) in [
        ("2026-03-02,1,1,0,0", "line 3 of the ledger: it has neither 6 nor 10 fields"),
        ("\n2026-02-30,1,1,0,0,0", "line 4 of the ledger: its first field is not a day like 2026-01-31"),
        ("2026-03-02,1.5,1,0,0,0", "line 3 of the ledger: an amount is not a whole number up to 10^15"),
        (
            "2026-03-02,1,-1000000000000001,0,0,0",
            "line 3 of the ledger: an amount is not a whole number up to 10^15",
        ),
        ("2026-03-02,1,1,0,0,0,,x,,", "line 3 of the ledger: an amount is not a whole number up to 10^15"),
        (
            "2026-03-02,1,1,10001,0,0",
            "line 3 of the ledger: a coverage is not a whole number from 0 to 10000",
        ),
        ("2026-03-02,1,1,0,0,-1", "line 3 of the ledger: its flags are not a number from 0 to 65535"),
        ("2026-03-01,1,1,0,0,0", "line 3 of the ledger: its day does not come after the one before it"),
        ("2026-02-28,1,1,0,0,0", "line 3 of the ledger: its day does not come after the one before it"),
    ] {
        assert_eq!(wrong(rows).to_string(), message);
    }
    let wrong = |row: &str| Ledger::decode(&format!("banyan-ledger 2\n{row}")).unwrap_err();
    for (row, message) in [
        ("2026-03-02,1,1,0,0", "line 2 of the ledger: it has fewer than 6 fields"),
        ("2026-03-02,1,1,0,0,0,", "line 2 of the ledger: a field is empty"),
        ("2026-03-02,1,1,0,0,0,w1,w2", "line 2 of the ledger: a letter stands before two amounts"),
        ("2026-03-02,1,1,0,0,0,w", "line 2 of the ledger: an amount is not a whole number up to 10^15"),
        (
            "2026-03-02,1,1,0,0,0,机1",
            "line 2 of the ledger: a field begins with none of the letters n, u, w, k, g, x, r and c",
        ),
        ("2026-03-02,1,1,0,0,0,r-1", "line 2 of the ledger: its racks are not a number up to a million"),
        ("2026-03-02,1,1,0,0,0,c4", "line 2 of the ledger: its category is not 1, 2 or 3"),
    ] {
        assert_eq!(wrong(row).to_string(), message);
    }
    for text in ["", "2026-03-01,1,1,0,0,0", "banyan-ledger", "banyan-ledger one"] {
        assert_eq!(Ledger::decode(text), Err(LedgerError::NotALedger), "{text}");
    }
    assert_eq!(
        Ledger::decode("banyan-ledger 3\nwhatever").unwrap_err().to_string(),
        "the ledger has version 3, and this Banyan reads up to 2: run the newer version that wrote it"
    );
    assert!(Ledger::decode("banyan-ledger 1").unwrap().is_empty());
}

#[test]
fn a_closed_day_is_written_once_and_open_for_three_days() {
    let the_day = date(2026, 3, 10);
    let late = Day { it_wh: 95_500_000, ..day(the_day) };
    let mut ledger = Ledger::default();
    assert_eq!(ledger.merge_day(day(the_day), the_day), Change::Open);
    assert!(ledger.is_empty());
    assert_eq!(ledger.merge_day(day(the_day), date(2026, 3, 11)), Change::Added);
    assert_eq!(ledger.merge_day(day(the_day), date(2026, 3, 11)), Change::Unchanged);
    // On the 13th, three days later, it may still change; it then says so, and the same again changes nothing.
    assert_eq!(ledger.merge_day(late.clone(), date(2026, 3, 13)), Change::Replaced);
    assert_eq!(ledger.get(the_day).unwrap(), &Day { flags: Flags::LATE, ..late.clone() });
    assert_eq!(ledger.merge_day(late.clone(), date(2026, 3, 13)), Change::Unchanged);
    // On the 14th it stands.
    assert_eq!(ledger.merge_day(day(the_day), date(2026, 3, 14)), Change::Kept);
    assert_eq!(ledger.get(the_day).unwrap().it_wh, 95_500_000);
}

#[test]
fn a_server_that_has_lost_readings_does_not_undo_a_day() {
    let the_day = date(2026, 3, 10);
    let today = date(2026, 3, 11);
    let mut ledger: Ledger = [day(the_day)].into_iter().collect();
    let lost = Day { it_wh: 10, it_coverage: 100, flags: Flags::MISSING, ..day(the_day) };
    assert_eq!(ledger.merge_day(lost.clone(), today), Change::Kept);
    assert_eq!(ledger.get(the_day).unwrap(), &day(the_day));
    // The other way round the day gets its readings.
    let mut ledger: Ledger = [lost].into_iter().collect();
    assert_eq!(ledger.merge_day(day(the_day), today), Change::Replaced);
}

#[test]
fn a_meter_that_is_found_out_later_takes_its_day_along() {
    let (the_day, today) = (date(2026, 3, 10), date(2026, 3, 11));
    for flag in [Flags::STUCK, Flags::SUSPECT] {
        // A standstill takes off coverage: the day that stands only seemed to be covered better.
        let found = Day { it_coverage: 8_000, flags: flag, ..day(the_day) };
        let mut ledger: Ledger = [day(the_day)].into_iter().collect();
        assert_eq!(ledger.merge_day(found.clone(), today), Change::Replaced);
        assert_eq!(ledger.get(the_day).unwrap().flags, flag.with(Flags::LATE));
        // What was known already is no reason to take less, nor is a day that stands.
        let less = Day { it_coverage: 7_000, ..found.clone() };
        assert_eq!(ledger.merge_day(less, today), Change::Kept);
        let mut ledger: Ledger = [day(the_day)].into_iter().collect();
        assert_eq!(ledger.merge_day(found, date(2026, 3, 14)), Change::Kept);
    }
}

#[test]
fn a_day_that_is_absent_may_be_filled_in_at_any_age() {
    let today = date(2026, 3, 20);
    let mut ledger = days(date(2026, 3, 10), 5);
    assert_eq!(ledger.merge_day(day(date(2025, 6, 1)), today), Change::Added);
    assert_eq!(ledger.first_date(), Some(date(2025, 6, 1)));
    let mut full = days(date(2023, 1, 2), 1130);
    assert_eq!(full.merge_day(day(date(2023, 1, 1)), today), Change::TooOld);
    assert_eq!(full.len(), MAX_DAYS);
}

#[test]
fn what_a_person_has_put_in_stands_whatever_the_meters_say_later() {
    let (the_day, today) = (date(2026, 3, 10), date(2026, 3, 11));
    for flag in [Flags::IMPORTED, Flags::IMPORTED.with(Flags::CORRECTED), Flags::SPREAD.with(Flags::IMPORTED)]
    {
        // Worse covered than the readings, which come within the three days, and accuse a meter as well.
        let imported = Day { facility_coverage: 9_000, it_wh: 90_000_000, flags: flag, ..day(the_day) };
        let mut ledger: Ledger = [imported.clone()].into_iter().collect();
        for metered in [day(the_day), Day { flags: Flags::STUCK, ..day(the_day) }] {
            assert_eq!(ledger.merge_day(metered, today), Change::Kept);
            assert_eq!(ledger.get(the_day), Some(&imported));
        }
    }
}

#[test]
fn what_is_noted_beside_the_figures_does_not_write_a_day_anew() {
    let (the_day, today) = (date(2026, 3, 10), date(2026, 3, 11));
    let parts = |generator_wh, excluded_wh| Extras { generator_wh, excluded_wh, ..Extras::default() }.kept();
    // A row of version 1 is looked at again by a Banyan that notes more.
    let mut ledger: Ledger = [day(the_day)].into_iter().collect();
    let more = Day { category: 2, extras: parts(Some(5), Some(6)), ..day(the_day) };
    assert_eq!(ledger.merge_day(more.clone(), today), Change::Unchanged);
    assert_eq!(ledger.get(the_day), Some(&day(the_day)));
    // Parts that are known and differ are other figures, and with other figures all that is noted comes along.
    let mut ledger: Ledger = [Day { racks: Racks::of(7), ..more.clone() }].into_iter().collect();
    let other = Day { extras: parts(Some(4), Some(6)), ..more.clone() };
    assert_eq!(ledger.merge_day(other.clone(), today), Change::Replaced);
    // Nobody counts the racks of a day that is over.
    assert_eq!(ledger.get(the_day), Some(&Day { racks: Racks::of(7), flags: Flags::LATE, ..other }));
}

#[test]
fn days_of_a_range_include_both_ends() {
    let ledger = days(date(2026, 3, 1), 10);
    let dates: Vec<i8> =
        ledger.range(date(2026, 3, 9)..=date(2026, 4, 1)).iter().map(|day| day.date.day()).collect();
    assert_eq!(dates, [9, 10]);
    assert!(ledger.range(date(2026, 3, 5)..=date(2026, 3, 4)).is_empty());
}

#[test]
fn days_below_the_coverage_are_left_out_of_both_sums() {
    // 1: 100 Wh / 80 Wh, 99 %; 2: covered to 94.99 %; 3: no row; 4: 130 Wh / 100 Wh, 96 %.
    // 230 / 180 over two days; (9900 + 9600) / 4 days = 4875.
    let plain = |number: i8, facility_wh: i64, it_wh: i64, facility_coverage: u16, it_coverage: u16| Day {
        facility_wh,
        it_wh,
        facility_coverage,
        it_coverage,
        ..day(date(2026, 3, number))
    };
    let ledger: Ledger =
        [plain(1, 100, 80, 9900, 10_000), plain(2, 500, 1, 10_000, 9499), plain(4, 130, 100, 9800, 9600)]
            .into_iter()
            .collect();
    let totals = ledger.totals(date(2026, 3, 1)..=date(2026, 3, 4), 9500);
    assert_eq!((totals.facility_wh, totals.it_wh, totals.days, totals.span_days), (230, 180, 2, 4));
    assert_eq!(totals.coverage, 4875);
    assert!((totals.pue().unwrap() - 230.0 / 180.0).abs() < 1e-12);
    assert_eq!(ledger.totals(date(2026, 4, 1)..=date(2026, 4, 30), 9500).pue(), None);
}

#[test]
fn days_that_contradict_themselves_count_for_nothing() {
    for flag in [Flags::SUSPECT, Flags::MISSING] {
        let ledger: Ledger =
            [Day { flags: flag.with(Flags::RESET), ..day(date(2026, 3, 1)) }].into_iter().collect();
        assert_eq!(ledger.totals(date(2026, 3, 1)..=date(2026, 3, 1), 0).days, 0);
    }
    assert!(Day { flags: Flags::LATE.with(Flags::RESET), ..day(date(2026, 3, 1)) }.counts(9500));
}

#[test]
fn an_extra_is_set_against_the_days_that_tell_it() {
    let with = |number: i8, water_ml: Option<i64>| Day {
        facility_wh: 130,
        it_wh: 100,
        extras: Extras { water_ml, ..Extras::default() }.kept(),
        ..day(date(2026, 3, number))
    };
    let ledger: Ledger = [with(1, Some(40)), with(2, None), with(3, Some(2))].into_iter().collect();
    let totals = ledger.totals(date(2026, 3, 1)..=date(2026, 3, 3), 9500);
    assert_eq!(totals.it_wh, 300);
    assert_eq!(totals.water_ml, ExtraTotal { amount: 42, facility_wh: 260, it_wh: 200, days: 2 });
    assert_eq!(totals.carbon_g.days, 0);
}

#[test]
fn what_is_noted_is_summed_up_over_the_days_that_count() {
    let noted = |number: i8, flags: Flags, category: u8, racks: Racks| Day {
        flags,
        category,
        racks,
        ..day(date(2026, 3, number))
    };
    let ledger: Ledger = [
        noted(1, Flags::default(), 3, Racks::of(10)),
        noted(2, Flags::IMPORTED, 2, Racks::of(12)),
        noted(3, Flags::IMPORTED.with(Flags::CORRECTED), 0, Racks::default()),
        // Does not count, and is worse in every respect.
        noted(4, Flags::IMPORTED.with(Flags::SUSPECT), 1, Racks::default()),
    ]
    .into_iter()
    .collect();
    let totals = ledger.totals(date(2026, 3, 1)..=date(2026, 3, 31), 9500);
    assert_eq!((totals.days, totals.span_days), (3, 31));
    assert_eq!((totals.imported_days, totals.corrected_days), (2, 1));
    assert_eq!((totals.category, totals.racks.count()), (2, Some(12)));
}

#[test]
fn the_feeds_are_the_facility_side_without_generators_and_with_what_is_excluded() {
    let extras = Extras { generator_wh: Some(30), excluded_wh: Some(20), ..Extras::default() }.kept();
    // 90 by the feeds, 30 by the generator, 20 of the offices: 100.
    assert_eq!(Day { extras, ..Day::full(date(2026, 3, 1), 100, 80) }.feeds_wh(), 90);
    assert_eq!(Day::full(date(2026, 3, 1), 100, 80).feeds_wh(), 100);
}

#[test]
fn months_are_cut_to_the_range_and_are_there_without_rows() {
    let ledger = days(date(2026, 1, 30), 3);
    let months = ledger.months(date(2026, 1, 15)..=date(2026, 3, 2), 9500);
    let figures: Vec<_> =
        months.iter().map(|month| (month.from, month.to, month.span_days, month.days)).collect();
    assert_eq!(
        figures,
        [
            (date(2026, 1, 15), date(2026, 1, 31), 17, 2),
            (date(2026, 2, 1), date(2026, 2, 28), 28, 1),
            (date(2026, 3, 1), date(2026, 3, 2), 2, 0)
        ]
    );
}

#[test]
fn a_reading_becomes_a_row() {
    let reading = SiteReading {
        window: Window { from: 0, to: 86_400_000 },
        known_ms: 86_400_000,
        facility_wh: Some(121_600_000.4),
        it_wh: Some(94_999_999.6),
        facility_coverage: 0.9987,
        it_coverage: 0.99999,
        extras: ExtraAmounts { carbon_g: Some(7.5), generator_wh: Some(2.4), ..ExtraAmounts::default() },
        meters: Vec::new(),
        pue: Ok(1.28),
    };
    let row = Day::from_reading(date(2026, 3, 1), &reading);
    let extras = Extras { carbon_g: Some(8), generator_wh: Some(2), ..Extras::default() }.kept();
    assert_eq!(row, Day { it_coverage: 9999, extras, ..day(date(2026, 3, 1)) });
    // An unknown side is marked, and not a day without use.
    let unknown = SiteReading { it_wh: None, it_coverage: 0.0, ..reading.clone() };
    let row = Day::from_reading(date(2026, 3, 1), &unknown);
    assert_eq!((row.it_wh, row.flags), (0, Flags::MISSING));
    for invalid in [Invalid::BetterThanPerfect { pue: 0.9 }, Invalid::AboveTen { pue: 12.0 }] {
        let suspect = SiteReading { pue: Err(invalid), ..reading.clone() };
        assert_eq!(Day::from_reading(date(2026, 3, 1), &suspect).flags, Flags::SUSPECT);
    }
    // Little load is no contradiction: the year decides whether there is enough.
    let idle = SiteReading { pue: Err(Invalid::NoITLoad { it_wh: 1.0, minimum_wh: 2.0 }), ..reading };
    assert_eq!(Day::from_reading(date(2026, 3, 1), &idle).flags, Flags::default());
}

prop_compose! {
    fn any_day()(
        offset in 0..700_i64,
        facility_wh in -MOST..=MOST,
        it_wh in -MOST..=MOST,
        facility_coverage in 0..=10_000_u16,
        it_coverage in 0..=10_000_u16,
        flags in any::<u16>(),
        category in 0..=3_u8,
        racks in -1..=1_000_000_i64,
        extras in proptest::array::uniform6(proptest::option::of(-MOST..=MOST)),
    ) -> Day {
        let [renewable_wh, reuse_wh, water_ml, carbon_g, generator_wh, excluded_wh] = extras;
        Day {
            date: date(2025, 1, 1) + offset.days(),
            facility_wh, it_wh, facility_coverage, it_coverage,
            flags: Flags(flags),
            category,
            racks: Racks::of(racks),
            extras: Extras { renewable_wh, reuse_wh, water_ml, carbon_g, generator_wh, excluded_wh }.kept(),
        }
    }
}

prop_compose! {
    /// A day that version 1 could hold.
    fn first_day()(day in any_day()) -> Day {
        let extras = Extras { generator_wh: None, excluded_wh: None, ..day.extras() }.kept();
        Day { flags: Flags(day.flags.0 & 0xff), category: 0, racks: Racks::default(), extras, ..day }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(days in proptest::collection::vec(any_day(), 0..60)) {
        let ledger: Ledger = days.into_iter().collect();
        prop_assert!(ledger.len() <= MAX_DAYS);
        prop_assert_eq!(Ledger::decode(&ledger.encode()).unwrap(), ledger);
    }

    #[test]
    fn a_row_is_read_back(day in any_day()) {
        prop_assert_eq!(Day::decode(&day.encode()).unwrap(), day);
    }

    #[test]
    fn the_first_version_comes_back_byte_by_byte_and_holds_the_same_in_the_second(
        days in proptest::collection::vec(first_day(), 0..60),
        more in any_day(),
    ) {
        let ledger: Ledger = days.into_iter().collect();
        let first = ledger.encode();
        prop_assert!(first.starts_with("banyan-ledger 1\n"));
        let read = Ledger::decode(&first).unwrap();
        prop_assert_eq!(&read.encode(), &first);
        // With one more day in the second version, the others are what they were.
        let mut grown = read;
        grown.upsert(Day { category: 1, ..more.clone() });
        let second = grown.encode();
        prop_assert!(second.starts_with("banyan-ledger 2\n"));
        let read = Ledger::decode(&second).unwrap();
        for day in ledger.iter().filter(|day| day.date != more.date) {
            prop_assert_eq!(read.get(day.date), Some(day));
        }
    }

    #[test]
    fn no_text_makes_the_reader_fail_otherwise_than_by_an_error(text in "(banyan-ledger [12]\n)?[-0-9,\n a-z]{0,200}") {
        let _ = Ledger::decode(&text);
    }
}

#[test]
fn what_is_shown_is_rounded_half_away_from_zero() {
    let shown = [0, 499, 500, 1_499, 1_500, -499, -500, -1_500, 999, i64::MAX].map(thousandth);
    assert_eq!(shown, [0, 0, 1, 1, 2, 0, -1, -2, 1, i64::MAX / 1000 + 1]);
}
