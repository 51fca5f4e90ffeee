//! Waivers need four eyes: who writes one cannot approve it, and what is approved cannot change under the approval. The API server sees to
//! it by the chart's policies; no operator runs here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::{AUTHOR, Waiver};
use banyan_e2e::components::Component;
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::dirs;
use banyan_e2e::kubeconfig;
use banyan_e2e::operator::cli;
use banyan_e2e::process::Spec;
use banyan_e2e::wait::eventually;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        another_person_approves_and_nobody_else,
        what_is_approved_does_not_change_under_the_approval,
        what_git_applies_again_keeps_the_approval,
    ]
}

/// How long kubectl may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Who refuses.
const POLICY: &str = "ValidatingAdmissionPolicy 'banyan-waiver-approval' with binding 'banyan-waiver-approval' denied request: ";

/// lin and git write, chen and hu approve, zhao may do both, and sun may write the field without the verb.
pub const PEOPLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: waiver-authors }
rules:
- { apiGroups: [banyan.dev], resources: [waivers], verbs: [get, list, create, update, patch, delete] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: waiver-authors }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: waiver-authors }
subjects:
- { apiGroup: rbac.authorization.k8s.io, kind: User, name: lin }
- { apiGroup: rbac.authorization.k8s.io, kind: User, name: git }
- { apiGroup: rbac.authorization.k8s.io, kind: User, name: sun }
- { apiGroup: rbac.authorization.k8s.io, kind: User, name: zhao }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: waiver-approvers }
rules:
- { apiGroups: [banyan.dev], resources: [waivers], verbs: [get, list, patch, approve] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: waiver-approvers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: waiver-approvers }
subjects:
- { apiGroup: rbac.authorization.k8s.io, kind: User, name: chen }
- { apiGroup: rbac.authorization.k8s.io, kind: User, name: hu }
- { apiGroup: rbac.authorization.k8s.io, kind: User, name: zhao }
";

struct Scene<'a> {
    plane: &'a ControlPlane,
    /// Waivers as each of them sees them.
    people: BTreeMap<&'static str, Api<Waiver>>,
}

impl<'a> Scene<'a> {
    async fn start(world: &'a World) -> Result<Self> {
        let plane = world.installed().await?;
        plane.apply(PEOPLE).await?;
        let mut people = BTreeMap::new();
        for user in ["lin", "git", "sun", "zhao", "chen", "hu"] {
            let client = kubeconfig::client(&plane.kubeconfig_for_user(user, &[])?).await?;
            people.insert(user, Api::all(client));
        }
        people.insert("root", Api::all(plane.client()));
        Ok(Self { plane, people })
    }

    fn of(&self, user: &str) -> Result<&Api<Waiver>> {
        self.people.get(user).with_context(|| format!("there is no {user}"))
    }

    async fn create(&self, user: &str, manifest: &Value) -> Result<kube::Result<Waiver>> {
        Ok(self.of(user)?.create(&PostParams::default(), &serde_json::from_value(manifest.clone())?).await)
    }

    async fn patch(&self, user: &str, name: &str, patch: Value) -> Result<kube::Result<Waiver>> {
        Ok(self.of(user)?.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await)
    }

    /// Runs `banyan waiver approve` and returns its exit code and what it says.
    async fn approve(&self, user: &str, words: &[&str]) -> Result<(Option<i32>, String)> {
        let kubeconfig = self.plane.kubeconfig_for_user(user, &[])?;
        let done = cli(&kubeconfig, &[&["waiver", "approve"], words].concat()).await?;
        Ok((done.status.code(), format!("{}{}", done.stdout, done.stderr)))
    }

    async fn kubectl(&self, user: &str, words: &[OsString]) -> Result<String> {
        let log = dirs::fresh("waivers")?.join("kubectl.log");
        let spec = Spec::new("kubectl", self.plane.tools().path(Component::Kubectl)?, log)
            .flag("kubeconfig", self.plane.kubeconfig_for_user(user, &[])?)
            .args(words);
        spec.output(LIMIT).await
    }

    async fn live(&self, name: &str) -> Result<Waiver> {
        Ok(self.of("root")?.get(name).await?)
    }

    async fn delete(&self, names: &[&str]) -> Result<()> {
        let words = ["delete", "waivers"].iter().chain(names);
        self.plane.kubectl(words.copied()).await.map(drop)
    }
}

/// A Waiver as its author writes it.
pub fn manifest(name: &str) -> Value {
    json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver", "metadata": { "name": name },
        "spec": {
            "baselineName": "city", "controls": ["pod-privileged-container"], "match": { "namespaces": ["video"] },
            "reason": "the driver of the cameras needs the device", "expires": "2999-01-31T00:00:00Z",
        },
    })
}

fn approval(by: &str) -> Value {
    json!({ "by": by, "at": "2026-11-01T00:00:00Z" })
}

fn refused(result: kube::Result<Waiver>, why: &str) -> Result<()> {
    match result {
        Err(kube::Error::Api(status)) => {
            let said = status.message.contains(POLICY) && status.message.contains(why);
            ensure!(status.code == 403 && said, "refused with {}: {}", status.code, status.message);
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => bail!("it was accepted, and not refused because {why}"),
    }
}

/// The author and the approver of a Waiver.
fn hands(waiver: &Waiver) -> (Option<&str>, Option<&str>) {
    let author = waiver.annotations().get(AUTHOR).map(String::as_str);
    (author, waiver.spec.approval.as_ref().map(|approval| approval.by.as_str()))
}

async fn another_person_approves_and_nobody_else(world: World) -> Result<()> {
    let scene = Scene::start(&world).await?;
    let name = "four-eyes";
    let mut approved = manifest(name);
    approved["spec"]["approval"] = approval("zhao");
    refused(scene.create("zhao", &approved).await?, "created without spec.approval")?;
    // Who claims to be another is recorded all the same.
    let mut forged = manifest(name);
    forged["metadata"]["annotations"] = json!({ AUTHOR: "lin" });
    let waiver = scene.create("zhao", &forged).await??;
    ensure!(hands(&waiver) == (Some("zhao"), None), "{:?}", hands(&waiver));
    // What nobody has looked at is not taken for done.
    ensure!(waiver.status.as_ref().and_then(|status| status.observed_generation) == Some(-1), "{waiver:?}");

    let give = |by: &str| json!({ "spec": { "approval": approval(by) } });
    refused(
        scene.patch("zhao", name, give("zhao")).await?,
        "zhao wrote Waiver four-eyes and cannot approve it",
    )?;
    refused(scene.patch("sun", name, give("sun")).await?, "sun may not approve Waiver four-eyes")?;
    refused(scene.patch("chen", name, give("hu")).await?, "nobody approves in the name of another")?;
    // Nor by another road: with the author's name off, as an administrator of everything, by the command line.
    let hidden =
        json!({ "metadata": { "annotations": { AUTHOR: null } }, "spec": { "approval": approval("zhao") } });
    refused(scene.patch("zhao", name, hidden).await?, "cannot approve it")?;
    let renamed = json!({ "metadata": { "annotations": { AUTHOR: "lin" } } });
    let waiver = scene.patch("zhao", name, renamed).await??;
    ensure!(hands(&waiver).0 == Some("zhao"), "{:?}", hands(&waiver));
    let (code, said) = scene.approve("zhao", &[name]).await?;
    ensure!(code == Some(2) && said.contains("cannot approve it: four eyes are asked for"), "{said}");

    let listed =
        cli(&scene.plane.kubeconfig_for_user("chen", &[])?, &["waiver", "list", "--pending"]).await?;
    ensure!(listed.stdout.contains("  banyan waiver approve four-eyes\n"), "{}", listed.stdout);
    let (code, said) = scene.approve("chen", &[name, "--ticket", "CAB-7"]).await?;
    ensure!(code == Some(0) && said.contains("four-eyes is approved by chen"), "{said}");
    ensure!(said.contains("written by zhao") && said.contains("namespaces video"), "{said}");
    let waiver = scene.live(name).await?;
    ensure!(hands(&waiver) == (Some("zhao"), Some("chen")), "{:?}", hands(&waiver));
    ensure!(waiver.spec.approval.as_ref().is_some_and(|one| one.ticket.as_deref() == Some("CAB-7")));
    let (code, said) = scene.approve("chen", &[name]).await?;
    ensure!(code == Some(0) && said.contains("approved by you already"), "{said}");
    // Somebody else may put their name there, and the author may not.
    refused(scene.patch("zhao", name, give("zhao")).await?, "cannot approve it")?;
    let (code, said) = scene.approve("hu", &[name]).await?;
    ensure!(code == Some(0), "{said}");
    ensure!(hands(&scene.live(name).await?) == (Some("zhao"), Some("hu")));

    // An administrator of everything is no exception.
    let mine = "of-root";
    let waiver = scene.create("root", &manifest(mine)).await??;
    let author = hands(&waiver).0.unwrap_or_default().to_owned();
    refused(scene.patch("root", mine, give(&author)).await?, "cannot approve it")?;
    let (code, said) = scene.approve("chen", &["not-there"]).await?;
    ensure!(code == Some(2) && said.contains("there is no Waiver not-there"), "{said}");
    let mut past = manifest("past");
    past["spec"]["expires"] = json!("2020-01-01T00:00:00Z");
    scene.create("lin", &past).await??;
    let (code, said) = scene.approve("chen", &["past"]).await?;
    ensure!(code == Some(2) && said.contains("there is nothing to approve"), "{said}");
    scene.delete(&[name, mine, "past"]).await
}

async fn what_is_approved_does_not_change_under_the_approval(world: World) -> Result<()> {
    let scene = Scene::start(&world).await?;
    let name = "changed";
    scene.create("lin", &manifest(name)).await??;
    for (user, change) in [
        ("lin", json!({ "expires": "2999-12-31T00:00:00Z" })),
        ("sun", json!({ "controls": ["pod-privileged-container", "pod-host-namespaces"] })),
        ("lin", json!({ "match": { "kinds": ["Pod"] } })),
        ("lin", json!({ "suspend": true })),
        ("lin", json!({ "suspend": null })),
        ("lin", json!({ "ticket": "CR-1" })),
    ] {
        let (code, said) = scene.approve("chen", &[name]).await?;
        ensure!(code == Some(0), "{said}");
        let mut together = json!({ "spec": change });
        together["spec"]["approval"] = approval("hu");
        refused(scene.patch("hu", name, together).await?, "in a change of its own")?;
        ensure!(hands(&scene.live(name).await?).1 == Some("chen"), "a change that was refused left its mark");
        let waiver = scene.patch(user, name, json!({ "spec": change })).await??;
        ensure!(hands(&waiver) == (Some(user), None), "{change}: {:?}", hands(&waiver));
    }

    // As a whole, with the approval that stands there: it goes as well.
    let (_, said) = scene.approve("chen", &[name]).await?;
    // An operator may run here and write the status in between.
    let waiver = eventually(LIMIT, "sun to replace the waiver", || async {
        let mut waiver = scene.live(name).await?;
        ensure!(hands(&waiver).1 == Some("chen"), "{said}");
        waiver.spec.reason.0.push_str(", and the recorder too");
        waiver.metadata.annotations = None;
        match scene.of("sun")?.replace(name, &PostParams::default(), &waiver).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(None),
            replaced => Ok(Some(replaced?)),
        }
    })
    .await?;
    ensure!(hands(&waiver) == (Some("sun"), None), "{:?}", hands(&waiver));

    // Who may approve and changes it is its author from then on.
    let waiver = scene.patch("chen", name, json!({ "spec": { "ticket": "CR-2" } })).await??;
    ensure!(hands(&waiver).0 == Some("chen"), "{:?}", hands(&waiver));
    let (code, said) = scene.approve("chen", &[name]).await?;
    ensure!(code == Some(2) && said.contains("chen wrote Waiver changed"), "{said}");
    let (code, said) = scene.approve("hu", &[name]).await?;
    ensure!(code == Some(0), "{said}");
    // What is about the object and not in its spec changes nothing; whoever may write it may take the approval away.
    let labelled =
        scene.patch("lin", name, json!({ "metadata": { "labels": { "team": "video" } } })).await??;
    ensure!(hands(&labelled) == (Some("chen"), Some("hu")), "{:?}", hands(&labelled));
    let withdrawn = scene.patch("lin", name, json!({ "spec": { "approval": null } })).await??;
    ensure!(hands(&withdrawn) == (Some("chen"), None), "{:?}", hands(&withdrawn));
    scene.delete(&[name]).await
}

async fn what_git_applies_again_keeps_the_approval(world: World) -> Result<()> {
    let scene = Scene::start(&world).await?;
    for (name, how) in
        [("git-client", &[][..]), ("git-server", &["--server-side", "--field-manager=argocd-controller"][..])]
    {
        let folder = dirs::fresh("git")?;
        let file = folder.join("waiver.json");
        let apply = |manifest: Value| {
            let (scene, file) = (&scene, &file);
            async move {
                std::fs::write(file, manifest.to_string())?;
                let words = ["apply"].iter().chain(how).map(OsString::from);
                let words: Vec<_> = words.chain(["-f".into(), file.clone().into_os_string()]).collect();
                scene.kubectl("git", &words).await
            }
        };
        apply(manifest(name)).await?;
        let (code, said) = scene.approve("chen", &[name]).await?;
        ensure!(code == Some(0), "{said}");
        let approved = scene.live(name).await?;
        ensure!(hands(&approved) == (Some("git"), Some("chen")), "{name}: {:?}", hands(&approved));

        apply(manifest(name)).await?;
        let again = scene.live(name).await?;
        ensure!(again.spec == approved.spec && hands(&again).0 == Some("git"), "{name}: {again:?}");
        let words = ["diff"]
            .iter()
            .chain(how)
            .map(OsString::from)
            .chain(["-f".into(), file.clone().into_os_string()]);
        scene.kubectl("git", &words.collect::<Vec<_>>()).await.context("Git and the cluster differ")?;

        // What Git changes waits for another approval, and Git's apply goes through.
        let mut longer = manifest(name);
        longer["spec"]["expires"] = json!("2999-12-31T00:00:00Z");
        apply(longer.clone()).await?;
        let changed = scene.live(name).await?;
        ensure!(hands(&changed) == (Some("git"), None), "{name}: {:?}", hands(&changed));
        let (code, said) = scene.approve("chen", &[name]).await?;
        ensure!(code == Some(0), "{said}");
        apply(longer.clone()).await?;
        ensure!(hands(&scene.live(name).await?).1 == Some("chen"), "{name}: the second approval went");

        // An approval that stands in Git is none.
        longer["spec"]["approval"] = approval("hu");
        let refused = apply(longer).await.err().context("Git approved")?;
        let said = format!("{refused:#}");
        // Server-side the field is another manager's, which is said before any policy is asked.
        let by_policy = said.contains(POLICY) && said.contains("in the name of another");
        ensure!(by_policy || (name == "git-server" && said.contains("conflict")), "{said}");
        ensure!(hands(&scene.live(name).await?).1 == Some("chen"), "{name}: the approval is another");
    }
    scene.delete(&["git-client", "git-server"]).await
}
