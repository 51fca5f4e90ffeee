//! Overhead as a fixed part and a part proportional to IT load, fitted by least squares.
//!
//! A day's mean overhead power is taken as `F + m · IT`. `F` is what the building draws with every server off, and
//! `1 + m`, the marginal ratio, is what the facility draws more for one kWh of IT more. Whether shedding or deferring
//! IT load helps depends on the marginal ratio, not on the PUE (see [`crate::datacenter::benefit`]).

use crate::datacenter::{ledger::Day, verdict::counts};

/// Fewer days than this are not fitted.
pub const MINIMUM_SAMPLES: usize = 14;
/// Least coefficient of variation of the IT power: a load that stands still tells nothing of a slope.
const MINIMUM_VARIATION: f64 = 0.01;

/// A fitted model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// `F`: overhead at no IT load, kW. An extrapolation; below zero where overhead grows faster than IT.
    pub fixed_kw: f64,
    /// `m`: overhead per IT power.
    pub slope: f64,
    /// Standard error of the slope.
    pub slope_se: f64,
    /// Lower bound of the marginal ratio `1 + m`, 95 % confidence.
    pub low: f64,
    /// Upper bound of the marginal ratio.
    pub high: f64,
    /// Share of the variance of the overhead that the model explains, 0 to 1; 0 for an overhead that stands still.
    pub r_squared: f64,
    /// Days it was fitted to.
    pub n: usize,
}

impl Model {
    /// Facility energy per kWh of IT more: `1 + m`.
    pub fn marginal_ratio(&self) -> f64 {
        1.0 + self.slope
    }

    /// Overhead power at an IT power, kW.
    pub fn overhead_kw(&self, it_kw: f64) -> f64 {
        self.fixed_kw + self.slope * it_kw
    }

    /// PUE at an IT power; none without load.
    pub fn pue_at(&self, it_kw: f64) -> Option<f64> {
        (it_kw > 0.0).then(|| 1.0 + self.overhead_kw(it_kw) / it_kw)
    }

    /// IT power from which on `target` is met, `F / (T − (1 + m))`, kW. None where no load meets it (`T ≤ 1 + m`)
    /// and where the model sees no fixed overhead, so that there is no least load.
    pub fn it_kw_for_target(&self, target: f64) -> Option<f64> {
        let room = target - self.marginal_ratio();
        (room > 0.0 && self.fixed_kw > 0.0).then(|| self.fixed_kw / room)
    }
}

/// Mean IT and overhead power, kW, of those of `days` that count. `hours` gives the length of a site-local day, which is 23
/// or 25 when clocks change; `|_| 24.0` will do where they do not.
pub fn points<'a>(
    days: impl IntoIterator<Item = &'a Day>,
    minimum_coverage: f64,
    hours: impl Fn(jiff::civil::Date) -> f64,
) -> Vec<(f64, f64)> {
    days.into_iter()
        .filter(|day| counts(day, minimum_coverage))
        .map(|day| {
            let watt_hours_to_kw = 1.0 / (1000.0 * hours(day.date));
            (day.it_wh as f64 * watt_hours_to_kw, (day.facility_wh - day.it_wh) as f64 * watt_hours_to_kw)
        })
        .filter(|(it, overhead)| it.is_finite() && overhead.is_finite())
        .collect()
}

/// Fits points of (IT kW, overhead kW). None below [`MINIMUM_SAMPLES`], for readings that are no numbers, and where
/// the IT power hardly varies.
///
/// The interval assumes that days err independently. Weather makes them err together, so it is rather too narrow;
/// whoever acts on it should ask for a margin of days (see [`crate::datacenter::benefit`]).
pub fn fit(points: &[(f64, f64)]) -> Option<Model> {
    if points.len() < MINIMUM_SAMPLES {
        return None;
    }
    let n = points.len() as f64;
    let mean_it = points.iter().map(|(it, _)| it).sum::<f64>() / n;
    let mean_overhead = points.iter().map(|(_, overhead)| overhead).sum::<f64>() / n;
    // Sums about the means: sums of raw squares cancel when the load varies little about a large mean.
    let (mut sxx, mut sxy, mut syy) = (0.0, 0.0, 0.0);
    for (it, overhead) in points {
        let (dx, dy) = (it - mean_it, overhead - mean_overhead);
        sxx += dx * dx;
        sxy += dx * dy;
        syy += dy * dy;
    }
    let deviation = (sxx / (n - 1.0)).sqrt();
    // Written so that a NaN among the points fails it too.
    let varies = mean_it > 0.0 && deviation >= MINIMUM_VARIATION * mean_it && syy.is_finite();
    if !varies {
        return None;
    }
    let slope = sxy / sxx;
    // From the residuals themselves: syy − slope · sxy would cancel for a good fit.
    let residual: f64 = points
        .iter()
        .map(|(it, overhead)| (overhead - mean_overhead) - slope * (it - mean_it))
        .map(|error| error * error)
        .sum();
    let slope_se = (residual / (n - 2.0) / sxx).sqrt();
    let margin = t_quantile_975(points.len() - 2) * slope_se;
    Some(Model {
        fixed_kw: mean_overhead - slope * mean_it,
        slope,
        slope_se,
        low: 1.0 + slope - margin,
        high: 1.0 + slope + margin,
        r_squared: if syy > 0.0 { (1.0 - residual / syy).clamp(0.0, 1.0) } else { 0.0 },
        n: points.len(),
    })
}

/// The 0.975 quantile of Student's t with `freedom` degrees of freedom.
///
/// Expansion in powers of 1/ν about the normal quantile (Abramowitz and Stegun, 26.7.5). Its error is below 4e-6 from
/// 12 degrees of freedom on, the fewest that [`fit`] asks for, and falls with the fifth power of them.
pub fn t_quantile_975(freedom: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    let v = freedom as f64;
    let z2 = Z * Z;
    let g1 = Z * (z2 + 1.0) / 4.0;
    let g2 = Z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let g3 = Z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    let g4 = Z * ((((79.0 * z2 + 776.0) * z2 + 1482.0) * z2 - 1920.0) * z2 - 945.0) / 92_160.0;
    Z + (g1 + (g2 + (g3 + g4 / v) / v) / v) / v
}

#[cfg(test)]
mod tests;
