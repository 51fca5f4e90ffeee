//! Whether deferring IT work helps a site that is above its target.
//!
//! With a fixed overhead, less IT load always raises the ratio. The target, though, is an allowance: the year's excess
//! is `facility − T · IT`, and one kWh of IT more adds `(1 + m) − T` to it. Deferring work helps where the marginal
//! ratio `1 + m` lies above the target, and makes things worse where it lies below: such a site has too little load.

use crate::datacenter::model::Model;

/// Fewer days than this settle nothing, although they can be fitted.
pub const MINIMUM_DAYS: usize = 30;
/// Least share of the variance that the model must explain before it is acted on.
pub const MINIMUM_R_SQUARED: f64 = 0.5;
/// The share of the present load with which messages illustrate what the ratio will do.
const EXAMPLE_SHARE: f64 = 0.1;

/// What deferring IT work would do.
#[derive(Clone, Debug, PartialEq)]
pub enum Benefit {
    /// Each deferred kWh lowers the year's excess over the target.
    Helps {
        /// By how much: `(1 + m) − T`, kWh per kWh.
        saved_per_deferred_kwh: f64,
        /// Why, and what the ratio itself will do meanwhile.
        message: String,
    },
    /// Each deferred kWh raises the year's excess. Refused.
    WouldRaisePue {
        /// IT power at which the target would be met, kW, where there is one.
        it_kw_for_target: Option<f64>,
        /// Why, and what would help instead.
        message: String,
    },
    /// Too few days, or too loose a model, to tell. Refused.
    NotSure {
        /// What is lacking.
        message: String,
    },
}

/// PUE after `delta` of IT energy is taken away, `(E_DC − k·ΔE) / (E_IT − ΔE)` with `k = 1 + m`. All three energies in
/// one unit. None where no IT energy remains.
pub fn pue_after(facility: f64, it: f64, k: f64, delta: f64) -> Option<f64> {
    let rest = it - delta;
    (rest > 0.0).then(|| (facility - k * delta) / rest)
}

/// Judges deferral at a site with `target` that draws `current_it_kw` of IT power.
///
/// It helps only if the whole 95 % interval of the marginal ratio lies above the target, with at least
/// [`MINIMUM_DAYS`] days and an r² of at least [`MINIMUM_R_SQUARED`]. An estimate at or below the target is a refusal
/// whatever the r²: an overhead that does not follow the load at all has an r² of nearly 0, and is the clearest case
/// of a site that shedding cannot mend.
pub fn judge(model: Option<&Model>, target: f64, current_it_kw: f64) -> Benefit {
    let Some(model) = model else {
        return Benefit::NotSure {
            message: "no model of the overhead yet: it needs at least 14 metered days over which the IT load varies"
                .to_owned(),
        };
    };
    let ratio = model.marginal_ratio();
    let figures = format!(
        "one kWh of IT more costs the facility {ratio:.3} kWh (95 % interval {:.3} to {:.3}, r² {:.2}, {} days)",
        model.low, model.high, model.r_squared, model.n
    );
    if model.n < MINIMUM_DAYS {
        return Benefit::NotSure {
            message: format!("{figures}; at least {MINIMUM_DAYS} days are needed to act on it"),
        };
    }
    if ratio <= target {
        return would_raise(model, target, current_it_kw, &figures);
    }
    if model.low <= target {
        return Benefit::NotSure {
            message: format!(
                "{figures}; the interval reaches down to the target {target}, so it may raise the excess"
            ),
        };
    }
    if model.r_squared < MINIMUM_R_SQUARED {
        return Benefit::NotSure {
            message: format!(
                "{figures}; the model explains too little, an r² of {MINIMUM_R_SQUARED} is needed"
            ),
        };
    }
    let saved = ratio - target;
    let message = format!(
        "{figures}, and the target allows {target}: each deferred kWh takes {saved:.3} kWh off the year's excess. {}",
        meanwhile(model, current_it_kw)
    );
    Benefit::Helps { saved_per_deferred_kwh: saved, message }
}

fn would_raise(model: &Model, target: f64, current_it_kw: f64, figures: &str) -> Benefit {
    let lost = target - model.marginal_ratio();
    let it_kw_for_target = model.it_kw_for_target(target);
    let advice = match it_kw_for_target {
        Some(needed) => format!(
            "The fixed overhead of {:.0} kW asks for at least {needed:.0} kW of IT load (now {current_it_kw:.0} kW): \
             fill the site, or lower what it draws when idle",
            model.fixed_kw
        ),
        None if model.fixed_kw <= 0.0 => {
            "By its own past the site meets the target at any load: look at cooling and meters for what has changed"
                .to_owned()
        }
        None => "No load meets the target".to_owned(),
    };
    let message = format!(
        "{figures}, no more than the target {target} allows: each deferred kWh would add {lost:.3} kWh to the year's \
         excess. {advice}. {}",
        meanwhile(model, current_it_kw)
    );
    Benefit::WouldRaisePue { it_kw_for_target, message }
}

/// What the ratio itself does with a tenth of the load gone, in words.
fn meanwhile(model: &Model, it_kw: f64) -> String {
    let facility = it_kw + model.overhead_kw(it_kw);
    let before = model.pue_at(it_kw);
    let after = pue_after(facility, it_kw, model.marginal_ratio(), it_kw * EXAMPLE_SHARE);
    let (Some(before), Some(after)) = (before, after) else {
        return "What the ratio itself would do cannot be told without a reading of the IT load".to_owned();
    };
    let (moves, why) = if after > before {
        ("rises", format!("because the fixed overhead of {:.0} kW stays", model.fixed_kw))
    } else {
        ("does not rise", "because the model sees no fixed overhead".to_owned())
    };
    format!(
        "The ratio itself {moves} meanwhile: with {:.0} % less IT load it goes from {before:.3} to {after:.3}, {why}",
        EXAMPLE_SHARE * 100.0
    )
}

#[cfg(test)]
mod tests;
