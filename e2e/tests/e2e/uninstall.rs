//! `banyan uninstall`: everything is given back before the release goes, with the operator running, killed, or gone, and
//! by the next run where one was killed itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::{Action, SecurityBaseline, Waiver};
use banyan_e2e::chart::{self, NAMESPACE};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::operator::{Operator, OperatorOptions, cli, program};
use banyan_e2e::process::{Finished, Spec};
use banyan_e2e::proxy::{Proxy, Side, Trap};
use banyan_e2e::wait::until;
use banyan_e2e::{dirs, operator};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::stage::{BATCH, LIMIT, Readings, Stage, VIOLATED, at, condition, differing};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![everything_is_given_back_before_the_release_goes_whatever_runs_or_dies]
        .into_iter()
        // A dozen runs are killed.
        .map(|test| Test { limit: Duration::from_mins(12), ..test })
        .collect()
}

const SITE: &str = "gulou";
const ACTIONS: [Action; 3] = [Action::HoldBatch, Action::PreferElsewhere, Action::FreezeGrowth];
const LOAN: &str = "banyan.dev/loan-hold-batch";
const CONTROLLERS: &str = "deployment-controller,garbage-collector-controller,namespace-controller,\
                           replicaset-controller,serviceaccount-controller";

async fn everything_is_given_back_before_the_release_goes_whatever_runs_or_dies(_: World) -> Result<()> {
    let options = Options {
        name: "uninstall".to_owned(),
        controller_manager: true,
        // Others write on Nodes.
        controller_manager_args: vec![format!("--controllers={CONTROLLERS}")],
        ..Options::default()
    };
    let stage = Stage::on(ControlPlane::start(options).await?).await?;
    stage.plane.create_namespace(BATCH).await?;
    stage.create_node("gulou-1", SITE, json!([{ "key": "own", "effect": "NoSchedule" }])).await?;
    stage.create_cron_job("nightly", SITE, true, false).await?;
    let scene = Scene { before: stage.world().await?, stage };
    let enforcement = json!({ "mode": "Enforce", "actions": ACTIONS, "hysteresis": { "dwell": "0s" } });
    scene.stage.create_site(SITE, Readings::Hot, &enforcement).await?;
    scene.stage.plane.apply(BASELINE).await?;

    Box::pin(scene.while_the_operator_runs()).await.context("while the operator runs")?;
    Box::pin(scene.killed_between_any_two_writes()).await.context("killed between two writes")?;
    Box::pin(scene.with_the_data()).await.context("with the data")
}

struct Scene {
    stage: Stage,
    /// The world without Banyan.
    before: BTreeMap<String, String>,
}

impl Scene {
    async fn while_the_operator_runs(&self) -> Result<()> {
        let stage = &self.stage;
        for file in ["openreports.io_reports.yaml", "openreports.io_clusterreports.yaml"] {
            let path = dirs::repository().join("charts/banyan/files/report-crds").join(file);
            stage.plane.apply(&std::fs::read_to_string(path)?).await?;
        }
        let operator = self.operator().await?;
        let held = Box::pin(self.held()).await?;
        until(LIMIT, "a privileged Pod to be refused", || async {
            Ok(self.try_privileged().await?.is_some_and(|refusal| refusal.contains(DENYING)))
        })
        .await?;
        until(LIMIT, "reports", || async { Ok(self.reports().await?.contains("banyan-city-clauses")) })
            .await?;

        // The policies on Waivers know the kind a little after it is served.
        until(Duration::from_secs(30), "a Waiver to be taken", || async {
            stage.plane.apply(WAIVER).await.map(|_| true)
        })
        .await?;
        let dry = self.uninstall(&["--dry-run", "--delete-data"]).await?;
        ensure!(dry.status.code() == Some(0), "{}", dry.stderr);
        for part in [
            "Lease banyan-system/banyan",
            "ConfigMap banyan-system/banyan-freeze-gulou",
            "ConfigMap banyan-system/banyan-hold-gulou",
            "Node gulou-1 (PreferElsewhere)",
            "CronJob work/nightly (HoldBatch)",
            "ValidatingAdmissionPolicyBinding banyan-city-pod-security-privileged",
            "ValidatingAdmissionPolicy banyan-city-pod-security-privileged",
            " clusterreports.openreports.io",
            "SecurityBaseline city",
            "ConfigMap banyan-system/banyan-baseline-ledger-city",
            "ValidatingAdmissionPolicy banyan-freeze-growth",
            "MutatingAdmissionPolicyBinding banyan-hold-batch",
            "ValidatingAdmissionPolicy banyan-waiver-approval",
            "MutatingAdmissionPolicyBinding banyan-waiver-author",
            "ValidatingAdmissionPolicyBinding banyan-parameters-in-use",
            "MutatingAdmissionPolicy banyan-parameters-in-use",
            "DataCenter gulou",
            "ConfigMap banyan-system/banyan-ledger-gulou",
            "Waiver camera",
            "Deployment banyan-system/banyan",
            "CustomResourceDefinition datacenters.banyan.dev",
            "CustomResourceDefinition securitybaselines.banyan.dev",
            "CustomResourceDefinition waivers.banyan.dev",
        ] {
            ensure!(dry.stdout.contains(part), "{part} is missing in\n{}", dry.stdout);
        }
        let asked = self.uninstall(&[]).await?;
        ensure!(asked.status.code() == Some(2) && asked.stderr.contains("--yes"), "{asked:?}");
        ensure!(
            Box::pin(self.held()).await? == held,
            "a dry run, or one that was not confirmed, has changed something"
        );

        // What cannot be read is not taken for none: all else is given back, and the site goes on to wait.
        let loan = self.set_loan(&json!("broken")).await?;
        let refused = self.uninstall(&["--yes", "--delete-data"]).await?;
        ensure!(refused.status.code() == Some(1), "{}\n{}", refused.stdout, refused.stderr);
        ensure!(refused.stderr.contains("CronJob work/nightly: the annotation"), "{}", refused.stderr);
        let site = stage.sites().get(SITE).await?;
        ensure!(!site.finalizers().is_empty(), "the finalizer went, and something is on loan");
        ensure!(self.policies().await?.is_empty(), "policies were left: {:?}", self.policies().await?);
        self.set_loan(&loan).await?;

        let ledger = self.ledger().await?;
        let done = self.uninstall(&["--yes"]).await?;
        ensure!(done.status.code() == Some(0), "{}\n{}", done.stdout, done.stderr);
        ensure!(done.stdout.contains("helm uninstall banyan --namespace banyan-system"), "{}", done.stdout);
        self.nothing_is_held().await?;
        until(LIMIT, "a privileged Pod to be let in", || async {
            Ok(self.try_privileged().await?.is_none())
        })
        .await?;
        ensure!(self.reports().await?.is_empty(), "reports were left: {}", self.reports().await?);
        // The operator still runs, and does not lead.
        ensure!(operator.metric("banyan_kernel_leader").await? == Some(0.0), "the operator still leads");
        ensure!(self.ledger().await? == ledger, "the ledger has changed");
        let status = stage.status(SITE).await?;
        ensure!(status.enforcement.as_ref().is_some_and(|one| one.engaged.is_empty()), "{:#}", json!(status));
        ensure!(condition(&status, "Ready").1 == "Uninstalled", "{:#}", json!(status.conditions));
        let told = |wanted: &str| status.actions.iter().any(|record| record.action == wanted);
        ensure!(told("UndoHoldBatch") && told("UndoFreezeGrowth"), "{:#}", json!(status.actions));

        let again = self.uninstall(&["--yes"]).await?;
        ensure!(again.status.code() == Some(0), "{}\n{}", again.stdout, again.stderr);
        ensure!(stage.status(SITE).await? == status, "a second run has changed the status");
        operator.stop().await?;
        chart::delete_release(&stage.plane).await?;
        let definitions = chart::definitions();
        let reports = ["reports.openreports.io", "clusterreports.openreports.io"];
        stage.plane.kubectl(["delete", "crd"].iter().chain(&reports)).await?;
        let own = [
            "banyan-ledger-gulou",
            "datacenter.banyan.dev/gulou",
            "banyan-baseline-ledger-city",
            "securitybaseline.banyan.dev/city",
            "waiver.banyan.dev/camera",
        ];
        let left: Vec<&str> = own.into_iter().chain(definitions.iter().map(String::as_str)).collect();
        self.only_these_are_left(&left).await
    }

    async fn killed_between_any_two_writes(&self) -> Result<()> {
        let stage = &self.stage;
        // Through the proxy nobody has a client certificate.
        stage.plane.apply(ADMINISTRATOR).await?;
        let proxy = Proxy::start(&stage.plane).await?;
        let kubeconfig = proxy.kubeconfig_with(&stage.plane.token_for("default", "administrator").await?)?;
        let args = ["uninstall", "--yes"];

        self.take().await?;
        proxy.reset();
        let whole = cli(&kubeconfig, &args).await?;
        ensure!(whole.status.code() == Some(0), "{}\n{}", whole.stdout, whole.stderr);
        let writes = proxy.writes().len();
        // Two marks, two loans, a baseline's policy and binding, the chart's policies and bindings, three statuses, the finalizer, the scale.
        ensure!(writes >= 15, "{writes} writes are fewer than there are steps");
        for write in 1..=writes {
            self.take().await?;
            proxy.reset();
            proxy.arm(Trap { write, side: Side::After });
            let log = dirs::fresh("killed")?.join("banyan.log");
            let killed =
                Spec::new("banyan", program()?, log).args(args).env("KUBECONFIG", &kubeconfig).spawn()?;
            tokio::time::timeout(LIMIT, proxy.sprung())
                .await
                .with_context(|| format!("only {} of {writes} writes came", proxy.writes().len()))?;
            killed.kill().await?;
            proxy.reset();
            let next = cli(&kubeconfig, &args).await?;
            let what = format!("killed at write {write} of {writes}");
            ensure!(next.status.code() == Some(0), "{what}: {}\n{}", next.stdout, next.stderr);
            self.nothing_is_held().await.context(what)?;
        }
        Ok(())
    }

    async fn with_the_data(&self) -> Result<()> {
        let stage = &self.stage;
        chart::install(&stage.plane, &json!({})).await?;
        self.free_lease().await?;
        let operator = self.operator().await?;
        operator.kill_9().await?;
        let ledger = self.ledger().await?;
        let days = self.baseline_ledger().await?;
        let folder = dirs::fresh("export")?;
        let path = folder.display().to_string();
        let done = self.uninstall(&["--yes", "--delete-data", "--export-ledgers", &path]).await?;
        ensure!(done.status.code() == Some(0), "{}\n{}", done.stdout, done.stderr);
        let after = stage.world().await?;
        ensure!(after == self.before, "left behind: {:?}", differing(&self.before, &after));
        chart::delete_release(&stage.plane).await?;
        self.only_these_are_left(&[]).await?;

        // A new installation takes the export in, and leads at once.
        chart::install(&stage.plane, &json!({})).await?;
        // The policies on Waivers know the kind a little after it is served.
        until(LIMIT, "the export to be taken in", || async {
            let apply = [Path::new("apply"), Path::new("-f"), &folder];
            stage.plane.kubectl(apply).await.map(|_| true)
        })
        .await?;
        ensure!(self.ledger().await? == ledger, "the ledger is not as it was");
        ensure!(self.baseline_ledger().await? == days, "the baseline's ledger is not as it was");
        let operator = self.operator().await?;
        ensure!(self.ledger().await? == ledger, "the ledger was not taken up");
        let map = stage.maps().get("banyan-ledger-gulou").await?;
        let site = stage.sites().get(SITE).await?;
        ensure!(map.owner_references().iter().any(|owner| Some(&owner.uid) == site.uid().as_ref()));
        operator.stop().await
    }

    /// The operator, after it has taken everything.
    async fn operator(&self) -> Result<Operator> {
        let options = OperatorOptions {
            now: Some(at(VIOLATED)?),
            // Waited out by the first run.
            lease_duration: "3s".to_owned(),
            ..OperatorOptions::default()
        };
        let operator = Operator::start(&self.stage.plane, options).await?;
        until(LIMIT, "everything to be held", || async {
            let held = Box::pin(self.held()).await?;
            let all = held.as_object().is_some_and(|held| held.values().all(|value| !value.is_null()));
            if all { Ok(true) } else { bail!("{held:#}") }
        })
        .await?;
        Ok(operator)
    }

    /// Everything is held and nobody runs.
    async fn take(&self) -> Result<()> {
        chart::install(&self.stage.plane, &json!({})).await?;
        self.free_lease().await?;
        self.operator().await?.stop().await
    }

    /// What somebody does who has changed his mind about an uninstallation.
    async fn free_lease(&self) -> Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.stage.plane.client(), NAMESPACE);
        match leases.delete("banyan", &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => Ok(deleted.map(drop)?),
        }
    }

    async fn uninstall(&self, args: &[&str]) -> Result<Finished> {
        let args: Vec<&str> = ["uninstall"].into_iter().chain(args.iter().copied()).collect();
        operator::cli(&self.stage.plane.admin_kubeconfig(), &args).await
    }

    /// What is held, each part null if it is not.
    async fn held(&self) -> Result<Value> {
        let stage = &self.stage;
        let nightly = stage.cron_jobs().get("nightly").await?;
        let node = stage.nodes().get("gulou-1").await?;
        let site = stage.sites().get(SITE).await?;
        let left = |conditions: Option<Vec<Condition>>| {
            let uninstalled = |one: &Condition| one.type_ == "Ready" && one.reason == "Uninstalled";
            (!conditions.is_some_and(|all| all.iter().any(uninstalled))).then_some("is looked after")
        };
        let baselines: Api<SecurityBaseline> = Api::all(stage.plane.client());
        let baseline = baselines.get("city").await?.status.map(|status| status.conditions);
        let waivers: Api<Waiver> = Api::all(stage.plane.client());
        let waiver = waivers.get_opt("camera").await?.and_then(|waiver| waiver.status);
        Ok(json!({
            "baseline": left(baseline),
            "waiver": left(waiver.map(|status| status.conditions)),
            "hold": nightly.annotations().get(LOAN),
            "avoid": node.labels().get("banyan.dev/avoid"),
            "freezeMark": stage.maps().get_opt("banyan-freeze-gulou").await?.map(|map| map.data),
            "denied": self.policies().await?.into_iter().find(|policy| policy.ends_with(&format!("binding.admissionregistration.k8s.io/{DENYING}"))),
            "holdMark": stage.maps().get_opt("banyan-hold-gulou").await?.map(|map| map.data),
            "finalizer": site.finalizers().first(),
            "engaged": site.status.and_then(|status| status.enforcement).map(|one| one.engaged)
                .filter(|engaged| engaged.len() == ACTIONS.len()),
        }))
    }

    async fn nothing_is_held(&self) -> Result<()> {
        let after = self.stage.world().await?;
        ensure!(after == self.before, "left behind: {:?}", differing(&self.before, &after));
        let held = Box::pin(self.held()).await?;
        let none = held.as_object().is_some_and(|held| held.values().all(Value::is_null));
        ensure!(none, "still there: {held:#}");
        ensure!(self.policies().await?.is_empty(), "policies were left: {:?}", self.policies().await?);
        let leases: Api<Lease> = Api::namespaced(self.stage.plane.client(), NAMESPACE);
        let holder = leases.get("banyan").await?.spec.and_then(|spec| spec.holder_identity);
        ensure!(holder.as_deref() == Some("banyan-uninstall"), "the Lease is held by {holder:?}");
        Ok(())
    }

    async fn policies(&self) -> Result<Vec<String>> {
        let kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings,\
                     mutatingadmissionpolicies,mutatingadmissionpolicybindings";
        let text = self.stage.plane.kubectl(["get", kinds, "--output=name"]).await?;
        Ok(text.lines().filter(|line| line.contains("banyan")).map(str::to_owned).collect())
    }

    async fn ledger(&self) -> Result<String> {
        self.text_of("banyan-ledger-gulou").await
    }

    async fn baseline_ledger(&self) -> Result<String> {
        self.text_of("banyan-baseline-ledger-city").await
    }

    async fn text_of(&self, ledger: &str) -> Result<String> {
        let map = self.stage.maps().get(ledger).await?;
        map.data.and_then(|mut data| data.remove("ledger")).context("the ledger has no text")
    }

    /// Why a privileged Pod is refused, if it is.
    async fn try_privileged(&self) -> Result<Option<String>> {
        let pods: Api<Pod> = Api::namespaced(self.stage.plane.client(), BATCH);
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "privileged" },
            "spec": { "containers": [{ "name": "main", "image": "example/cam", "securityContext": { "privileged": true } }] },
        }))?;
        match pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) => Ok(Some(status.message.clone())),
            Err(error) => bail!(error),
        }
    }

    /// Banyan's reports, a line each.
    async fn reports(&self) -> Result<String> {
        let kinds = "reports.openreports.io,clusterreports.openreports.io";
        let ours = "--selector=app.kubernetes.io/managed-by=banyan";
        self.stage.plane.kubectl(["get", kinds, ours, "--all-namespaces", "--output=name"]).await
    }

    /// Writes the record of the held `CronJob`, and answers the one of before.
    async fn set_loan(&self, record: &Value) -> Result<Value> {
        let cron_jobs = self.stage.cron_jobs();
        let before = json!(cron_jobs.get("nightly").await?.annotations().get(LOAN));
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { LOAN: record } } }));
        cron_jobs.patch("nightly", &PatchParams::default(), &patch).await?;
        Ok(before)
    }

    /// Of all objects of all kinds that can be listed, these alone have Banyan's name in theirs, beside its namespace.
    async fn only_these_are_left(&self, wanted: &[&str]) -> Result<()> {
        let plane = &self.stage.plane;
        // The garbage collector takes a moment.
        until(LIMIT, format!("nothing but {wanted:?} to be left"), || async {
            let kinds = plane.kubectl(["api-resources", "--verbs=list", "--output=name"]).await?;
            let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
            let all = plane
                .kubectl(["get", &kinds.join(","), "--all-namespaces", "--output=name", "--ignore-not-found"])
                .await?;
            let ours = |line: &&str| {
                line.contains("banyan")
                    && *line != "namespace/banyan-system"
                    && !line.starts_with("apiservice")
            };
            let left: Vec<&str> = all
                .lines()
                .filter(ours)
                .filter(|line| !wanted.iter().any(|wanted| line.ends_with(wanted)))
                .collect();
            if left.is_empty() { Ok(true) } else { bail!("left: {left:?}") }
        })
        .await
    }
}

/// The policy that stands for [`BASELINE`], and its binding.
const DENYING: &str = "banyan-city-pod-security-privileged";

/// A baseline that holds one control at admission.
const BASELINE: &str = "\
apiVersion: banyan.dev/v1alpha1
kind: SecurityBaseline
metadata: {name: city}
spec:
  level: 3
  packs: [pod-security]
  enforcement: {controls: [{id: pod-security-privileged, action: Deny}]}
  reports: {apis: [openreports.io], keep: [fail]}
";

/// A resource of another kind than the sites, which is kept and deleted as they are.
const WAIVER: &str = "\
apiVersion: banyan.dev/v1alpha1
kind: Waiver
metadata: {name: camera}
spec:
  baselineName: city
  controls: [pod-privileged-container]
  match: {namespaces: [video]}
  reason: the driver of the cameras needs the device
  expires: '2999-01-31T00:00:00Z'
";

const ADMINISTRATOR: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: administrator, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: administrator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: administrator, namespace: default}]
";
