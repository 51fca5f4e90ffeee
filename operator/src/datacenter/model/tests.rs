use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::datacenter::{ledger::Day, verdict::fixtures::day};

fn near(left: f64, right: f64, within: f64) -> bool {
    (left - right).abs() <= within
}

#[test]
fn a_fit_agrees_with_the_figures_by_hand() {
    // Seven days at 100 kW with overheads about 50, and seven at 200 kW with the same 20 kW higher:
    // Sxx = 14·50² = 35 000, slope = 20/100 = 0.2, F = 50 − 0.2·100 = 30. The residuals are ±1 on four days of seven,
    // so their squares sum to 8; Syy = 14·10² + 8 = 1408, r² = 1 − 8/1408 = 0.994318.
    // se = √(8 / 12 / 35 000) = 0.00436436; t(12) = 2.178813; the interval is 1.2 ± 0.00950911.
    let about = [-1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 0.0];
    let points: Vec<_> = about
        .iter()
        .map(|error| (100.0, 50.0 + error))
        .chain(about.iter().map(|error| (200.0, 70.0 + error)))
        .collect();
    let model = fit(&points).unwrap();
    assert!(near(model.slope, 0.2, 1e-12) && near(model.fixed_kw, 30.0, 1e-9), "{model:?}");
    assert!(near(model.slope_se, 0.004_364_36, 1e-8), "{model:?}");
    assert!(
        near(model.low, 1.2 - 0.009_509_11, 1e-6) && near(model.high, 1.2 + 0.009_509_11, 1e-6),
        "{model:?}"
    );
    assert!(near(model.r_squared, 1.0 - 8.0 / 1408.0, 1e-12), "{model:?}");
    assert_eq!(model.n, 14);
    // 30 + 0.2·150 = 60 kW of overhead at 150 kW: PUE 1.4.
    assert!(near(model.pue_at(150.0).unwrap(), 1.4, 1e-12));
    assert_eq!(model.pue_at(0.0), None);
}

#[test]
fn the_quantile_agrees_with_printed_tables() {
    for (freedom, table) in [
        (12, 2.178_813),
        (13, 2.160_369),
        (14, 2.144_787),
        (16, 2.119_905),
        (20, 2.085_963),
        (30, 2.042_272),
        (60, 2.000_298),
        (120, 1.979_930),
    ] {
        let t = t_quantile_975(freedom);
        assert!(near(t, table, 5e-6), "{freedom}: {t}");
    }
    assert!(near(t_quantile_975(1_000_000), 1.959_966, 1e-6));
}

#[test]
fn too_few_days_or_a_load_that_stands_still_give_no_model() {
    let line = |n: usize, spread: f64| -> Vec<(f64, f64)> {
        (0..n).map(|at| (1000.0 + spread * (at % 2) as f64, 200.0)).collect()
    };
    assert!(fit(&line(13, 100.0)).is_none());
    assert!(fit(&line(14, 100.0)).is_some());
    // Alternating by `spread`, the deviation is about half of it: 5 kW of 1000 is 0.5 %, 30 kW is 1.5 %.
    assert!(fit(&line(30, 10.0)).is_none());
    assert!(fit(&line(30, 30.0)).is_some());
    assert!(fit(&[(0.0, 200.0); 30]).is_none());
    for wrong in [(f64::NAN, 1.0), (1.0, f64::NAN), (f64::INFINITY, 1.0), (1.0, f64::INFINITY)] {
        let mut points = line(30, 100.0);
        points[3] = wrong;
        assert!(fit(&points).is_none(), "{wrong:?}");
    }
}

#[test]
fn an_overhead_that_stands_still_has_a_slope_of_nothing() {
    let model = fit(&(0..30).map(|at| (1000.0 + 10.0 * f64::from(at), 200.0)).collect::<Vec<_>>()).unwrap();
    assert!(near(model.slope, 0.0, 1e-12) && near(model.fixed_kw, 200.0, 1e-9), "{model:?}");
    assert!(near(model.r_squared, 0.0, 0.0));
}

#[test]
fn the_load_that_meets_a_target_is_told_only_where_there_is_one() {
    let model = |fixed_kw, slope| Model {
        fixed_kw,
        slope,
        slope_se: 0.0,
        low: 0.0,
        high: 0.0,
        r_squared: 1.0,
        n: 30,
    };
    // 120 / (1.25 − 1.05) = 600 kW; there PUE = 1.05 + 120/600 = 1.25.
    let load = model(120.0, 0.05).it_kw_for_target(1.25).unwrap();
    assert!(near(load, 600.0, 1e-9));
    assert!(near(model(120.0, 0.05).pue_at(load).unwrap(), 1.25, 1e-12));
    assert_eq!(model(120.0, 0.25).it_kw_for_target(1.25), None, "no load meets it");
    assert_eq!(model(120.0, 0.40).it_kw_for_target(1.25), None, "no load meets it");
    assert_eq!(model(-5.0, 0.05).it_kw_for_target(1.25), None, "any load meets it");
}

#[test]
fn points_are_mean_powers_of_the_days_that_count() {
    // 24 MWh of IT and 30 of the facility over 24 h: 1000 kW and 250 kW. Over the 25 h of a day on which clocks are
    // set back: 960 kW and 240 kW.
    let whole = day(date(2026, 3, 1), 30_000_000, 24_000_000);
    let blind = Day { it_coverage: 9_000, ..day(date(2026, 3, 2), 1, 1) };
    assert_eq!(points([&whole, &blind], 0.95, |_| 24.0), [(1000.0, 250.0)]);
    let long = points([&whole], 0.95, |_| 25.0)[0];
    assert!(near(long.0, 960.0, 1e-9) && near(long.1, 240.0, 1e-9));
    assert_eq!(points([&whole], 0.95, |_| 0.0), []);
}

/// Numbers from 0 to 1, the same on every run (splitmix64).
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A normal deviate (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[test]
fn the_interval_holds_the_true_slope_nineteen_times_of_twenty() {
    // Of 2000 fits 95 % are 1900, give or take √(2000·0.95·0.05) ≈ 10; four of those are 2 %. Few points, so that a
    // normal quantile in place of Student's (1.96 for 2.18) would fall out at about 92.6 %.
    let mut noise = Noise(7);
    let held = (0..2000)
        .filter(|_| {
            let points: Vec<_> = (0..14)
                .map(|_| {
                    let it = 3000.0 + 400.0 * noise.normal();
                    (it, 250.0 + 0.2 * it + 30.0 * noise.normal())
                })
                .collect();
            fit(&points).is_some_and(|model| model.low <= 1.2 && 1.2 <= model.high)
        })
        .count();
    assert!((1860..=1940).contains(&held), "{held} of 2000");
}

proptest! {
    #[test]
    fn an_exact_line_is_recovered(
        fixed in -100.0..1000.0_f64,
        slope in 0.0..1.0_f64,
        base in 50.0..50_000.0_f64,
        spread in 0.05..0.9_f64,
        n in 14_usize..400,
    ) {
        let mut noise = Noise(n as u64);
        let points: Vec<_> = (0..n)
            .map(|at| if at < 2 { base * (1.0 + spread * at as f64) } else { base * (1.0 + spread * noise.uniform()) })
            .map(|it| (it, fixed + slope * it))
            .collect();
        // With hardly any spread about the mean there is rightly no model.
        if let Some(model) = fit(&points) {
            prop_assert!(near(model.slope, slope, 1e-9), "{:?}", model);
            prop_assert!(near(model.fixed_kw, fixed, 1e-9 * base.max(1.0) * 10.0), "{:?}", model);
            prop_assert!(model.low <= model.marginal_ratio() && model.marginal_ratio() <= model.high);
        } else {
            prop_assert!(spread < 0.2);
        }
    }
}
