//! Functions that are kube-cel's: values go over, its interpreter makes the one call, the answer comes back.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use kube_cel::{
    KubeCelExt,
    cel::{
        self, Context,
        common::ast::{CallExpr, Expr as Ast, IdedExpr},
        objects::Key,
    },
};

use super::{eval::EvalError, value::Value};

/// The libraries whose functions are called by a qualified name.
const LIBRARIES: [&str; 7] = ["sets", "math", "base64", "lists", "strings", "format", "jsonpatch"];

/// The functions and methods of kube-cel that packs may call. A list, so that a misspelt name is found when a pack is loaded and not when an
/// object is judged.
const PLAIN: [&str; 48] = [
    "quantity",
    "isQuantity",
    "isInteger",
    "asInteger",
    "asApproximateFloat",
    "sign",
    "add",
    "sub",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "isSorted",
    "sum",
    "min",
    "max",
    "slice",
    "sort",
    "flatten",
    "distinct",
    "first",
    "last",
    "reverse",
    "lastIndexOf",
    "charAt",
    "find",
    "findAll",
    "format",
    "ip",
    "isIP",
    "family",
    "isLoopback",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "cidr",
    "isCIDR",
    "containsIP",
    "containsCIDR",
    "prefixLength",
    "masked",
    "url",
    "isURL",
    "getScheme",
    "getHost",
    "getHostname",
    "getPort",
    "getEscapedPath",
    "semver",
    "isSemver",
];
const METHODS: [&str; 3] = ["major", "minor", "patch"];
const QUALIFIED: [&str; 9] = [
    "sets.contains",
    "sets.intersects",
    "sets.equivalent",
    "math.greatest",
    "math.least",
    "base64.decode",
    "base64.encode",
    "lists.range",
    "strings.quote",
];

/// Names of the arguments in the context of a call.
const ARGUMENTS: [&str; 5] = ["a0", "a1", "a2", "a3", "a4"];

thread_local! {
    /// Registering the functions costs more than calling one.
    static FUNCTIONS: RefCell<Context<'static>> = RefCell::new(Context::default().with_all());
}

pub(super) fn is_library(name: &str) -> bool {
    LIBRARIES.contains(&name)
}

/// A call as kube-cel's interpreter wants it: its arguments are variables.
#[derive(Debug, Clone)]
pub struct Call {
    name: String,
    expression: IdedExpr,
}

impl Call {
    /// A function or a method, the target being the first argument; `None` when there is none of that name.
    pub(super) fn plain(name: &str, method: bool, arguments: usize) -> Option<Self> {
        (PLAIN.contains(&name) || (method && METHODS.contains(&name))).then_some(())?;
        let names = ARGUMENTS.get(..arguments)?;
        let (target, rest) = if method {
            (names.first().map(|name| Box::new(ident(name))), names.get(1..)?)
        } else {
            (None, names)
        };
        Some(Self::of(name, name, target, rest))
    }

    /// A function of a library, such as `sets.contains`.
    pub(super) fn qualified(library: &str, name: &str, arguments: usize) -> Option<Self> {
        let full = format!("{library}.{name}");
        QUALIFIED.contains(&full.as_str()).then_some(())?;
        Some(Self::of(&full, name, Some(Box::new(ident(library))), ARGUMENTS.get(..arguments)?))
    }

    fn of(shown: &str, name: &str, target: Option<Box<IdedExpr>>, arguments: &[&str]) -> Self {
        let call = CallExpr {
            func_name: name.to_owned(),
            target,
            args: arguments.iter().map(|name| ident(name)).collect(),
        };
        Self { name: shown.to_owned(), expression: IdedExpr { id: 0, expr: Ast::Call(call) } }
    }

    /// What the function is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the call.
    pub(super) fn make<'a>(&self, arguments: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
        FUNCTIONS.with_borrow(|functions| {
            let mut context = functions.new_inner_scope();
            for (name, value) in ARGUMENTS.iter().zip(arguments) {
                context.add_variable_from_value(*name, to_cel(value));
            }
            cel::Value::resolve(&self.expression, &context)
                .map(|value| from_cel(&value))
                .map_err(|error| EvalError::new(format!("{}(): {error}", self.name)))
        })
    }
}

fn ident(name: &str) -> IdedExpr {
    IdedExpr { id: 0, expr: Ast::Ident(name.to_owned()) }
}

pub(super) fn to_cel(value: &Value<'_>) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Int(value) => cel::Value::Int(*value),
        Value::Uint(value) => cel::Value::UInt(*value),
        Value::Double(value) => cel::Value::Float(*value),
        Value::Str(text) => (*text).into(),
        Value::Text(text) => text.as_ref().into(),
        Value::Bytes(bytes) => bytes.to_vec().into(),
        Value::Foreign(value) => (**value).clone(),
        // No function of kube-cel that packs may call takes a time; its text is the least surprising.
        Value::Time(_) | Value::Span(_) => value.show().as_ref().into(),
        _ if value.is_list() => cel::Value::List(Arc::new(
            value.items().into_iter().flatten().map(|item| to_cel(&item)).collect(),
        )),
        _ => {
            let entries: HashMap<Key, cel::Value> = value
                .items()
                .into_iter()
                .flatten()
                .filter_map(|key| {
                    let key = key.as_str()?.to_owned();
                    let member = value.member(&key).ok()??;
                    Some((Key::from(key), to_cel(&member)))
                })
                .collect();
            cel::Value::Map(entries.into())
        }
    }
}

pub(super) fn from_cel<'a>(value: &cel::Value) -> Value<'a> {
    match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(value) => Value::Bool(*value),
        cel::Value::Int(value) => Value::Int(*value),
        cel::Value::UInt(value) => Value::Uint(*value),
        cel::Value::Float(value) => Value::Double(*value),
        cel::Value::String(text) => Value::text(text.as_str()),
        cel::Value::Bytes(bytes) => Value::Bytes(Rc::from(bytes.as_slice())),
        cel::Value::List(items) => Value::list(items.iter().map(from_cel).collect()),
        cel::Value::Map(map) => Value::Map(Rc::new(
            map.map.iter().map(|(key, value)| (key.to_string(), from_cel(value))).collect(),
        )),
        _ => Value::Foreign(Rc::new(value.clone())),
    }
}
