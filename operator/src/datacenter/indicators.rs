//! Indicators beside the PUE, of the ISO/IEC 30134 series, over the days of a span.

use super::ledger::{ExtraTotal, Totals};

/// Indicators of a span; none where no meter tells enough of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Indicators {
    /// Water usage effectiveness, L per kWh of IT (ISO/IEC 30134-9).
    pub wue: Option<f64>,
    /// Carbon usage effectiveness, kg `CO2e` per kWh of IT (ISO/IEC 30134-8).
    pub cue: Option<f64>,
    /// Renewable energy factor, 0 to 1 (ISO/IEC 30134-3).
    pub renewable: Option<f64>,
    /// Energy reuse factor, 0 to 1 (ISO/IEC 30134-6).
    pub erf: Option<f64>,
}

/// The indicators of `totals`. Amounts and energies are of the same days, which must be as large a share of the span as the
/// PUE needs (`minimum_coverage`, 0 to 1): a WUE of a few days in spring is not the year's.
pub fn of(totals: &Totals, minimum_coverage: f64) -> Indicators {
    let needed = (minimum_coverage * totals.span_days as f64 - 1e-9).max(1.0);
    let over = |total: &ExtraTotal, energy: i64| {
        (total.days as f64 >= needed && energy > 0).then(|| total.amount as f64 / energy as f64)
    };
    let Totals { water_ml, carbon_g, renewable_wh, reuse_wh, .. } = totals;
    Indicators {
        // mL per Wh is L per kWh, and g per Wh is kg per kWh.
        wue: over(water_ml, water_ml.it_wh),
        cue: over(carbon_g, carbon_g.it_wh),
        renewable: over(renewable_wh, renewable_wh.facility_wh),
        erf: over(reuse_wh, reuse_wh.facility_wh),
    }
}
