use proptest::prelude::*;

use super::*;

/// A model with a marginal ratio of `1 + slope`, give or take `margin`.
fn model(fixed_kw: f64, slope: f64, margin: f64) -> Model {
    Model {
        fixed_kw,
        slope,
        slope_se: margin / 2.0,
        low: 1.0 + slope - margin,
        high: 1.0 + slope + margin,
        r_squared: 0.9,
        n: 180,
    }
}

#[test]
fn deferral_helps_where_the_marginal_ratio_lies_above_the_target() {
    // At 2000 kW: overhead 120 + 0.37·2000 = 860 kW, PUE 1.43. A kWh less saves 1.37 and gives up 1.25 of allowance:
    // 0.12. With 200 kW less: (2860 − 1.37·200) / 1800 = 2586/1800 = 1.43667: the ratio rises all the same.
    let Benefit::Helps { saved_per_deferred_kwh, message } =
        judge(Some(&model(120.0, 0.37, 0.04)), 1.25, 2000.0)
    else {
        panic!("it helps");
    };
    assert!((saved_per_deferred_kwh - 0.12).abs() < 1e-12);
    assert_eq!(
        message,
        "one kWh of IT more costs the facility 1.370 kWh (95 % interval 1.330 to 1.410, r² 0.90, 180 days), and the target \
         allows 1.25: each deferred kWh takes 0.120 kWh off the year's excess. The ratio itself rises meanwhile: with \
         10 % less IT load it goes from 1.430 to 1.437, because the fixed overhead of 120 kW stays"
    );
}

#[test]
fn a_site_with_little_load_is_refused_and_told_how_much_it_needs() {
    // At 400 kW: overhead 120 + 0.05·400 = 140 kW, PUE 1.35. The target of 1.25 is met from 120/(1.25 − 1.05) = 600 kW
    // on. With 40 kW less: (540 − 1.05·40) / 360 = 498/360 = 1.38333. Each kWh less loses 1.25 − 1.05 = 0.2.
    let benefit = judge(Some(&model(120.0, 0.05, 0.02)), 1.25, 400.0);
    let Benefit::WouldRaisePue { it_kw_for_target, message } = &benefit else { panic!("{benefit:?}") };
    assert!((it_kw_for_target.unwrap() - 600.0).abs() < 1e-9);
    assert_eq!(
        message,
        "one kWh of IT more costs the facility 1.050 kWh (95 % interval 1.030 to 1.070, r² 0.90, 180 days), no more than \
         the target 1.25 allows: each deferred kWh would add 0.200 kWh to the year's excess. The fixed overhead of \
         120 kW asks for at least 600 kW of IT load (now 400 kW): fill the site, or lower what it draws when idle. The \
         ratio itself rises meanwhile: with 10 % less IT load it goes from 1.350 to 1.383, because the fixed overhead \
         of 120 kW stays"
    );
}

#[test]
fn doubt_is_a_refusal() {
    let sure = model(120.0, 0.37, 0.04);
    let refused = |model: Option<&Model>, target| match judge(model, target, 2000.0) {
        Benefit::WouldRaisePue { message, .. } => ("WouldRaisePue", message),
        Benefit::NotSure { message } => ("NotSure", message),
        benefit @ Benefit::Helps { .. } => panic!("{benefit:?}"),
    };
    let helps = |model: &Model, target| matches!(judge(Some(model), target, 2000.0), Benefit::Helps { .. });
    assert_eq!(refused(None, 1.25).0, "NotSure");
    // The interval of 1.33 to 1.41 must lie above the target with its lower end too.
    assert!(refused(Some(&sure), 1.33).1.contains("reaches down to the target"));
    assert!(helps(&sure, 1.329));
    // At the target itself deferral saves nothing.
    assert_eq!(refused(Some(&sure), 1.37).0, "WouldRaisePue");
    assert!(refused(Some(&Model { n: 29, ..sure }), 1.25).1.contains("30 days"));
    assert!(helps(&Model { n: 30, ..sure }, 1.25));
    assert!(refused(Some(&Model { r_squared: 0.49, ..sure }), 1.25).1.contains("r² of 0.5"));
    assert!(helps(&Model { r_squared: 0.5, ..sure }, 1.25));
    // An overhead that does not follow the load has an r² near 0, and is surely not mended by shedding.
    let flat = Model { r_squared: 0.0, ..model(300.0, 0.0, 0.01) };
    assert_eq!(refused(Some(&flat), 1.25).0, "WouldRaisePue");
}

#[test]
fn without_a_fixed_overhead_nothing_is_said_of_a_least_load() {
    let benefit = judge(Some(&model(-10.0, 0.10, 0.01)), 1.25, 500.0);
    let Benefit::WouldRaisePue { message, .. } = benefit else { panic!("{benefit:?}") };
    assert!(message.contains("meets the target at any load"), "{message}");
    assert!(message.contains("does not rise"), "{message}");
}

#[test]
fn a_missing_reading_of_the_load_is_said() {
    for it_kw in [f64::NAN, 0.0] {
        let benefit = judge(Some(&model(120.0, 0.37, 0.04)), 1.25, it_kw);
        let Benefit::Helps { message, .. } = benefit else { panic!("{benefit:?}") };
        assert!(message.ends_with("without a reading of the IT load"), "{message}");
    }
}

#[test]
fn nothing_can_be_said_when_no_load_remains() {
    assert_eq!(pue_after(1500.0, 1000.0, 1.1, 1000.0), None);
    // (1500 − 1.1·100) / 900 = 1390/900.
    assert_eq!(pue_after(1500.0, 1000.0, 1.1, 100.0), Some(1390.0 / 900.0));
}

proptest! {
    #[test]
    fn what_is_promised_follows_from_the_model(
        fixed in 0.1..500.0_f64,
        slope in 0.0..1.0_f64,
        target in 1.0..2.0_f64,
        it in 100.0..5000.0_f64,
        share in 0.01..0.9_f64,
    ) {
        let model = model(fixed, slope, 0.001);
        let delta = share * it;
        let excess = |it: f64| it + model.overhead_kw(it) - target * it;
        let saved = excess(it) - excess(it - delta);
        match judge(Some(&model), target, it) {
            Benefit::Helps { saved_per_deferred_kwh, .. } => {
                prop_assert!(saved > 0.0);
                prop_assert!((saved - saved_per_deferred_kwh * delta).abs() < 1e-6);
            }
            Benefit::WouldRaisePue { it_kw_for_target, .. } => {
                prop_assert!(saved <= 1e-9);
                if let Some(load) = it_kw_for_target {
                    prop_assert!((model.pue_at(load).unwrap() - target).abs() < 1e-6);
                }
            }
            Benefit::NotSure { .. } => prop_assert!((model.marginal_ratio() - target).abs() <= 0.001),
        }
        // With a fixed overhead less load always raises the ratio, and both ways to reckon it agree.
        let after = pue_after(it + model.overhead_kw(it), it, model.marginal_ratio(), delta).unwrap();
        prop_assert!(after > model.pue_at(it).unwrap());
        prop_assert!((after - model.pue_at(it - delta).unwrap()).abs() < 1e-9);
    }
}
