//! `banyan energy import`: past days and bills from a CSV file into the ledgers.
//!
//! The whole file is checked against all its sites before the first write. A ledger is written as the operator writes it,
//! under its field manager and only over the version that was read, so that neither loses what the other wrote.

mod tell;

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use banyan_crds::v1alpha1::DataCenter;
use jiff::Timestamp;
use k8s_openapi::api::{authentication::v1::SelfSubjectReview, core::v1::ConfigMap};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};

use crate::{
    cli::{print, world},
    datacenter::{
        import::{
            self, Column, MAX_NOTE, Place, Problem, Row, SiteImport, Wrong,
            rows::{self, File},
            text,
        },
        ledger::Ledger,
        observe::FoundLedger,
        plan::ledger_object,
        provenance::{self, Batch},
        spec::Site,
    },
    kernel::plan::{FIELD_MANAGER, Owner},
    lang::Lang,
    t,
};

/// No single request takes longer.
const LIMIT: Duration = Duration::from_secs(20);
/// Attempts at a ledger that the operator keeps writing.
const ATTEMPTS: usize = 5;

/// Arguments of `banyan energy import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file, or `-` for standard input.
    #[arg(value_name = "FILE.csv", required_unless_present = "template")]
    file: Option<PathBuf>,
    /// The site, for a file without a column for it.
    #[arg(long, value_name = "NAME")]
    dc: Option<String>,
    /// Why: kept with each day, beside your name.
    #[arg(long, value_name = "TEXT", required_unless_present = "template", value_parser = reason)]
    reason: Option<String>,
    /// Who you are, where several share a user of the cluster; the user's name is kept in any case.
    #[arg(long, value_name = "NAME", value_parser = reason)]
    author: Option<String>,
    /// Let days of the file take the place of days that have other figures.
    #[arg(long)]
    replace: bool,
    /// Check and show, but write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print an example of a file, with every column there is.
    #[arg(long, conflicts_with_all = ["file", "dc", "reason", "author", "replace", "dry_run"])]
    template: bool,
    /// Banyan's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// Check and sign as if it were this instant, for rehearsals on recorded data.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

/// A text that says something, and not too much.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("it is empty".to_owned()),
        length if length > MAX_NOTE => Err(format!("it is longer than {MAX_NOTE} characters")),
        _ => Ok(text.to_owned()),
    }
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let Some(path) = &args.file else {
        print(&tell::template(lang))?;
        return Ok(ExitCode::SUCCESS);
    };
    let name = file_name(path);
    let bytes = read(path)?;
    let file = match text::read(&bytes) {
        Ok(text) => rows::read(&text, args.dc.as_deref()),
        Err(wrong) => File::refused(wrong),
    };
    // Without a row nothing can be looked up, and nothing more be found wrong.
    if file.rows.is_empty() {
        eprint!("{}", tell::problems(lang, &name, file.problems));
        return Ok(ExitCode::from(2));
    }
    let client = world::connect().await?;
    let now = world::now(args.now)?;
    let importer = Importer { client, args: &args, file: &file, source: source(&name), now };
    let (sites, mut problems) = importer.look().await?;
    problems.extend(file.problems.iter().cloned());
    print(&tell::summary(lang, &sites))?;
    if !problems.is_empty() {
        eprint!("{}", tell::problems(lang, &name, problems));
        return Ok(ExitCode::from(2));
    }
    if args.dry_run {
        eprintln!("{}", t!(lang, "import-dry-run"));
        return Ok(ExitCode::SUCCESS);
    }
    importer.write(sites, lang).await
}

/// How messages name the file: as it was given.
fn file_name(path: &Path) -> String {
    if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() }
}

/// How the provenance names it: without folders, which say nothing to others.
fn source(name: &str) -> String {
    let name = Path::new(name).file_name().map_or_else(|| name.into(), std::ffi::OsStr::to_string_lossy);
    name.chars().take(MAX_NOTE).collect()
}

/// The bytes of the file, a little more than it may have at most.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = text::MAX_BYTES as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} cannot be read", file_name(path)))?;
    Ok(bytes)
}

/// A site of the file.
struct Target {
    dc: DataCenter,
    site: Site,
    /// Its ledger as it was read.
    found: FoundLedger,
    /// What the file does to it.
    import: SiteImport,
}

impl Target {
    fn name(&self) -> String {
        self.dc.name_any()
    }
}

/// An import under way.
struct Importer<'a> {
    client: Client,
    args: &'a Args,
    file: &'a File,
    source: String,
    now: Timestamp,
}

impl Importer<'_> {
    /// Looks at every site of the file: what would happen, and what is wrong.
    async fn look(&self) -> anyhow::Result<(Vec<Target>, Vec<Problem>)> {
        let mut by_site: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &self.file.rows {
            by_site.entry(&row.site).or_default().push(row);
        }
        let api: Api<DataCenter> = Api::all(self.client.clone());
        let (mut sites, mut problems) = (Vec::new(), Vec::new());
        for (name, rows) in by_site {
            // What is no name of an object is none of a site.
            let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
            let dc =
                if named { bounded(&format!("DataCenter {name}"), api.get_opt(name)).await? } else { None };
            let Some(dc) = dc else {
                let column = self.file.name(Column::Site);
                let wrong = || Wrong::UnknownSite { site: name.to_owned() };
                problems.extend(rows.iter().map(|row| Problem::of_cell(row.line, &column, wrong())));
                continue;
            };
            let site = Site::read(&dc.spec).with_context(|| format!("DataCenter {name}"))?;
            let found = self.found(name).await?;
            let (import, wrong) = self.plan(&dc, &site, &found)?;
            problems.extend(wrong);
            sites.push(Target { dc, site, found, import });
        }
        Ok((sites, problems))
    }

    /// The ledger of a site as it is now.
    async fn found(&self, name: &str) -> anyhow::Result<FoundLedger> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.args.namespace);
        let object = format!("banyan-ledger-{name}");
        let what = format!("ConfigMap {}/{object}", self.args.namespace);
        let Some(map) = bounded(&what, api.get_opt(&object)).await? else {
            return Ok(FoundLedger::default());
        };
        let found = FoundLedger::read(&map).with_context(|| format!("{what} holds no ledger"))?;
        if let Err(wrong) = &found.ledger {
            anyhow::bail!("{what}: {wrong}");
        }
        Ok(found)
    }

    /// What the file's rows of a site do to its ledger.
    fn plan(
        &self,
        dc: &DataCenter,
        site: &Site,
        found: &FoundLedger,
    ) -> anyhow::Result<(SiteImport, Vec<Problem>)> {
        let ledger = found.ledger.as_ref().map_or_else(|_| Arc::new(Ledger::default()), Arc::clone);
        let place =
            Place { site, spec: &dc.spec, ledger: &ledger, now: self.now, replace: self.args.replace };
        let name = dc.name_any();
        let rows: Vec<&Row> = self.file.rows.iter().filter(|row| row.site == name).collect();
        let (import, mut problems) = import::plan(&place, &rows, &|column| self.file.name(column));
        // The longest that a name may be, which is not known yet.
        let author = "x".repeat(MAX_NOTE);
        if problems.is_empty()
            && self
                .provenance(found, &import, &author)?
                .is_some_and(|text| text.len() > provenance::MAX_BYTES)
        {
            let most_kib = provenance::MAX_BYTES >> 10;
            problems.push(Problem::of_file(Wrong::ProvenanceTooLarge { most_kib }));
        }
        Ok((import, problems))
    }

    /// Where the days come from, with those of this import.
    fn provenance(
        &self,
        found: &FoundLedger,
        import: &SiteImport,
        author: &str,
    ) -> anyhow::Result<Option<Arc<str>>> {
        let mut kept = found.provenance()?;
        let batch = Batch {
            id: 0,
            author: author.to_owned(),
            person: self.args.author.clone(),
            at: self.now,
            reason: self.args.reason.clone().unwrap_or_default(),
            source: self.source.clone(),
        };
        kept.add(batch, import.steps());
        if let Some(first) = import.ledger.first_date() {
            kept.prune(first);
        }
        Ok((!kept.is_empty()).then(|| Arc::from(kept.encode())))
    }

    /// Writes the ledgers that change, one after the other, and tells of each.
    async fn write(&self, sites: Vec<Target>, lang: Lang) -> anyhow::Result<ExitCode> {
        let due: Vec<Target> = sites.into_iter().filter(|target| !target.import.changed.is_empty()).collect();
        if due.is_empty() {
            eprintln!("{}", t!(lang, "import-nothing"));
            return Ok(ExitCode::SUCCESS);
        }
        let author = self.author().await?;
        let names: Vec<String> = due.iter().map(Target::name).collect();
        for (index, target) in due.into_iter().enumerate() {
            let name = target.name();
            match self.write_one(target, &author, lang).await {
                Ok(days) => {
                    let days = i64::try_from(days).unwrap_or(i64::MAX);
                    eprintln!("{}", t!(lang, "import-written", site = name, days = days));
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    eprintln!("{}", t!(lang, "import-not-written", site = name, error = error));
                    let list = |names: &[String]| {
                        if names.is_empty() { t!(lang, "import-none") } else { names.join(", ") }
                    };
                    let (done, left) = (list(&names[..index]), list(&names[index..]));
                    eprintln!("{}", t!(lang, "import-half", done = done, left = left));
                    return Ok(ExitCode::from(2));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes one ledger. Where somebody has written it since it was read, it is read and decided anew. Answers how many days
    /// were written.
    async fn write_one(&self, mut target: Target, author: &str, lang: Lang) -> anyhow::Result<usize> {
        let name = target.name();
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.args.namespace);
        let owner = Owner { kind: "datacenter", name: name.clone() };
        // Whoever reports a conflict of fields has written the text by hand; the operator would put it back as well.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        for attempt in 1.. {
            let provenance = self.provenance(&target.found, &target.import, author)?;
            let beside = FoundLedger { provenance, ..target.found.clone() };
            let own = ledger_object(&target.dc, &self.args.namespace, &target.import.ledger, &beside);
            let manifest = own.manifest(&owner);
            let what = own.object.to_string();
            let answer =
                tokio::time::timeout(LIMIT, api.patch(&own.object.name, &params, &Patch::Apply(&manifest)))
                    .await
                    .with_context(|| format!("{what}: the API server did not answer in time"))?;
            match answer {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if status.is_conflict() && attempt < ATTEMPTS => {
                    target.found = self.found(&name).await?;
                    let (import, problems) = self.plan(&target.dc, &target.site, &target.found)?;
                    if !problems.is_empty() {
                        anyhow::bail!(
                            "{what} was written meanwhile: {}",
                            tell::problems(lang, &self.source, problems).trim_end()
                        );
                    }
                    target.import = import;
                    if target.import.changed.is_empty() {
                        break;
                    }
                }
                Err(error) => return Err(error).with_context(|| what),
            }
        }
        Ok(target.import.changed.len())
    }

    /// The name of the user, as the API server knows it.
    async fn author(&self) -> anyhow::Result<String> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = SelfSubjectReview::default();
        let review = bounded("your own name", api.create(&PostParams::default(), &review)).await?;
        let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
        let user = user.filter(|user| !user.is_empty()).context("the API server does not say who you are")?;
        Ok(user.chars().take(MAX_NOTE).collect())
    }
}

/// A request with a limit.
async fn bounded<T>(what: &str, request: impl Future<Output = Result<T, kube::Error>>) -> anyhow::Result<T> {
    match tokio::time::timeout(LIMIT, request).await {
        Err(_) => anyhow::bail!("{what}: the API server did not answer in time"),
        Ok(answer) => answer.with_context(|| format!("{what} cannot be read")),
    }
}
