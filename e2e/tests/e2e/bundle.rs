//! The bundle for closed networks, as somebody finds it who has nothing else: checked, unpacked, pushed, installed from,
//! and the image's program run as the operator in a root that holds nothing but the image.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::Verdict;
use banyan_e2e::bundle::{self, Entry, Options, Profile, VERSION};
use banyan_e2e::chart::{self, NAMESPACE, RELEASE};
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::controlplane::{self, ControlPlane, free_port};
use banyan_e2e::dirs;
use banyan_e2e::process::{Child, Spec};
use banyan_e2e::prometheus::{Prometheus, PrometheusOptions, local_http};
use banyan_e2e::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use object::read::elf::{FileHeader, ProgramHeader};
use serde_json::{Value, json};

use crate::stage::{LIMIT, Readings, Stage, VIOLATED, condition, create};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    // The first build of the static program is in it.
    tests![what_is_in_the_bundle_is_all_that_an_installation_needs]
        .into_iter()
        .map(|test| Test { limit: Duration::from_mins(40), ..test })
        .collect()
}

/// How long a small tool may take.
const TOOL: Duration = Duration::from_mins(1);
/// Who the image's program runs as.
const USER: &str = "65532:65532";

async fn what_is_in_the_bundle_is_all_that_an_installation_needs(world: World) -> Result<()> {
    let target = bundle::host().await?;
    let archive = fs::read(world.bundle().await?).context("reading the bundle")?;
    let output = dirs::fresh("second-bundle")?;
    let second = bundle::make(&Options { profile: Profile::Dev, target: target.clone(), output }).await?;
    ensure!(
        bundle::sha256(&archive) == bundle::sha256(&fs::read(second)?),
        "the same sources have given two bundles"
    );
    let folder = dirs::fresh("unpacked")?;
    bundle::unpack(&bundle::gunzip(&archive)?, &folder)?;
    let arch = bundle::architecture(&target)?;
    let folder = folder.join(format!("banyan-{VERSION}-linux-{arch}"));
    checksums(&folder).await?;
    bill_of_materials(&folder, &target).await?;

    let image = folder.join(format!("image/banyan-{VERSION}.tar"));
    let root = dirs::fresh("root")?;
    unpack_image(&image, arch, &root)?;
    let program = root.join("banyan");
    ensure!(fs::read(&program)? == fs::read(folder.join("bin/banyan"))?, "the image has another program");
    is_static(&program)?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    eprintln!(
        "bundle ({:?}): {:.1} MB, image {:.1} MB, program {:.1} MB",
        Profile::Dev,
        megabytes(archive.len() as u64),
        megabytes(fs::metadata(&image)?.len()),
        megabytes(fs::metadata(&program)?.len()),
    );

    let registry = Registry::start().await?;
    let prefix = format!("{}/city", registry.address);
    let name = format!("{prefix}/{}:{VERSION}", bundle::REPOSITORY);
    registry.crane(&["validate", "--tarball"], &[&image]).await?;
    registry.crane(&["push"], &[&image, Path::new(&name)]).await?;

    let options = controlplane::Options { name: "closed".to_owned(), ..controlplane::Options::default() };
    let stage = Stage::without_chart(ControlPlane::start(options).await?).await?;
    let packaged = folder.join(format!("chart/banyan-{VERSION}.tgz"));
    let values = json!({ "image": { "registry": prefix, "pullSecrets": ["pull"] } });
    chart::install_from(&stage.plane, &packaged, &values).await?;
    let deployments: Api<Deployment> = Api::namespaced(stage.plane.client(), NAMESPACE);
    let pod = json!(deployments.get(RELEASE).await?)["spec"]["template"]["spec"].clone();
    ensure!(pod["imagePullSecrets"] == json!([{ "name": "pull" }]), "{}", pod["imagePullSecrets"]);
    // The very name that the chart asks for is what was pushed.
    let wanted = pod["containers"][0]["image"].as_str().context("the container has no image")?;
    ensure!(wanted == name, "the chart asks for {wanted}, and {name} was pushed");
    registry.crane(&["manifest", wanted], &[]).await?;

    run_from(&root, &stage).await
}

/// Everything is listed, and what is listed is there.
async fn checksums(folder: &Path) -> Result<()> {
    let log = dirs::fresh("sha256sum")?.join("sha256sum.log");
    let command = format!("cd '{}' && sha256sum --check --strict {}", folder.display(), bundle::CHECKSUMS);
    Spec::new("sha256sum", "sh", log).args(["-c", &command]).output(TOOL).await?;
    let listed: BTreeSet<String> = fs::read_to_string(folder.join(bundle::CHECKSUMS))?
        .lines()
        .filter_map(|line| line.split_once("  ").map(|(_, path)| path.to_owned()))
        .collect();
    for part in [
        "bin/banyan",
        "crds/datacenters.banyan.dev.yaml",
        "alerts/banyan-alerts.yaml",
        "docs/closed-network.md",
        "docs/runbooks/BanyanNoLeader.md",
        "README.md",
        "README.zh.md",
        "LICENSE",
        "THIRD-PARTY-LICENSES.txt",
    ] {
        ensure!(listed.contains(part), "{part} is missing in {listed:?}");
    }
    for language in ["README.md", "README.zh.md"] {
        let text = fs::read_to_string(folder.join(language))?;
        ensure!(!text.contains('{') || text.contains("{pull}"), "{language} has a gap:\n{text}");
        ensure!(text.contains(VERSION), "{language} does not say its version");
    }
    Ok(())
}

/// The components are what cargo links, each with a package URL and a licence.
async fn bill_of_materials(folder: &Path, target: &str) -> Result<()> {
    let text = fs::read_to_string(folder.join("sbom/banyan.cdx.json"))?;
    let sbom: Value = serde_json::from_str(&text)?;
    ensure!(sbom["bomFormat"] == "CycloneDX" && sbom["specVersion"] == bundle::SPEC, "{}", sbom["bomFormat"]);
    ensure!(sbom["version"] == 1, "{}", sbom["version"]);
    let own = &sbom["metadata"]["component"];
    ensure!(own["name"] == "banyan" && own["version"] == VERSION, "{own}");
    let components = sbom["components"].as_array().context("no components")?;
    let mut packages: BTreeSet<String> = BTreeSet::new();
    let mut references = BTreeSet::from([own["bom-ref"].to_string()]);
    for component in components {
        let purl = component["purl"].as_str().context("a component has no package URL")?;
        let purl = purl.split(['?', '#']).next().unwrap_or_default();
        packages.insert(purl.to_owned());
        ensure!(references.insert(component["bom-ref"].to_string()), "{component} is there twice");
        ensure!(component["licenses"][0].is_object(), "{component} has no licence");
        ensure!(component["type"].is_string() && component["version"].is_string(), "{component}");
    }
    let mut linked: BTreeSet<String> = bundle::linked(target)
        .await?
        .into_iter()
        .map(|(name, version)| format!("pkg:cargo/{name}@{version}"))
        .collect();
    linked.remove(&format!("pkg:cargo/banyan@{VERSION}"));
    ensure!(packages == linked, "differing: {:?}", packages.symmetric_difference(&linked));
    for one in sbom["dependencies"].as_array().context("no dependencies")? {
        let on = one["dependsOn"].as_array().into_iter().flatten();
        for reference in std::iter::once(&one["ref"]).chain(on) {
            ensure!(references.contains(&reference.to_string()), "{reference} is no component");
        }
    }
    ensure!(!text.contains("file:///"), "a path of this machine is in it");
    let licences = fs::read_to_string(folder.join("THIRD-PARTY-LICENSES.txt"))?;
    for name in ["kube 5.", "tokio 1.", "rustls 0."] {
        ensure!(licences.lines().any(|line| line.starts_with(name)), "{name} is missing in the licences");
    }
    Ok(())
}

/// Unpacks the image by its index, as a runtime does, and checks every digest on the way.
fn unpack_image(image: &Path, arch: &str, root: &Path) -> Result<()> {
    let files: BTreeMap<String, Vec<u8>> = entries(&fs::read(image)?)?;
    let json = |path: &str| -> Result<Value> {
        let bytes = files.get(path).with_context(|| format!("{path} is missing in the image"))?;
        serde_json::from_slice(bytes).with_context(|| format!("reading {path}"))
    };
    ensure!(json("oci-layout")?["imageLayoutVersion"] == "1.0.0");
    let blob = |descriptor: &Value| -> Result<(String, &Vec<u8>)> {
        let digest = descriptor["digest"].as_str().context("no digest")?;
        let path = format!("blobs/{}", digest.replace(':', "/"));
        let bytes = files.get(&path).with_context(|| format!("{path} is missing"))?;
        ensure!(format!("sha256:{}", bundle::sha256(bytes)) == digest, "{digest} is another's");
        ensure!(descriptor["size"] == bytes.len(), "{descriptor} has {} bytes", bytes.len());
        Ok((path, bytes))
    };
    let index = json("index.json")?;
    let described = &index["manifests"][0];
    ensure!(described["platform"] == json!({ "architecture": arch, "os": "linux" }), "{described}");
    let manifest: Value = serde_json::from_slice(blob(described)?.1)?;
    let (config_path, config) = blob(&manifest["config"])?;
    let config: Value = serde_json::from_slice(config)?;
    ensure!(config["architecture"] == arch && config["os"] == "linux", "{config}");
    let run = &config["config"];
    ensure!(run["Entrypoint"] == json!(["/banyan"]) && run["User"] == USER, "{run}");
    ensure!(run["ExposedPorts"]["8080/tcp"].is_object(), "{run}");
    ensure!(run["Labels"]["org.opencontainers.image.version"] == VERSION, "{run}");

    let layers = manifest["layers"].as_array().context("no layers")?;
    let mut paths = Vec::new();
    for (layer, plain) in layers.iter().zip(config["rootfs"]["diff_ids"].as_array().context("no layers")?) {
        let (path, bytes) = blob(layer)?;
        paths.push(path);
        let tar = bundle::gunzip(bytes)?;
        ensure!(*plain == format!("sha256:{}", bundle::sha256(&tar)), "the layer is not {plain}");
        bundle::unpack(&tar, root)?;
    }
    let mut names: Vec<String> = fs::read_dir(root)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    ensure!(names == ["LICENSE", "banyan"], "the image holds {names:?}");
    // The same blobs as a docker archive.
    let docker = json("manifest.json")?;
    ensure!(docker[0]["Config"] == config_path && docker[0]["Layers"] == json!(paths), "{docker}");
    ensure!(
        docker[0]["RepoTags"] == json!([format!("docker.io/{}:{VERSION}", bundle::REPOSITORY)]),
        "{docker}"
    );
    Ok(())
}

fn entries(tar: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    Ok(bundle::entries(tar)?.into_iter().map(|Entry { path, bytes, .. }| (path, bytes)).collect())
}

/// It asks for no interpreter, which would load libraries that an image from scratch does not have.
fn is_static(program: &Path) -> Result<()> {
    let bytes = fs::read(program)?;
    let header = object::elf::FileHeader64::<object::Endianness>::parse(&*bytes)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, &*bytes)?;
    ensure!(segments.len() > 2, "{} has no segments", program.display());
    let asks = segments.iter().any(|segment| segment.p_type(endian) == object::elf::PT_INTERP);
    ensure!(!asks, "{} is not static", program.display());
    Ok(())
}

/// Runs the image's program as the operator in a root that holds the image's two files and what a kubelet mounts, and
/// sees it judge a site over TLS by a server that it knows by name.
async fn run_from(root: &Path, stage: &Stage) -> Result<()> {
    let kubeconfig = stage.plane.kubeconfig_for(NAMESPACE, RELEASE).await?;
    place(root, "kubeconfig", &fs::read_to_string(kubeconfig)?)?;
    // What a kubelet mounts into each container.
    place(root, "etc/hosts", "127.0.0.1 meters.closed.test localhost\n")?;
    place(root, "etc/resolv.conf", "nameserver 127.0.0.1\n")?;
    // With an authority that only a ConfigMap names; there are no certificates of a system here.
    let secure = Prometheus::start(PrometheusOptions { tls: true, ..PrometheusOptions::default() }).await?;
    let authority = secure.authority_cert().context("it serves TLS")?;
    create(&stage.maps(), json!({ "metadata": { "name": "meters-ca" }, "data": { "ca.crt": authority } }))
        .await?;

    let port = free_port()?;
    let log = dirs::fresh("from-image")?.join("banyan.log");
    let mut words: Vec<String> = in_root(root).await?;
    words.extend(
        [
            "/banyan",
            "run",
            "--namespace",
            NAMESPACE,
            "--identity",
            "from-image",
            "--now",
            VIOLATED,
            "--listen",
        ]
        .map(str::to_owned),
    );
    words.push(format!("127.0.0.1:{port}"));
    let (command, args) = words.split_first().context("no command")?;
    let operator =
        Spec::new("from-image", command, log).args(args).env("KUBECONFIG", "/kubeconfig").spawn()?;
    let http = local_http()?;
    let ready = format!("http://127.0.0.1:{port}/readyz");
    until(LIMIT, "the image's program to be ready", || async {
        operator.check_alive()?;
        Ok(http.get(&ready).send().await?.status().is_success())
    })
    .await?;

    let observe = json!({ "mode": "Observe" });
    // By name, as /etc/hosts has it, and in a time zone that only the program itself can know.
    stage.create_site("named", Readings::Hot, &observe).await?;
    let named = stage.prometheus_url().replace("127.0.0.1", "meters.closed.test");
    ensure!(named.contains("meters.closed.test"), "{named}");
    stage.change_site("named", json!({ "energy": { "prometheus": { "url": named } } })).await?;
    stage
        .awaited("named", "the site to be judged", |status| {
            status.operational.as_ref().is_some_and(|one| one.verdict == Verdict::Violated)
                && condition(status, "Ready").0 == "True"
        })
        .await
        .with_context(|| operator.log_tail(20))?;
    // Over TLS: the empty server answers, and what is wrong is that it has no readings.
    stage.create_site("secure", Readings::Hot, &observe).await?;
    let by = |ca: Value| {
        json!({ "energy": { "prometheus": {
            "url": secure.url().replace("127.0.0.1", "localhost"), "caConfigMapRef": ca,
        } } })
    };
    stage.change_site("secure", by(json!({ "name": "meters-ca", "key": "ca.crt" }))).await?;
    stage
        .awaited("secure", "an answer without readings over TLS", |status| {
            condition(status, "MetersHealthy").1 == "NoSeries"
        })
        .await?;
    // Without the authority nobody is trusted, which is said with the field that helps.
    stage.change_site("secure", by(Value::Null)).await?;
    stage
        .awaited("secure", "nobody to be trusted", |status| {
            status.conditions.iter().any(|one| one.message.contains("caConfigMapRef"))
        })
        .await?;
    let metrics = http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?.text().await?;
    ensure!(metrics.contains("banyan_kernel_leader 1"), "{metrics}");
    Ok(())
}

fn place(root: &Path, below: &str, text: &str) -> Result<()> {
    let path = root.join(below);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    fs::write(&path, text)?;
    // Its reader is another user.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).context("opening the folder")
}

/// The command that runs a program with `root` as its root: as the image's user where this is root, else in a user
/// namespace.
async fn in_root(root: &Path) -> Result<Vec<String>> {
    let root = root.display().to_string();
    let user = format!("--userspec={USER}");
    let candidates =
        [vec!["chroot", &user, &root], vec!["unshare", "--user", "--map-root-user", "chroot", &root]];
    let mut refused = Vec::new();
    for words in candidates {
        let log = dirs::fresh("chroot")?.join("chroot.log");
        let spec = Spec::new("chroot", words[0], log).args(&words[1..]).args(["/banyan", "--version"]);
        match spec.output(TOOL).await {
            Ok(_) => return Ok(words.into_iter().map(str::to_owned).collect()),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    anyhow::bail!(
        "the image cannot be run here: it takes root or user namespaces, and the programs unshare and chroot\n{}",
        refused.join("\n")
    )
}

/// A registry.
pub struct Registry {
    /// `127.0.0.1:<port>`.
    pub address: String,
    tools: Tools,
    dir: PathBuf,
    _server: Child,
}

impl Registry {
    /// An empty one.
    pub async fn start() -> Result<Self> {
        let tools = Tools::ensure(&[Component::Crane]).await?;
        let dir = dirs::fresh("registry")?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let server = Spec::new("registry", tools.path(Component::Crane)?, dir.join("registry.log"))
            .args(["registry", "serve", "--address", &address])
            .spawn()?;
        until(LIMIT, "the registry to listen", || async {
            server.check_alive()?;
            Ok(tokio::net::TcpStream::connect(&address).await.is_ok())
        })
        .await?;
        Ok(Self { address, tools, dir, _server: server })
    }

    async fn crane(&self, words: &[&str], paths: &[&Path]) -> Result<String> {
        let spec = Spec::new("crane", self.tools.path(Component::Crane)?, self.dir.join("crane.log"));
        spec.args(words).args(paths).env("DOCKER_CONFIG", &self.dir).output(TOOL).await
    }
}
