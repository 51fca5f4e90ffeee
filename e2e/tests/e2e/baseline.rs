//! A security baseline on a real API server: reports appear and clear, what is denied is refused without Banyan, a warning warns, a waiver opens and
//! closes, and where the API server has no reports the rest works.

mod bad;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::{SecurityBaseline, Waiver};
use banyan_e2e::audit;
use banyan_e2e::browser::Browser;
use banyan_e2e::chart;
use banyan_e2e::components::Component;
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::dirs;
use banyan_e2e::kubeconfig;
use banyan_e2e::operator::{self, Operator, OperatorOptions};
use banyan_e2e::process::Spec;
use banyan_e2e::wait::{eventually, until};
use jiff::Timestamp;
use k8s_openapi::api::{admissionregistration::v1::ValidatingAdmissionPolicy, apps::v1::Deployment};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::stage::create;
use crate::waivers::PEOPLE;
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    let mut tests = tests![a_baseline_is_reported_held_and_waived];
    for test in &mut tests {
        test.limit = Duration::from_mins(10);
    }
    tests
}

/// How long a change may take to show.
const LIMIT: Duration = Duration::from_mins(1);
const DENIED: &str = "pod-security-privileged";
const WARNED: &str = "pod-security-host-network";

fn deployment(name: &str, privileged: bool, host_network: bool) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "video" },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "hostNetwork": host_network,
                    "containers": [{ "name": "main", "image": "example/cam", "securityContext": { "privileged": privileged } }],
                },
            },
        },
    })
}

struct Scene {
    plane: ControlPlane,
    client: Client,
}

impl Scene {
    async fn start() -> Result<Self> {
        let plane =
            ControlPlane::start(Options { name: "baseline".to_owned(), ..Options::default() }).await?;
        chart::install(&plane, &json!({})).await?;
        plane.create_namespace("video").await?;
        plane.apply(PEOPLE).await?;
        let client = plane.client();
        Ok(Self { plane, client })
    }

    async fn operator(&self) -> Result<Operator> {
        Operator::start(
            &self.plane,
            OperatorOptions { lease_duration: "3s".to_owned(), ..OperatorOptions::default() },
        )
        .await
    }

    fn baselines(&self) -> Api<SecurityBaseline> {
        Api::all(self.client.clone())
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), "video")
    }

    async fn condition(&self, kind: &str) -> Result<(String, String, String)> {
        let baseline = self.baselines().get("city").await?;
        let status = baseline.status.unwrap_or_default();
        let found = status.conditions.iter().find(|condition| condition.type_ == kind);
        Ok(found.map(|one| (one.status.clone(), one.reason.clone(), one.message.clone())).unwrap_or_default())
    }

    /// Waits until a condition is as wanted, and returns its message.
    async fn told(&self, kind: &str, status: &str) -> Result<String> {
        eventually(LIMIT, format!("{kind} to be {status}"), || async {
            let (is, reason, message) = self.condition(kind).await?;
            Ok((is == status).then(|| format!("{reason}: {message}")))
        })
        .await
    }

    /// Results of the report on a Deployment, by control; none while there is no report.
    async fn results(&self, api: &str, kind: &str, name: &str) -> Result<Option<Vec<Value>>> {
        let uid = self.deployments().get(name).await?.uid().context("no uid")?;
        let Some(report) = self.report(api, kind, &uid).await? else { return Ok(None) };
        Ok(Some(report.data["results"].as_array().cloned().unwrap_or_default()))
    }

    async fn report(&self, api: &str, kind: &str, name: &str) -> Result<Option<DynamicObject>> {
        let (group, version) = api.split_once('/').context("no group")?;
        let resource = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, kind));
        let reports: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), "video", &resource);
        match reports.get_opt(name).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            answered => Ok(answered?),
        }
    }

    /// What the report on a Deployment says of a control.
    async fn says(&self, name: &str, control: &str, wanted: Option<&str>) -> Result<()> {
        until(LIMIT, format!("the report on {name} to say {wanted:?} of {control}"), || async {
            let results = self.results("openreports.io/v1alpha1", "Report", name).await?;
            let Some(results) = results else { return Ok(false) };
            let said = results.iter().find(|result| result["rule"] == control);
            Ok(said.and_then(|result| result["result"].as_str()) == wanted)
        })
        .await
    }

    async fn try_create(&self, name: &str, privileged: bool) -> Result<Option<String>> {
        let manifest: Deployment = serde_json::from_value(deployment(name, privileged, false))?;
        let params = PostParams { dry_run: true, ..PostParams::default() };
        match self.deployments().create(&params, &manifest).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) => Ok(Some(status.message.clone())),
            Err(error) => bail!(error),
        }
    }

    /// The report from the operator's words has the verdicts of the status, the finding on a Deployment, and the ledger's day.
    async fn page_tells_of(&self, name: &str) -> Result<()> {
        let kubeconfig = self.plane.admin_kubeconfig();
        let page =
            operator::cli(&kubeconfig, &["baseline", "report", "city", "-o", "html", "--lang", "en"]).await?;
        ensure!(page.status.code() == Some(0), "{}", page.stderr);
        let status = self.baselines().get("city").await?.status.context("no status")?;
        let date = status.clauses.first().context("no clause")?.since.0.strftime("%Y-%m-%d").to_string();
        for part in [
            &format!("Deployment video/{name}"),
            DENIED,
            "The last 30 days",
            &format!("<th scope=\"row\">{date}"),
        ] {
            ensure!(page.stdout.contains(part), "{part} is missing in\n{}", page.stdout);
        }
        let dir = dirs::fresh("baseline-report")?;
        let browser = Browser::start().await?;
        for lang in ["en", "zh"] {
            let told =
                operator::cli(&kubeconfig, &["baseline", "report", "city", "-o", "html", "--lang", lang])
                    .await?;
            let file = dir.join(format!("{lang}.html"));
            std::fs::write(&file, told.stdout)?;
            browser.show("screen", 1_280).await?;
            browser.open(&file).await?;
            // For whoever looks at a failed run.
            browser.picture(&dir.join(format!("{lang}.png"))).await?;
            let console = browser.console().await?;
            ensure!(console.is_empty(), "{lang}: {console:?}");
            let (days, wide): (usize, bool) = browser
                .eval(
                    "return [document.querySelectorAll('th[scope=row]').length, \
                     document.documentElement.scrollWidth > document.documentElement.clientWidth]",
                )
                .await?;
            ensure!(days > 0 && !wide, "{lang}: {days} rows, wider than the screen: {wide}");
        }
        browser.stop().await?;
        let file = dir.join("city.xlsx");
        let path = file.display().to_string();
        let sheet =
            operator::cli(&kubeconfig, &["baseline", "report", "city", "-o", "xlsx", "--output-file", &path])
                .await?;
        ensure!(sheet.status.code() == Some(0), "{}", sheet.stderr);
        ensure!(std::fs::read(&file)?.starts_with(b"PK"), "no workbook");
        let none = operator::cli(&kubeconfig, &["baseline", "report", "village"]).await?;
        ensure!(
            none.status.code() == Some(2) && none.stderr.contains("no SecurityBaseline village"),
            "{none:?}"
        );
        Ok(())
    }

    /// The line of the baseline is that of its status.
    async fn status_shows(&self) -> Result<()> {
        let kubeconfig = self.plane.admin_kubeconfig();
        let shown = operator::cli(&kubeconfig, &["status", "--lang", "en"]).await?;
        ensure!(shown.status.code() == Some(0), "{}", shown.stderr);
        ensure!(shown.stderr == "there are no DataCenters\n", "{}", shown.stderr);
        let row: Vec<&str> = shown.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        let status = self.baselines().get("city").await?.status.context("no status")?;
        let (counts, score) = (status.counts.context("no counts")?, status.score.context("no score")?);
        // The age is between.
        let figures = [counts.fail, counts.warn, counts.error, counts.unknown, counts.manual];
        let wanted: Vec<String> = ["city", "3", "mlps+pod-security"]
            .map(str::to_owned)
            .into_iter()
            .chain(figures.map(|figure| figure.to_string()))
            .chain([status.high_risks.len().to_string(), score.to_string(), "True".to_owned()])
            .collect();
        ensure!(row.starts_with(&wanted.iter().map(String::as_str).collect::<Vec<_>>()), "{}", shown.stdout);
        ensure!(row.len() == wanted.len() + 2 && row.last() == Some(&"True"), "{}", shown.stdout);
        let machine = operator::cli(&kubeconfig, &["status", "city", "-o", "json"]).await?;
        let read: Value = serde_json::from_str(&machine.stdout)?;
        ensure!(read[0]["kind"] == "SecurityBaseline" && read[1].is_null(), "{read}");
        Ok(())
    }

    async fn refused(&self) -> Result<String> {
        eventually(LIMIT, "a privileged Deployment to be refused", || self.try_create("another", true)).await
    }
}

async fn a_baseline_is_reported_held_and_waived(_: World) -> Result<()> {
    let scene = Scene::start().await?;
    let deployments = scene.deployments();
    create(&deployments, deployment("camera", true, false)).await?;
    let mut operator = scene.operator().await?;
    create(
        &scene.baselines(),
        json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "SecurityBaseline", "metadata": { "name": "city" },
            "spec": {
                "level": 3, "packs": ["mlps", "pod-security"],
                "enforcement": { "default": "Warn", "controls": [{ "id": DENIED, "action": "Deny" }] },
                "reports": { "apis": ["openreports.io", "wgpolicyk8s.io"], "keep": ["fail", "warn", "error", "skip"] },
            },
        }),
    )
    .await?;

    // The API server has no reports: that is said, and everything else works.
    let missing = scene.told("ReportsWritten", "False").await?;
    ensure!(missing.contains("ReportsNotServed"), "{missing}");
    scene.told("Evaluated", "True").await?;
    let status = scene.baselines().get("city").await?.status.context("no status")?;
    let counts = status.counts.context("no counts")?;
    ensure!(counts.fail > 0 && counts.pass > 0 && counts.error == 0, "{counts:?}");
    ensure!(status.clauses.len() > 200, "{} clauses", status.clauses.len());
    let refusal = scene.refused().await?;
    ensure!(refusal.contains(&format!("banyan-city-{DENIED}")), "{refusal}");
    ensure!(scene.try_create("another", false).await?.is_none(), "a decent Deployment is refused");

    // They come to be served, and reports appear.
    for file in std::fs::read_dir(dirs::repository().join("charts/banyan/files/report-crds"))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            scene.plane.apply(&std::fs::read_to_string(path)?).await?;
        }
    }
    scene.told("ReportsWritten", "True").await?;
    scene.says("camera", DENIED, Some("fail")).await?;
    let camera = deployments.get("camera").await?;
    let uid = camera.uid().context("no uid")?;
    for (api, kind) in [("openreports.io/v1alpha1", "Report"), ("wgpolicyk8s.io/v1alpha2", "PolicyReport")] {
        let report = eventually(LIMIT, format!("a {kind}"), || scene.report(api, kind, &uid)).await?;
        ensure!(report.owner_references()[0].uid == uid, "{:?}", report.owner_references());
        let failed = &report.data["summary"]["fail"];
        ensure!(failed.as_u64().is_some_and(|failed| failed > 0), "{failed}");
    }

    let results = scene.results("openreports.io/v1alpha1", "Report", "camera").await?.unwrap_or_default();
    ensure!(results.iter().all(|result| result["properties"]["baseline"] == "city"), "{results:?}");
    scene.status_shows().await?;

    // The page and the sheet are made of what was told.
    scene.page_tells_of("camera").await?;

    // A warning warns.
    let warned = dirs::fresh("baseline")?.join("warned.yaml");
    std::fs::write(&warned, deployment("network", false, true).to_string())?;
    let log = dirs::fresh("kubectl")?.join("kubectl.log");
    let kubectl = Spec::new("kubectl", scene.plane.tools().path(Component::Kubectl)?, log)
        .flag("kubeconfig", scene.plane.admin_kubeconfig())
        .args(["create", "-f", &warned.to_string_lossy()]);
    let said = kubectl.run(LIMIT).await?.stderr;
    ensure!(said.contains("Warning: ") && said.contains(WARNED), "{said}");

    // What is mended clears, and what goes takes its report along.
    let mended = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "securityContext": { "privileged": false } }] } } } });
    deployments.patch("camera", &PatchParams::default(), &Patch::Strategic(mended)).await?;
    scene.says("camera", DENIED, None).await?;
    let network = deployments.get("network").await?.uid().context("no uid")?;
    eventually(LIMIT, "a report", || scene.report("openreports.io/v1alpha1", "Report", &network)).await?;
    deployments.delete("network", &kube::api::DeleteParams::background()).await?;
    until(LIMIT, "the report to go", || async {
        Ok(scene.report("openreports.io/v1alpha1", "Report", &network).await?.is_none())
    })
    .await?;

    // A second start finds everything as it is.
    operator.stop().await?;
    let user = operator::user();
    let mark = scene.plane.audit().mark();
    operator = scene.operator().await?;
    let looks = "banyan_kernel_reconciles_total{kind=\"SecurityBaseline\",outcome=\"ok\"}";
    until(LIMIT, "two looks", || async {
        Ok(operator.metric(looks).await?.is_some_and(|looks| looks >= 1.0))
    })
    .await?;
    let writes = scene.plane.audit().writes_by(&user, mark)?;
    ensure!(writes.is_empty(), "written although nothing has changed:\n{}", audit::list(&writes));

    // What somebody takes away is put back.
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(scene.client.clone());
    let policy = format!("banyan-city-{DENIED}");
    let before = policies.get(&policy).await?.uid();
    policies.delete(&policy, &kube::api::DeleteParams::background()).await?;
    until(LIMIT, "the policy to be back", || async {
        Ok(policies.get_opt(&policy).await?.is_some_and(|now| now.uid() != before))
    })
    .await?;
    scene.refused().await?;

    // Suspended, it is judged and reported, and what is taken away stays away.
    let suspend = async |suspend: bool| {
        let patch = Patch::Merge(json!({ "spec": { "suspend": suspend } }));
        scene.baselines().patch("city", &PatchParams::default(), &patch).await
    };
    suspend(true).await?;
    until(LIMIT, "the baseline to rest", || async { Ok(scene.condition("Ready").await?.1 == "Suspended") })
        .await?;
    policies.delete(&policy, &kube::api::DeleteParams::background()).await?;
    until(LIMIT, "nobody to refuse", || async { Ok(scene.try_create("paused", true).await?.is_none()) })
        .await?;
    create(&deployments, deployment("paused", true, false)).await?;
    scene.says("paused", DENIED, Some("fail")).await?;
    ensure!(policies.get_opt(&policy).await?.is_none(), "it is put back although the baseline is suspended");
    deployments.delete("paused", &kube::api::DeleteParams::background()).await?;
    suspend(false).await?;
    until(LIMIT, "the policy to be back", || async { Ok(policies.get_opt(&policy).await?.is_some()) })
        .await?;
    scene.refused().await?;

    Box::pin(bad::packs_are_named_and_the_rest_goes_on(&scene, &operator)).await.context("bad packs")?;
    Box::pin(bad::a_baseline_that_cannot_be_decoded_hides_no_other(&scene, &operator))
        .await
        .context("a baseline that cannot be decoded")?;

    // Without Banyan, what is denied is refused.
    operator.stop().await?;
    let refusal = scene.refused().await?;
    ensure!(refusal.contains(DENIED), "{refusal}");
    operator = scene.operator().await?;

    // A waiver opens when a second person has approved it, and closes by itself.
    let client_of = |user: &'static str| {
        let path = scene.plane.kubeconfig_for_user(user, &[]);
        async move { anyhow::Ok(Api::<Waiver>::all(kubeconfig::client(&path?).await?)) }
    };
    let (lin, chen) = (client_of("lin").await?, client_of("chen").await?);
    let expires = Timestamp::from_second(Timestamp::now().as_second() + 25)?;
    let waiver: Waiver = serde_json::from_value(json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver", "metadata": { "name": "cameras" },
        "spec": {
            "baselineName": "city", "controls": [DENIED], "match": { "namespaces": ["video"], "names": ["driver*"] },
            "reason": "the driver needs the device", "expires": expires.to_string(),
        },
    }))?;
    eventually(LIMIT, "lin to write a waiver", || async {
        match lin.create(&PostParams::default(), &waiver).await {
            Ok(made) => Ok(Some(made)),
            Err(kube::Error::Api(status)) if status.message.contains("banyan-waiver") => Ok(None),
            Err(error) => bail!(error),
        }
    })
    .await?;
    ensure!(scene.try_create("driver-1", true).await?.is_some(), "it opens before it is approved");
    let approval = json!({ "spec": { "approval": { "by": "chen", "at": "2026-11-01T00:00:00Z" } } });
    chen.patch("cameras", &PatchParams::default(), &Patch::Merge(approval)).await?;
    until(LIMIT, "the waiver to open", || async { Ok(scene.try_create("driver-1", true).await?.is_none()) })
        .await?;
    create(&deployments, deployment("driver-1", true, false)).await?;
    scene.says("driver-1", DENIED, Some("skip")).await?;
    let state = |wanted: &'static str| {
        let waivers: Api<Waiver> = Api::all(scene.client.clone());
        async move {
            until(LIMIT, format!("the waiver to be {wanted}"), || async {
                let state = waivers.get("cameras").await?.status.and_then(|status| status.state);
                Ok(json!(state) == json!(wanted))
            })
            .await
        }
    };
    state("Active").await?;
    // It closes without Banyan.
    operator.stop().await?;
    until(LIMIT, "the waiver to close", || async { Ok(scene.try_create("driver-2", true).await?.is_some()) })
        .await?;
    ensure!(Timestamp::now() >= expires, "it closed before its time");
    operator = scene.operator().await?;
    state("Expired").await?;
    scene.says("driver-1", DENIED, Some("fail")).await?;
    let shown =
        operator::cli(&scene.plane.admin_kubeconfig(), &["status", "cameras", "--lang", "zh"]).await?;
    let row: Vec<&str> = shown.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    ensure!(row.starts_with(&["cameras", "city", "已过期"]), "{}{}", shown.stdout, shown.stderr);

    // The reports of a baseline that goes while Banyan is down go when it is back, also when nothing else tells of it.
    operator.stop().await?;
    scene.baselines().delete("city", &kube::api::DeleteParams::background()).await?;
    bad::collect(&scene.plane).await?;
    ensure!(
        scene.report("openreports.io/v1alpha1", "Report", &uid).await?.is_some(),
        "the report is gone already"
    );
    operator = scene.operator().await?;
    for (api, kind) in [("openreports.io/v1alpha1", "Report"), ("wgpolicyk8s.io/v1alpha2", "PolicyReport")] {
        until(LIMIT, "the reports to go", || async { Ok(scene.report(api, kind, &uid).await?.is_none()) })
            .await?;
    }
    operator.stop().await
}
