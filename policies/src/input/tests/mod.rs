//! The loader against bad input, against what `kubectl` reads, and against anything at all.

mod bad;
mod cut;
mod fuzz;
mod kubectl;
mod places;
mod speed;

use serde_json::Value;

use super::{Limits, Object, Reader, parse, values};

/// Everything of a text: objects with their lines, and faults as a person reads them.
fn all(text: &str) -> (Vec<(usize, Object)>, Vec<String>) {
    all_with(text.as_bytes(), &Limits::default())
}

fn all_with(bytes: &[u8], limits: &Limits) -> (Vec<(usize, Object)>, Vec<String>) {
    let (mut objects, mut faults) = (Vec::new(), Vec::new());
    for document in Reader::new(bytes, "f.yaml", *limits) {
        match document {
            Ok(document) => {
                let parsed = parse(&document, limits);
                faults.extend(parsed.faults.iter().map(ToString::to_string));
                let with_line = |object: Object| (object.line(&document, ""), object);
                objects.extend(parsed.objects.into_iter().map(with_line));
            }
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    (objects, faults)
}

/// The one value of a text.
fn value(text: &str) -> Result<Value, String> {
    let mut read = Vec::new();
    for document in Reader::new(text.as_bytes(), "f.yaml", Limits::default()) {
        let document = document.map_err(|fault| fault.to_string())?;
        // Whatever it is, it is read within a mapping.
        let (objects, faults) = values(&document, &Limits::default());
        if let Some(fault) = faults.first() {
            return Err(fault.to_string());
        }
        read.extend(objects.into_iter().map(|object| object.value));
    }
    match read.len() {
        0 => Ok(Value::Null),
        1 => Ok(read.remove(0)),
        _ => Err(format!("{} documents", read.len())),
    }
}
