//! Readings of a span, for people who want to see more of a site than its last windows.

use banyan_crds::v1alpha1::DataCenter;
use kube::ResourceExt;

use super::{Observer, samples};
use crate::datacenter::{energy::Window, site::MeterInput, spec::Site, windows};

impl Observer {
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
