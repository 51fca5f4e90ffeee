//! What else a site's Prometheus is asked for: readings of a span, for people who want to see more than the last windows, and
//! what the server says of itself.

use banyan_crds::v1alpha1::DataCenter;
use jiff::Timestamp;
use kube::ResourceExt;

use super::{Observation, Observer, samples};
use crate::{
    datacenter::{energy::Window, ledger::REOPEN_DAYS, site::MeterInput, spec::Site, windows},
    doctor::{
        Found,
        desk::Desk,
        facts::{Answer, Told, needed_days},
        look,
    },
};

impl Observer {
    /// What the Prometheus server of a site says of itself, against this machine's clock.
    pub async fn server(&self, dc: &DataCenter) -> Answer<Told> {
        let energy = dc.spec.energy.as_ref().ok_or("it has no meters")?;
        let client =
            self.prometheus(&dc.name_any(), &energy.prometheus).await.map_err(|blind| blind.message)?;
        let before = Timestamp::now();
        let told = client.runtime().await.map_err(|error| error.to_string())?;
        let after = Timestamp::now();
        Ok(Told {
            retention_days: told.retention.and_then(|kept| kept.seconds).map(|seconds| seconds / 86_400),
            skew_ms: told.now.map(|now| look::skew_ms(now, before, after)),
        })
    }

    /// What was found of the installation, the server of this site included.
    pub(super) async fn with_server(
        &self,
        desk: &Desk,
        dc: &DataCenter,
        site: &Site,
        seen: &Observation,
    ) -> Vec<Found> {
        let ledger = seen.found.ledger.as_ref().map_or(0, |ledger| ledger.len());
        let days = (i64::try_from(ledger).unwrap_or(i64::MAX), needed_days(REOPEN_DAYS, site.slowest_ms()));
        desk.with_server(&site.source, &dc.name_any(), days, || self.server(dc)).await
    }

    /// The meters of a site with their readings in `span`, and what comes before it to judge them by. None where the server
    /// cannot be asked at all.
    pub async fn meters_in(&self, dc: &DataCenter, site: &Site, span: Window) -> Option<Vec<MeterInput>> {
        let energy = dc.spec.energy.as_ref()?;
        let client = self.prometheus(&dc.name_any(), &energy.prometheus).await.ok()?;
        let mut meters = Vec::with_capacity(site.meters.len());
        for meter in &site.meters {
            let from = span.from - meter.rules.lookback_ms();
            let answer = samples(&client, meter, from, span.to).await;
            if answer.as_ref().is_err_and(crate::prometheus::QueryError::concerns_server) {
                return None;
            }
            meters.push(windows::input(meter, answer.map_err(|error| error.to_string())));
        }
        Some(meters)
    }
}
