//! One meter: a query, what it measures, and how its readings are to be taken.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Duration, Instant};

/// What a meter's energy, water or carbon counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Purpose {
    /// A feed that supplies the whole data centre. Feeds are summed.
    Facility,
    /// Supply of IT equipment. Meters are summed; never name a meter and one behind it.
    #[serde(rename = "IT")]
    It,
    /// A generator on site, summed with the feeds.
    Generator,
    /// A load behind the feeds that is not the data centre's (offices), subtracted from them.
    Excluded,
    /// Renewable energy used (REF, ISO/IEC 30134-3).
    Renewable,
    /// Energy given away for reuse (ERF, ISO/IEC 30134-6).
    Reuse,
    /// Water used, in litres (WUE, ISO/IEC 30134-9).
    Water,
    /// Carbon emitted, in kgCO2e (CUE, ISO/IEC 30134-8).
    Carbon,
}

/// Where the IT load is metered. Decides, with the interval, the category of the PUE (ISO/IEC 30134-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Position {
    /// UPS output: category 1.
    #[serde(rename = "UPS")]
    Ups,
    /// PDU output: category 2.
    #[serde(rename = "PDU")]
    Pdu,
    /// Input of the IT equipment, such as a rack PDU's outlet: category 3.
    Rack,
}

/// How readings follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MeterType {
    /// Grows, may start again at zero, or roll over at `maxValue`.
    Counter,
    /// A power that is integrated over time.
    Gauge,
}

/// The unit of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // Units speak for themselves.
pub enum Unit {
    #[serde(rename = "Wh")]
    WattHour,
    #[serde(rename = "kWh")]
    KilowattHour,
    #[serde(rename = "MWh")]
    MegawattHour,
    #[serde(rename = "J")]
    Joule,
    #[serde(rename = "W")]
    Watt,
    #[serde(rename = "kW")]
    Kilowatt,
    #[serde(rename = "MW")]
    Megawatt,
    #[serde(rename = "L")]
    Litre,
    #[serde(rename = "m3")]
    CubicMetre,
    #[serde(rename = "kgCO2e")]
    KilogramCarbon,
    #[serde(rename = "tCO2e")]
    TonneCarbon,
}

impl Unit {
    /// Factor from this unit to the base of its quantity: Wh for energy, W for power, mL for water, gCO2e for carbon.
    pub const fn base(self) -> f64 {
        match self {
            Self::WattHour | Self::Watt => 1.0,
            Self::Joule => 1.0 / 3600.0,
            Self::KilowattHour | Self::Kilowatt | Self::Litre | Self::KilogramCarbon => 1e3,
            Self::MegawattHour | Self::Megawatt | Self::CubicMetre | Self::TonneCarbon => 1e6,
        }
    }
}

/// A meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.purpose != 'IT' || has(self.position)")
    .message("an IT meter needs a position: UPS, PDU or Rack").field_path(".position"))]
#[x_kube(validation = Rule::new("self.purpose == 'IT' || !has(self.position)")
    .message("only an IT meter has a position").field_path(".position"))]
#[x_kube(validation = Rule::new(
        "self.purpose in ['Water', 'Carbon'] || (self.type == 'Counter' ? self.unit in ['Wh', 'kWh', 'MWh', 'J'] : self.unit in ['W', 'kW', 'MW'])")
    .message("a counter of energy is in Wh, kWh, MWh or J, a gauge of power in W, kW or MW").field_path(".unit"))]
#[x_kube(validation = Rule::new("self.purpose != 'Water' || (self.type == 'Counter' && self.unit in ['L', 'm3'])")
    .message("water is a Counter in L or m3").field_path(".unit"))]
#[x_kube(validation = Rule::new("self.purpose != 'Carbon' || (self.type == 'Counter' && self.unit in ['kgCO2e', 'tCO2e'])")
    .message("carbon is a Counter in kgCO2e or tCO2e").field_path(".unit"))]
#[x_kube(validation = Rule::new("!has(self.maxValue) || self.type == 'Counter'")
    .message("only a Counter rolls over at a maxValue").field_path(".maxValue"))]
#[x_kube(validation = Rule::new("!has(self.validFrom) || !has(self.validTo) || self.validFrom < self.validTo")
    .message("validFrom lies before validTo").field_path(".validTo"))]
pub struct Meter {
    /// Name, unique in the site.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What it counts as.
    pub purpose: Purpose,
    /// Where an IT load is metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// `PromQL` that answers one series. A plain selector is read as raw samples; any other expression is sampled
    /// every `interval`.
    #[schemars(length(min = 1, max = 1024))]
    pub query: String,
    /// Counter or gauge.
    #[serde(rename = "type")]
    pub meter_type: MeterType,
    /// Unit of a reading.
    pub unit: Unit,
    /// Time between two readings, 1s to 744h.
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('744h')")
        .message("a meter's interval lies between 1s and 744h"))]
    pub interval: Duration,
    /// Rated power in kW: readings that imply more than 1.2 times it are dropped as spikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub rated_kilowatts: Option<i64>,
    /// Reading at which a counter starts again at zero, in the meter's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_value: Option<i64>,
    /// First instant of this meter's service; a replaced meter and its successor are two meters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Instant>,
    /// End of this meter's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Instant>,
}
