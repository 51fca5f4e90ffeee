//! Meters as Prometheus series: `OpenMetrics` with timestamps for the history, the text format for the live exporter.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;

use super::{
    GRID_SECONDS,
    physics::{Site, Totals},
};

/// Content type of [`super::Estate::exposition`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a series tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Energy of the whole facility, kWh.
    Facility,
    /// Energy of the IT equipment, kWh.
    It,
    /// Renewable energy used, kWh.
    Renewable,
    /// Water used, L.
    Water,
    /// Carbon emitted, kgCO2e.
    Carbon,
    /// Air at the inlets, °C.
    InletTemperature,
    /// Humidity at the inlets, percent.
    RelativeHumidity,
    /// Standard racks in use.
    RacksInUse,
}

/// Which part of a quantity a meter sees. The two parts of one cut add up to the whole, to the watt-hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// So many thousandths.
    First(i64),
    /// What so many thousandths leave.
    Rest(i64),
}

/// A series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What it tells.
    pub quantity: Quantity,
    /// Which part of it.
    pub part: Part,
    /// The label beside `site`, such as `feed="a"`; empty for none.
    pub label: String,
    /// The meter is dead from this Unix second on.
    pub stops: Option<i64>,
}

/// A metric: its name, and whether it is a counter. Series of one metric stand together in both formats.
const METRICS: [(&str, bool); 6] = [
    ("dc_energy_kwh_total", true),
    ("dc_water_litres_total", true),
    ("dc_carbon_kg_total", true),
    ("dc_inlet_temperature_celsius", false),
    ("dc_relative_humidity_percent", false),
    ("dc_racks_in_use", false),
];

impl Quantity {
    /// Name of the metric.
    pub const fn metric(self) -> &'static str {
        match self {
            Self::Facility | Self::It | Self::Renewable => METRICS[0].0,
            Self::Water => METRICS[1].0,
            Self::Carbon => METRICS[2].0,
            Self::InletTemperature => METRICS[3].0,
            Self::RelativeHumidity => METRICS[4].0,
            Self::RacksInUse => METRICS[5].0,
        }
    }
}

impl Part {
    const fn of(self, whole: i64) -> i64 {
        match self {
            Self::Whole => whole,
            Self::First(permille) => whole * permille / 1000,
            Self::Rest(permille) => whole - whole * permille / 1000,
        }
    }
}

impl Series {
    /// The selector that finds it, as a `DataCenter`'s meter writes it.
    pub fn query(&self, site: &str) -> String {
        let comma = if self.label.is_empty() { "" } else { "," };
        format!("{}{{site=\"{site}\"{comma}{}}}", self.quantity.metric(), self.label)
    }

    fn value(&self, site: &Site, totals: &Totals, at: i64) -> Value {
        let counter = |whole| Value::Thousandths(self.part.of(whole));
        match self.quantity {
            Quantity::Facility => counter(totals.facility_wh),
            Quantity::It => counter(totals.it_wh),
            Quantity::Renewable => counter(totals.renewable_wh),
            Quantity::Water => counter(totals.water_ml),
            Quantity::Carbon => counter(totals.carbon_g()),
            Quantity::InletTemperature => Value::Gauge(site.inlet(at)),
            Quantity::RelativeHumidity => Value::Gauge(site.humidity(at)),
            // A standard rack is 2.5 kW.
            Quantity::RacksInUse => Value::Gauge((site.grown_kilowatts(at) / 2.5).floor()),
        }
    }
}

/// A reading.
pub(super) enum Value {
    /// Wh, mL or g, told in kWh, L or kg.
    Thousandths(i64),
    /// As it is.
    Gauge(f64),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Written from whole numbers: no float rounds a counter down.
            Self::Thousandths(value) => write!(f, "{}.{:03}", value / 1000, value % 1000),
            Self::Gauge(value) => write!(f, "{value:.2}"),
        }
    }
}

/// Opens `path`, lets `write` fill it, and ends it as `OpenMetrics` does.
pub(super) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<u64>,
) -> anyhow::Result<u64> {
    let attempt = || {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let samples = write(&mut out)?;
        out.write_all(b"# EOF\n")?;
        out.flush()?;
        Ok::<_, std::io::Error>(samples)
    };
    attempt().with_context(|| format!("write the history to {}", path.display()))
}

/// The line that begins a metric in `OpenMetrics`, which names a counter without its suffix.
pub(super) fn openmetrics_type(out: &mut impl Write, metric: &str, counter: bool) -> std::io::Result<()> {
    let family = metric.strip_suffix("_total").unwrap_or(metric);
    writeln!(out, "# TYPE {family} {}", if counter { "counter" } else { "gauge" })
}

/// All series of `sites` from grid index `from` to `to`, both included, given the totals at `from`.
pub(super) fn history(
    out: &mut impl Write,
    sites: &[Site],
    at_from: &[Totals],
    from: i64,
    to: i64,
) -> std::io::Result<u64> {
    // A year of one site is a megabyte, and the series of one metric come from all sites.
    let walks: Vec<Vec<Totals>> =
        sites.iter().zip(at_from).map(|(site, totals)| walk(site, *totals, from, to)).collect();
    let mut samples = 0;
    for (metric, counter) in METRICS {
        let mut told = false;
        for (site, walk) in sites.iter().zip(&walks) {
            for series in site.series.iter().filter(|series| series.quantity.metric() == metric) {
                if !told {
                    openmetrics_type(out, metric, counter)?;
                    told = true;
                }
                let selector = series.query(&site.name);
                for (index, totals) in (from..).zip(walk) {
                    let at = index * GRID_SECONDS;
                    if series.stops.is_some_and(|stop| at >= stop) {
                        break;
                    }
                    writeln!(out, "{selector} {} {at}", series.value(site, totals, at))?;
                    samples += 1;
                }
            }
        }
    }
    Ok(samples)
}

fn walk(site: &Site, mut totals: Totals, from: i64, to: i64) -> Vec<Totals> {
    let step = |index| {
        let here = totals;
        totals = totals + site.interval(index);
        here
    };
    (from..=to).map(step).collect()
}

/// All series of `sites` at a Unix second, given their totals.
pub(super) fn exposition(sites: &[Site], totals: &[Totals], at: i64) -> String {
    let mut out = String::new();
    for (metric, counter) in METRICS {
        let mut told = false;
        for (site, totals) in sites.iter().zip(totals) {
            for series in site.series.iter().filter(|series| series.quantity.metric() == metric) {
                if series.stops.is_some_and(|stop| at >= stop) {
                    continue;
                }
                if !told {
                    exposition_type(&mut out, metric, counter);
                    told = true;
                }
                line(&mut out, &series.query(&site.name), &series.value(site, totals, at));
            }
        }
    }
    out
}

/// The line that begins a metric in the text format.
pub(super) fn exposition_type(out: &mut String, metric: &str, counter: bool) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# TYPE {metric} {}", if counter { "counter" } else { "gauge" });
}

/// One sample without a timestamp.
pub(super) fn line(out: &mut String, selector: &str, value: &Value) {
    let _ = writeln!(out, "{selector} {value}");
}
