use std::{io::Read as _, sync::Arc};

use banyan_policies::{
    engine::{Compiled, Outcome, Parameters, Selection, Session, Sight, compile},
    pack::builtin,
    verdict::{Attestation, Audit, Input, Waiver, Waivers, Work, conclude},
};
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{
    super::{
        about::{ClusterId, Denied, PackUsed, Span},
        archive::{Spool, Writer},
        pack::{Material, Objects, Subject, write},
        redact::redact,
    },
    *,
};

const SECRET: &str = "hunter2";

fn now() -> Timestamp {
    "2026-11-25T03:04:05Z".parse().unwrap()
}

fn objects() -> Vec<Json> {
    let pod = |name: &str, namespace: &str, privileged: bool| {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
            "spec": { "containers": [{ "name": "a", "image": "a", "args": [SECRET], "env": [{ "name": "PASSWORD", "value": SECRET }],
                "securityContext": { "privileged": privileged } }] } })
    };
    vec![
        pod("good", "shop", false),
        pod("bad", "shop", true),
        pod("waived", "old", true),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "a": SECRET } }),
    ]
}

fn compiled() -> Compiled {
    let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
    let (compiled, faults) =
        compile(&packs, &[Selection::new("pod-security", "baseline")], &Parameters::new());
    assert!(faults.is_empty(), "{faults:?}");
    compiled
}

fn audit(compiled: &Compiled, objects: &[Json], input: &Input) -> Audit {
    let waiver = Waiver {
        name: "old".into(),
        controls: vec!["pod-security-privileged".into()],
        namespaces: vec!["old".into()],
        kinds: Vec::new(),
        names: Vec::new(),
        reason: "until it is replaced".into(),
        ticket: "SEC-7".into(),
        expires: "2027-01-01T00:00:00Z".parse().unwrap(),
        approved_by: "li.na".into(),
        suspended: false,
    };
    let keep = [Outcome::Fail, Outcome::Error, Outcome::Unknown, Outcome::Skip];
    let mut work = Work::new(compiled, Waivers::new(vec![waiver], now()), &keep);
    let mut session = Session::new(compiled, now());
    for (place, object) in objects.iter().enumerate() {
        work.count();
        work.add(session.take(place, compiled.examine(object, now())));
    }
    session.finish(Sight::Manifests).for_each(|judged| work.add(judged));
    conclude(work, input, now())
}

/// An archive of the objects, and its digest.
fn packed(which: Objects) -> (Vec<u8>, String) {
    let compiled = compiled();
    let mut objects = objects();
    objects.iter_mut().for_each(redact);
    let clause = compiled.packs[0].requirements[0].1.clause.clone();
    let attestation = Attestation {
        clause,
        applies_to: Vec::new(),
        by: "li.na".into(),
        evidence: "minutes".into(),
        valid_until: "2027-03-31".parse().unwrap(),
    };
    let input = Input { attestations: vec![attestation], ..Input::default() };
    let audit = audit(&compiled, &objects, &input);
    let mut spool = Spool::new().unwrap();
    let mut lines = Vec::new();
    for (place, object) in objects.iter().enumerate() {
        let stretch = spool.put(format!("{object}\n").as_bytes()).unwrap();
        lines.push((place, object["kind"].as_str().unwrap().to_owned(), stretch));
    }
    let material = Material {
        audit: &audit,
        input: &input,
        packs: PackUsed::of(&compiled),
        parameters: Parameters::new(),
        subject: Subject::Snapshot,
        cluster: Some(ClusterId { id: Some("u-i-d".into()), version: None }),
        read: Some(Span { from: now(), until: now() }),
        denied: vec![Denied { kind: "Node".into(), why: "forbidden".into() }],
        objects: which,
        lines,
        spool,
    };
    let mut bytes = Vec::new();
    let digest = write(material, &mut bytes).unwrap();
    (bytes, digest)
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

type Files = Vec<(String, Vec<u8>)>;

fn files(packed: &[u8]) -> Files {
    let mut files = Vec::new();
    archive::read::<ArchiveError>(MultiGzDecoder::new(packed), |entry| {
        let bytes = entry.whole(1 << 24)?;
        files.push((entry.name.clone(), bytes));
        Ok(())
    })
    .unwrap();
    files
}

fn again(files: &Files) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, bytes) in files {
        writer.add(name, bytes.len() as u64, bytes.as_slice()).unwrap();
    }
    unpacked(&writer.finish().unwrap())
}

fn wrong(files: &Files) -> Vec<String> {
    let verified = verify(again(files).as_slice(), None).unwrap();
    assert!(verified.wrong.is_empty() == verified.evidence.is_some());
    verified.wrong
}

#[test]
fn what_was_written_verifies_and_says_what_it_is() {
    let (bytes, digest) = packed(Objects::Findings);
    let verified = verify(MultiGzDecoder::new(bytes.as_slice()), Some(&format!("sha256:{digest}"))).unwrap();
    assert_eq!(verified.wrong, [""; 0]);
    let said = verified.evidence.unwrap();
    assert_eq!((said.looked_at, said.objects_kept, verified.files), (4, 2, 8));
    assert_eq!((said.waivers.len(), said.attestations.len(), said.counts.skip), (1, 1, 1));
    assert_eq!(said.denied[0].kind, "Node");
    assert_eq!(said.packs[0].pack.level, "baseline");
    let names: Vec<_> = files(&bytes).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..3], ["MANIFEST.sha256", "evidence.json", "objects/Pod.jsonl"]);
    let all = files(&packed(Objects::All).0);
    assert!(all.iter().any(|(name, _)| name == "objects/Secret.jsonl"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert!(packed(Objects::All) == packed(Objects::All));
}

#[test]
fn no_secret_is_in_any_file() {
    for (name, bytes) in files(&packed(Objects::All).0) {
        // A workbook is an archive of its own.
        let text = if name.contains(".xlsx") { workbook(&bytes) } else { String::from_utf8(bytes).unwrap() };
        assert!(!text.contains(SECRET), "{name}");
    }
}

fn workbook(bytes: &[u8]) -> String {
    use calamine::Reader as _;
    let mut book = calamine::Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
    let cells: Vec<String> = book
        .worksheets()
        .iter()
        .flat_map(|(_, sheet)| sheet.cells().map(|(_, _, cell)| cell.to_string()).collect::<Vec<_>>())
        .collect();
    assert!(cells.len() > 20);
    cells.join("\n")
}

/// `sha256sum -c` says the same: it needs nothing of ours.
#[test]
fn the_manifest_is_one_of_sha256sum() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files(&packed(Objects::All).0) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let checked = || {
        let mut command = std::process::Command::new("sha256sum");
        command
            .args(["--strict", "-c", MANIFEST])
            .current_dir(folder.path())
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(checked());
    std::fs::write(folder.path().join(ABOUT), "{}").unwrap();
    assert!(!checked());
}

#[test]
fn a_change_of_any_file_is_found() {
    let whole = files(&packed(Objects::All).0);
    assert_eq!(wrong(&whole), [""; 0]);
    for place in 0..whole.len() {
        let name = &whole[place].0;
        let mut changed = whole.clone();
        let last = changed[place].1.len() - 1;
        changed[place].1[last] ^= 1;
        assert!(!wrong(&changed).is_empty(), "{name} was changed");
        let mut longer = whole.clone();
        longer[place].1.push(b' ');
        assert!(!wrong(&longer).is_empty(), "{name} is longer");
        let mut missing = whole.clone();
        missing.remove(place);
        let said = wrong(&missing);
        assert!(said.iter().any(|line| line.contains(name.as_str())), "{name} is missing: {said:?}");
        let mut twice = whole.clone();
        twice.push(whole[place].clone());
        assert_eq!(wrong(&twice), [format!("{name}: it is there a second time")]);
    }
    let mut added = whole.clone();
    added.push(("verdict/other.json".into(), Vec::new()));
    assert_eq!(wrong(&added), ["verdict/other.json: the manifest does not name it"]);
    let mut swapped = whole;
    let (one, two) = (swapped[3].1.clone(), swapped[4].1.clone());
    (swapped[3].1, swapped[4].1) = (two, one);
    assert_eq!(wrong(&swapped).len(), 2);
}

#[test]
fn one_that_was_made_anew_has_another_digest() {
    let (bytes, digest) = packed(Objects::All);
    let mut forged = files(&bytes);
    let place = forged.iter().position(|(name, _)| name == "verdict/audit.json").unwrap();
    forged[place].1 =
        String::from_utf8(forged[place].1.clone()).unwrap().replace("fail", "pass").into_bytes();
    let manifest: String =
        forged[1..].iter().map(|(name, bytes)| [&sha256(bytes), "  ", name, "\n"].concat()).collect();
    forged[0].1 = manifest.into_bytes();
    assert_eq!(wrong(&forged), [""; 0], "nobody can tell without the digest");
    let verified = verify(again(&forged).as_slice(), Some(&digest)).unwrap();
    assert!(verified.wrong[0].contains("not the one that was given"), "{:?}", verified.wrong);
}

#[test]
fn a_manifest_that_names_what_it_should_not_is_wrong() {
    let whole = files(&packed(Objects::Findings).0);
    let said = |change: &dyn Fn(&mut String)| {
        let mut changed = whole.clone();
        let mut manifest = String::from_utf8(changed[0].1.clone()).unwrap();
        change(&mut manifest);
        changed[0].1 = manifest.into_bytes();
        wrong(&changed).join("\n")
    };
    let hash: &str = &"0".repeat(64);
    assert!(said(&|text| text.push_str("nonsense\n")).contains("it is no hash and name"));
    assert!(said(&|text| text.extend([hash, "  ../etc/passwd\n"])).contains("it is not there"));
    assert!(said(&|text| text.extend([hash, "  evidence.json\n"])).contains("a second time"));
    assert!(said(&String::clear).contains("the manifest does not name it"));
}

#[test]
fn a_truncated_archive_cannot_be_read() {
    let (bytes, _) = packed(Objects::Findings);
    for end in (0..bytes.len()).step_by(997).chain([bytes.len() - 1, bytes.len() - 9]) {
        assert!(verify(MultiGzDecoder::new(&bytes[..end]), None).is_err(), "{end} of {}", bytes.len());
    }
    let whole = unpacked(&bytes);
    let error = verify(&whole[..1024], None).unwrap_err().to_string();
    assert!(error.starts_with("MANIFEST.sha256: it cannot be read"), "{error}");
}
