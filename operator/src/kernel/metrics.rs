//! Metrics of the loop itself. One registry a process, handed around, never a global.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
    process_collector::ProcessCollector,
    proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

/// Metrics of the loop.
#[derive(Clone)]
pub struct KernelMetrics {
    /// Whether this replica leads.
    pub leader: IntGauge,
    /// Reconciles by kind and outcome: `ok`, or the category of the error.
    pub reconciles: IntCounterVec,
    /// Seconds of a reconcile by kind.
    pub reconcile_duration: HistogramVec,
    /// When a kind was last reconciled.
    pub last_reconcile: IntGaugeVec,
    /// Writes by resource and verb.
    pub writes: IntCounterVec,
    /// Requests to Prometheus by outcome.
    pub prometheus_requests: IntCounterVec,
    /// Seconds of a request to Prometheus.
    pub prometheus_duration: Histogram,
}

impl KernelMetrics {
    /// The metrics, registered.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            leader: IntGauge::new("banyan_kernel_leader", "Whether this replica leads")?,
            reconciles: IntCounterVec::new(
                Opts::new("banyan_kernel_reconciles_total", "Reconciles by kind and outcome"),
                &["kind", "outcome"],
            )?,
            reconcile_duration: HistogramVec::new(
                HistogramOpts::new(
                    "banyan_kernel_reconcile_duration_seconds",
                    "Seconds of a reconcile by kind",
                )
                .buckets(vec![0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0]),
                &["kind"],
            )?,
            last_reconcile: IntGaugeVec::new(
                Opts::new(
                    "banyan_kernel_last_reconcile_timestamp_seconds",
                    "When a kind was last reconciled",
                ),
                &["kind"],
            )?,
            writes: IntCounterVec::new(
                Opts::new("banyan_kernel_writes_total", "Writes to the API server by resource and verb"),
                &["resource", "verb"],
            )?,
            prometheus_requests: IntCounterVec::new(
                Opts::new("banyan_prometheus_requests_total", "Requests to Prometheus by outcome"),
                &["outcome"],
            )?,
            prometheus_duration: Histogram::with_opts(
                HistogramOpts::new(
                    "banyan_prometheus_request_duration_seconds",
                    "Seconds of a request to Prometheus",
                )
                .buckets(vec![0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]),
            )?,
        };
        registry.register(Box::new(metrics.leader.clone()))?;
        registry.register(Box::new(metrics.reconciles.clone()))?;
        registry.register(Box::new(metrics.reconcile_duration.clone()))?;
        registry.register(Box::new(metrics.last_reconcile.clone()))?;
        registry.register(Box::new(metrics.writes.clone()))?;
        registry.register(Box::new(metrics.prometheus_requests.clone()))?;
        registry.register(Box::new(metrics.prometheus_duration.clone()))?;
        Ok(metrics)
    }
}

/// A gauge that a room shows: its name, its help, and its label beside the one that names the resource, if it has one.
pub struct Definition(pub &'static str, pub &'static str, pub Option<&'static str>);

impl Definition {
    /// The family of these gauges.
    pub fn family(&self, gauges: Vec<Metric>) -> MetricFamily {
        let Self(name, help, _) = *self;
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(MetricType::GAUGE);
        family.set_metric(gauges);
        family
    }
}

/// A gauge with its labels.
pub fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}

/// A label.
pub fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// A registry with the figures of the process, among them `process_resident_memory_bytes`.
pub fn registry() -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

/// Everything registered, in Prometheus' text format.
pub fn render(registry: &Registry) -> Result<String, prometheus::Error> {
    TextEncoder::new().encode_to_string(&registry.gather())
}
