//! Loans: fields of other people's objects that Banyan sets for a while and gives back exactly.
//!
//! A loan is a JSON Patch that starts with a `test` on the resource version, sets the fields, and stores their prior
//! values in an annotation on the same object: there is no moment at which the action has happened and its memory
//! has not. Both directions are pure functions from the live object to the patch.
//!
//! Whoever may write the object may write that annotation as well. So what is given back is decided by the action, as
//! [`Term`]s; the annotation is believed for the values before alone, and for those only if they have the shape that
//! the field can have.

use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, TestOperation, jsonptr::PointerBuf};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    plan::{FIELD_MANAGER, ObjectRef, Owner},
    rivals::{Managers, joined},
};

/// Prefix of the annotation that holds a loan; the action's name follows.
pub const ANNOTATION: &str = "banyan.dev/loan-";

/// A field to set on somebody else's object.
#[derive(Clone, Debug, PartialEq)]
pub struct Loan {
    /// The object.
    pub object: ObjectRef,
    /// The action it is borrowed for; one loan of an action stands on an object.
    pub action: String,
    /// The fields.
    pub fields: Vec<Field>,
    /// What must hold on the live object, whatever the index said.
    pub guard: Guard,
    /// It has been taken before, and so many rounds were fought over it since; none if this is the first time. Only then
    /// is what a rival has set back set again.
    pub fought: Option<u32>,
    /// Why, for the trail.
    pub why: String,
    /// Until when, as far as that is known.
    pub until: Option<String>,
}

/// One field and the value it is to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// JSON pointer (RFC 6901) to the field, or to the list that holds the element.
    pub pointer: String,
    /// Value to set.
    pub set: Value,
    /// For an element of a list: the keys that identify it there. Empty for a plain field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub element_keys: Vec<String>,
}

/// A field that an action borrows on a kind, and what its value before can have been, beside absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The field.
    pub field: Field,
    /// The shape of its values.
    pub prior: Prior,
}

/// The shape of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    /// True or false.
    Bool,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The value of a label.
    Label,
    /// A Node's taint, with the keys by which the borrowed one is known.
    Taint,
}

/// What must hold on the live object at the moment of borrowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing in particular.
    None,
    /// Its label by this name is `true`.
    Consent(&'static str),
    /// As [`Guard::Consent`], and a Job that has never started a Pod, and that nobody else (Kueue, another controller)
    /// runs.
    NeverStarted(&'static str),
    /// The text at this pointer is this one, or there is none.
    StillDefault(&'static str, &'static str),
}

/// What is stored on the borrowed object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The resource for which it was borrowed, `<kind>.<name>`.
    pub owner: String,
    /// When, RFC 3339; the last time, where it was set again.
    pub at: String,
    /// How often it was set again after a rival had set it back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
    /// The fields with their values before, `null` for absent.
    pub fields: Vec<Lent>,
}

/// A field on loan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lent {
    /// The field and its value while on loan.
    #[serde(flatten)]
    pub field: Field,
    /// Value before, `null` for absent.
    pub prior: Value,
    /// Who declared the field when it was borrowed, by the name of the field manager.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declarers: Vec<String>,
}

/// A round of a fight: what rivals had set back and is set again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Against {
    /// The managers that had set it back, or that stood at the field when the record of the loan was found gone.
    pub managers: String,
    /// Pointers of the fields.
    pub fields: Vec<String>,
    /// Rounds so far, this one included.
    pub rounds: u32,
}

/// What is to be done about a loan.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Send this patch. `prior` is the value before; `kept` names fields that somebody changed meanwhile and that are
    /// therefore left as they are.
    Patch {
        /// The patch.
        patch: Patch,
        /// Values before, for the trail.
        prior: Value,
        /// Pointers of fields that were left as somebody else had set them, and what was not believed of the record.
        kept: Vec<String>,
        /// The round of a fight that it is, if it is one.
        against: Option<Against>,
    },
    /// Nothing to do, and why.
    Nothing(Nothing),
}

/// Why nothing is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The loan stands already, or is given back already.
    Done,
    /// The object has the wanted value by its own: not ours, never to be undone.
    AlreadySo,
    /// Another resource has borrowed it.
    HeldBy(String),
    /// Something is on loan, and its annotation cannot be read: what was before is not known.
    Unreadable(String),
    /// A later object by the same name.
    OtherObject,
    /// The guard does not hold.
    Guarded,
}

/// The annotation of an action's loan.
pub fn annotation(action: &str) -> String {
    let mut name = ANNOTATION.to_owned();
    for (at, letter) in action.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

impl Record {
    /// What stands for an annotation that cannot be read: something is on loan, for nobody knows whom.
    fn unreadable() -> Self {
        Self { owner: String::new(), at: String::new(), rounds: 0, fields: Vec::new() }
    }

    /// Whether the annotation could be read.
    pub fn is_readable(&self) -> bool {
        !self.owner.is_empty()
    }

    fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self::unreadable())
    }
}

/// The loans that stand on an object, by annotation, those that cannot be read among them.
pub fn records<'a>(annotations: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, Record)> {
    annotations
        .filter(|(key, _)| key.starts_with(ANNOTATION))
        .map(|(key, text)| (key.to_owned(), Record::read(text)))
        .collect()
}

/// How `loan` is taken for `owner` from the object as it is now.
pub fn take(live: &Value, loan: &Loan, owner: &Owner, now: jiff::Timestamp) -> Decision {
    if !same_object(live, &loan.object) {
        return Decision::Nothing(Nothing::OtherObject);
    }
    let key = annotation(&loan.action);
    if let Some(record) = record(live, &key) {
        if !record.is_readable() {
            return Decision::Nothing(Nothing::Unreadable(key));
        }
        return if record.owner == owner.to_string() {
            take_again(live, loan, record, &key, now)
        } else {
            Decision::Nothing(Nothing::HeldBy(record.owner))
        };
    }
    if !holds(live, loan.guard) {
        return Decision::Nothing(Nothing::Guarded);
    }
    let managers = Managers::of_object(live);
    let lent: Vec<Lent> = loan
        .fields
        .iter()
        .filter_map(|field| {
            let prior = current(live, field);
            let declarers = managers.declarers(field);
            (prior != field.set).then(|| Lent { field: field.clone(), prior, declarers })
        })
        .collect();
    if lent.is_empty() {
        return Decision::Nothing(Nothing::AlreadySo);
    }
    // It was lent before, and the record is gone. Who wishes something of one field does not replace the whole object:
    // whoever did is a rival. Where Banyan's own value stands, it was given back.
    let present: Vec<_> = lent.iter().flat_map(|lent| managers.of(&lent.field)).collect();
    let given_back = present.iter().any(|manager| manager.name == FIELD_MANAGER);
    let against = loan.fought.filter(|_| !given_back).map(|fought| {
        let names = present.into_iter().map(|manager| manager.name).filter(|name| !name.is_empty());
        against(joined(names), &lent, fought)
    });
    let lent: Vec<_> = lent.iter().collect();
    let record = Record {
        owner: owner.to_string(),
        at: now.to_string(),
        rounds: against.as_ref().map_or(0, |against| against.rounds),
        fields: lent.iter().copied().cloned().collect(),
    };
    set(live, &lent, &record, &key, against)
}

/// Sets again what rivals have set back of a loan that stands. A field that anybody else has changed is their wish, and
/// is kept.
fn take_again(live: &Value, loan: &Loan, mut record: Record, key: &str, now: jiff::Timestamp) -> Decision {
    let Some(fought) = loan.fought else { return Decision::Nothing(Nothing::Done) };
    let managers = Managers::of_object(live);
    let mut rivals = Vec::new();
    let mut reverted = Vec::new();
    for lent in &mut record.fields {
        let value = current(live, &lent.field);
        let by = managers.rivals(lent);
        if loan.fields.contains(&lent.field) && value != lent.field.set && !by.is_empty() {
            lent.declarers
                .extend(by.iter().filter(|name| !lent.declarers.contains(name)).cloned().collect::<Vec<_>>());
            // Without Banyan it would be what they declare.
            lent.prior = value;
            rivals.extend(by);
            reverted.push(lent.clone());
        }
    }
    if reverted.is_empty() {
        return Decision::Nothing(Nothing::Done);
    }
    if !holds(live, loan.guard) {
        return Decision::Nothing(Nothing::Guarded);
    }
    let against = against(joined(rivals.into_iter()), &reverted, fought);
    record.rounds = against.rounds;
    record.at = now.to_string();
    set(live, &reverted.iter().collect::<Vec<_>>(), &record, key, Some(against))
}

fn against(managers: Option<String>, lent: &[Lent], fought: u32) -> Against {
    Against {
        managers: managers.unwrap_or_else(|| "another client".to_owned()),
        fields: lent.iter().map(|lent| lent.field.pointer.clone()).collect(),
        rounds: fought.saturating_add(1),
    }
}

/// The patch that sets these fields and writes the record.
fn set(live: &Value, lent: &[&Lent], record: &Record, key: &str, against: Option<Against>) -> Decision {
    let mut patch = vec![test_version(live)];
    let prior = json!(
        lent.iter()
            .map(|lent| (lent.field.pointer.clone(), lent.prior.clone()))
            .collect::<serde_json::Map<_, _>>()
    );
    for lent in lent {
        write(&mut patch, live, &lent.field, &lent.field.set);
    }
    if !live["metadata"]["annotations"].is_object() {
        add(&mut patch, "/metadata/annotations", json!({}));
    }
    add(&mut patch, &format!("/metadata/annotations/{}", escape(key)), json!(record).to_string().into());
    Decision::Patch { patch: Patch(patch), prior, kept: Vec::new(), against }
}

/// How the loan of `action` is given back by `owner` on the object as it is now, where `terms` are the fields that the
/// action borrows on this kind.
///
/// A field that still has the borrowed value gets its prior one; a field that somebody changed meanwhile is theirs.
/// Whatever else the record names is dropped with it: somebody who may write this object alone could otherwise have
/// Banyan write fields of it that only Banyan may.
pub fn give_back(live: &Value, object: &ObjectRef, action: &str, terms: &[Term], owner: &Owner) -> Decision {
    if !same_object(live, object) {
        return Decision::Nothing(Nothing::OtherObject);
    }
    let key = annotation(action);
    let Some(record) = record(live, &key) else { return Decision::Nothing(Nothing::Done) };
    if !record.is_readable() {
        return Decision::Nothing(Nothing::Unreadable(key));
    }
    if record.owner != owner.to_string() {
        return Decision::Nothing(Nothing::HeldBy(record.owner));
    }
    let mut patch = vec![test_version(live)];
    let mut kept = Vec::new();
    let mut prior = serde_json::Map::new();
    for term in terms.iter().rev() {
        let field = &term.field;
        let Some(lent) = record.fields.iter().find(|lent| lent.field == *field) else { continue };
        if current(live, field) != field.set {
            kept.push(field.pointer.clone());
        } else if term.could_have_been(&lent.prior) {
            write(&mut patch, live, field, &lent.prior);
            prior.insert(field.pointer.clone(), field.set.clone());
        } else {
            kept.push(format!("{} (what the record says of its value before cannot be)", field.pointer));
        }
    }
    let foreign =
        record.fields.iter().filter(|lent| terms.iter().all(|term| term.field != lent.field)).count();
    if foreign > 0 {
        kept.push(format!(
            "the record, which names {foreign} fields or values that {action} does not borrow here,"
        ));
    }
    remove(&mut patch, &format!("/metadata/annotations/{}", escape(&key)));
    Decision::Patch { patch: Patch(patch), prior: Value::Object(prior), kept, against: None }
}

impl Term {
    /// Whether a value may be given back: nothing that the API server would refuse, or that is no such value.
    fn could_have_been(&self, prior: &Value) -> bool {
        if prior.is_null() {
            return true;
        }
        match self.prior {
            Prior::Bool => prior.is_boolean(),
            Prior::OneOf(words) => prior.as_str().is_some_and(|word| words.contains(&word)),
            Prior::Label => prior.as_str().is_some_and(is_label_value),
            Prior::Taint => prior.as_object().is_some_and(|taint| {
                same_element(prior, &self.field)
                    && taint.iter().all(|(key, value)| match (key.as_str(), value.as_str()) {
                        ("key" | "effect", Some(_)) => true,
                        ("value", Some(value)) => is_label_value(value),
                        ("timeAdded", Some(at)) => at.parse::<jiff::Timestamp>().is_ok(),
                        _ => false,
                    })
            }),
        }
    }
}

/// Whether the API server takes this text for the value of a label, and of a taint.
fn is_label_value(text: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= 63
        && text.bytes().all(inner)
        && ends.into_iter().flatten().all(|letter| letter.is_ascii_alphanumeric())
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(rounds: &u32) -> bool {
    *rounds == 0
}

fn same_object(live: &Value, object: &ObjectRef) -> bool {
    object.uid.as_ref().is_none_or(|uid| live["metadata"]["uid"] == **uid)
}

fn record(live: &Value, key: &str) -> Option<Record> {
    Some(Record::read(live["metadata"]["annotations"][key].as_str()?))
}

fn holds(live: &Value, guard: Guard) -> bool {
    let consent = |label: &str| live["metadata"]["labels"][label] == "true";
    match guard {
        Guard::None => true,
        Guard::Consent(label) => consent(label),
        Guard::NeverStarted(label) => consent(label) && never_started(live),
        Guard::StillDefault(pointer, default) => {
            live.pointer(pointer).is_none_or(|value| value.is_null() || value == default)
        }
    }
}

/// A Job that never had a Pod, and that neither Kueue nor another controller runs.
fn never_started(live: &Value) -> bool {
    let status = &live["status"];
    let none = |field: &str| status[field].as_i64().unwrap_or(0) == 0;
    let manager = live["spec"]["managedBy"].as_str().unwrap_or("kubernetes.io/job-controller");
    none("active")
        && none("succeeded")
        && none("failed")
        && none("terminating")
        && status["startTime"].is_null()
        && status["completionTime"].is_null()
        && manager == "kubernetes.io/job-controller"
        && live["metadata"]["labels"]["kueue.x-k8s.io/queue-name"].is_null()
}

fn same_element(item: &Value, field: &Field) -> bool {
    field.element_keys.iter().all(|key| item[key] == field.set[key])
}

/// The present value of a field: the value, the matching element, or `null`.
fn current(live: &Value, field: &Field) -> Value {
    let found = live.pointer(&field.pointer).unwrap_or(&Value::Null);
    if field.element_keys.is_empty() {
        return found.clone();
    }
    let elements = found.as_array().map_or(&[][..], Vec::as_slice);
    elements.iter().find(|item| same_element(item, field)).cloned().unwrap_or(Value::Null)
}

/// Adds the operations that give `field` the value `wanted`, `null` meaning absent.
fn write(patch: &mut Vec<PatchOperation>, live: &Value, field: &Field, wanted: &Value) {
    if field.element_keys.is_empty() {
        if wanted.is_null() {
            remove(patch, &field.pointer);
            return;
        }
        ensure_parent(patch, live, &field.pointer);
        add(patch, &field.pointer, wanted.clone());
        return;
    }
    // The list is written whole: with the version tested first, nobody else's element can be lost, and no index
    // can point at the wrong one.
    let mut items: Vec<Value> =
        live.pointer(&field.pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    match (items.iter().position(|item| same_element(item, field)), wanted.is_null()) {
        (Some(at), true) => {
            items.remove(at);
        }
        (Some(at), false) => items[at] = wanted.clone(),
        (None, true) => return,
        (None, false) => items.push(wanted.clone()),
    }
    if items.is_empty() {
        remove(patch, &field.pointer);
    } else {
        add(patch, &field.pointer, Value::Array(items));
    }
}

/// `add` needs the parent to exist. Only maps of metadata can be missing; a spec never is.
fn ensure_parent(patch: &mut Vec<PatchOperation>, live: &Value, pointer: &str) {
    if let Some((parent, _)) = pointer.rsplit_once('/')
        && !parent.is_empty()
        && live.pointer(parent).is_none()
    {
        add(patch, parent, json!({}));
    }
}

fn test_version(live: &Value) -> PatchOperation {
    PatchOperation::Test(TestOperation {
        path: pointer("/metadata/resourceVersion"),
        value: live["metadata"]["resourceVersion"].clone(),
    })
}

fn add(operations: &mut Vec<PatchOperation>, path: &str, value: Value) {
    operations.push(PatchOperation::Add(AddOperation { path: pointer(path), value }));
}

fn remove(operations: &mut Vec<PatchOperation>, path: &str) {
    operations.push(PatchOperation::Remove(RemoveOperation { path: pointer(path) }));
}

fn pointer(path: &str) -> PointerBuf {
    // Every pointer here is built from constants and `escape`; a wrong one would be refused by the server's `test`.
    PointerBuf::parse(path).unwrap_or_default()
}

/// Escapes a key for a JSON pointer (RFC 6901, section 3).
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
