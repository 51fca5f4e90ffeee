//! Properties that hold for every meter, on generated readings.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const INTERVAL: i64 = 60_000;
/// 6 kW: 1.2 times it is 120 Wh a minute.
const RATED_WATTS: f64 = 6000.0;
const MOST_PER_MINUTE: f64 = 120.0;

/// A counter in Wh read every minute.
fn counter() -> MeterRules {
    MeterRules {
        kind: Kind::Counter { max_value: None },
        base_factor: 1.0,
        interval_ms: INTERVAL,
        rated_watts: Some(RATED_WATTS),
        valid_from: None,
        valid_to: None,
    }
}

fn gauge() -> MeterRules {
    MeterRules { kind: Kind::Gauge, ..counter() }
}

/// A minute of a meter's life: what its load uses in it, and when in it the device starts again, if it does.
#[derive(Clone, Debug)]
struct Minute {
    used: f64,
    restart: Option<f64>,
}

fn life(length: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<Minute>> {
    let minute = (0.0..100.0_f64, prop_oneof![9 => Just(None), 1 => (0.0..1.0_f64).prop_map(Some)]);
    vec(minute.prop_map(|(used, restart)| Minute { used, restart }), length)
}

/// The readings at the end of each minute, from a register that showed `start`, and the energy that was really used.
fn readings(start: f64, life: &[Minute]) -> (Vec<Sample>, f64) {
    let mut samples = vec![Sample { at: 0, value: start }];
    let (mut register, mut used) = (start, 0.0);
    for (minute, at) in life.iter().zip(1..) {
        used += minute.used;
        register = match minute.restart {
            None => register + minute.used,
            Some(part) => minute.used * (1.0 - part),
        };
        samples.push(Sample { at: at * INTERVAL, value: register });
    }
    (samples, used)
}

/// `life` and two quiet minutes: whether a fall at the very end is a restart only the readings after it tell.
fn settled(mut life: Vec<Minute>) -> Vec<Minute> {
    life.extend([50.0, 50.0].map(|used| Minute { used, restart: None }));
    life
}

/// Readings of any kind, at any distance from one another.
fn anything() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        8 => 0.0..500.0_f64,
        2 => 0.0..1e12_f64,
        1 => prop_oneof![Just(f64::NAN), Just(f64::NEG_INFINITY), Just(-1.0), Just(0.0)],
    ];
    vec((1..5 * INTERVAL, value), 0..120).prop_map(|steps| {
        let mut at = 0;
        let sample = |(step, value)| {
            at += step;
            Sample { at, value }
        };
        steps.into_iter().map(sample).collect()
    })
}

fn rules() -> impl Strategy<Value = MeterRules> {
    let kind = prop_oneof![
        Just(Kind::Gauge),
        Just(Kind::Counter { max_value: None }),
        Just(Kind::Counter { max_value: Some(400.0) })
    ];
    let service =
        (proptest::option::of(0..60 * INTERVAL), proptest::option::of(60 * INTERVAL..200 * INTERVAL));
    (kind, proptest::option::of(Just(RATED_WATTS)), service).prop_map(
        |(kind, rated_watts, (valid_from, valid_to))| MeterRules {
            kind,
            rated_watts,
            valid_from,
            valid_to,
            ..counter()
        },
    )
}

proptest! {
    #[test]
    fn the_parts_of_a_window_add_up_to_it(
        rules in rules(),
        samples in anything(),
        mut cuts in vec(-10 * INTERVAL..400 * INTERVAL, 2..8),
    ) {
        cuts.sort_unstable();
        let curve = Curve::new(rules, samples);
        let whole = curve.reading(Window { from: cuts[0], to: cuts[cuts.len() - 1] });
        let parts: Vec<Reading> =
            cuts.windows(2).map(|cut| curve.reading(Window { from: cut[0], to: cut[1] })).collect();
        let sum = |figure: fn(&Reading) -> i64| parts.iter().map(figure).sum::<i64>();
        let energy: f64 = parts.iter().map(|part| part.energy).sum();
        let largest = 1.0 + curve.energy(Window { from: i64::MIN, to: i64::MAX });
        prop_assert!((energy - whole.energy).abs() <= 1e-9 * largest, "{energy} is not {}", whole.energy);
        prop_assert_eq!(sum(|part| part.covered_ms), whole.covered_ms);
        prop_assert_eq!(sum(|part| part.expected_ms), whole.expected_ms);
        prop_assert_eq!(sum(|part| part.gap_ms), whole.gap_ms);
        prop_assert_eq!(sum(|part| i64::from(part.resets)), i64::from(whole.resets));
        prop_assert_eq!(sum(|part| i64::from(part.rollovers)), i64::from(whole.rollovers));
        prop_assert_eq!(sum(|part| i64::from(part.spikes)), i64::from(whole.spikes));
    }

    #[test]
    fn a_reading_is_within_its_window(rules in rules(), samples in anything(), from in 0..99 * INTERVAL, length in 0..99 * INTERVAL) {
        let reading = Curve::new(rules, samples).reading(Window { from, to: from + length });
        prop_assert!(reading.energy >= 0.0);
        prop_assert!(0 <= reading.covered_ms && reading.covered_ms + reading.gap_ms == reading.expected_ms);
        prop_assert!(reading.expected_ms <= length);
        prop_assert!(reading.interpolated_ms + reading.coarse_ms <= reading.gap_ms);
    }

    #[test]
    fn the_order_of_readings_and_their_duplicates_change_nothing(
        rules in rules(),
        (samples, shuffled) in anything().prop_flat_map(|samples| {
            let doubled: Vec<Sample> = samples.iter().chain(samples.iter().step_by(3)).copied().collect();
            (Just(samples), Just(doubled).prop_shuffle())
        }),
    ) {
        let window = Window { from: 7 * INTERVAL, to: 90 * INTERVAL };
        prop_assert_eq!(Curve::new(rules, samples).reading(window), Curve::new(rules, shuffled).reading(window));
    }

    /// A reading comes up to 20 seconds late. The register is right at whatever time it is read, so only the two edges can
    /// be off: each lies in a pair of readings at most 80 seconds apart, in which the load varies by less than 100 Wh a
    /// minute, so that a straight line errs by less than 100 · 80/60 Wh.
    #[test]
    fn jitter_of_the_scrapes_changes_little(
        powers in vec(0.0..100.0_f64, 30),
        late in vec(0..20_000_i64, 31),
        from in 2 * INTERVAL..9 * INTERVAL,
        to in 20 * INTERVAL..28 * INTERVAL,
    ) {
        let register = |at: i64| {
            let whole = (at / INTERVAL) as usize;
            let part = (at % INTERVAL) as f64 / INTERVAL as f64;
            1e6 + powers[..whole].iter().sum::<f64>() + powers.get(whole).map_or(0.0, |power| power * part)
        };
        let samples = late.iter().zip(0..30).map(|(late, index)| index * INTERVAL + late);
        let samples = samples.map(|at| Sample { at, value: register(at) }).collect();
        let reading = Curve::new(counter(), samples).reading(Window { from, to });
        let truth = register(to) - register(from);
        prop_assert!((reading.energy - truth).abs() < 2.0 * 100.0 * 80.0 / 60.0, "{} is not {truth}", reading.energy);
        prop_assert_eq!(reading.covered_ms, to - from);
    }

    /// Restarts lose energy, and never make any.
    #[test]
    fn restarts_never_create_energy(
        start in prop_oneof![Just(0.0), 0.0..1e7_f64],
        life in life(1..200).prop_map(settled),
        max_value in prop_oneof![Just(None), Just(Some(1e9))],
        rated in any::<bool>(),
    ) {
        let (samples, used) = readings(start, &life);
        let end = samples.last().map_or(0, |last| last.at);
        let whole = Window { from: 0, to: end };
        let rated_watts = rated.then_some(RATED_WATTS);
        let rules = MeterRules { kind: Kind::Counter { max_value }, rated_watts, ..counter() };
        let reading = Curve::new(rules, samples).reading(whole);
        prop_assert!(reading.energy <= used * (1.0 + 1e-9) + 1e-6, "{} of {used}", reading.energy);
        prop_assert_eq!(reading.rollovers, 0);
        // Without a rating the highest of a few powers may be taken for a spike.
        if rated {
            prop_assert_eq!(reading.covered_ms, whole.length_ms());
        }
    }

    /// A register of 1000 Wh that rolls over with up to 100 Wh a minute loses nothing and adds nothing.
    #[test]
    fn rollovers_lose_nothing(start in 0.0..1000.0_f64, used in vec(0.0..100.0_f64, 1..200)) {
        let mut register = start;
        let mut samples = vec![Sample { at: 0, value: start }];
        for (used, at) in used.iter().zip(1..) {
            register = (register + used) % 1000.0;
            samples.push(Sample { at: at * INTERVAL, value: register });
        }
        let rules = MeterRules { kind: Kind::Counter { max_value: Some(1000.0) }, ..counter() };
        let whole = Window { from: 0, to: 200 * INTERVAL };
        let curve = Curve::new(rules, samples);
        let reading = curve.reading(whole);
        // A rollover at the very last reading waits for the next one.
        let read = (curve.last_sample().unwrap_or(0) / INTERVAL) as usize;
        prop_assert!(read + 1 >= used.len());
        let truth = used[..read].iter().sum::<f64>();
        prop_assert!((reading.energy - truth).abs() < 1e-6, "{} is not {truth}", reading.energy);
        prop_assert_eq!(reading.resets, 0);
    }

    /// A load that stands still is told exactly between any two instants, however late its readings come.
    #[test]
    fn a_constant_load_is_exact_whatever_the_jitter(
        watts in 1.0..6000.0_f64,
        late in vec(0..59_000_i64, 40),
        counts in any::<bool>(),
        (from, length) in (2 * INTERVAL..20 * INTERVAL, 0..18 * INTERVAL),
    ) {
        let rules = if counts { counter() } else { gauge() };
        let samples = late.iter().zip(0..).map(|(late, index)| {
            let at = index * INTERVAL + late;
            Sample { at, value: if counts { 1e6 + watts * at as f64 / HOUR_MS as f64 } else { watts } }
        });
        let window = Window { from, to: from + length };
        let reading = Curve::new(rules, samples.collect()).reading(window);
        let truth = watts * window.hours();
        prop_assert!((reading.energy - truth).abs() < 1e-6, "{} is not {truth}", reading.energy);
        prop_assert_eq!(reading.covered_ms, length);
    }

    /// Whatever a register shows, its energy stays below what its rating allows: limit · (T + interval).
    #[test]
    fn no_readings_create_energy_beyond_the_rating(samples in anything(), squeeze in 1..100_i64) {
        let samples: Vec<Sample> = samples.iter().map(|sample| Sample { at: sample.at / squeeze, ..*sample }).collect();
        let span = samples.last().map_or(0, |last| last.at) - samples.first().map_or(0, |first| first.at);
        let energy = Curve::new(counter(), samples).energy(Window { from: i64::MIN, to: i64::MAX });
        let most = MOST_PER_MINUTE * (span as f64 / INTERVAL as f64 + 1.0);
        prop_assert!(energy <= most * (1.0 + 1e-9), "{energy} above {most}");
    }

    /// Readings that are missing never raise the coverage, of any window, whether or not others are missing already and
    /// restarts lie among them.
    #[test]
    fn a_gap_never_raises_coverage(
        start in prop_oneof![Just(0.0), 0.0..1e7_f64],
        life in life(40..120).prop_map(settled),
        mut lost in vec(0..4_u8, 123),
        counts in any::<bool>(),
        from in 0..60 * INTERVAL,
        length in 0..60 * INTERVAL,
    ) {
        let rules = if counts { counter() } else { gauge() };
        let (samples, _) = readings(start, &life);
        // The last two are always there.
        lost[samples.len() - 2..].fill(3);
        // Of four readings one is there in both, one is lost later, and two were never there.
        let least = |rank: u8| {
            let left = samples.iter().zip(&lost).filter(|(_, lost)| **lost >= rank).map(|(sample, _)| *sample);
            Curve::new(rules, left.collect()).reading(Window { from, to: from + length })
        };
        let (before, after) = (least(2), least(3));
        prop_assert!(after.covered_ms <= before.covered_ms, "{after:?} covers more than {before:?}");
    }
}
