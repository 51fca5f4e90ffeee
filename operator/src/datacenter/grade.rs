//! The grade after GB 40879, for the sites that it covers.

use banyan_crds::v1alpha1::{Cooling, Racks};
use jiff::civil::{Date, date};

use super::verdict::Annual;

/// An edition of the standard. A revision is in preparation, so the grades are data with a date.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edition {
    /// Its number.
    pub name: &'static str,
    /// First day in force.
    pub in_force: Date,
    /// Highest annual PUE of grades 1, 2 and 3; that of grade 3 is the limit for every site it covers.
    pub limits: [f64; 3],
}

/// Editions, oldest first.
pub const EDITIONS: [Edition; 1] =
    [Edition { name: "GB 40879-2021", in_force: date(2022, 11, 1), limits: [1.20, 1.30, 1.50] }];

/// A site of up to this many standard racks is an edge data centre, which the standard leaves out (scope).
const EDGE_RACKS: i64 = 100;

/// What the standard says of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Grade {
    /// 1, 2 or 3; none where the standard does not cover the site, where there is no annual figure, or above the limit.
    pub grade: Option<i64>,
    /// `Graded`, `AboveLimit`, `RacksUnknown`, `EdgeSite`, `OtherCooling`, `NoEdition` or `NoAnnualFigure`.
    pub reason: &'static str,
    /// Why.
    pub message: String,
}

/// Grades a site by its annual PUE, after the edition in force on `today`. Only a valid figure over a whole year is
/// graded, and only sites of more than 100 standard racks that are cooled by air with electricity.
pub fn grade(annual: &Annual, racks: Option<&Racks>, cooling: Cooling, today: Date) -> Grade {
    let none = |reason, message| Grade { grade: None, reason, message };
    let Some(edition) = EDITIONS.iter().rev().find(|edition| edition.in_force <= today) else {
        return none("NoEdition", format!("no edition of GB 40879 is in force on {today}"));
    };
    let name = edition.name;
    let Some(racks) = racks else {
        return none(
            "RacksUnknown",
            format!("spec.racks is not given, so it is open whether {name} covers the site"),
        );
    };
    if racks.standard <= EDGE_RACKS {
        let message = format!("{name} does not cover edge sites of up to {EDGE_RACKS} standard racks");
        return none("EdgeSite", message);
    }
    if cooling != Cooling::ElectricAir {
        return none("OtherCooling", format!("{name} covers sites cooled by air with electricity only"));
    }
    let Some(pue) = annual.pue.filter(|_| !annual.interim) else {
        return none(
            "NoAnnualFigure",
            format!("{name} grades a valid PUE over a whole year; there is none yet"),
        );
    };
    let found = (1..).zip(edition.limits).find(|(_, limit)| pue <= *limit);
    match found {
        Some((grade, limit)) => Grade {
            grade: Some(grade),
            reason: "Graded",
            message: format!("annual PUE {pue:.4} is grade {grade} of {name} (up to {limit:.2})"),
        },
        None => none(
            "AboveLimit",
            format!("annual PUE {pue:.4} is above the limit {:.2} of {name}", edition.limits[2]),
        ),
    }
}

#[cfg(test)]
mod tests {
    use banyan_crds::v1alpha1::Verdict;

    use super::*;

    fn annual(pue: Option<f64>, interim: bool) -> Annual {
        Annual {
            verdict: Verdict::Unknown,
            pue,
            target: None,
            from: None,
            to: None,
            days: 365,
            interim,
            coverage: 1.0,
            facility_coverage: 1.0,
            it_coverage: 1.0,
            facility_wh: 0,
            it_wh: 0,
            imported_days: 0,
            corrected_days: 0,
            category: 0,
            reason: "",
            message: String::new(),
        }
    }

    fn of(standard: i64) -> Racks {
        Racks { standard, in_use: None, in_use_query: None }
    }

    const TODAY: Date = date(2026, 11, 23);

    #[test]
    fn a_figure_at_a_limit_still_has_the_grade() {
        for (facility_wh, grade, reason) in [
            (1_000_i64, Some(1), "Graded"),
            (1_200, Some(1), "Graded"),
            (1_201, Some(2), "Graded"),
            (1_300, Some(2), "Graded"),
            (1_301, Some(3), "Graded"),
            (1_500, Some(3), "Graded"),
            (1_501, None, "AboveLimit"),
        ] {
            let annual = annual(Some(facility_wh as f64 / 1_000.0), false);
            let graded = super::grade(&annual, Some(&of(2_000)), Cooling::ElectricAir, TODAY);
            assert_eq!((graded.grade, graded.reason), (grade, reason), "{facility_wh}");
        }
    }

    #[test]
    fn sites_that_the_standard_leaves_out_have_no_grade() {
        let good = annual(Some(1.1), false);
        let air = Cooling::ElectricAir;
        assert_eq!(grade(&good, Some(&of(101)), air, TODAY).grade, Some(1));
        assert_eq!(grade(&good, Some(&of(100)), air, TODAY).reason, "EdgeSite");
        assert_eq!(grade(&good, None, air, TODAY).reason, "RacksUnknown");
        assert_eq!(grade(&good, Some(&of(2_000)), Cooling::Liquid, TODAY).reason, "OtherCooling");
        assert_eq!(grade(&good, Some(&of(2_000)), Cooling::Other, TODAY).reason, "OtherCooling");
        assert_eq!(grade(&good, Some(&of(2_000)), air, date(2022, 10, 31)).reason, "NoEdition");
        assert_eq!(grade(&good, Some(&of(2_000)), air, date(2022, 11, 1)).grade, Some(1));
    }

    #[test]
    fn only_a_valid_figure_over_a_whole_year_is_graded() {
        for annual in [annual(Some(1.1), true), annual(None, false)] {
            let graded = grade(&annual, Some(&of(2_000)), Cooling::ElectricAir, TODAY);
            assert_eq!((graded.grade, graded.reason), (None, "NoAnnualFigure"));
        }
    }
}
