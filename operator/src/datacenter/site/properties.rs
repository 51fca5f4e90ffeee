//! Properties that hold for every site, on generated readings.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::datacenter::energy::{Kind, Sample};

const MINUTE: i64 = 60_000;
const MINUTES: usize = 130;
const RULES: Validity = Validity { minimum_coverage: 0.95, minimum_it_watts: 0.0 };

/// What a meter uses in each minute, Wh, whether it counts or shows its power, and how long each reading lasts: those of 0
/// were never there, those of 1 are lost later.
type Life = (Vec<f64>, bool, Vec<u8>);

fn life() -> impl Strategy<Value = Life> {
    let kept = prop_oneof![1 => Just(0_u8), 1 => Just(1), 4 => Just(2)];
    (vec(1.0..100.0_f64, MINUTES), any::<bool>(), vec(kept, MINUTES))
}

/// A meter read every minute, from those of its readings that last at least `rank`.
fn meter(name: &str, purpose: Purpose, (used, counts, kept): &Life, rank: u8) -> MeterInput {
    let rules = MeterRules {
        kind: if *counts { Kind::Counter { max_value: None } } else { Kind::Gauge },
        base_factor: 1.0,
        interval_ms: MINUTE,
        rated_watts: Some(6000.0),
        valid_from: None,
        valid_to: None,
    };
    let mut register = 1e6;
    let samples = used.iter().zip(kept).zip(0..).filter_map(|((used, kept), minute)| {
        register += used;
        let value = if *counts { register } else { used * 60.0 };
        (*kept >= rank).then_some(Sample { at: minute * MINUTE, value })
    });
    let curve = Some(Curve::new(rules, samples.collect()));
    MeterInput { name: name.to_owned(), purpose, position: None, rules, curve, fault: None }
}

fn site(lives: &[Life], rank: u8) -> Vec<MeterInput> {
    let purposes = [Purpose::Facility, Purpose::Facility, Purpose::It, Purpose::It];
    let names = ["a", "b", "pdu-1", "pdu-2"];
    lives
        .iter()
        .zip(names)
        .zip(purposes)
        .map(|((life, name), purpose)| meter(name, purpose, life, rank))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both sides of the parts of a window, and the time that they are of, add up to those of the whole. A part in which a
    /// meter says nothing at all is unknown, and nothing of it is in the whole.
    #[test]
    fn the_parts_of_a_window_add_up_to_it(
        lives in vec(life(), 4),
        mut cuts in vec(0..130 * MINUTE, 2..7),
    ) {
        cuts.sort_unstable();
        let site = site(&lives, 1);
        let whole = evaluate(&site, Window { from: cuts[0], to: cuts[cuts.len() - 1] }, &RULES);
        let (Some(facility_wh), Some(it_wh)) = (whole.facility_wh, whole.it_wh) else { return Ok(()) };
        let (mut facility, mut it, mut known) = (0.0, 0.0, 0);
        for cut in cuts.windows(2) {
            let part = evaluate(&site, Window { from: cut[0], to: cut[1] }, &RULES);
            if let (Some(facility_wh), Some(it_wh)) = (part.facility_wh, part.it_wh) {
                facility += facility_wh;
                it += it_wh;
                known += part.known_ms;
            }
        }
        prop_assert_eq!(known, whole.known_ms);
        prop_assert!((facility - facility_wh).abs() < 1e-6, "{facility} is not {facility_wh}");
        prop_assert!((it - it_wh).abs() < 1e-6, "{it} is not {it_wh}");
    }

    /// Readings that are missing never raise the coverage of a side, nor the time in which both are known.
    #[test]
    fn a_gap_never_raises_coverage(
        lives in vec(life(), 4),
        (from, length) in (0..60 * MINUTE, 1..60 * MINUTE),
    ) {
        let window = Window { from, to: from + length };
        let (before, after) = (evaluate(&site(&lives, 1), window, &RULES), evaluate(&site(&lives, 2), window, &RULES));
        prop_assert!(after.facility_coverage <= before.facility_coverage);
        prop_assert!(after.it_coverage <= before.it_coverage);
        // A meter without any reading makes its side unknown instead of shortening the time.
        if after.facility_wh.is_some() && after.it_wh.is_some() {
            prop_assert!(after.known_ms <= before.known_ms);
        }
    }

    /// Where facility and IT keep one ratio, no gap of any meter changes the PUE.
    #[test]
    fn a_gap_does_not_bias_the_ratio(
        kept in vec(vec(prop_oneof![1 => Just(0_u8), 5 => Just(2)], MINUTES), 4),
        counts in vec(any::<bool>(), 4),
        watts in 10.0..90.0_f64,
    ) {
        let shares = [0.7, 0.6, 0.6, 0.4];
        let lives: Vec<Life> = shares
            .iter()
            .zip(kept)
            .zip(counts)
            .map(|((share, kept), counts)| (vec![share * watts; MINUTES], counts, kept))
            .collect();
        let lenient = Validity { minimum_coverage: 0.1, ..RULES };
        let reading = evaluate(&site(&lives, 1), Window { from: 10 * MINUTE, to: 120 * MINUTE }, &lenient);
        if let Ok(pue) = reading.pue {
            prop_assert!((pue - 1.3).abs() < 1e-6, "{pue}");
        }
    }
}
