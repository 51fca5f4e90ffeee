//! The thermal verdict: air at the inlet of the equipment against its ASHRAE class.
//!
//! Judges one reading. That a reading must last (10 minutes above the recommended range, 5 above the class) is the
//! alert rules' part. Derating with altitude is not done, and dew points are not judged: neither follows from the
//! hottest inlet and the extremes of the relative humidity.

use banyan_crds::v1alpha1::AshraeClass;

/// A range of inlet air (ASHRAE TC 9.9, Thermal Guidelines for Data Processing Environments, 2021, table 2.1). The
/// table bounds humidity by dew points as well; a reading outside these percentages is outside the class, one inside
/// may still be too damp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Envelope {
    /// Lowest dry-bulb temperature, °C.
    pub min_celsius: f64,
    /// Highest dry-bulb temperature, °C.
    pub max_celsius: f64,
    /// Lowest relative humidity, percent.
    pub min_humidity: f64,
    /// Highest relative humidity, percent.
    pub max_humidity: f64,
}

/// The recommended range of temperature, one for all classes, °C. Recommended humidity differs between editions and
/// with the corrosion level of the air, and is not judged.
pub const RECOMMENDED_CELSIUS: std::ops::RangeInclusive<f64> = 18.0..=27.0;

/// The range in which equipment of `class` may run.
pub const fn allowable(class: AshraeClass) -> Envelope {
    let (min_celsius, max_celsius, max_humidity) = match class {
        AshraeClass::A1 => (15.0, 32.0, 80.0),
        AshraeClass::A2 => (10.0, 35.0, 80.0),
        AshraeClass::A3 => (5.0, 40.0, 85.0),
        AshraeClass::A4 => (5.0, 45.0, 90.0),
    };
    Envelope { min_celsius, max_celsius, min_humidity: 8.0, max_humidity }
}

/// The thermal verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Thermal {
    /// Within the class; none where it cannot be told.
    pub within: Option<bool>,
    /// `WithinRecommended`, `AboveRecommended`, `BelowRecommended`, `TooHot`, `TooCold`, `HumidityOutsideClass` or
    /// `NoReading`.
    pub reason: &'static str,
    /// What is so, with figures.
    pub message: String,
}

/// Judges the hottest inlet, in °C, and the lowest and highest relative humidity, in percent, where it is measured.
/// A reading that is not a number is `None`, unless another one already lies outside the class.
pub fn judge(class: AshraeClass, hottest: f64, humidity: Option<(f64, f64)>) -> Thermal {
    let limits = allowable(class);
    let told = |within, reason, message| Thermal { within, reason, message };

    if hottest > limits.max_celsius {
        let message = format!(
            "the hottest inlet has {hottest:.1} °C, above the {} °C of class {class:?}",
            limits.max_celsius
        );
        return told(Some(false), "TooHot", message);
    }
    if hottest < limits.min_celsius {
        let message = format!(
            "even the hottest inlet has only {hottest:.1} °C, below the {} °C of class {class:?}",
            limits.min_celsius
        );
        return told(Some(false), "TooCold", message);
    }
    if let Some((lowest, highest)) = humidity
        && (lowest < limits.min_humidity || highest > limits.max_humidity)
    {
        let message = format!(
            "the relative humidity runs from {lowest:.0} to {highest:.0} %, class {class:?} allows {} to {} %",
            limits.min_humidity, limits.max_humidity
        );
        return told(Some(false), "HumidityOutsideClass", message);
    }
    if !hottest.is_finite() {
        return told(None, "NoReading", "no inlet temperature was read".to_owned());
    }
    if humidity.is_some_and(|(lowest, highest)| !lowest.is_finite() || !highest.is_finite()) {
        return told(None, "NoReading", "no relative humidity was read".to_owned());
    }
    let (coldest, warmest) = RECOMMENDED_CELSIUS.into_inner();
    let (reason, place) = if hottest > warmest {
        ("AboveRecommended", "above the recommended range of")
    } else if hottest < coldest {
        ("BelowRecommended", "below the recommended range of")
    } else {
        ("WithinRecommended", "within the recommended")
    };
    let message = format!(
        "the hottest inlet has {hottest:.1} °C, within class {class:?} and {place} {coldest} to {warmest} °C"
    );
    told(Some(true), reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_at_a_limit_is_within_and_above_it_is_not() {
        // Class A2 allows 10 to 35 °C, the recommended range is 18 to 27 °C.
        for (celsius, within, reason) in [
            (9.9, Some(false), "TooCold"),
            (10.0, Some(true), "BelowRecommended"),
            (18.0, Some(true), "WithinRecommended"),
            (27.0, Some(true), "WithinRecommended"),
            (27.1, Some(true), "AboveRecommended"),
            (35.0, Some(true), "AboveRecommended"),
            (35.1, Some(false), "TooHot"),
            (f64::INFINITY, Some(false), "TooHot"),
            (f64::NAN, None, "NoReading"),
        ] {
            let thermal = judge(AshraeClass::A2, celsius, None);
            assert_eq!((thermal.within, thermal.reason), (within, reason), "{celsius} °C");
        }
    }

    #[test]
    fn each_class_reaches_as_far_as_the_table_says() {
        use AshraeClass::{A1, A2, A3, A4};
        for (class, cold, hot, humid) in
            [(A1, 15.0, 32.0, 80.0), (A2, 10.0, 35.0, 80.0), (A3, 5.0, 40.0, 85.0), (A4, 5.0, 45.0, 90.0)]
        {
            for inside in [cold, hot] {
                assert_eq!(judge(class, inside, Some((8.0, humid))).within, Some(true), "{class:?} {inside}");
            }
            for outside in [cold - 0.1, hot + 0.1] {
                assert_eq!(judge(class, outside, None).within, Some(false), "{class:?} {outside}");
            }
            for damp in [(7.9, 40.0), (40.0, humid + 0.1)] {
                assert_eq!(
                    judge(class, 22.0, Some(damp)).reason,
                    "HumidityOutsideClass",
                    "{class:?} {damp:?}"
                );
            }
        }
    }

    #[test]
    fn a_missing_reading_is_unknown_but_never_hides_one_outside_the_class() {
        let nothing = (f64::NAN, f64::NAN);
        assert_eq!(judge(AshraeClass::A1, 22.0, Some(nothing)).within, None);
        assert_eq!(judge(AshraeClass::A1, 22.0, Some((f64::NAN, 50.0))).within, None);
        assert_eq!(judge(AshraeClass::A1, 33.0, Some(nothing)).reason, "TooHot");
        assert_eq!(judge(AshraeClass::A1, f64::NAN, Some((5.0, 50.0))).reason, "HumidityOutsideClass");
    }

    #[test]
    fn the_message_has_the_figures() {
        assert_eq!(
            judge(AshraeClass::A1, 33.25, None).message,
            "the hottest inlet has 33.2 °C, above the 32 °C of class A1"
        );
    }
}
