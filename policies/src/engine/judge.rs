//! Judging one object.

use std::cell::{Cell, RefCell};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    compile::{Active, Compiled, Variable},
    index::{Index, Kept},
    subject::{ObjectRef, Subject, kind_key},
};
use crate::{
    cel::{Budget, Env, EvalError, Expr, Root, Uses, Value, eval},
    pack::{Control, Path, Reach, join},
};

/// At most so many places of one control in one object are told; the rest is counted.
const PLACES: usize = 20;
/// Longest text of evidence, in bytes.
const EVIDENCE: usize = 120;
/// Longest message, in bytes.
const MESSAGE: usize = 500;

/// What a control says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be evaluated. Never a pass.
    Error,
    /// It cannot be seen from here.
    Unknown,
    /// It does not hold, and a waiver says that it need not.
    Skip,
}

impl Outcome {
    /// As it is counted and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Skip => "skip",
        }
    }
}

/// What one control found in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The control, by its place in [`Compiled::controls`].
    pub control: usize,
    /// What it says.
    pub outcome: Outcome,
    /// Where, and what is wrong there; one place without a path when it is the object as a whole. Empty when it passes.
    pub places: Vec<Place>,
    /// How many places more there are.
    pub more: usize,
    /// The waiver that covers it.
    pub waiver: Option<String>,
}

/// A place in an object where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path, as the user wrote the object; empty for the object as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What stands there, when it may be shown.
    pub evidence: Option<String>,
    /// The line in the file. Judging knows no files: whoever read the object puts it in.
    pub line: Option<u32>,
}

/// What came of looking at one object.
#[derive(Debug)]
pub struct Examined {
    /// The object.
    pub object: ObjectRef,
    /// What was found without looking at others.
    pub findings: Vec<Finding>,
    /// What is still to be judged.
    pub pending: Option<Pending>,
    /// What is kept of it for the verdicts of others.
    pub(super) kept: Option<Kept>,
}

/// An object, cut down to what its remaining controls read. It is kept as text: as a tree it takes five times as much, and most of a look's
/// memory is these.
#[derive(Debug)]
pub struct Pending {
    key: String,
    object: Box<str>,
}

impl Pending {
    /// The object, as far as it is kept. It was written by this process, so it can be read.
    fn read(&self) -> Json {
        serde_json::from_str(&self.object).unwrap_or_default()
    }
}

impl Compiled {
    /// Judges an object by the controls that need nothing but the object, and keeps what the others will need.
    pub fn examine(&self, object: &Json, now: Timestamp) -> Examined {
        let reference = ObjectRef::of(object);
        let key = kind_key(&reference.api_version, &reference.kind);
        let scene = Scene::new(self, Subject::of(object, &key), None, now);
        let direct = self.direct.get(&key).map(Vec::as_slice).unwrap_or_default();
        let findings = direct.iter().filter_map(|place| scene.judge(*place)).collect();
        // What no remaining control may look at is not kept.
        let later = self.later.get(&key).map(Vec::as_slice).unwrap_or_default();
        let pending = if later.iter().any(|place| scene.may_apply(*place)) {
            self.subjects
                .get(&key)
                .map(|uses| Pending { key: key.clone(), object: identified(object, uses).to_string().into() })
        } else {
            None
        };
        let kept = self.related.get(&key).map(|related| {
            let part = |uses: Option<&Uses>| uses.map(|uses| uses.project(object));
            Kept {
                namespace: reference.namespace.clone(),
                name: reference.name.clone(),
                near: part(related.near.as_ref()).map(|part| part.to_string().into()),
                far: part(related.far.as_ref()).map(|part| part.to_string().into()),
                own: part(related.own.as_ref()),
                key,
            }
        });
        Examined { object: reference, findings, pending, kept }
    }

    /// Takes what was kept of an object into the index. Says whether that can change the verdict of others.
    pub fn keep(&self, index: &mut Index, examined: &mut Examined) -> bool {
        examined.kept.take().is_some_and(|kept| index.insert(kept))
    }

    /// Judges what was left, now that the related objects are known.
    pub fn conclude(&self, pending: &Pending, index: &Index, now: Timestamp) -> Vec<Finding> {
        self.conclude_some(pending, index, now, &|_| true)
    }

    /// The same by some of the controls.
    pub(super) fn conclude_some(
        &self,
        pending: &Pending,
        index: &Index,
        now: Timestamp,
        of: &dyn Fn(usize) -> bool,
    ) -> Vec<Finding> {
        self.conclude_object(&pending.key, &pending.read(), index, now, of)
    }

    /// The same of an object whose reference was not kept beside it.
    pub(super) fn conclude_whole(
        &self,
        pending: &Pending,
        index: &Index,
        now: Timestamp,
    ) -> (ObjectRef, Vec<Finding>) {
        let object = pending.read();
        (ObjectRef::of(&object), self.conclude_object(&pending.key, &object, index, now, &|_| true))
    }

    fn conclude_object(
        &self,
        key: &str,
        object: &Json,
        index: &Index,
        now: Timestamp,
        of: &dyn Fn(usize) -> bool,
    ) -> Vec<Finding> {
        let Some(checks) = self.later.get(key) else { return Vec::new() };
        let scene = Scene::new(self, Subject::of(object, key), Some(index), now);
        checks.iter().filter(|place| of(**place)).filter_map(|place| scene.judge(*place)).collect()
    }

    /// Judges the cluster as a whole by the controls that do; `seen` says whether the objects of a kind were there to be read.
    pub fn conclude_cluster(
        &self,
        index: &Index,
        now: Timestamp,
        seen: &dyn Fn(&str) -> bool,
    ) -> Vec<Finding> {
        static NOTHING: Json = Json::Null;
        let scene = Scene::new(self, Subject { object: &NOTHING, pod: None }, Some(index), now);
        self.cluster
            .iter()
            .filter_map(|place| {
                let active = self.controls.get(*place)?;
                match active.check.related.iter().find(|(kind, _)| !seen(kind)) {
                    Some((kind, _)) => {
                        Some(Finding::whole(*place, Outcome::Unknown, format!("no {kind} could be read")))
                    }
                    None => scene.judge(*place),
                }
            })
            .collect()
    }
}

#[cfg(test)]
impl Compiled {
    /// An object without everything that no control of its kind reads.
    pub(super) fn cut_down(&self, object: &Json) -> Json {
        let reference = ObjectRef::of(object);
        let key = kind_key(&reference.api_version, &reference.kind);
        let mut uses = Uses::default();
        for place in self.direct.get(&key).into_iter().chain(self.later.get(&key)).flatten() {
            if let Some(active) = self.controls.get(*place) {
                uses.merge(&self.reads_of(&active.check, &key));
            }
        }
        identified(object, &uses)
    }
}

/// The parts of an object that are read, and what it is called.
fn identified(object: &Json, uses: &Uses) -> Json {
    let mut kept = uses.project(object);
    if let Json::Object(map) = &mut kept {
        for field in ["apiVersion", "kind"] {
            map.insert(field.to_owned(), object[field].clone());
        }
        let metadata = map.entry("metadata").or_insert_with(Uses::nothing);
        if let Json::Object(metadata) = metadata {
            for field in ["name", "generateName", "namespace", "uid"] {
                if let Some(value) = object["metadata"].get(field) {
                    metadata.insert(field.to_owned(), value.clone());
                }
            }
        }
    }
    kept
}

impl Finding {
    /// It holds.
    pub fn passed(control: usize) -> Self {
        Self { control, outcome: Outcome::Pass, places: Vec::new(), more: 0, waiver: None }
    }

    pub(super) fn whole(control: usize, outcome: Outcome, message: String) -> Self {
        Self {
            control,
            outcome,
            places: vec![Place { path: String::new(), message, evidence: None, line: None }],
            more: 0,
            waiver: None,
        }
    }
}

/// An object while it is judged: what names lead to, and what was evaluated already.
struct Scene<'a> {
    compiled: &'a Compiled,
    subject: Subject<'a>,
    index: Option<&'a Index>,
    now: Timestamp,
    memo: RefCell<Vec<Option<Result<Value<'a>, EvalError>>>>,
    control: Cell<Option<&'a Active>>,
    item: Cell<Option<&'a Json>>,
}

impl<'a> Env<'a> for Scene<'a> {
    fn root(&self, root: Root) -> Result<Value<'a>, EvalError> {
        match root {
            Root::Object => Ok(Value::from_json(self.subject.object)),
            Root::Item => {
                self.item.get().map(Value::from_json).ok_or_else(|| EvalError::new("there is no item"))
            }
            Root::Now => Ok(Value::Time(self.now)),
            Root::NamespaceObject => self
                .index
                .and_then(|index| index.namespace(self.subject.namespace()))
                .map(Value::from_json)
                .ok_or_else(|| EvalError::new("the Namespace is not known")),
            Root::Related(place) => {
                let index = self.index.ok_or_else(|| EvalError::new("related objects are not known"))?;
                let (kind, reach) = self
                    .control
                    .get()
                    .and_then(|active| active.check.related.get(place))
                    .ok_or_else(|| EvalError::new("related objects are not known"))?;
                Ok(Value::from_json(match reach {
                    Reach::Namespace => index.in_namespace(kind, self.subject.namespace()),
                    Reach::Cluster => index.everywhere(kind),
                }))
            }
            Root::Variable(place) => self.variable(place),
        }
    }
}

impl<'a> Scene<'a> {
    fn new(compiled: &'a Compiled, subject: Subject<'a>, index: Option<&'a Index>, now: Timestamp) -> Self {
        let memo = RefCell::new(vec![None; compiled.variables.len()]);
        Self { compiled, subject, index, now, memo, control: Cell::new(None), item: Cell::new(None) }
    }

    /// The value of a variable, evaluated once an object.
    fn variable(&self, place: usize) -> Result<Value<'a>, EvalError> {
        if let Some(Some(known)) = self.memo.borrow().get(place) {
            return known.clone();
        }
        let value = self.make(place);
        if let Some(slot) = self.memo.borrow_mut().get_mut(place) {
            *slot = Some(value.clone());
        }
        value
    }

    fn make(&self, place: usize) -> Result<Value<'a>, EvalError> {
        let missing = || EvalError::new("there is no such variable");
        let pod = |field: &str| {
            let root = self.subject.pod.ok_or_else(|| EvalError::new("this kind has no Pod"))?.root;
            Ok(root.get(field).filter(|value| !value.is_null()))
        };
        match self.compiled.variables.get(place).ok_or_else(missing)? {
            // Metadata may be left out of a template; then it is empty, as the API server has it.
            Variable::PodMetadata => {
                Ok(pod("metadata")?.map_or_else(|| Value::Map(std::rc::Rc::default()), Value::from_json))
            }
            Variable::PodSpec => {
                Ok(pod("spec")?.map_or_else(|| Value::Map(std::rc::Rc::default()), Value::from_json))
            }
            Variable::Containers => {
                let spec = pod("spec")?;
                let lists = ["containers", "initContainers", "ephemeralContainers"];
                Ok(Value::list(
                    lists
                        .iter()
                        .filter_map(|list| spec?.get(*list)?.as_array())
                        .flatten()
                        .map(Value::from_json)
                        .collect(),
                ))
            }
            Variable::Constant(json) => Ok(Value::from_json(json)),
            Variable::Expression(expr) => eval(expr, self, &Budget::new()),
        }
    }

    fn truth(&self, expr: &'a Expr, budget: &Budget) -> Result<bool, EvalError> {
        match eval(expr, self, budget)? {
            Value::Bool(value) => Ok(value),
            other => Err(EvalError::new(format!(
                "the expression gives a {}, not true or false",
                other.type_name()
            ))),
        }
    }

    /// Whether a control may have something to say of the object once its related objects are known.
    fn may_apply(&self, place: usize) -> bool {
        let Some(active) = self.compiled.controls.get(place) else { return false };
        self.control.set(Some(active));
        match &active.check.condition {
            // What asks for the time may answer otherwise later.
            Some(condition) if !active.check.reads_clock => {
                !matches!(self.truth(condition, &Budget::new()), Ok(false))
            }
            _ => true,
        }
    }

    /// Judges by one control; `None` when the object is not its business.
    fn judge(&self, place: usize) -> Option<Finding> {
        let active = self.compiled.controls.get(place)?;
        self.control.set(Some(active));
        self.item.set(None);
        let (control, check) = (&active.control, &active.check);
        let budget = Budget::new();
        let error = |what: &str, error: EvalError| {
            Some(Finding::whole(place, Outcome::Error, format!("{what} could not be evaluated: {error}")))
        };
        if check.reads_namespace
            && self.index.is_some_and(|index| index.namespace(self.subject.namespace()).is_none())
        {
            return Some(Finding::whole(
                place,
                Outcome::Unknown,
                "its Namespace could not be read".to_owned(),
            ));
        }
        if let Some(condition) = &check.condition {
            match self.truth(condition, &budget) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(failed) => return error("whether the control applies", failed),
            }
        }
        if let Some(known) = &check.known {
            match self.truth(known, &budget) {
                Ok(true) => {}
                Ok(false) => {
                    return Some(Finding::whole(
                        place,
                        Outcome::Unknown,
                        "this cannot be seen here".to_owned(),
                    ));
                }
                Err(failed) => return error("whether it can be known", failed),
            }
        }
        if check.paths.is_empty() {
            return match self.truth(&check.expression, &budget) {
                Ok(true) => Some(Finding::passed(place)),
                Ok(false) => {
                    let (root, prefix) = self.root(control);
                    let pointed = check.field.as_ref().map(|field| point(root, prefix, field));
                    let (path, evidence) = pointed.map_or((String::new(), None), |(path, value)| {
                        (path.clone(), self.evidence(&path, value))
                    });
                    let message = self.message(active, &budget);
                    Some(Finding {
                        control: place,
                        outcome: Outcome::Fail,
                        places: vec![Place { path, message, evidence, line: None }],
                        more: 0,
                        waiver: None,
                    })
                }
                Err(failed) => error("the control", failed),
            };
        }
        Some(self.each(place, active, &budget))
    }

    /// Where a control's paths begin: the Pod, or the object.
    fn root(&self, control: &Control) -> (&'a Json, &'static str) {
        match self.subject.pod {
            Some(pod) if control.matches.pods => (pod.root, pod.prefix),
            _ => (self.subject.object, ""),
        }
    }

    fn each(&self, place: usize, active: &'a Active, budget: &Budget) -> Finding {
        let check = &active.check;
        let (root, prefix) = self.root(&active.control);
        let mut failed: Vec<Place> = Vec::new();
        let (mut more, mut error) = (0, None);
        for items in &check.paths {
            visit(root, &items.0, &mut |item| {
                self.item.set(Some(item));
                match self.truth(&check.expression, budget) {
                    Ok(true) => {}
                    // The way to an item is only made when something is wrong with it, below.
                    Ok(false) => more += 1,
                    Err(wrong) => error = error.take().or(Some(wrong)),
                }
            });
        }
        if more > 0 {
            more = 0;
            for (path, item) in check.paths.iter().flat_map(|items| items.find(root, prefix)) {
                self.item.set(Some(item));
                if matches!(self.truth(&check.expression, &Budget::new()), Ok(false)) {
                    if failed.len() == PLACES {
                        more += 1;
                        continue;
                    }
                    let (path, value) = check
                        .field
                        .as_ref()
                        .map_or_else(|| (path.clone(), Some(item)), |field| point(item, &path, field));
                    let evidence = check.field.as_ref().and_then(|_| self.evidence(&path, value));
                    failed.push(Place { path, message: self.message(active, budget), evidence, line: None });
                }
            }
            self.item.set(None);
            failed.shrink_to_fit();
            return Finding { control: place, outcome: Outcome::Fail, places: failed, more, waiver: None };
        }
        self.item.set(None);
        match error {
            Some(error) => {
                Finding::whole(place, Outcome::Error, format!("the control could not be evaluated: {error}"))
            }
            None => Finding::passed(place),
        }
    }

    fn message(&self, active: &'a Active, budget: &Budget) -> String {
        let text = match eval(&active.check.message, self, budget) {
            Ok(value) => value.show().into_owned(),
            Err(_) => active.control.title.en.clone(),
        };
        cut(text, MESSAGE)
    }

    /// What stands at a path, unless it may be a secret.
    fn evidence(&self, path: &str, value: Option<&Json>) -> Option<String> {
        const HIDDEN: [&str; 8] =
            ["data", "stringData", "binaryData", "env", "value", "args", "command", "annotations"];
        if self.subject.object["kind"] == "Secret"
            || path.split(['.', '[']).any(|step| HIDDEN.contains(&step))
        {
            return None;
        }
        Some(match value {
            None => "absent".to_owned(),
            Some(value) => cut(value.to_string(), EVIDENCE),
        })
    }
}

fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Goes to each value at a path without making the path's text.
fn visit<'a>(value: &'a Json, path: &[crate::pack::Segment], take: &mut dyn FnMut(&'a Json)) {
    use crate::pack::Segment;
    match (path, value) {
        ([], value) => take(value),
        ([Segment::Field(name), rest @ ..], Json::Object(map)) => {
            if let Some(value) = map.get(name).filter(|value| !value.is_null()) {
                visit(value, rest, take);
            }
        }
        ([Segment::Every, rest @ ..], Json::Array(items)) => {
            for item in items {
                visit(item, rest, take);
            }
        }
        _ => {}
    }
}

/// The path of a field and what stands there. A field that is not there is named as the user would write it.
fn point<'a>(root: &'a Json, prefix: &str, field: &Path) -> (String, Option<&'a Json>) {
    if let Some((path, value)) = field.find(root, prefix).into_iter().next() {
        (path, Some(value))
    } else {
        let text = field.to_string();
        let path = if prefix.is_empty() {
            text
        } else if text.starts_with('[') {
            format!("{prefix}{text}")
        } else {
            text.split_once('.').map_or_else(|| join(prefix, &text), |_| format!("{prefix}.{text}"))
        };
        (path, None)
    }
}
