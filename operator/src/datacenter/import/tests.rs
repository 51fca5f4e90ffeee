//! Files in, ledgers and problems out.

use std::fmt::Write as _;

use encoding_rs::{GB18030, GBK};
use jiff::{Timestamp, ToSpan, civil::date};
use proptest::prelude::*;
use serde_json::json;

use super::{
    bills::{Bill, Fate, shares},
    rows::File,
    *,
};
use crate::{
    datacenter::{
        ledger::{Day, Extras, Flags, Ledger, Racks},
        spec::Site,
    },
    lang::Lang,
};

const KWH: i64 = 1000;

/// Noon of 10 April 2026 in Fuzhou.
fn now() -> Timestamp {
    "2026-04-10T04:00:00Z".parse().unwrap()
}

/// In operation since 15 May 2024, with 1000 kW of IT and 1500 kW of feeds.
fn spec() -> banyan_crds::v1alpha1::DataCenterSpec {
    let meter = |name: &str, purpose: &str, rated: i64| json!({"name": name, "purpose": purpose, "query": name, "type": "Counter", "unit": "kWh", "interval": "15m", "ratedKilowatts": rated});
    let mut it = meter("pdu", "IT", 1000);
    it["position"] = json!("PDU");
    serde_json::from_value(json!({
        "location": {"timeZone": "Asia/Shanghai"}, "commissioned": "2024-05-15", "ratedITKilowatts": 1000,
        "energy": {"prometheus": {"url": "http://p:9090"}, "meters": [meter("feed", "Facility", 1500), it]}
    }))
    .unwrap()
}

/// A file of one site brought into a ledger: what happens, and what is wrong, as English sentences.
fn bring(text: &str, ledger: &Ledger, replace: bool) -> (SiteImport, Vec<String>) {
    let spec = spec();
    let site = Site::read(&spec).unwrap();
    let file = rows::read(text, Some("a"));
    let place = Place { site: &site, spec: &spec, ledger, now: now(), replace };
    let (import, mut problems) =
        plan(&place, &file.rows.iter().collect::<Vec<_>>(), &|column| file.name(column));
    problems.splice(0..0, file.problems);
    (import, problems.iter().map(|problem| words::problem(Lang::En, "f.csv", problem)).collect())
}

fn good(text: &str, ledger: &Ledger, replace: bool) -> SiteImport {
    let (import, problems) = bring(text, ledger, replace);
    assert_eq!(problems, Vec::<String>::new());
    import
}

fn row(date: Date, facility_kwh: i64, it_kwh: i64) -> Day {
    Day { category: 2, ..Day::full(date, facility_kwh * KWH, it_kwh * KWH) }
}

fn read_file(bytes: &[u8]) -> File {
    rows::read(&text::read(bytes).unwrap(), None)
}

#[test]
fn a_file_reads_the_same_whatever_program_wrote_it() {
    let chinese = "数据中心,日期,总用电量（千瓦时）,IT设备用电量(kWh),用水量(立方米),计量位置,备注\r\n\
                   长乐一,2025/3/1,\"121,600.5\",95000,12.25,机柜,电表更换\r\n,,,,,,\r\n";
    let chinese = chinese.replace("长乐一", "changle-1");
    let english = "site;date;Facility (MWh);IT [kWh];water_l;position;note\n\
                   changle-1;2025-03-01 00:00:00;121.6005;95 000;12250;rack;电表更换\n";
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(
            chinese
                .replace(',', "\t")
                .replace("\"121\t600.5\"", "121,600.5")
                .encode_utf16()
                .flat_map(u16::to_le_bytes),
        )
        .collect();
    let files: [Vec<u8>; 6] = [
        chinese.clone().into_bytes(),
        [b"\xef\xbb\xbf".as_slice(), chinese.as_bytes()].concat(),
        GBK.encode(&chinese).0.into_owned(),
        GB18030.encode(&chinese).0.into_owned(),
        utf16,
        english.as_bytes().to_vec(),
    ];
    for bytes in files {
        let file = read_file(&bytes);
        assert_eq!(file.problems, []);
        let wanted = Row {
            line: 2,
            site: "changle-1".into(),
            span: Span::Day(date(2025, 3, 1)),
            facility_wh: Some(121_600_500),
            it_wh: Some(95_000_000),
            generator_wh: None,
            excluded_wh: None,
            renewable_wh: None,
            reuse_wh: None,
            water_ml: Some(12_250_000),
            carbon_g: None,
            racks: None,
            position: Some(Position::Rack),
            coverage: None,
            note: Some("电表更换".into()),
        };
        assert_eq!(file.rows, [wanted]);
    }
}

#[test]
fn what_is_no_text_says_what_to_do() {
    for (bytes, wrong) in [
        (b"PK\x03\x04rest".as_slice(), Wrong::Workbook),
        (b"\xd0\xcf\x11\xe0rest", Wrong::Workbook),
        (b"site\0date", Wrong::Encoding),
        (b"\xff\xff\xff", Wrong::Encoding),
        (b" \r\n", Wrong::Empty),
        (b"", Wrong::Empty),
    ] {
        assert_eq!(text::read(bytes), Err(wrong), "{bytes:?}");
    }
}

#[test]
fn the_headers_of_templates_and_other_names_are_known_with_their_units() {
    for column in Column::all() {
        for name in [column.english(), column.chinese()] {
            assert_eq!(columns::header(name).unwrap().column, column, "{name}");
        }
    }
    for (name, column, scale) in [
        ("Facility kWh".replace(' ', "_").as_str(), Column::Facility, 1e3),
        ("IT (万千瓦时)", Column::It, 1e7),
        ("总耗电量（度）", Column::Facility, 1e3),
        ("water_m3", Column::Water, 1e6),
        ("用水量(吨)", Column::Water, 1e6),
        ("carbon_t", Column::Carbon, 1e6),
        ("碳排放（千克）", Column::Carbon, 1e3),
        ("coverage", Column::Coverage, 1.0),
        ("racks_in_use", Column::Racks, 1.0),
        ("账期", Column::Month, 1.0),
    ] {
        let head = columns::header(name).unwrap();
        assert_eq!((head.column, head.scale), (column, scale), "{name}");
    }
    assert!(matches!(columns::header("facility"), Err(Wrong::NoUnit { .. })));
    assert!(matches!(columns::header("facility_btu"), Err(Wrong::UnknownUnit { unit, .. }) if unit == "btu"));
    assert_eq!(columns::header("pue"), Err(Wrong::UnknownColumn));
}

#[test]
fn a_header_that_is_not_understood_is_told_with_each_of_its_faults() {
    let told = |text: &str| {
        let file = rows::read(text, None);
        assert!(file.rows.is_empty());
        file.problems.iter().map(|problem| words::problem(Lang::En, "f.csv", problem)).collect::<Vec<_>>()
    };
    let all = told("# remark\nsite,date,day,facility,it_kwh,pue\na,2025-03-01,,1,1,1\n");
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all[0], "f.csv:2: day: this is the same column as date");
    assert!(all[1].starts_with("f.csv:2: facility: its unit is missing"), "{all:?}");
    assert!(
        all[2].starts_with("f.csv:2: pue: unknown column; known are site, date, month, facility_kwh,"),
        "{all:?}"
    );
    assert_eq!(told("month,it_kwh\n2025-03,1\n"), ["f.csv:1: there is no column site"]);
    assert_eq!(
        told("site,racks\na,1\n"),
        [
            "f.csv:1: there is neither a column date nor a column month",
            "f.csv:1: there is no column facility_kwh"
        ]
    );
    assert_eq!(told("site,date,facility_kwh,it_kwh\n"), ["f.csv: there is no row under the header"]);
    assert_eq!(told("# nothing\n"), ["f.csv: the file is empty"]);
}

#[test]
fn every_wrong_line_is_told_with_its_column_and_reason() {
    let header = "date,month,facility_kwh,it_kwh,racks,position,coverage_percent,note\n";
    for (line, wanted) in [
        ("2025-03-01,,100", "it_kwh: it_kwh is missing"),
        ("2025-03-01,,121,600,95,000,Rack,99,x,y", "the line has 10 cells and the header has 8;"),
        (",,100,80,,,,", "date: the day or the month is missing"),
        ("2025-03-01,2025-03,100,80,,,,", "date: a line is of a day or of a month, and not of both"),
        ("01/03/2025,,100,80,,,,", "date: 01/03/2025 is no day; write 2025-03-01 or 2025/3/1"),
        ("2025-02-29,,100,80,,,,", "date: 2025-02-29 is no day"),
        ("2025-03-01 06:00,,100,80,,,,", "date: 2025-03-01 06:00 is no day"),
        (",Mar-25,100,80,,,,", "month: Mar-25 is no month"),
        (",2025-13,100,80,,,,", "month: 2025-13 is no month"),
        ("2025-03-01,,NaN,80,,,,", "facility_kwh: NaN is no number; leave the cell empty"),
        ("2025-03-01,,1.2E+05,80,,,,", "facility_kwh: 1.2E+05 has lost digits"),
        ("2025-03-01,,\"100,5\",80,,,,", "facility_kwh: 100,5 has a comma that may be a decimal one"),
        ("2025-03-01,,100,-80,,,,", "it_kwh: -80 is negative"),
        ("2025-03-01,,10000000000000,80,,,,", "facility_kwh: 10000000000000 is more than any site uses"),
        ("2025-03-01,,100,80,1.5,,,", "racks: 1.5 is no count of racks"),
        ("2025-03-01,,100,80,,floor,,", "position: floor is no position; write UPS, PDU or Rack"),
        ("2025-03-01,,100,80,,,101,", "coverage_percent: 101 is no percentage from 0 to 100"),
        ("2025-03-01,,100,,,,,", "it_kwh: it_kwh is missing; a PUE needs both sides"),
        ("2025-03-01,,100,0,,,,", "it_kwh: without IT energy there is no PUE"),
        (
            "2025-03-01,,80,100,,,,",
            "it_kwh: the IT equipment would use 100 kWh and the whole facility 80 kWh",
        ),
        (
            "2025-03-01,,1001,100,,,,",
            "facility_kwh: the facility would use 1,001 kWh for 100 kWh of IT, a PUE above 10",
        ),
        (
            "2025-03-01,,30000,24001,,,,",
            "it_kwh: 24,001 kWh is more than 24,000 kWh, the rated 1000 kW all the time",
        ),
        ("2025-03-01,,36000.001,24000,,,,", "facility_kwh: 36,000.001 kWh is more than 36,000 kWh"),
        ("2026-04-10,,100,80,,,,", "date: it is not over: at the site it is 2026-04-10"),
        ("2026-04-11,,100,80,,,,", "date: it is not over"),
        ("2024-05-14,,100,80,,,,", "date: the site is in operation since 2024-05-15 (spec.commissioned)"),
        (
            "2023-03-31,,100,80,,,,",
            "date: it is older than what a ledger keeps, which begins with 2023-04-01",
        ),
        (
            "2026-03-05,,101,80,,,,",
            "date: the ledger has 100 kWh and IT 80 kWh, the file 101 kWh and IT 80 kWh; with --replace",
        ),
        (
            "2026-03-05,,100,80,7,,,",
            "date: the ledger has the same energies and differs in what stands beside them",
        ),
        (",2026-04,100,80,,,,", "month: it is not over"),
        (",2024-04,100,80,,,,", "month: the site is in operation since 2024-05-15"),
        (",2025-03,,,,,,", "facility_kwh: facility_kwh is missing"),
        (
            ",2026-03,90,85,,,,",
            "facility_kwh: the bill has 90 kWh, and 1 day of the month in the ledger already 100 kWh",
        ),
        (
            ",2026-03,100,90,,,,",
            "facility_kwh: what the bill leaves for the 30 missing days is 0 kWh and IT 10 kWh",
        ),
    ] {
        let ledger: Ledger = [row(date(2026, 3, 5), 100, 80)].into_iter().collect();
        let (_, problems) = bring(&format!("{header}{line}\n"), &ledger, false);
        assert!(!problems.is_empty(), "{line} is taken in");
        assert!(problems[0].starts_with(&format!("f.csv:2: {wanted}")), "{line}: {problems:?}");
    }
    // All of them, and those of the same span by their first line.
    let text = format!(
        "{header}2025-03-01,,100,80,,,,\n2025-03-02,,x,80,,,,\n\n2025-03-01,,100,80,,,,\n2025-03-03,,80,100,,,,\n"
    );
    let (_, problems) = bring(&text, &Ledger::default(), false);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[1].starts_with("f.csv:5: date: line 2 is of the same span"), "{problems:?}");
    let comma = bring("date;facility_kwh;it_kwh\n2025-03-01;121,600;95\n", &Ledger::default(), false).1;
    assert!(comma[0].contains("may be a decimal one"), "{comma:?}");
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    for end in ["\n", "\r\n"] {
        let lines = [
            "# one",
            "",
            "date,facility_kwh,it_kwh,note",
            "# four",
            "2025-03-01,100,80,\"a",
            "# of two\"",
            "",
            "2025-03-02,100,80,# not one",
            "2025-03-03,100,80,",
        ];
        let file = rows::read(&lines.join(end), Some("a"));
        assert_eq!(file.problems, [], "{end:?}");
        assert_eq!(file.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 8, 9], "{end:?}");
    }
}

#[test]
fn each_problem_has_a_sentence_in_chinese() {
    let problem = Problem::of_cell(3, "总用电量(kWh)", Wrong::NotANumber { text: "缺".into() });
    assert_eq!(
        words::problem(Lang::Zh, "账单.csv", &problem),
        "账单.csv:3: 总用电量(kWh): “缺”不是数字；没有数据时请留空"
    );
}

#[test]
fn days_become_rows_with_what_is_known_of_them() {
    let text = "date,facility_kwh,generator_kwh,excluded_kwh,it_kwh,water_m3,racks,position,coverage_percent,note\n\
                2025-03-01,120,10,30,80,1.5,1450,Rack,99.87,\n2025-03-02,100,,,80,,,UPS,,a meter was out\n2025-03-03,100,,,80,,,,,\n";
    let import = good(text, &Ledger::default(), false);
    let extras = Extras {
        water_ml: Some(1_500_000),
        generator_wh: Some(10 * KWH),
        excluded_wh: Some(30 * KWH),
        ..Extras::default()
    };
    let first = Day {
        facility_coverage: 9987,
        it_coverage: 9987,
        flags: Flags::IMPORTED,
        racks: Racks::of(1450),
        extras: extras.kept(),
        ..row(date(2025, 3, 1), 100, 80)
    };
    // A figure a day is category 2 at best, and nothing is known of what has no position.
    let rest =
        [2, 3].map(|day| Day { flags: Flags::IMPORTED, category: 1, ..row(date(2025, 3, day), 100, 80) });
    assert_eq!(import.ledger.iter().cloned().collect::<Vec<_>>(), [vec![first], rest.to_vec()].concat());
    assert_eq!((import.new_days(), import.replaced_days(), import.unchanged), (3, 0, 0));
    let notes: Vec<_> = import.steps().map(|(date, step)| (date.day(), step.line, step.note)).collect();
    assert_eq!(notes, [(1, 2, None), (2, 3, Some("a meter was out".into())), (3, 4, None)]);
    // The same file again changes nothing.
    let again = good(text, &import.ledger, false);
    assert_eq!((again.changed.len(), again.unchanged, &again.ledger), (0, 3, &import.ledger));
}

#[test]
fn a_correction_takes_the_place_of_a_row_on_request_and_leaves_what_it_says_nothing_about() {
    let water = Extras { water_ml: Some(5), generator_wh: Some(7), ..Extras::default() };
    let metered = Day {
        flags: Flags::RESET,
        racks: Racks::of(9),
        extras: water.kept(),
        ..row(date(2026, 3, 5), 100, 80)
    };
    let ledger: Ledger = [metered.clone(), row(date(2026, 3, 6), 100, 80)].into_iter().collect();
    let text = "date,facility_kwh,it_kwh,position\n2026-03-05,101,80,PDU\n2026-03-06,100,80,PDU\n";
    let (refused, problems) = bring(text, &ledger, false);
    assert_eq!((problems.len(), refused.changed.len()), (1, 0));
    let import = good(text, &ledger, true);
    let corrected = Day {
        facility_wh: 101 * KWH,
        flags: Flags::IMPORTED.with(Flags::CORRECTED),
        // The parts of the facility side are those of the file, which has none.
        extras: Extras { generator_wh: None, ..water }.kept(),
        ..metered.clone()
    };
    assert_eq!(import.ledger.get(date(2026, 3, 5)), Some(&corrected));
    assert_eq!((import.new_days(), import.replaced_days(), import.unchanged), (0, 1, 1));
    assert_eq!(import.steps().next().unwrap().1.replaced, Some(metered));
    assert_eq!(good(text, &import.ledger, true).changed.len(), 0);
}

fn bill(month: Date, days: usize, of: usize, sides: [Option<(i64, i64)>; 2], fate: Fate) -> Bill {
    let kwh = |side: Option<(i64, i64)>| side.map(|(billed, metered)| (billed * KWH, metered * KWH));
    Bill { month, facility: kwh(sides[0]), it: kwh(sides[1]), days, of, fate }
}

#[test]
fn a_bill_is_spread_over_a_month_without_days() {
    let import = good("month,facility_kwh,it_kwh,racks\n2025-02,3100,2801,12\n", &Ledger::default(), false);
    let fate = Fate::Spread { days: 28 };
    assert_eq!(import.bills, [bill(date(2025, 2, 1), 0, 28, [Some((3100, 0)), Some((2801, 0))], fate)]);
    // 3 100 000 Wh by 28 are 110 714, and 8 left over; 2 801 000 are 100 035, and 20.
    let shares: Vec<_> = import.ledger.iter().map(|day| (day.facility_wh, day.it_wh)).collect();
    assert_eq!(
        (shares[0], shares[8], shares[27]),
        ((110_715, 100_036), (110_714, 100_036), (110_714, 100_035))
    );
    for day in import.ledger.iter() {
        assert_eq!((day.flags, day.category), (Flags::IMPORTED.with(Flags::SPREAD), 1));
        assert_eq!((day.racks.count(), day.coverage()), (Some(12), 10_000));
    }
    // The month in which the site began is billed from its first day on.
    let import = good("month,facility_kwh,it_kwh\n2024-05,3100,2801\n", &Ledger::default(), false);
    assert_eq!((import.ledger.len(), import.ledger.first_date()), (17, Some(date(2024, 5, 15))));
}

#[test]
fn a_bill_of_a_metered_month_is_compared_and_changes_nothing() {
    let ledger: Ledger = (1..=31).map(|day| row(date(2026, 3, day), 100, 80)).collect();
    for (text, sides) in [
        ("month,facility_kwh,it_kwh\n2026-03,3200,2470\n", [Some((3200, 3100)), Some((2470, 2480))]),
        ("month,facility_kwh\n2026-03,3200\n", [Some((3200, 3100)), None]),
        ("month,it_kwh\n2026-03,2470\n", [None, Some((2470, 2480))]),
    ] {
        for replace in [false, true] {
            let import = good(text, &ledger, replace);
            assert_eq!(import.bills, [bill(date(2026, 3, 1), 31, 31, sides, Fate::Compared)]);
            assert_eq!((&import.ledger, import.changed.len()), (&ledger, 0));
        }
    }
    // The power company knows nothing of generators and of whose the offices are.
    let extras =
        Extras { generator_wh: Some(10 * KWH), excluded_wh: Some(30 * KWH), ..Extras::default() }.kept();
    let mixed: Ledger =
        (1..=31).map(|day| Day { extras: extras.clone(), ..row(date(2026, 3, day), 100, 80) }).collect();
    let of_feeds = good("month,facility_kwh\n2026-03,3720\n", &mixed, false);
    assert_eq!(of_feeds.bills[0].facility, Some((3720 * KWH, 31 * 120 * KWH)));
    let of_all = good("month,facility_kwh,generator_kwh,excluded_kwh\n2026-03,3720,310,930\n", &mixed, false);
    assert_eq!(of_all.bills[0].facility, Some((3100 * KWH, 3100 * KWH)));
}

#[test]
fn a_bill_fills_the_days_that_are_missing_with_what_is_left_of_it() {
    let water = |water_ml| Extras { water_ml: Some(water_ml), ..Extras::default() }.kept();
    let ledger: Ledger =
        (1..=20).map(|day| Day { extras: water(1_000_000), ..row(date(2026, 3, day), 100, 80) }).collect();
    let text = "month,facility_kwh,it_kwh,water_m3\n2026-03,3320,2590,42\n";
    let import = good(text, &ledger, false);
    // 3320 less 20 · 100 over 11 days are 120, 2590 less 20 · 80 are 90, and 42 less 20 are 2.
    let filled = Day { extras: water(2_000_000), ..row(date(2026, 3, 31), 120, 90) };
    let filled = Day { flags: Flags::IMPORTED.with(Flags::SPREAD), category: 1, ..filled };
    assert_eq!(import.ledger.get(date(2026, 3, 31)), Some(&filled));
    assert_eq!(import.ledger.get(date(2026, 3, 20)), ledger.get(date(2026, 3, 20)));
    assert_eq!(import.bills[0].fate, Fate::Spread { days: 11 });
    // Again, it is compared, and there is no difference.
    let again = good(text, &import.ledger, false);
    let sides = [Some((3320, 3320)), Some((2590, 2590))];
    assert_eq!(again.bills, [bill(date(2026, 3, 1), 31, 31, sides, Fate::Compared)]);
    assert_eq!(again.ledger, import.ledger);
    // A better bill fills the same days again, on request only.
    let better = text.replace("3320", "3331");
    assert_eq!(good(&better, &import.ledger, false).ledger, import.ledger);
    let corrected = good(&better, &import.ledger, true);
    assert_eq!(corrected.ledger.get(date(2026, 3, 31)).unwrap().facility_wh, 121 * KWH);
    assert_eq!((corrected.new_days(), corrected.replaced_days()), (0, 11));
    assert_eq!(good(&better, &corrected.ledger, true).changed, []);
    // With one side there is no PUE.
    let one = good("month,facility_kwh\n2026-03,3320\n", &ledger, false);
    assert_eq!((one.bills[0].fate, one.changed.len()), (Fate::OneSided { missing: 11 }, 0));
}

#[test]
fn days_that_do_not_count_are_in_the_way_of_a_bill_until_they_may_be_replaced() {
    let half = Day { it_coverage: 5_000, flags: Flags::STUCK, ..row(date(2026, 3, 20), 60, 40) };
    let ledger: Ledger = (1..20).map(|day| row(date(2026, 3, day), 100, 80)).chain([half.clone()]).collect();
    // 19 · 100 + 12 · 120, and 19 · 80 + 12 · 90.
    let text = "month,facility_kwh,it_kwh\n2026-03,3340,2600\n";
    let import = good(text, &ledger, false);
    assert_eq!(import.bills[0].fate, Fate::InTheWay { idle: 1, missing: 11 });
    assert_eq!((import.bills[0].days, &import.ledger), (19, &ledger));
    let import = good(text, &ledger, true);
    assert_eq!(import.bills[0].fate, Fate::Spread { days: 12 });
    let day = import.ledger.get(date(2026, 3, 20)).unwrap();
    assert_eq!((day.facility_wh, day.it_wh, day.coverage()), (120 * KWH, 90 * KWH, 10_000));
    assert_eq!(day.flags, Flags::IMPORTED.with(Flags::SPREAD).with(Flags::CORRECTED));
    assert_eq!(import.changed[0].old.as_ref(), Some(&half));
}

#[test]
fn days_of_a_file_come_before_its_bills() {
    let mut text = "date,month,facility_kwh,it_kwh\n,2025-02,2800,2240\n".to_owned();
    for day in 1..=27 {
        writeln!(text, "2025-02-{day:02},,99,80").unwrap();
    }
    let import = good(&text, &Ledger::default(), false);
    assert_eq!(import.bills[0].fate, Fate::Spread { days: 1 });
    let last = import.ledger.get(date(2025, 2, 28)).unwrap();
    assert_eq!((last.facility_wh, last.it_wh), ((2800 - 27 * 99) * KWH, 80 * KWH));
}

#[test]
fn a_bill_waits_for_the_meters_to_close_its_month() {
    // 0:05 of 1 April in Fuzhou: meters that are read every 15 minutes close March at 0:18:45.
    let spec = spec();
    let site = Site::read(&spec).unwrap();
    let file = rows::read("month,facility_kwh,it_kwh\n2026-03,3340,2600\n", Some("a"));
    let wrong = |now: &str| {
        let (ledger, now) = (Ledger::default(), now.parse().unwrap());
        let place = Place { site: &site, spec: &spec, ledger: &ledger, now, replace: false };
        let rows: Vec<&Row> = file.rows.iter().collect();
        plan(&place, &rows, &|column| file.name(column)).1.pop().map(|problem| problem.wrong)
    };
    assert_eq!(wrong("2026-03-31T16:05:00Z"), Some(Wrong::NotClosed { last: date(2026, 3, 31) }));
    assert_eq!(wrong("2026-03-31T16:19:00Z"), None);
}

proptest! {
    #[test]
    fn shares_add_up_and_differ_by_one_at_most(total in 0..1_000_000_000_000_i64, days in 1..=31_usize) {
        let all: Vec<i64> = shares(total, days).collect();
        prop_assert_eq!(all.len(), days);
        prop_assert_eq!(all.iter().sum::<i64>(), total);
        prop_assert!(all.iter().max().unwrap() - all.iter().min().unwrap() <= 1);
    }

    #[test]
    fn a_bill_that_is_spread_gives_the_month_its_sums_to_the_watt_hour(
        metered in proptest::collection::btree_map(1..=31_i8, (20_000..24_000_i64, 15_000..20_000_i64), 0..31),
        rest in (24_000_000..30_000_000_i64, 15_000_000..20_000_000_i64),
    ) {
        let ledger: Ledger =
            metered.iter().map(|(day, (facility, it))| row(date(2026, 3, *day), *facility, *it)).collect();
        let missing = 31 - i64::try_from(ledger.len()).unwrap();
        let sum = |side: fn(&Day) -> i64| ledger.iter().map(side).sum::<i64>();
        let billed = (sum(|day| day.facility_wh) + rest.0 * missing, sum(|day| day.it_wh) + rest.1 * missing);
        let wh = |wh: i64| format!("{}.{:03}", wh / 1000, wh % 1000);
        let text = format!("month,facility_kwh,it_kwh\n2026-03,{},{}\n", wh(billed.0), wh(billed.1));
        let import = good(&text, &ledger, false);
        let total = |side: fn(&Day) -> i64| import.ledger.iter().map(side).sum::<i64>();
        prop_assert_eq!((total(|day| day.facility_wh), total(|day| day.it_wh)), billed);
        prop_assert_eq!(import.ledger.len(), 31);
        prop_assert_eq!(&good(&text, &import.ledger, false).ledger, &import.ledger);
    }

    #[test]
    fn days_that_are_written_to_a_file_come_back_and_come_once(
        days in proptest::collection::btree_map(0..600_i64, (15_000_000..24_000_000_i64, 0..9_000_000_i64, proptest::option::of(0..5_000_i64)), 1..40),
    ) {
        let mut text = "date,facility_kwh,it_kwh,racks\n".to_owned();
        for (offset, (it, over, racks)) in &days {
            let facility = it + over;
            let racks = racks.map(|racks| racks.to_string()).unwrap_or_default();
            writeln!(text, "{},{}.{:03},{}.{:03},{racks}", date(2024, 6, 1) + offset.days(), facility / 1000, facility % 1000, it / 1000, it % 1000).unwrap();
        }
        let import = good(&text, &Ledger::default(), false);
        for (offset, (it, over, racks)) in &days {
            let day = import.ledger.get(date(2024, 6, 1) + offset.days()).unwrap();
            prop_assert_eq!((day.it_wh, day.facility_wh, day.racks.count()), (*it, it + over, *racks));
        }
        let again = good(&text, &import.ledger, true);
        prop_assert_eq!((again.changed.len(), again.unchanged), (0, days.len()));
    }

    #[test]
    fn no_file_makes_the_reader_fail_otherwise_than_by_a_problem(
        body in "[-0-9,;\t\"#\n a-z年月.%]{0,200}",
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let file = rows::read(&format!("date,month,facility_kwh,it_kwh,racks\n{body}"), Some("a"));
        prop_assert!(!file.rows.is_empty() || !file.problems.is_empty());
        if let Ok(text) = text::read(&bytes) {
            let _ = rows::read(&text, None);
        }
    }
}

#[test]
fn the_example_is_good_for_the_sites_of_the_examples() {
    let file = rows::read(include_str!("../../../../docs/examples/import.csv"), None);
    assert_eq!(file.problems, []);
    for (name, manifest, days) in [
        ("changle-1", include_str!("../../../../docs/examples/changle-1.yaml"), 3),
        ("gulou-1", include_str!("../../../../docs/examples/gulou-1.yaml"), 29),
    ] {
        let dc: banyan_crds::v1alpha1::DataCenter = serde_yaml::from_str(manifest).unwrap();
        let (site, ledger) = (Site::read(&dc.spec).unwrap(), Ledger::default());
        let place = Place { site: &site, spec: &dc.spec, ledger: &ledger, now: now(), replace: false };
        let rows: Vec<&Row> = file.rows.iter().filter(|row| row.site == name).collect();
        let (import, problems) = plan(&place, &rows, &|column| file.name(column));
        assert_eq!((problems, import.new_days()), (vec![], days), "{name}");
    }
}
