use std::io::Write as _;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::json;

use super::*;

const SECRET: &str = "hunter2";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn object(kind: &str, name: &str) -> Json {
    json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" }, "data": { "a": SECRET } })
}

fn snapshot() -> (Vec<u8>, Snapshot) {
    let mut collector = Collector::new().unwrap();
    for (kind, names) in [("ConfigMap", &["a", "b", "c"][..]), ("Secret", &["d"]), ("Service", &[])] {
        let mut taken = Kind::new(kind, "v1", at(0));
        for name in names {
            collector.take(&mut taken, vec![object(kind, name)]).unwrap();
        }
        collector.end(taken, at(1));
    }
    let denied = vec![Denied { kind: "Node".into(), why: "forbidden".into() }];
    let mut packed = Vec::new();
    let cluster = ClusterId { id: Some("u-i-d".into()), version: Some("v1.37.0".into()) };
    let read = Span { from: at(0), until: at(2) };
    let about =
        collector.finish(cluster, Vec::new(), denied, vec!["x.io/Y".into()], read, &mut packed).unwrap();
    (packed, about)
}

fn read_back(unpacked: impl Read) -> Result<(Snapshot, Vec<Json>), SnapshotError> {
    let (mut about, mut found) = (None, Vec::new());
    read(
        unpacked,
        |told| {
            about = Some(told.clone());
            Box::new(|_| true)
        },
        |objects| {
            found.extend(objects);
            Ok(())
        },
    )?;
    Ok((about.unwrap(), found))
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

type Files = Vec<(String, Vec<u8>)>;

/// A snapshot whose files were changed by somebody.
fn changed(change: impl Fn(&mut Files)) -> Vec<u8> {
    let mut files = Vec::new();
    archive::read::<ArchiveError>(unpacked(&snapshot().0).as_slice(), |entry| {
        let bytes = entry.whole(1 << 20)?;
        files.push((entry.name.clone(), bytes));
        Ok(())
    })
    .unwrap();
    change(&mut files);
    let mut writer = Writer::new(Vec::new());
    for (name, bytes) in files {
        writer.add(&name, bytes.len() as u64, bytes.as_slice()).unwrap();
    }
    unpacked(&writer.finish().unwrap())
}

#[test]
fn what_was_taken_in_comes_back_redacted_and_in_order() {
    let (packed, about) = snapshot();
    let (told, found) = read_back(MultiGzDecoder::new(packed.as_slice())).unwrap();
    assert_eq!(told, about);
    let names: Vec<_> = found.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let text = String::from_utf8(unpacked(&packed)).unwrap();
    assert!(!text.contains(SECRET));
    // What could not be read is the first thing that is read.
    assert!(
        text[512..].starts_with("{\n  \"denied\": [\n    {\n      \"kind\": \"Node\""),
        "{}",
        &text[512..700]
    );
    assert_eq!(snapshot().0, packed);
}

#[test]
fn what_was_not_read_is_not_known() {
    let about = snapshot().1;
    let wanted = ["Node", "Secret", "x.io/Y", "Pod"];
    let unread = about.unread(wanted.into_iter());
    assert_eq!(unread.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), ["Node", "Pod"]);
    assert_eq!(unread[1].why, "the snapshot was made for other packs");
}

#[test]
fn every_truncation_is_told() {
    let (packed, _) = snapshot();
    for end in 0..packed.len() {
        assert!(read_back(MultiGzDecoder::new(&packed[..end])).is_err(), "{end}");
    }
    // Cut off before it was packed: the file that is missing is named.
    let whole = unpacked(&packed);
    let error = read_back(&whole[..whole.len() - 1024 - 512]).unwrap_err().to_string();
    assert_eq!(error, "objects/Service.jsonl: it is not there");
    let error = read_back(&whole[..700]).unwrap_err().to_string();
    assert!(error.starts_with("snapshot.json: "), "{error}");
}

#[test]
fn what_was_changed_is_told_with_the_file() {
    let said = |change: &dyn Fn(&mut Files)| read_back(changed(change).as_slice()).unwrap_err().to_string();
    let map = "objects/ConfigMap.jsonl";
    assert_eq!(
        said(&|files| drop(files.remove(0))),
        format!("{map}: snapshot.json has to come first: this is no snapshot")
    );
    assert_eq!(said(&|files| drop(files.remove(1))), format!("{map}: it is not there"));
    assert_eq!(said(&|files| files.push(("x".into(), vec![]))), "x: snapshot.json does not name it");
    assert!(said(&|files| files[1].1[0] = b'!').starts_with(&format!("{map}:1: ")));
    assert!(
        said(&|files| {
            files[1].1.pop();
        })
        .starts_with(&format!("{map}:3: the line does not end"))
    );
    let lost = said(&|files| {
        let end = files[1].1.iter().position(|byte| *byte == b'\n').unwrap();
        files[1].1.drain(..=end);
    });
    assert!(lost.starts_with(&format!("{map}: it is not what snapshot.json says")), "{lost}");
    assert!(said(&|files| files[0].1 = b"{".to_vec()).starts_with("snapshot.json: EOF"));
    let other = said(&|files| {
        let text = String::from_utf8(files[1].1.clone()).unwrap().replace("ConfigMap", "Secret");
        files[1].1 = text.into_bytes();
    });
    assert_eq!(other, format!("{map}:1: it is a \"Secret\" among ConfigMap"));
    assert_eq!(
        read_back(&[][..]).unwrap_err().to_string(),
        "snapshot.json: it is not there: this is no snapshot"
    );
}

#[test]
fn a_bomb_does_not_take_memory() {
    // A line without an end, and a description without one.
    let long = changed(|files| files[1].1 = vec![b'a'; (LONGEST_OBJECT + 1) as usize]);
    assert!(read_back(long.as_slice()).unwrap_err().to_string().contains("does not end"));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = tar::Header::new_ustar();
    header.set_path(ABOUT).unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    packed.write_all(header.as_bytes()).unwrap();
    let error = read_back(MultiGzDecoder::new(packed.finish().unwrap().as_slice())).unwrap_err();
    assert_eq!(error.to_string(), "snapshot.json: it has more than 4194304 bytes");
}
