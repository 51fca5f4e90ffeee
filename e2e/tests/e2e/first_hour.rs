//! docs/first-hour.md, typed as it stands there: bundle, empty cluster, two imported years, Git, a report.
//!
//! With `BANYAN_WRITE_PAGES=1` what was printed is written into the page and its translation, where it is not what they say
//! already: `BANYAN_WRITE_PAGES=1 make test-e2e ONLY=first_hour`. So what the page shows has been printed by these commands.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::bundle;
use banyan_e2e::chart::{NAMESPACE, RELEASE};
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::dirs;
use banyan_e2e::estate::{Bulb, Estate, Load, Overhead, Part, Quantity, Series, Site};
use banyan_e2e::exporter::Exporter;
use banyan_e2e::operator::{Operator, OperatorOptions};
use banyan_e2e::process::Spec;
use banyan_e2e::prometheus::{Prometheus, PrometheusOptions};
use banyan_e2e::wait::{eventually, until};
use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::bundle::Registry;
use crate::transcript::{self, Page, Session};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    // The first build of the static program may be in it.
    tests![every_command_prints_what_its_page_shows]
        .into_iter()
        .map(|test| Test { limit: Duration::from_mins(40), ..test })
        .collect()
}

const PAGES: [&str; 2] = ["first-hour.md", "zh/first-hour.md"];
const LIMIT: Duration = Duration::from_mins(1);
/// Whole days of readings before last month.
const DAYS_BEFORE: i64 = 9;
/// The line of the export in which two cells have changed places.
const WRONG_LINE: usize = 310;

async fn every_command_prints_what_its_page_shows(world: World) -> Result<()> {
    transcript::check()?;
    let page = Page::read(PAGES[0])?;
    let archive = world.bundle().await?;
    let place = Place::prepare(archive).await?;
    let mut session = place.session().await?;
    let mut operator = None;
    let write = std::env::var_os("BANYAN_WRITE_PAGES").is_some();
    let mut outputs = Vec::new();
    for step in &page.steps {
        let (printed, code) = session.run(&step.command).await?;
        ensure!(code == 0, "`{}` ended with {code}:\n{printed}", step.command);
        ensure!(
            write || transcript::same(&step.output, &printed),
            "`{}` prints\n{printed}\nand the page says\n{}",
            step.command,
            step.output
        );
        outputs.push(printed);
        if step.command.contains("helm upgrade") {
            operator = Some(place.operator().await?);
        }
    }
    if write {
        for name in PAGES {
            Page::read(name)?.write(&outputs)?;
        }
    }
    operator.context("the page installs nothing")?.stop().await
}

/// What is there before the first hour: an empty cluster, a registry, a Prometheus, a repository, and somebody's home.
struct Place {
    plane: ControlPlane,
    registry: Registry,
    prometheus: Prometheus,
    _exporter: Exporter,
    tools: Tools,
    /// Of the repository and the home.
    dir: PathBuf,
}

impl Place {
    async fn prepare(archive: &Path) -> Result<Self> {
        let tools = Tools::ensure(&[Component::Kubectl, Component::Helm, Component::Crane]).await?;
        let begin = Readings::begin();
        let (plane, (prometheus, exporter), registry) = tokio::try_join!(
            ControlPlane::start(Options::whole("first-hour")),
            readings(begin),
            Registry::start()
        )?;
        for name in ["node-1", "node-2"] {
            plane.kwok()?.add_node(name, &[("topology.kubernetes.io/zone", "gulou-1")]).await?;
        }
        let dir = dirs::fresh("first-hour")?;
        let home = dir.join("home");
        fs::create_dir_all(dir.join("bin"))?;
        fs::create_dir_all(&home)?;
        for tool in [Component::Kubectl, Component::Helm, Component::Crane] {
            std::os::unix::fs::symlink(tools.path(tool)?, dir.join("bin").join(tool.name()))?;
        }
        fs::copy(archive, home.join(archive.file_name().context("an archive without a name")?))?;
        fs::write(home.join("dcim-export.csv"), export(begin)?)?;
        let all = Self { plane, registry, prometheus, _exporter: exporter, tools, dir };
        all.repository().await?;
        Ok(all)
    }

    /// The repository of the estate, on disk, with its first commit.
    async fn repository(&self) -> Result<()> {
        let work = self.dir.join("work");
        fs::create_dir_all(work.join("sites"))?;
        for site in SITES {
            fs::write(
                work.join("sites").join(format!("{}.yaml", site.name)),
                site.manifest(self.prometheus.url()),
            )?;
        }
        let script = format!(
            "cd '{}' && git init -q -b main && git add . && git commit -q -m 'The sites and their meters' && \
             git clone -q --bare . '{}'",
            work.display(),
            self.dir.join("estate.git").display()
        );
        let mut spec = Spec::new("git", "sh", self.dir.join("git.log")).args(["-c", &script]);
        for (name, value) in identity("Estate", &self.dir) {
            spec = spec.env(name, value);
        }
        spec.output(LIMIT).await.map(drop)
    }

    async fn session(&self) -> Result<Session> {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.dir.join("bin").display());
        let home = self.dir.join("home");
        let mut env = vec![
            ("PATH", path),
            ("LANG", "C.UTF-8".to_owned()),
            (
                "KUBECONFIG",
                self.plane.kubeconfig_for_user("li.na", &["system:masters"])?.display().to_string(),
            ),
        ];
        env.extend(identity("Li Na", &home));
        let arch = bundle::architecture(&bundle::host().await?)?;
        let names = [
            ("https://git.city.example/estate.git", self.dir.join("estate.git").display().to_string()),
            ("http://prometheus.city.example:9090", self.prometheus.url().to_owned()),
            ("registry.city.example", self.registry.address.clone()),
            ("https://kubernetes.city.example:6443", self.plane.url().to_owned()),
            ("linux-amd64", format!("linux-{arch}")),
            ("/home/lina", home.display().to_string()),
        ];
        let names = names.into_iter().map(|(page, here)| (page.to_owned(), here)).collect();
        Session::start(&home, &env, names).await
    }

    /// kwok's Pods are Running, and nothing runs in them. So what the Deployment's image holds is run here, under the
    /// chart's account and the name of its first Pod.
    async fn operator(&self) -> Result<Operator> {
        let deployments: Api<Deployment> = Api::namespaced(self.plane.client(), NAMESPACE);
        let deployment = json!(deployments.get(RELEASE).await?);
        let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
        let layers = self.dir.join("image.tar");
        let crane = Spec::new("crane", self.tools.path(Component::Crane)?, self.dir.join("crane.log"));
        let export = crane.args(["export", image.context("no image")?]).args([&layers]);
        export.env("DOCKER_CONFIG", &self.dir).output(LIMIT).await?;
        let root = self.dir.join("root");
        fs::create_dir_all(&root)?;
        bundle::unpack(&fs::read(&layers)?, &root)?;
        let pods: Api<Pod> = Api::namespaced(self.plane.client(), NAMESPACE);
        let identity = eventually(LIMIT, "the Deployment's first Pod", || async {
            let all = pods.list(&ListParams::default()).await?;
            Ok(all.iter().map(ResourceExt::name_any).min())
        })
        .await?;
        let options =
            OperatorOptions { identity, program: Some(root.join("banyan")), ..OperatorOptions::default() };
        Operator::start(&self.plane, options).await
    }
}

/// Who commits, and a home of their own, so that nothing of this machine's user is asked for.
fn identity(name: &str, home: &Path) -> Vec<(&'static str, String)> {
    let mail = format!("{}@city.example", name.to_lowercase().replace(' ', "."));
    vec![
        ("HOME", home.display().to_string()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_AUTHOR_NAME", name.to_owned()),
        ("GIT_AUTHOR_EMAIL", mail.clone()),
        ("GIT_COMMITTER_NAME", name.to_owned()),
        ("GIT_COMMITTER_EMAIL", mail),
    ]
}

/// A site of this estate. There are no seasons, so that the verdicts are the same in January and in July.
struct Hall {
    name: &'static str,
    place: &'static str,
    commissioned: &'static str,
    rated: u32,
    racks: [u32; 2],
    /// What the IT meters are called, and where they stand.
    it: (&'static str, &'static str),
    kilowatts: f64,
    fixed: f64,
    proportional: f64,
}

/// A PUE of about 1.40, and one of about 1.20.
const SITES: [Hall; 2] = [
    Hall {
        name: "changle-1",
        place: "district: changle",
        commissioned: "2024-06-01",
        rated: 8000,
        racks: [2000, 1440],
        it: ("pdu", "PDU"),
        kilowatts: 3600.0,
        fixed: 120.0,
        proportional: 0.165,
    },
    Hall {
        name: "gulou-1",
        place: "district: gulou",
        commissioned: "2011-09-01",
        rated: 2000,
        racks: [700, 560],
        it: ("ups", "UPS"),
        kilowatts: 1400.0,
        fixed: 40.0,
        proportional: 0.37,
    },
];

impl Hall {
    fn manifest(&self, prometheus: &str) -> String {
        let mut text = format!(
            "apiVersion: banyan.dev/v1alpha1\nkind: DataCenter\nmetadata:\n  name: {name}\nspec:\n  \
             location: {{ region: cn-fujian, city: fuzhou, {place}, timeZone: Asia/Shanghai }}\n  \
             commissioned: \"{commissioned}\"\n  racks: {{ standard: {}, inUse: {} }}\n  \
             ratedITKilowatts: {rated}\n  \
             nodeSelector: {{ matchLabels: {{ topology.kubernetes.io/zone: {name} }} }}\n  \
             energy:\n    prometheus:\n      url: {prometheus}\n    meters:\n",
            self.racks[0],
            self.racks[1],
            name = self.name,
            place = self.place,
            commissioned = self.commissioned,
            rated = self.rated,
        );
        for side in ["a", "b"] {
            self.meter(&mut text, &format!("feed-{side}"), "Facility", &format!("feed=\"{side}\""));
        }
        for side in ["a", "b"] {
            let name = format!("{}-{side}", self.it.0);
            let purpose = format!("IT, position: {}", self.it.1);
            self.meter(&mut text, &name, &purpose, &format!("meter=\"{name}\""));
        }
        text
    }

    fn meter(&self, text: &mut String, name: &str, purpose: &str, label: &str) {
        let site = self.name;
        let _ = writeln!(
            text,
            "    - {{ name: {name}, purpose: {purpose}, type: Counter, unit: kWh, interval: 15m,\n        \
             query: 'dc_energy_kwh_total{{site=\"{site}\",{label}}}' }}"
        );
    }

    fn site(&self, seed: u64) -> Site {
        let halves = |quantity, key: &str, name: &str| {
            [("a", Part::First(510)), ("b", Part::Rest(510))].map(|(side, part)| Series {
                quantity,
                part,
                label: format!("{key}=\"{name}{side}\""),
                stops: None,
            })
        };
        let feeds = halves(Quantity::Facility, "feed", "");
        let it = halves(Quantity::It, "meter", &format!("{}-", self.it.0));
        Site {
            name: self.name.to_owned(),
            seed,
            load: Load {
                base_kilowatts: self.kilowatts,
                anchor: 0,
                growth_per_year: 0.0,
                daily_swing: 0.06,
                weekend_dip: 0.1,
            },
            overhead: Overhead {
                fixed_kilowatts: self.fixed,
                proportional: self.proportional,
                per_kelvin: 0.0,
                free_below_celsius: 0.0,
                bulb: Bulb::Dry,
            },
            fault: None,
            solar_kilowatts: 0.0,
            inlet_celsius: 24.0,
            series: feeds.into_iter().chain(it).collect(),
        }
    }
}

fn sites() -> Vec<Site> {
    SITES.iter().zip(1..).map(|(hall, seed)| hall.site(seed)).collect()
}

/// Fuzhou's.
fn zone() -> TimeZone {
    tz::offset(8).to_time_zone()
}

fn midnight(date: Date) -> Result<Timestamp> {
    Ok(date.to_zoned(zone())?.timestamp())
}

/// When the Prometheus begins.
struct Readings;

impl Readings {
    fn begin() -> Date {
        let today = Timestamp::now().to_zoned(zone()).date();
        let last = today.first_of_month().saturating_sub(1.day()).first_of_month();
        last.saturating_sub(DAYS_BEFORE.days())
    }
}

/// A Prometheus with the readings from this day on, and the meters that go on.
async fn readings(begin: Date) -> Result<(Prometheus, Exporter)> {
    let now = Timestamp::now();
    let estate = Estate::new(sites(), now);
    let history = dirs::fresh("readings")?.join("history.om");
    estate.write_openmetrics(&history, midnight(begin)?, Timestamp::from_second(estate.end())?)?;
    let exporter = Exporter::start(move || estate.exposition(Timestamp::now())).await?;
    let prometheus = Prometheus::start(PrometheusOptions {
        history: vec![history.clone()],
        meters: vec![exporter.address().to_owned()],
        ..PrometheusOptions::default()
    })
    .await?;
    fs::remove_file(&history).ok();
    until(LIMIT, "the first live readings", || async {
        Ok(!prometheus.query("dc_energy_kwh_total").await?.is_empty())
    })
    .await?;
    Ok((prometheus, exporter))
}

/// Two years of days before the readings, as another system has counted them at the same meters.
fn export(begin: Date) -> Result<String> {
    let first = begin.saturating_sub(2.years());
    // An estate knows thirteen months.
    let middle = begin.saturating_sub(1.year());
    let estates = [(first, middle), (middle, begin)]
        .into_iter()
        .map(|(from, to)| Ok((from, to, Estate::new(sites(), midnight(to)?))))
        .collect::<Result<Vec<_>>>()?;
    let mut lines = vec!["site,date,facility_kwh,it_kwh,position".to_owned()];
    for hall in &SITES {
        for (from, to, estate) in &estates {
            let at = |date: Date| estate.totals(hall.name, midnight(date)?).context("no such site");
            for day in from.series(1.day()).take_while(|day| day < to) {
                let (before, after) = (at(day)?, at(day.tomorrow()?)?);
                let kwh = |before: i64, after: i64| (after - before) as f64 / 1000.0;
                let facility = kwh(before.facility_wh, after.facility_wh);
                let it = kwh(before.it_wh, after.it_wh);
                let (left, right) =
                    if lines.len() + 1 == WRONG_LINE { (it, facility) } else { (facility, it) };
                lines.push(format!("{},{day},{left:.1},{right:.1},{}", hall.name, hall.it.1));
            }
        }
    }
    Ok(lines.join("\n") + "\n")
}
