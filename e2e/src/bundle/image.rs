//! The image: from nothing, one layer with the program and its licence, made by crane without a daemon.
//!
//! No certificate authorities are in it and none are needed: those of API servers come with the kubeconfig or the service
//! account, those of Prometheus servers from the `ConfigMap` that a `DataCenter` names. No time zones either: the program
//! has them built in. Names are resolved by glibc itself, which is linked in.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::archive::{Entry, read_tree, tar};
use super::{LIMIT, VERSION, read};
use crate::components::{Component, Tools};
use crate::controlplane::free_port;
use crate::process::Spec;
use crate::wait::until;

/// The chart's `image.repository`.
pub const REPOSITORY: &str = "banyan-dev/banyan";

/// The image as a tar archive: an OCI layout that is a docker archive at the same time, so that `ctr images import`,
/// `skopeo copy oci-archive:`, `crane push` and `docker load` all take it.
pub async fn image(
    program: &Path,
    licence: &[u8],
    architecture: &str,
    epoch: u64,
    stage: &Path,
) -> Result<Vec<u8>> {
    let layer = stage.join("layer.tar");
    let files = vec![Entry::program("banyan", read(program)?), Entry::file("LICENSE", licence.to_vec())];
    fs::write(&layer, tar(files, epoch)?).with_context(|| format!("writing {}", layer.display()))?;
    let layout = stage.join("layout");
    compose(&layer, architecture, &layout, stage).await?;
    finish(&layout, architecture)?;
    let entries = read_tree(&layout)?.into_iter().map(|(path, bytes)| Entry::file(path, bytes)).collect();
    tar(entries, epoch)
}

/// Has crane make the image in a registry of its own that lives as long as this takes, and pull it into a folder.
async fn compose(layer: &Path, architecture: &str, layout: &Path, stage: &Path) -> Result<()> {
    let tools = Tools::ensure(&[Component::Crane]).await?;
    let crane = |name: &str| {
        let spec = Spec::new(name, tools.path(Component::Crane)?, stage.join(format!("{name}.log")));
        anyhow::Ok(spec.env("DOCKER_CONFIG", stage))
    };
    let address = format!("127.0.0.1:{}", free_port()?);
    let registry = crane("crane-registry")?.args(["registry", "serve", "--address", &address]).spawn()?;
    until(LIMIT, "crane's registry to listen", || async {
        registry.check_alive()?;
        Ok(tokio::net::TcpStream::connect(&address).await.is_ok())
    })
    .await?;
    let reference = format!("{address}/{REPOSITORY}:{VERSION}");
    crane("crane-append")?
        .args(["append", "--oci-empty-base", "--new_tag", &reference, "--new_layer"])
        .args([layer])
        .output(LIMIT)
        .await?;
    let mut mutate = crane("crane-mutate")?
        .args(["mutate", &reference, "--tag", &reference, "--entrypoint", "/banyan"])
        .args(["--user", "65532:65532", "--exposed-ports", "8080/tcp"])
        .args(["--set-platform", &format!("linux/{architecture}")]);
    for (name, value) in [
        ("title", "banyan"),
        ("description", "A Kubernetes operator that keeps a city's computing estate as declared"),
        ("licenses", "Apache-2.0"),
        ("source", "https://github.com/banyan-dev/banyan"),
        ("version", VERSION),
    ] {
        mutate = mutate.args(["--label", &format!("org.opencontainers.image.{name}={value}")]);
    }
    mutate.output(LIMIT).await?;
    crane("crane-pull")?.args(["pull", "--format=oci", &reference]).args([layout]).output(LIMIT).await?;
    Ok(())
}

/// Names the image in the index, and adds what makes a docker archive of the layout.
fn finish(layout: &Path, architecture: &str) -> Result<()> {
    let index_file = layout.join("index.json");
    let index: Value = serde_json::from_slice(&read(&index_file)?).context("reading the index")?;
    let manifest = &index["manifests"][0];
    let name = format!("docker.io/{REPOSITORY}:{VERSION}");
    let index = json!({
        "schemaVersion": 2,
        "mediaType": index["mediaType"],
        "manifests": [{
            "mediaType": manifest["mediaType"],
            "digest": manifest["digest"],
            "size": manifest["size"],
            "platform": { "architecture": architecture, "os": "linux" },
            // The first names it for containerd, the second for the tools of OCI.
            "annotations": {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": VERSION,
            },
        }],
    });
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().context("a descriptor has no digest")?;
        anyhow::Ok(format!("blobs/{}", digest.replace(':', "/")))
    };
    let manifest: Value = serde_json::from_slice(&read(&layout.join(blob(manifest)?))?)?;
    let layers = manifest["layers"].as_array().context("the manifest has no layers")?;
    let layers: Vec<String> = layers.iter().map(blob).collect::<Result<_>>()?;
    let docker = json!([{ "Config": blob(&manifest["config"])?, "RepoTags": [name], "Layers": layers }]);
    for (file, content) in [("index.json", index), ("manifest.json", docker)] {
        let path = layout.join(file);
        fs::write(&path, content.to_string()).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
