//! `banyan audit` over bad input: each case lies beside a good file. The fault is told with file, line and reason, the exit code is 2, what is good is
//! judged all the same, and memory stays bounded.

// All of it is test; clippy knows only functions that are marked as one.
#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A Pod that one control refuses.
const GOOD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: good, namespace: shop }\nspec:\n  hostNetwork: true\n  containers: [{ name: c, image: i }]\n";
/// What is said of it.
const VERDICT: &str = "pod-security-host-network";
/// Most memory that may be resident, in MB: the program is one for debugging.
const MOST: u64 = 200;

/// What came of a run.
struct Ran {
    code: Option<i32>,
    out: Vec<u8>,
    told: String,
    /// Most memory that was resident, in MB.
    peak: u64,
}

impl Ran {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

fn banyan(folder: &Path, args: &[&str]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_banyan"))
        .args(args)
        .current_dir(folder)
        .env_remove("KUBECONFIG")
        .env("LANG", "C")
        .stdin(Stdio::null())
        .stdout(fs::File::create(folder.join(".out")).unwrap())
        .stderr(fs::File::create(folder.join(".told")).unwrap())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        // It only grows; what is missed is what comes in the last two milliseconds.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let high = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(high.unwrap_or_default() / 1000);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
        thread::sleep(Duration::from_millis(2));
    };
    let out = fs::read(folder.join(".out")).unwrap();
    let told = fs::read_to_string(folder.join(".told")).unwrap();
    Ran { code, out, told, peak }
}

fn audit(folder: &Path, args: &[&str]) -> Ran {
    let usual = ["--lang", "en", "audit", "--now", "2026-06-01T00:00:00Z"];
    banyan(folder, &[&usual[..], args].concat())
}

const PACK: [&str; 4] = ["--pack", "pod-security", "--level", "baseline"];

/// A folder with a good file between two places that a bad one may take.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/m-good.yaml"), GOOD).unwrap();
    folder
}

/// Audits the bad file before the good one and after it. Answers what was told, which is one line.
fn told(name: &str, bad: &[u8]) -> String {
    let mut lines = Vec::new();
    for place in ["a-", "z-"] {
        let folder = folder();
        let file = format!("in/{place}{name}");
        fs::write(folder.path().join(&file), bad).unwrap();
        let ran = audit(folder.path(), &[&PACK[..], &["in"]].concat());
        assert_eq!(ran.code, Some(2), "{name}: {}", ran.told);
        let text = ran.text();
        assert!(
            text.contains(VERDICT) && text.contains("shop/good"),
            "{name}: the good one is judged:\n{text}"
        );
        assert!(ran.peak < MOST, "{name}: {} MB", ran.peak);
        assert!(ran.told.starts_with(&file), "{}", ran.told);
        assert_eq!(ran.told.lines().count(), 1, "{}", ran.told);
        lines.push(ran.told.trim_end().replace(&file, "FILE"));
    }
    assert_eq!(lines[0], lines[1]);
    lines.remove(0)
}

#[test]
fn a_bomb_of_aliases() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", vec![before; 9].join(", ")).unwrap();
    }
    let said = told("bomb.yaml", bomb.as_bytes());
    assert_eq!(said, "FILE:5:9: parsing a document: its aliases repeat more than 8388608 bytes of values");
}

#[test]
fn nesting_of_two_hundred_levels() {
    let block = (0..200).fold(String::new(), |text, level| text + &" ".repeat(level) + "a:\n");
    let flow = format!("apiVersion: v1\na: {}{}\n", "[".repeat(200), "]".repeat(200));
    let json = format!("{{\"apiVersion\": \"v1\",\n\"a\": {}{}}}", "[".repeat(200), "]".repeat(200));
    for (name, text, line) in
        [("block.yaml", block, "FILE:101:"), ("flow.yaml", flow, "FILE:2:"), ("deep.json", json, "FILE:2:")]
    {
        let said = told(name, text.as_bytes());
        assert!(said.starts_with(line) && said.ends_with("it is nested deeper than 100 levels"), "{said}");
    }
}

#[test]
fn a_binary_and_bytes_that_are_no_text() {
    let said = told("binary.yaml", b"\x7fELF\x02\x01\x01\0\0\0\0\xff\xfe");
    assert!(said.starts_with("FILE:1:"), "{said}");
    let said = told("latin.yaml", b"apiVersion: v1\nkind: Pod\nmetadata: { name: \xe4 }\n");
    assert_eq!(said, "FILE:3:19: reading a document: the bytes are not UTF-8");
}

#[test]
fn files_that_end_too_soon() {
    let said = told("short.json", b"{\"apiVersion\": \"v1\",\n \"kind\": \"Pod\", \"metadata\": {\"name\"");
    assert!(said.starts_with("FILE:2:") && said.contains("parsing JSON: EOF"), "{said}");
    let said = told("short.yaml", b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: \"a");
    assert!(said.starts_with("FILE:4:") && said.contains("parsing YAML: "), "{said}");
    // A gzip file whose end is missing.
    let said = told("short.yaml.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b]);
    assert!(said.starts_with("FILE:1:1: reading the input: "), "{said}");
}

#[test]
fn keys_given_twice_kinds_that_are_not_and_objects_without_metadata() {
    let twice = "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec:\n  hostNetwork: false\n  hostPID: true\n  hostNetwork: true\n";
    assert_eq!(
        told("twice.yaml", twice.as_bytes()),
        "FILE:7:3: spec.hostNetwork: is there a second time: it stands on line 5 already"
    );
    let kind = "apiVersion: apps/v1\nkind: Deploymnet\nmetadata: { name: a }\n";
    assert_eq!(
        told("kind.yaml", kind.as_bytes()),
        "FILE:2: kind: apps/v1 of Kubernetes has no kind Deploymnet; Deployment is meant, it seems"
    );
    assert_eq!(
        told("bare.yaml", b"# nothing\napiVersion: v1\nkind: Pod\nspec: {}\n"),
        "FILE:2:1: reading an object: metadata is missing, in Pod"
    );
}

/// Writes a document of a hundred megabytes.
fn long(path: &Path, head: &str, line: &str, foot: &str) {
    let mut to = BufWriter::new(fs::File::create(path).unwrap());
    to.write_all(head.as_bytes()).unwrap();
    for _ in 0..(100_000_000 / line.len()) {
        to.write_all(line.as_bytes()).unwrap();
    }
    to.write_all(foot.as_bytes()).unwrap();
}

#[test]
fn a_document_of_a_hundred_megabytes() {
    let line = "  k: \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123\"\n";
    let value = "0123456789".repeat(100);
    for (name, head, line, foot) in [
        ("long.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata:\n", line, ""),
        (
            "long.json",
            "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"a\"}, \"data\": {\"k\": \"",
            value.as_str(),
            "\"}}\n",
        ),
    ] {
        let folder = folder();
        long(&folder.path().join("in").join(name), head, line, foot);
        let ran = audit(folder.path(), &[&PACK[..], &["in"]].concat());
        assert_eq!(ran.code, Some(2), "{}", ran.told);
        assert_eq!(
            ran.told.trim_end(),
            format!(
                "in/{name}:1:1: reading a document: it is longer than 16777216 bytes, the most for one document"
            )
        );
        assert!(ran.text().contains("shop/good"));
        assert!(ran.peak < MOST, "{name}: {} MB", ran.peak);
    }
}

const ABOUT: &str = "name: own\ntitle: { en: Own, zh: 自 }\nstandard: S\nversion: '1'\nlevels: ['1']\nnote: { en: n, zh: n }\n";
const REQUIREMENTS: &str = "- { id: r, title: { en: t, zh: t }, summary: { en: s, zh: s }, type: Automatic, levels: { 1: { clause: '1 a' } } }\n";

fn control(id: &str, expression: &str) -> String {
    format!(
        "id: {id}\ntitle: {{ en: t, zh: t }}\nseverity: high\ntype: Automatic\nrequirements: [r]\nmatch: {{ kinds: [Pod] }}\nexpression: {expression}\nmessage: \"'wrong'\"\nremediation: {{ en: f, zh: f }}\n"
    )
}

/// Audits the good file by a pack with these controls. Answers what was told.
fn by_pack(controls: &[(&str, String)]) -> Ran {
    let folder = folder();
    let pack = folder.path().join("pack");
    fs::create_dir_all(pack.join("zz")).unwrap();
    fs::write(pack.join("pack.yaml"), ABOUT).unwrap();
    fs::write(pack.join("requirements.yaml"), REQUIREMENTS).unwrap();
    fs::write(pack.join("sound.yaml"), control("sound", "\"object.metadata.name != 'good'\"")).unwrap();
    for (file, text) in controls {
        fs::write(pack.join(file), text).unwrap();
    }
    let ran = audit(folder.path(), &["--packs", "pack", "--pack", "own", "in"]);
    assert_eq!(ran.code, Some(2), "{}", ran.told);
    assert!(ran.text().contains("sound") && ran.text().contains("shop/good"), "{}", ran.text());
    ran
}

#[test]
fn packs_that_are_wrong() {
    let broken = by_pack(&[("broken.yaml", control("broken", "\"object.metadata.name ==\""))]);
    assert!(
        broken.told.starts_with("pack/broken.yaml:7: expression: the expression cannot be parsed: "),
        "{}",
        broken.told
    );
    assert_eq!(broken.told.lines().count(), 1, "{}", broken.told);
    let missing = by_pack(&[("missing.yaml", control("missing", "\"objekt.spec == 1\""))]);
    assert!(
        missing.told.starts_with("pack/missing.yaml:7: expression: there is no `objekt` here"),
        "{}",
        missing.told
    );
    let twice = by_pack(&[("zz/sound.yaml", control("sound", "\"true\""))]);
    assert_eq!(twice.told.trim_end(), "pack/zz/sound.yaml:1: pack/sound.yaml has a control called sound too");
    let no_yaml = by_pack(&[("no.yaml", "id: no\ntitle: {".to_owned())]);
    assert!(no_yaml.told.starts_with("pack/no.yaml:"), "{}", no_yaml.told);
    // What cannot be evaluated is an error, never a pass.
    let failing = by_pack(&[
        ("fails.yaml", control("fails", "\"object.spec.nothing.here == 1\"")),
        ("broken.yaml", control("broken", "'('")),
    ]);
    assert!(failing.text().contains("could not be evaluated"), "{}", failing.text());
}

#[test]
fn a_waiver_without_an_end() {
    let folder = folder();
    let waiver = |name: &str, control: &str, rest: &str| {
        format!(
            "apiVersion: banyan.dev/v1alpha1\nkind: Waiver\nmetadata: {{ name: {name} }}\nspec:\n  controls: [{control}]\n  match: {{ namespaces: [shop] }}\n  reason: moved\n  ticket: T-1\n{rest}"
        )
    };
    let until = "  expires: 2026-12-31T00:00:00Z\n  approval: { by: li.na }\n";
    let text = format!(
        "{}---\n{}",
        waiver("endless", "pod-security-privileged", ""),
        waiver("bounded", VERDICT, until)
    );
    fs::write(folder.path().join("waivers.yaml"), text).unwrap();
    let ran = audit(folder.path(), &[&PACK[..], &["--waivers", "waivers.yaml", "in"]].concat());
    assert_eq!(ran.code, Some(2), "{}", ran.told);
    assert!(
        ran.told.starts_with("waivers.yaml:")
            && ran.told.trim_end().ends_with("spec.expires: is missing: a waiver ends"),
        "{}",
        ran.told
    );
    // The other one counts.
    assert!(ran.text().contains("waived by bounded"), "{}", ran.text());
}

#[test]
fn a_waiver_that_is_suspended() {
    let folder = folder();
    let text = format!(
        "apiVersion: banyan.dev/v1alpha1\nkind: Waiver\nmetadata: {{ name: aside }}\nspec:\n  suspend: true\n  controls: [{VERDICT}]\n  \
         match: {{ namespaces: [shop] }}\n  reason: moved\n  expires: 2099-12-31T00:00:00Z\n  approval: {{ by: li.na }}\n"
    );
    let waived = |text: &str| {
        fs::write(folder.path().join("waivers.yaml"), text).unwrap();
        audit(folder.path(), &[&PACK[..], &["--waivers", "waivers.yaml", "in"]].concat())
    };
    let ran = waived(&text);
    assert!(ran.text().contains("Suspended") && !ran.text().contains("waived by aside"), "{}", ran.text());
    let counts = waived(&text.replace("  suspend: true\n", ""));
    assert!(counts.text().contains("waived by aside"), "{}", counts.text());
}

/// What each kind of reader would take for something else than a text.
const HOSTILE: [&str; 6] = [
    "<script>document.title='taken'</script>",
    "=cmd|' /C calc'!A0",
    "\u{1b}[2J\u{1b}]0;taken\u{7}",
    "\u{202e}desrever\u{2066}",
    "two\nlines\r\n\tand ]]> <!-- -->",
    "\" onmouseover=\"taken() {{ 7*7 }}",
];

/// Whether a character does something else than stand there.
fn acts(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

fn harmless(what: &str, text: &str) {
    let found = text.chars().find(|letter| acts(*letter));
    assert!(found.is_none(), "{what} has {found:?}:\n{}", text.escape_debug());
}

#[test]
fn hostile_texts_escape_from_nothing() {
    let folder = folder();
    let mut text = String::new();
    for hostile in HOSTILE {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": hostile, "namespace": hostile, "labels": { hostile: hostile }, "annotations": { hostile: hostile } },
            "spec": { "hostNetwork": true, "containers": [{ "name": hostile, "image": hostile, "securityContext": { "privileged": true, "capabilities": { "add": [hostile] } } }] },
        });
        writeln!(text, "---\n{object}").unwrap();
    }
    // Faults tell of hostile texts too: a key given twice, and kinds and names of what is no object.
    for hostile in HOSTILE {
        let word = Json::from(hostile).to_string();
        writeln!(text, "---\n{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"a\"}}, {word}: 1, {word}: 2}}").unwrap();
        writeln!(
            text,
            "---\n{{\"apiVersion\": \"apps/v1\", \"kind\": {word}, \"metadata\": {{\"name\": {word}}}}}"
        )
        .unwrap();
        writeln!(text, "---\n{{\"apiVersion\": \"v1\", \"kind\": {word}, \"metadata\": {{\"name\": {word}}}, \"metadata\": 5}}").unwrap();
    }
    fs::write(folder.path().join("in/\u{1b}[31m-\u{202e}.yaml"), text).unwrap();
    let forms = ["table", "json", "yaml", "sarif", "junit", "oscal", "csv", "xlsx", "html"];
    let mut args = PACK.to_vec();
    for form in &forms {
        args.extend(["-o", form, "--output-file", form]);
    }
    for lang in ["en", "zh"] {
        let ran = banyan(
            folder.path(),
            &[&["--lang", lang, "audit", "--now", "2026-06-01T00:00:00Z"], &args[..], &["in"]].concat(),
        );
        assert_eq!(ran.code, Some(2), "{}", ran.told);
        harmless("standard error", &ran.told);
        assert_eq!(ran.told.lines().count(), 3 * HOSTILE.len(), "a line a fault:\n{}", ran.told);
        let read = |form: &str| fs::read_to_string(folder.path().join(form)).unwrap();
        for form in ["table", "json", "yaml", "sarif", "junit", "oscal", "html"] {
            harmless(form, &read(form));
        }
        harmless("csv", read("csv").trim_start_matches('\u{feff}').replace("\r\n", "\n").as_str());
        for form in ["json", "sarif", "oscal"] {
            serde_json::from_str::<Json>(&read(form)).unwrap();
        }
        for cell in csv::Reader::from_path(folder.path().join("csv"))
            .unwrap()
            .records()
            .flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
        let page = read("html");
        assert_eq!((page.matches("<script").count(), page.matches(" onmouseover=\"").count()), (1, 0));
        let junit = read("junit");
        assert!(!junit.contains("<script") && uppsala::parse(&junit).is_ok());
        let mut book = {
            use calamine::Reader as _;
            let book: calamine::Xlsx<_> = calamine::open_workbook(folder.path().join("xlsx")).unwrap();
            assert!(!book.sheet_names().is_empty());
            book
        };
        for name in calamine::Reader::sheet_names(&book) {
            use calamine::Reader as _;
            assert!(book.worksheet_formula(&name).unwrap().used_cells().next().is_none(), "{name}");
            for (_, _, cell) in book.worksheet_range(&name).unwrap().used_cells() {
                harmless(&name, &cell.to_string());
            }
        }
    }
}
