//! Finds the real components that everything here runs on, or builds them.
//!
//! A component is looked for in the folder that `KUBEBUILDER_ASSETS` names, then in the cache
//! `${XDG_CACHE_HOME:-~/.cache}/banyan/<component>-<version>-<fingerprint>/`, then, for etcd, kube-apiserver and
//! kubectl, fetched ready-made by setup-envtest if its download answers within seconds, and else built from the Go
//! modules under `controlplane/`, which pin every version. What was fetched or built goes into the cache, so that this
//! happens once per version and machine.

mod completed;
mod prebuilt;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::Mutex;

use crate::dirs;
use crate::go::{self, Module};
use crate::process::Spec;

/// How often a line about a running build is written.
const PROGRESS: Duration = Duration::from_secs(30);

/// The longest build, with a wide margin for machines slower than those it was measured on.
const BUILD_LIMIT: Duration = Duration::from_mins(45);

/// A program that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The API server's store.
    Etcd,
    /// The Kubernetes API server.
    KubeApiserver,
    /// Kubernetes' own controllers.
    KubeControllerManager,
    /// Assigns Pods to Nodes.
    KubeScheduler,
    /// The command line of Kubernetes.
    Kubectl,
    /// Plays the part of Nodes and their Pods.
    Kwok,
    /// Renders and installs charts.
    Helm,
    /// The time series database.
    Prometheus,
    /// Makes blocks of history for Prometheus, and checks rules.
    Promtool,
    /// Queues Jobs.
    Kueue,
    /// Routes alerts to those who are on duty.
    Alertmanager,
    /// Checks Alertmanager's configuration, and says where an alert would go.
    Amtool,
    /// Says of an object what tools that wait for it take it for; a few lines around the library that defines it.
    Kstatus,
    /// The Lua that Argo CD runs health checks with.
    Glua,
    /// Makes, pushes and pulls container images without a daemon, and serves as a registry.
    Crane,
}

/// Where a component comes from and what its build takes.
struct Source {
    name: &'static str,
    /// The folder under `controlplane/`.
    pin: &'static str,
    /// The Go module whose version is the component's.
    module: &'static str,
    /// The package of its main function, within the module.
    package: &'static str,
    tags: &'static str,
    /// Minutes that the first build took on two cores when each was built alone.
    minutes: &'static str,
}

/// The package of a program that is written beside the module's pins.
const OWN: &str = ".";

/// A file's name, and the files and folders of a module that are joined in it.
type Bundle = (&'static str, &'static [&'static str]);

impl Component {
    /// All of them, in the order in which they are built: first what most tests need.
    pub const ALL: [Self; 15] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::Kubectl,
        Self::Prometheus,
        Self::Promtool,
        Self::KubeControllerManager,
        Self::Kwok,
        Self::Helm,
        Self::KubeScheduler,
        Self::Kueue,
        Self::Amtool,
        Self::Alertmanager,
        Self::Kstatus,
        Self::Glua,
        Self::Crane,
    ];

    /// Those of these names; all of them where there are none.
    pub fn named(names: &[String]) -> Result<Vec<Self>> {
        if names.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        let find = |name: &String| {
            let found = Self::ALL.into_iter().find(|component| component.name() == name);
            let all = Self::ALL.map(Self::name).join(", ");
            found.with_context(|| format!("there is no component {name}: {all}"))
        };
        names.iter().map(find).collect()
    }

    /// The program's name, such as `kube-apiserver`.
    pub fn name(self) -> &'static str {
        self.source().name
    }

    /// The pinned version, such as `v1.37.2`.
    pub fn version(self) -> Result<String> {
        Module::read(self.source().pin)?.version(self.source().module)
    }

    fn source(self) -> Source {
        const KUBERNETES: &str = "k8s.io/kubernetes";
        const PROMETHEUS: &str = "github.com/prometheus/prometheus";
        const ALERTMANAGER: &str = "github.com/prometheus/alertmanager";
        let (name, pin, module, package, tags, minutes) = match self {
            Self::Etcd => ("etcd", "etcd", "go.etcd.io/etcd/server/v3", "", "", "1 min"),
            Self::KubeApiserver => {
                ("kube-apiserver", "kubernetes", KUBERNETES, "/cmd/kube-apiserver", "", "5 min")
            }
            Self::KubeControllerManager => (
                "kube-controller-manager",
                "kubernetes",
                KUBERNETES,
                "/cmd/kube-controller-manager",
                "",
                "3 min",
            ),
            Self::KubeScheduler => {
                ("kube-scheduler", "kubernetes", KUBERNETES, "/cmd/kube-scheduler", "", "1 min")
            }
            Self::Kubectl => ("kubectl", "kubernetes", KUBERNETES, "/cmd/kubectl", "", "1 min"),
            Self::Kwok => ("kwok", "kwok", "sigs.k8s.io/kwok", "/cmd/kwok", "", "2 min"),
            Self::Helm => ("helm", "helm", "helm.sh/helm/v3", "/cmd/helm", "", "2 min"),
            Self::Kueue => ("kueue", "kueue", "sigs.k8s.io/kueue", "/cmd/kueue", "", "4 min"),
            Self::Kstatus => ("kstatus", "kstatus", "sigs.k8s.io/cli-utils", OWN, "", "1 min"),
            Self::Glua => ("glua", "lua", "github.com/yuin/gopher-lua", "/cmd/glua", "", "1 min"),
            Self::Crane => {
                ("crane", "crane", "github.com/google/go-containerregistry", "/cmd/crane", "", "1 min")
            }
            // Its service discoveries of a dozen clouds are left out: half of its build, and nothing here uses them.
            Self::Prometheus => {
                ("prometheus", "prometheus", PROMETHEUS, "/cmd/prometheus", "remove_all_sd", "3 min")
            }
            Self::Promtool => {
                ("promtool", "prometheus", PROMETHEUS, "/cmd/promtool", "remove_all_sd", "1 min")
            }
            Self::Alertmanager => {
                ("alertmanager", "alertmanager", ALERTMANAGER, "/cmd/alertmanager", "", "1 min")
            }
            Self::Amtool => ("amtool", "alertmanager", ALERTMANAGER, "/cmd/amtool", "", "1 min"),
        };
        Source { name, pin, module, package, tags, minutes }
    }

    /// YAML that comes with the component's module and not with its program; kept beside the program.
    fn bundles(self) -> &'static [Bundle] {
        match self {
            // How a Node and its Pods behave: Ready with a lease that is renewed, running at once.
            Self::Kwok => &[(
                "stages.yaml",
                &[
                    "kustomize/stage/node/fast/node-initialize.yaml",
                    "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
                    "kustomize/stage/pod/fast/pod-ready.yaml",
                    "kustomize/stage/pod/fast/pod-complete.yaml",
                    "kustomize/stage/pod/fast/pod-delete.yaml",
                ],
            )],
            Self::Kueue => &[
                ("crds.yaml", &["config/components/crd/bases"]),
                ("webhooks.yaml", &["config/components/webhook/manifests.yaml"]),
            ],
            _ => &[],
        }
    }

    /// Files that its module lacks, as only releases have them.
    fn additions(self) -> &'static [completed::Addition] {
        match self {
            // Its web pages are generated by Node.js tools; its API is what is needed here.
            Self::Alertmanager => {
                &[("ui/app/dist/index.html", "<!doctype html><title>Alertmanager</title>\n")]
            }
            _ => &[],
        }
    }

    /// Whether setup-envtest has it.
    fn is_prebuilt(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver | Self::Kubectl)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Components that are ready to run.
#[derive(Clone, Debug)]
pub struct Tools(BTreeMap<Component, PathBuf>);

impl Tools {
    /// Finds or builds the components. Several processes may do so at once: each component is built by one of them.
    ///
    /// # Errors
    /// When Go is missing and a build is needed, or a build fails; with the end of its output.
    pub async fn ensure(wanted: &[Component]) -> Result<Self> {
        // One at a time: a Go build uses all cores by itself.
        static READY: Mutex<BTreeMap<Component, PathBuf>> = Mutex::const_new(BTreeMap::new());
        let mut ready = READY.lock().await;
        for component in wanted {
            if !ready.contains_key(component) {
                let path = find_or_make(*component).await.with_context(|| format!("getting {component}"))?;
                ready.insert(*component, path);
            }
        }
        Ok(Self(ready.clone()))
    }

    /// The program's file.
    ///
    /// # Errors
    /// When the component was not among those asked for.
    pub fn path(&self, component: Component) -> Result<&Path> {
        self.0.get(&component).map(PathBuf::as_path).with_context(|| format!("{component} was not asked for"))
    }
}

async fn find_or_make(component: Component) -> Result<PathBuf> {
    if let Some(given) = prebuilt::given(component).await {
        return Ok(given);
    }
    let source = component.source();
    let module = Module::read(source.pin)?;
    let mut build = Build::of(&source, &module)?;
    let cache = dirs::cache()?;
    let additions = component.additions();
    let added = additions.iter().map(|(name, text)| format!("{name}={text}"));
    let fingerprint = module.fingerprint(&build.flags.iter().cloned().chain(added).collect::<Vec<_>>());
    let folder = cache.join(format!("{}-{}-{fingerprint}", source.name, build.version));
    let program = folder.join(source.name);
    if program.is_file() {
        return Ok(program);
    }

    let _lock = lock(&cache, &source, &build.version).await?;
    if program.is_file() {
        return Ok(program);
    }
    // Made aside and moved into place: a folder in the cache is complete.
    let aside = cache.join(format!(".{}.partial", source.name));
    if aside.exists() {
        fs::remove_dir_all(&aside).with_context(|| format!("removing {}", aside.display()))?;
    }
    fs::create_dir_all(&aside).with_context(|| format!("creating {}", aside.display()))?;
    let output = aside.join(source.name);
    let fetched =
        if component.is_prebuilt() { prebuilt::fetched(component, &build.version).await } else { None };
    if let Some(fetched) = fetched {
        fs::copy(&fetched, &output).with_context(|| format!("copying {}", fetched.display()))?;
    } else if additions.is_empty() {
        build.run(&source, &module, &output).await?;
    } else {
        let go_mod = completed::complete(&module, source.module, additions, &aside).await?;
        build.flags.push(format!("-modfile={}", go_mod.display()));
        build.run(&source, &module, &output).await?;
        completed::tidy(&aside)?;
    }
    let bundles = component.bundles();
    if !bundles.is_empty() {
        copy_bundles(&module, source.module, bundles, &aside).await?;
    }
    fs::rename(&aside, &folder).with_context(|| format!("moving {component} to {}", folder.display()))?;
    Ok(program)
}

/// One call of `go build`.
struct Build {
    version: String,
    package: String,
    flags: Vec<String>,
}

impl Build {
    fn of(source: &Source, module: &Module) -> Result<Self> {
        let version = module.version(source.module)?;
        let stamp =
            if source.pin == "kubernetes" { go::kubernetes_stamp(&version) } else { "-s -w".to_owned() };
        let mut flags = vec![format!("-ldflags={stamp}")];
        if !source.tags.is_empty() {
            flags.push(format!("-tags={}", source.tags));
        }
        let package = if source.package == OWN {
            OWN.to_owned()
        } else {
            format!("{}{}", source.module, source.package)
        };
        Ok(Self { version, package, flags })
    }

    async fn run(&self, source: &Source, module: &Module, output: &Path) -> Result<()> {
        let what = format!("{} {} (about {} the first time)", source.name, self.version, source.minutes);
        let spec = go_command(&format!("build-{}", source.name), module)?
            .args(["build", "-o"])
            .args([output])
            .args(&self.flags)
            .args([&self.package]);
        eprintln!("building {what}");
        let start = Instant::now();
        let child = spec.spawn().context("is Go 1.26 or newer installed? https://go.dev/doc/install")?;
        let status = loop {
            match tokio::time::timeout(PROGRESS, child.wait()).await {
                Ok(status) => break status,
                Err(_) if start.elapsed() > BUILD_LIMIT => bail!("building {what} takes too long"),
                Err(_) => eprintln!("building {what} … {} s", start.elapsed().as_secs()),
            }
        };
        if !status.success() {
            bail!("building {what} failed:\n{}", child.log_tail(30));
        }
        eprintln!("built {} {} in {} s", source.name, self.version, start.elapsed().as_secs());
        Ok(())
    }
}

/// The go command in a module's folder.
fn go_command(name: &str, module: &Module) -> Result<Spec> {
    let log = dirs::fresh(name)?.join("go.log");
    // A workspace file further up would replace the module's own pins.
    Ok(Spec::new(name, "go", log).args(["-C"]).args([&module.dir]).env("GOWORK", "off"))
}

/// Takes the lock of a component, which ends with the returned file.
async fn lock(cache: &Path, source: &Source, version: &str) -> Result<File> {
    let path = cache.join(format!(".{}.lock", source.name));
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    let start = Instant::now();
    let mut told = None::<Instant>;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
            Err(TryLockError::WouldBlock) if start.elapsed() > BUILD_LIMIT => {
                bail!(
                    "another process has been building {} for {} min",
                    source.name,
                    BUILD_LIMIT.as_secs() / 60
                )
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if told.is_none_or(|last| last.elapsed() >= PROGRESS) {
            let waited = start.elapsed().as_secs();
            eprintln!("another process is building {} {version}; waiting … {waited} s", source.name);
            told = Some(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Joins files of a component's module into the bundles beside its program, so that later runs need no module.
async fn copy_bundles(module: &Module, path: &str, bundles: &[Bundle], folder: &Path) -> Result<()> {
    let spec = go_command("module-folder", module)?.args(["list", "-m", "-f", "{{.Dir}}", path]);
    let source = spec.output(Duration::from_mins(1)).await?;
    let source = Path::new(source.trim());
    for (name, parts) in bundles {
        let mut texts = Vec::new();
        for part in *parts {
            for file in files(&source.join(part))? {
                texts.push(fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?);
            }
        }
        let target = folder.join(name);
        fs::write(&target, texts.join("\n---\n")).with_context(|| format!("writing {}", target.display()))?;
    }
    Ok(())
}

/// The file itself, or the files of the folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    Ok(files)
}
