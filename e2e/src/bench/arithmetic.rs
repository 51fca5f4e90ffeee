//! How fast readings become energy: thirteen months of one meter, a quarter of an hour apart, day by day.

use std::time::Instant;

use banyan::datacenter::energy::{Curve, Kind, MeterRules, Sample, Window};

use super::Figure;

/// Days of readings.
const DAYS: i64 = 396;
const DAY_MS: i64 = 86_400_000;
const QUARTER_MS: i64 = 900_000;
/// Runs, of which the median counts.
const RUNS: usize = 21;

/// Measures.
pub fn measure() -> Vec<Figure> {
    // A register of about 1 MW in kWh to three decimals, with a load that is not the same all day.
    let samples: Vec<Sample> = (0..=DAYS * DAY_MS / QUARTER_MS)
        .map(|index| Sample {
            at: index * QUARTER_MS,
            value: (index * 250_000 + index % 7 * 1_000) as f64 / 1e3,
        })
        .collect();
    let rules = MeterRules {
        kind: Kind::Counter { max_value: None },
        base_factor: 1000.0,
        interval_ms: QUARTER_MS,
        rated_watts: Some(2e6),
        valid_from: None,
        valid_to: None,
    };
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let input = samples.clone();
            let started = Instant::now();
            let curve = Curve::new(rules, input);
            let energy: f64 = (0..DAYS)
                .map(|day| curve.reading(Window { from: day * DAY_MS, to: (day + 1) * DAY_MS }).energy)
                .sum();
            let took = started.elapsed().as_secs_f64();
            // Kept from being optimised away, and from being the wrong thing.
            assert!(energy > 0.0, "the readings gave no energy");
            took
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[RUNS / 2];
    vec![
        Figure::told("energy", "samples_per_second", samples.len() as f64 / median, "samples/s"),
        Figure::told("energy", "thirteen_months_of_a_meter", median * 1e3, "ms"),
    ]
}
