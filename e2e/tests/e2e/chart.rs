//! The chart and the alerts, by the tools of those who will use them: Helm, the API server and promtool.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_e2e::chart::wait_established;
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::dirs;
use banyan_e2e::operator::program;
use banyan_e2e::process::{Finished, Spec};
use kube::api::{Api, Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        each_rendering_of_the_chart_passes_helm_and_the_api_server,
        the_values_of_an_older_release_render_as_the_defaults_do,
        the_schema_of_the_values_refuses_what_is_wrong_and_says_where,
        the_deployment_runs_the_operator_as_its_command_line_is,
        the_rules_and_their_tests_pass_promtool,
        each_alert_has_a_runbook_and_a_test,
        what_is_copied_or_generated_is_up_to_date,
    ]
}

const NAMESPACE: &str = "chart-check";
const MONITORING: &str = "monitoring.coreos.com/v1";

async fn helm(args: &[&str]) -> Result<Finished> {
    let tools = Tools::ensure(&[Component::Helm]).await?;
    let dir = dirs::fresh("helm")?;
    let mut spec = Spec::new("helm", tools.path(Component::Helm)?, dir.join("helm.log")).args(args);
    // Whatever Helm knows of this machine's user stays out of it.
    for name in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"] {
        spec = spec.env(name, &dir);
    }
    spec.run(Duration::from_mins(1)).await
}

async fn promtool(args: &[&str]) -> Result<()> {
    let tools = Tools::ensure(&[Component::Promtool]).await?;
    let log = dirs::fresh("promtool")?.join("promtool.log");
    let spec = Spec::new("promtool", tools.path(Component::Promtool)?, log).args(args);
    let finished = spec.run(Duration::from_mins(1)).await?;
    ensure!(finished.status.success(), "promtool {args:?}:\n{}{}", finished.stdout, finished.stderr);
    Ok(())
}

/// A subcommand of the operator's program that needs no cluster.
async fn banyan(args: &[&str]) -> Result<String> {
    let log = dirs::fresh("banyan")?.join("banyan.log");
    Spec::new("banyan", program()?, log).args(args).output(Duration::from_secs(20)).await
}

fn chart() -> String {
    path("charts/banyan")
}

fn path(below: &str) -> String {
    dirs::repository().join(below).display().to_string()
}

/// The Kubernetes that the components are of: without a cluster Helm would take an old one.
fn kube_version() -> Result<String> {
    Component::KubeApiserver.version()
}

/// Values that use every feature, and values that use none.
fn variants() -> [(&'static str, Value); 3] {
    let peer =
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } } });
    let everything = json!({
        "replicas": 3,
        "image": {
            "registry": "images.example", "repository": "city/banyan",
            "digest": format!("sha256:{}", "0".repeat(64)), "pullSecrets": ["pull"],
        },
        "fullnameOverride": "city-banyan",
        "freezeGrowth": { "exemptNamespaces": ["monitoring", "kube-system"] },
        "enforcement": { "enabled": false },
        "baseline": { "readSecrets": true },
        "reports": { "installCRDs": true },
        "extraArgs": ["--log-format=text"],
        "serviceAccount": { "name": "account", "annotations": { "example.com/a": "b" } },
        "podAnnotations": { "example.com/a": "b" },
        "podLabels": { "team": "facility" },
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "tolerations": [{ "key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 }],
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
            { "matchExpressions": [{ "key": "a", "operator": "Exists" }] },
        ] } } },
        "priorityClassName": "system-cluster-critical",
        "podDisruptionBudget": { "minAvailable": 2 },
        "networkPolicy": { "prometheusPorts": [9090, 443], "metricsFrom": [peer] },
        "serviceMonitor": { "labels": { "release": "monitoring" } },
        "prometheusRule": { "labels": { "release": "monitoring" } },
        "dashboard": { "annotations": { "folder": "city" } },
        // A namespace that every API server has.
        "argocd": { "health": { "enabled": true, "namespace": "default", "labels": { "team": "facility" } } },
    });
    let off = json!({ "enabled": false });
    let nothing = json!({
        "replicas": 1, "crds": { "install": false }, "freezeGrowth": off, "holdBatch": off, "waivers": off, "parametersInUse": off,
        "podDisruptionBudget": off, "administrators": off, "networkPolicy": off, "serviceMonitor": off, "prometheusRule": off, "dashboard": off, "resources": {},
    });
    [("default", json!({})), ("everything", everything), ("nothing", nothing)]
}

/// The kinds in a rendering, with the documents.
fn documents(text: &str) -> Result<Vec<Value>> {
    let read =
        serde_yaml::Deserializer::from_str(text).map(Value::deserialize).collect::<Result<Vec<_>, _>>();
    Ok(read.context("reading the rendering")?.into_iter().filter(|document| !document.is_null()).collect())
}

/// A rendering, and the file that it stands in.
async fn render(name: &str, values: &Value) -> Result<(PathBuf, Vec<Value>)> {
    let dir = dirs::fresh("rendering")?;
    let file = dir.join("values.yaml");
    std::fs::write(&file, serde_yaml::to_string(values)?)?;
    let (file, version) = (file.display().to_string(), kube_version()?);
    let linted = helm(&["lint", "--strict", &chart(), "--kube-version", &version, "--values", &file]).await?;
    ensure!(linted.status.success(), "helm lint of {name}:\n{}{}", linted.stdout, linted.stderr);

    let rendered = helm(&[
        "template",
        "banyan",
        &chart(),
        "--namespace",
        NAMESPACE,
        "--kube-version",
        &version,
        "--values",
        &file,
        "--api-versions",
        MONITORING,
    ])
    .await?;
    ensure!(rendered.status.success(), "helm template of {name}:\n{}", rendered.stderr);
    let file = dir.join("rendering.yaml");
    std::fs::write(&file, &rendered.stdout)?;
    Ok((file, documents(&rendered.stdout)?))
}

/// A definition of a kind that somebody else brings, without its rules.
fn foreign_definition(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.monitoring.coreos.com") },
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": { "kind": kind, "plural": plural },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            } } }],
        },
    })
}

async fn each_rendering_of_the_chart_passes_helm_and_the_api_server(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    plane.create_namespace(NAMESPACE).await?;
    let definitions = Api::all(plane.client());
    for (kind, plural) in [("ServiceMonitor", "servicemonitors"), ("PrometheusRule", "prometheusrules")] {
        let name = format!("{plural}.monitoring.coreos.com");
        let definition = Patch::Apply(foreign_definition(kind, plural));
        definitions.patch(&name, &PatchParams::apply("banyan-e2e"), &definition).await?;
        wait_established(&definitions, &name).await?;
    }

    for (name, values) in variants() {
        let (file, documents) = render(name, &values).await?;
        let words = ["apply", "--dry-run=server", "--validate=strict", "-f"].map(Into::into);
        let applied = plane.kubectl(words.into_iter().chain([file.into_os_string()])).await;
        applied.with_context(|| format!("applying the rendering of {name}"))?;

        let of = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
        let optional = [
            ("PodDisruptionBudget", 1),
            ("NetworkPolicy", 1),
            ("ServiceMonitor", 1),
            ("PrometheusRule", 1),
            // Of frozen sites, of Waivers, and the one that keeps parameters read.
            ("ValidatingAdmissionPolicy", 3),
            // Of held sites, of who wrote a Waiver, and the same.
            ("MutatingAdmissionPolicy", 3),
        ];
        for (kind, whole) in optional {
            let wanted = if name == "nothing" { 0 } else { whole };
            ensure!(of(kind).count() == wanted, "{name} has {} of {kind}", of(kind).count());
        }
        let definitions = match name {
            "nothing" => 0,
            // And those of reports, which stay as the others do.
            "everything" => banyan_crds::all().len() + 4,
            _ => banyan_crds::all().len(),
        };
        let kept: Vec<_> = of("CustomResourceDefinition")
            .filter(|one| one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep")
            .collect();
        ensure!(kept.len() == definitions, "{name} has and keeps {} definitions", kept.len());
        let secrets = of("ClusterRole")
            .flat_map(|role| role["rules"].as_array().into_iter().flatten())
            .filter(|rule| rule["resources"].as_array().is_some_and(|all| all.contains(&json!("secrets"))));
        let read = json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"] });
        let wanted = if name == "everything" { vec![&read] } else { vec![] };
        ensure!(secrets.collect::<Vec<_>>() == wanted, "{name} reads other Secrets");
        let deployment = of("Deployment").next().context("there is no Deployment")?;
        let pod = &deployment["spec"]["template"];
        let service = of("Service").next().context("there is no Service")?;
        for selector in of("PodDisruptionBudget")
            .map(|one| &one["spec"]["selector"]["matchLabels"])
            .chain(of("NetworkPolicy").map(|one| &one["spec"]["podSelector"]["matchLabels"]))
            .chain([&service["spec"]["selector"], &deployment["spec"]["selector"]["matchLabels"]])
        {
            ensure!(
                selects(selector, &pod["metadata"]["labels"]),
                "{name}: {selector} does not select the Pods"
            );
        }
        for monitor in of("ServiceMonitor") {
            let selector = &monitor["spec"]["selector"]["matchLabels"];
            ensure!(
                selects(selector, &service["metadata"]["labels"]),
                "{name}: the monitor does not select the Service"
            );
            ensure!(
                monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"],
                "{name}: another port"
            );
        }
        let rules: Value = serde_yaml::from_str(&banyan(&["rules"]).await?)?;
        ensure!(
            of("PrometheusRule").all(|rule| rule["spec"] == rules),
            "{name}: the PrometheusRule has other rules"
        );
        let script = banyan(&["gitops", "argocd-health", "--output", "lua"]).await?;
        for crd in banyan_crds::all() {
            let key = format!("resource.customizations.health.banyan.dev_{}", crd.spec.names.kind);
            let health = of("ConfigMap").find_map(|map| map["data"][&key].as_str());
            ensure!(
                health == (name == "everything").then_some(script.as_str()),
                "{name}: another health check {key}: {health:?}"
            );
        }
        hardened(pod).with_context(|| format!("the Pods of {name}"))?;
    }
    Ok(())
}

/// The values of the first chart, which every release has: each section with what was in it. Where nothing is named, it is one value.
const FIRST: [(&str, &[&str]); 23] = [
    ("replicas", &[]),
    ("image", &["registry", "repository", "tag", "digest", "pullPolicy", "pullSecrets"]),
    ("nameOverride", &[]),
    ("fullnameOverride", &[]),
    ("crds", &["install"]),
    ("enforcement", &["enabled"]),
    ("freezeGrowth", &["enabled", "exemptNamespaces"]),
    ("leaseDuration", &[]),
    ("logLevel", &[]),
    ("extraArgs", &[]),
    ("serviceAccount", &["name", "annotations"]),
    ("resources", &[]),
    ("podAnnotations", &[]),
    ("podLabels", &[]),
    ("nodeSelector", &[]),
    ("tolerations", &[]),
    ("affinity", &[]),
    ("priorityClassName", &[]),
    ("podDisruptionBudget", &["enabled", "minAvailable"]),
    ("networkPolicy", &["enabled", "apiServerPorts", "prometheusPorts", "metricsFrom"]),
    ("serviceMonitor", &["enabled", "interval", "labels"]),
    ("prometheusRule", &["enabled", "labels"]),
    ("dashboard", &["enabled", "labels", "annotations"]),
];

/// `helm upgrade --reuse-values` takes the values of the installed release and none of the chart's own, so that what was added since is not
/// there.
async fn the_values_of_an_older_release_render_as_the_defaults_do(_: World) -> Result<()> {
    let values: Value = serde_yaml::from_str(&std::fs::read_to_string(path("charts/banyan/values.yaml"))?)?;
    let mut older = json!({});
    let mut added = Vec::new();
    for (key, section) in values.as_object().context("no values")? {
        match FIRST.iter().find(|(first, _)| first == key) {
            Some((_, [])) => {}
            Some((_, had)) => {
                for name in section.as_object().into_iter().flat_map(|section| section.keys()) {
                    if !had.contains(&name.as_str()) {
                        older[key][name] = Value::Null;
                        added.push(format!("{key}.{name}"));
                    }
                }
            }
            None => {
                older[key] = Value::Null;
                added.push(key.clone());
            }
        }
    }
    ensure!(added.contains(&"prometheusRule.runbookBase".to_owned()) && added.len() > 7, "only {added:?}");
    let (_, rendered) = render("the values of an older release", &older).await?;
    let (_, wanted) = render("the chart's own values", &json!({})).await?;
    for document in &wanted {
        ensure!(
            rendered.contains(document),
            "without {added:?} there is another rendering than {document:#}"
        );
    }
    ensure!(rendered.len() == wanted.len(), "without {added:?} there are {} objects", rendered.len());
    Ok(())
}

/// Whether a selector by labels picks what has these labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().filter(|wanted| !wanted.is_empty());
    wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
}

/// What Pod Security's profile `restricted` asks for, and a root file system that cannot be written.
fn hardened(pod: &Value) -> Result<()> {
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]["securityContext"]);
    ensure!(spec["securityContext"]["runAsNonRoot"] == true, "may run as root");
    ensure!(spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "no seccomp profile");
    ensure!(container["readOnlyRootFilesystem"] == true, "may write its root file system");
    ensure!(container["allowPrivilegeEscalation"] == false, "may gain privileges");
    ensure!(container["capabilities"] == json!({ "drop": ["ALL"] }), "keeps capabilities");
    ensure!(spec["containers"].as_array().is_some_and(|all| all.len() == 1), "has more than one container");
    Ok(())
}

async fn the_schema_of_the_values_refuses_what_is_wrong_and_says_where(_: World) -> Result<()> {
    let version = kube_version()?;
    for (value, place) in [
        ("replicas=0", "/replicas"),
        ("replicas=two", "/replicas"),
        ("replica=2", "replica"),
        ("image.digest=latest", "/image/digest"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("leaseDuration=15", "/leaseDuration"),
        ("leaseDuration=1s", "/leaseDuration"),
        ("holdBatch.enabled=perhaps", "/holdBatch/enabled"),
        ("waivers.enabled=perhaps", "/waivers/enabled"),
        ("parametersInUse.enabled=perhaps", "/parametersInUse/enabled"),
        ("baseline.readSecrets=perhaps", "/baseline/readSecrets"),
        ("reports.installCRDs=perhaps", "/reports/installCRDs"),
        ("prometheusRule.runbookBase=runbooks/", "/prometheusRule/runbookBase"),
        ("networkPolicy.prometheusPorts={0}", "/networkPolicy/prometheusPorts/0"),
        ("serviceMonitor.interval=30", "/serviceMonitor/interval"),
        ("freezeGrowth.exemptNamespaces={Kube}", "/freezeGrowth/exemptNamespaces/0"),
        ("tolerations[0].effect=Never", "/tolerations/0/effect"),
        ("argocd.health.namespace=Argo", "/argocd/health/namespace"),
        ("enforcement.enabled=perhaps", "/enforcement/enabled"),
        ("podDisruptionBudget.minavailable=1", "minavailable"),
    ] {
        let words = ["template", "banyan", &chart(), "--kube-version", &version, "--set", value];
        let finished = helm(&words).await?;
        ensure!(!finished.status.success(), "{value} was taken");
        ensure!(
            finished.stderr.contains(place),
            "{value} was refused without naming {place}: {}",
            finished.stderr
        );
    }
    Ok(())
}

/// Nothing here runs the container, so its arguments and variables are held against the program's own help.
async fn the_deployment_runs_the_operator_as_its_command_line_is(_: World) -> Result<()> {
    let help = banyan(&["run", "--help"]).await?;
    let (_, documents) = render("default", &json!({})).await?;
    let deployment =
        documents.iter().find(|document| document["kind"] == "Deployment").context("no Deployment")?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let args = container["args"].as_array().context("no arguments")?;
    ensure!(args[0] == "run", "it runs {}", args[0]);
    let names: BTreeSet<&str> = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    for arg in args[1..].iter().filter_map(Value::as_str) {
        let (flag, value) = arg.split_once('=').with_context(|| format!("{arg} has no value"))?;
        ensure!(help.contains(&format!("{flag} ")), "`banyan run` has no {flag}:\n{help}");
        // A variable in an argument is replaced only when the container has it.
        if let Some(name) = value.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')')) {
            ensure!(names.contains(name), "{arg} names a variable that is not set");
        }
    }
    Ok(())
}

async fn the_rules_and_their_tests_pass_promtool(_: World) -> Result<()> {
    let file = dirs::fresh("rules")?.join("alerts.yaml");
    std::fs::write(&file, banyan(&["rules"]).await?)?;
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", &file.display().to_string()]).await?;
    let tests = alert_tests()?;
    ensure!(tests.len() >= 4, "only {} files of tests were found", tests.len());
    let words: Vec<String> = tests.iter().map(|file| file.display().to_string()).collect();
    let words: Vec<&str> = ["test", "rules"].into_iter().chain(words.iter().map(String::as_str)).collect();
    promtool(&words).await
}

/// The files with tests of alerts.
fn alert_tests() -> Result<Vec<PathBuf>> {
    let folder = dirs::repository().join("e2e/tests/alerts");
    let entries = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(entries.into_iter().filter(|file| file.extension().is_some_and(|end| end == "yaml")).collect())
}

async fn each_alert_has_a_runbook_and_a_test(_: World) -> Result<()> {
    const BASE: &str = "https://runbooks.example/banyan";
    let rules: Value = serde_yaml::from_str(&banyan(&["rules", "--runbook-base", BASE]).await?)?;
    // By alert: whether a case expects it to fire, and whether one expects it not to.
    let mut tested: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for file in alert_tests()? {
        let suite: Value = serde_yaml::from_str(&std::fs::read_to_string(file)?)?;
        let groups = suite["tests"].as_array().context("no tests")?;
        for case in groups.iter().flat_map(|group| group["alert_rule_test"].as_array().into_iter().flatten())
        {
            let name = case["alertname"].as_str().context("a case without an alert")?;
            let fires = case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            tested.entry(name.to_owned()).or_default()[usize::from(!fires)] = true;
        }
    }
    let groups = rules["groups"].as_array().context("no groups of rules")?;
    let alerts = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let mut names = BTreeSet::new();
    for rule in alerts {
        let Some(name) = rule["alert"].as_str() else { continue };
        names.insert(name);
        let page = rule["annotations"]["runbook_url"].as_str().unwrap_or_default();
        ensure!(page == format!("{BASE}/{name}.md"), "{name} leads to {page}");
        let file = dirs::repository().join(format!("docs/runbooks/{name}.md"));
        ensure!(file.is_file(), "there is no {}", file.display());
        ensure!(
            tested.get(name) == Some(&[true, true]),
            "{name} needs a case in which it fires and one in which it does not: {:?}",
            tested.get(name)
        );
    }
    ensure!(names.len() >= 9, "only {names:?}");
    for entry in std::fs::read_dir(dirs::repository().join("docs/runbooks"))? {
        let page = entry?.file_name().to_string_lossy().into_owned();
        let name = page.trim_end_matches(".md");
        ensure!(name == "README" || names.contains(name), "{page} is of no alert");
    }
    Ok(())
}

async fn what_is_copied_or_generated_is_up_to_date(_: World) -> Result<()> {
    let made = dirs::fresh("crds")?;
    banyan(&["crds", "--output-dir", &made.display().to_string()]).await?;
    let names = |folder: &Path| -> Result<BTreeSet<_>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    };
    for folder in ["crds/manifests", "charts/banyan/files/crds"] {
        let folder = dirs::repository().join(folder);
        ensure!(
            names(&folder)? == names(&made)?,
            "{} has other files than `banyan crds` makes",
            folder.display()
        );
        for name in names(&made)? {
            let (kept, new) =
                (std::fs::read_to_string(folder.join(&name))?, std::fs::read_to_string(made.join(&name))?);
            ensure!(kept == new, "{} is out of date: run `make crds`", folder.join(&name).display());
        }
    }
    let kept = std::fs::read_to_string(path("charts/banyan/files/alerts.yaml"))?;
    if kept != banyan(&["rules"]).await? {
        bail!("charts/banyan/files/alerts.yaml is out of date: run `make crds`");
    }
    let kept = std::fs::read_to_string(path("charts/banyan/files/argocd-health.lua"))?;
    if kept != banyan(&["gitops", "argocd-health", "--output", "lua"]).await? {
        bail!("charts/banyan/files/argocd-health.lua is out of date: run `make crds`");
    }
    Ok(())
}
