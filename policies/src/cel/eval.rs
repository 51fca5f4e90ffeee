//! Evaluation: a walk over [`Expr`] that borrows what it reads.

use std::{borrow::Cow, cell::Cell, cmp::Ordering, collections::BTreeMap, rc::Rc};

use jiff::{SignedDuration, Timestamp};

use super::{
    expr::{Binary, Expr, Literal, Loop, Root},
    functions,
    value::Value,
};

/// Why an expression has no value. A verdict that rests on it is an error, never a pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(Cow<'static, str>);

impl EvalError {
    /// What went wrong, in words.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    pub(super) fn overload(what: &str, value: &Value<'_>) -> Self {
        Self::new(format!("{what} does not take a {}", value.type_name()))
    }
}

/// Where the names of an expression lead while it is evaluated.
pub trait Env<'a> {
    /// The value of a root; an error when what it stands for has none.
    fn root(&self, root: Root) -> Result<Value<'a>, EvalError>;
}

/// How much an evaluation may cost, in steps: one for each node that is visited and each element, character block or entry that is made.
/// CEL always ends, but a pack may come from a `ConfigMap`, and nested loops over long lists end late.
#[derive(Debug)]
pub struct Budget(Cell<u64>);

impl Budget {
    /// Enough for any control over an object of the size that etcd takes.
    pub const STEPS: u64 = 2_000_000;

    /// A budget of [`Self::STEPS`].
    pub fn new() -> Self {
        Self(Cell::new(Self::STEPS))
    }

    pub(super) fn charge(&self, steps: usize) -> Result<(), EvalError> {
        let left = self
            .0
            .get()
            .checked_sub(steps as u64)
            .ok_or_else(|| EvalError::new("the evaluation takes too many steps"))?;
        self.0.set(left);
        Ok(())
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

/// Evaluates an expression.
pub fn eval<'a>(expr: &'a Expr, env: &dyn Env<'a>, budget: &Budget) -> Result<Value<'a>, EvalError> {
    Walk { env, budget, locals: Vec::new() }.value(expr)
}

struct Walk<'a, 'e> {
    env: &'e dyn Env<'a>,
    budget: &'e Budget,
    locals: Vec<Value<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn value(&mut self, expr: &'a Expr) -> Result<Value<'a>, EvalError> {
        self.budget.charge(1)?;
        match expr {
            Expr::Literal(literal) => Ok(of_literal(literal)),
            Expr::Root(root) => self.env.root(*root),
            Expr::Local(place) => {
                self.locals.get(*place).cloned().ok_or_else(|| EvalError::new("a loop variable is missing"))
            }
            Expr::Select(operand, field) => {
                let operand = self.value(operand)?;
                match operand.member(field) {
                    Ok(Some(value)) => Ok(value),
                    Ok(None) => Err(EvalError::new(format!("no such key: {field}"))),
                    Err(()) => Err(EvalError::new(format!("a {} has no field {field}", operand.type_name()))),
                }
            }
            Expr::Has(operand, field) => {
                let operand = self.value(operand)?;
                match operand.member(field) {
                    Ok(member) => Ok(Value::Bool(member.is_some())),
                    Err(()) => Err(EvalError::new(format!("a {} has no field {field}", operand.type_name()))),
                }
            }
            Expr::Index(operand, index) => {
                let (operand, index) = (self.value(operand)?, self.value(index)?);
                index_of(&operand, &index)
            }
            Expr::Not(operand) => Ok(Value::Bool(!self.truth(operand)?)),
            Expr::Negate(operand) => match self.value(operand)? {
                Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(overflow),
                Value::Double(value) => Ok(Value::Double(-value)),
                other => Err(EvalError::overload("-", &other)),
            },
            Expr::And(left, right) => self.junction(left, right, false),
            Expr::Or(left, right) => self.junction(left, right, true),
            Expr::Conditional(condition, then, otherwise) => {
                if self.truth(condition)? {
                    self.value(then)
                } else {
                    self.value(otherwise)
                }
            }
            Expr::Binary(Binary::In, needle, hay) => self.contained(needle, hay),
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*operator, &left, &right)
            }
            Expr::List(elements) => {
                self.budget.charge(elements.len())?;
                Ok(Value::list(elements.iter().map(|element| self.value(element)).collect::<Result<_, _>>()?))
            }
            Expr::Map(entries) => {
                let mut map = BTreeMap::new();
                for (key, value) in entries {
                    let key = self.value(key)?;
                    let key =
                        key.as_str().ok_or_else(|| EvalError::overload("a map's key", &key))?.to_owned();
                    map.insert(key, self.value(value)?);
                }
                Ok(Value::Map(Rc::new(map)))
            }
            Expr::Loop(kind, range, body) => self.run(*kind, range, body),
            Expr::MapOf(range, condition, body) => {
                let range = self.value(range)?;
                let items = range.items().ok_or_else(|| EvalError::overload("map()", &range))?;
                let mut made = Vec::new();
                for item in items {
                    self.locals.push(item);
                    let step = match condition {
                        Some(condition) => match self.truth(condition) {
                            Ok(true) => self.value(body).map(Some),
                            Ok(false) => Ok(None),
                            Err(error) => Err(error),
                        },
                        None => self.value(body).map(Some),
                    };
                    self.locals.pop();
                    made.extend(step?);
                }
                Ok(Value::list(made))
            }
            Expr::Call(function, arguments) => {
                let arguments =
                    arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                functions::call(*function, &arguments, self.budget)
            }
            Expr::Matches(text, pattern) => {
                let text = self.value(text)?;
                let found = text.as_str().ok_or_else(|| EvalError::overload("matches()", &text))?;
                self.budget.charge(found.len() / 16)?;
                Ok(Value::Bool(pattern.is_match(found)))
            }
            Expr::Foreign(call, arguments) => {
                let arguments =
                    arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                self.budget.charge(50)?;
                call.make(&arguments)
            }
        }
    }

    fn truth(&mut self, expr: &'a Expr) -> Result<bool, EvalError> {
        match self.value(expr)? {
            Value::Bool(value) => Ok(value),
            other => Err(EvalError::new(format!("a {} is no truth value", other.type_name()))),
        }
    }

    /// `&&` and `||`: an error on one side does not matter when the other side decides (CEL specification, "Logical operators").
    fn junction(&mut self, left: &'a Expr, right: &'a Expr, decides: bool) -> Result<Value<'a>, EvalError> {
        match self.truth(left) {
            Ok(value) if value == decides => Ok(Value::Bool(decides)),
            Ok(_) => self.truth(right).map(Value::Bool),
            Err(error) => match self.truth(right) {
                Ok(value) if value == decides => Ok(Value::Bool(decides)),
                _ => Err(error),
            },
        }
    }

    /// The list of `x in ['a', 'b']` is not made: its elements are compared where they stand.
    fn contained(&mut self, needle: &'a Expr, hay: &'a Expr) -> Result<Value<'a>, EvalError> {
        let needle = self.value(needle)?;
        if let Expr::List(elements) = hay {
            let mut found = false;
            for element in elements {
                found |= self.value(element)?.equals(&needle);
            }
            return Ok(Value::Bool(found));
        }
        let hay = self.value(hay)?;
        if hay.is_map() {
            return Ok(Value::Bool(
                needle.as_str().is_some_and(|key| matches!(hay.member(key), Ok(Some(_)))),
            ));
        }
        let mut items = hay.items().ok_or_else(|| EvalError::overload("in", &hay))?;
        self.budget.charge(hay.size().unwrap_or_default())?;
        Ok(Value::Bool(items.any(|item| item.equals(&needle))))
    }

    fn run(&mut self, kind: Loop, range: &'a Expr, body: &'a Expr) -> Result<Value<'a>, EvalError> {
        let range = self.value(range)?;
        let items = range.items().ok_or_else(|| EvalError::overload("a loop", &range))?;
        let mut error = None;
        let mut held = 0_u32;
        let mut kept = Vec::new();
        for item in items {
            self.locals.push(item);
            let truth = self.truth(body);
            let item = self.locals.pop();
            match (kind, truth) {
                (Loop::All, Ok(false)) => return Ok(Value::Bool(false)),
                (Loop::Exists, Ok(true)) => return Ok(Value::Bool(true)),
                // An element that decides makes the errors of the others not matter.
                (Loop::All | Loop::Exists, Err(failed)) => error = error.or(Some(failed)),
                (Loop::ExistsOne | Loop::Filter, Err(failed)) => return Err(failed),
                (Loop::ExistsOne, Ok(true)) => held += 1,
                (Loop::Filter, Ok(true)) => kept.extend(item),
                _ => {}
            }
        }
        if let Some(error) = error {
            return Err(error);
        }
        Ok(match kind {
            Loop::All => Value::Bool(true),
            Loop::Exists => Value::Bool(false),
            Loop::ExistsOne => Value::Bool(held == 1),
            Loop::Filter => Value::list(kept),
        })
    }

    fn binary(&self, operator: Binary, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, EvalError> {
        let order = |holds: fn(Ordering) -> bool| {
            left.compare(right).map(|order| Value::Bool(holds(order))).ok_or_else(|| {
                EvalError::new(format!("a {} and a {} have no order", left.type_name(), right.type_name()))
            })
        };
        match operator {
            Binary::Equal => Ok(Value::Bool(left.equals(right))),
            Binary::NotEqual => Ok(Value::Bool(!left.equals(right))),
            Binary::Less => order(Ordering::is_lt),
            Binary::LessOrEqual => order(Ordering::is_le),
            Binary::Greater => order(Ordering::is_gt),
            Binary::GreaterOrEqual => order(Ordering::is_ge),
            Binary::In => Err(EvalError::new("in has a way of its own")),
            Binary::Add => self.add(left, right),
            Binary::Subtract => match (left, right) {
                (Value::Time(left), Value::Time(right)) => Ok(Value::Span(left.duration_since(*right))),
                (Value::Time(time), Value::Span(span)) => moved(*time, span.checked_neg()),
                (Value::Span(left), Value::Span(right)) => {
                    left.checked_sub(*right).map(Value::Span).ok_or_else(overflow)
                }
                _ => arithmetic("-", left, right, i64::checked_sub, u64::checked_sub, |left, right| {
                    left - right
                }),
            },
            Binary::Multiply => {
                arithmetic("*", left, right, i64::checked_mul, u64::checked_mul, |left, right| left * right)
            }
            Binary::Divide => {
                arithmetic("/", left, right, i64::checked_div, u64::checked_div, |left, right| left / right)
            }
            Binary::Modulo => match (left, right) {
                (Value::Double(_), _) => Err(EvalError::overload("%", left)),
                _ => arithmetic("%", left, right, i64::checked_rem, u64::checked_rem, |_, _| f64::NAN),
            },
        }
    }

    fn add(&self, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, EvalError> {
        if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
            self.budget.charge((left.len() + right.len()) / 16)?;
            return Ok(Value::text([left, right].concat()));
        }
        if left.is_list() && right.is_list() {
            self.budget.charge(left.size().unwrap_or_default() + right.size().unwrap_or_default())?;
            return Ok(Value::list(
                left.items().into_iter().flatten().chain(right.items().into_iter().flatten()).collect(),
            ));
        }
        match (left, right) {
            (Value::Time(time), Value::Span(span)) | (Value::Span(span), Value::Time(time)) => {
                moved(*time, Some(*span))
            }
            (Value::Span(left), Value::Span(right)) => {
                left.checked_add(*right).map(Value::Span).ok_or_else(overflow)
            }
            _ => arithmetic("+", left, right, i64::checked_add, u64::checked_add, |left, right| left + right),
        }
    }
}

fn moved<'a>(time: Timestamp, span: Option<SignedDuration>) -> Result<Value<'a>, EvalError> {
    span.and_then(|span| time.checked_add(span).ok()).map(Value::Time).ok_or_else(overflow)
}

fn overflow() -> EvalError {
    EvalError::new("the result is out of range")
}

/// CEL's arithmetic never mixes types.
fn arithmetic<'a>(
    name: &str,
    left: &Value<'a>,
    right: &Value<'a>,
    int: fn(i64, i64) -> Option<i64>,
    uint: fn(u64, u64) -> Option<u64>,
    double: fn(f64, f64) -> f64,
) -> Result<Value<'a>, EvalError> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(*left, *right).map(Value::Int).ok_or_else(overflow),
        (Value::Uint(left), Value::Uint(right)) => uint(*left, *right).map(Value::Uint).ok_or_else(overflow),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(double(*left, *right))),
        _ => Err(EvalError::new(format!(
            "{name} does not take a {} and a {}",
            left.type_name(),
            right.type_name()
        ))),
    }
}

fn index_of<'a>(operand: &Value<'a>, index: &Value<'a>) -> Result<Value<'a>, EvalError> {
    if operand.is_map() {
        let key = index.as_str().ok_or_else(|| EvalError::overload("an index of a map", index))?;
        return operand
            .member(key)
            .ok()
            .flatten()
            .ok_or_else(|| EvalError::new(format!("no such key: {key}")));
    }
    let mut items = operand.items().ok_or_else(|| EvalError::overload("[]", operand))?;
    let place = match index {
        Value::Int(place) => usize::try_from(*place).ok(),
        Value::Uint(place) => usize::try_from(*place).ok(),
        _ => return Err(EvalError::overload("an index of a list", index)),
    };
    place.and_then(|place| items.nth(place)).ok_or_else(|| EvalError::new("the index is outside the list"))
}

fn of_literal(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::Text(text) => Value::Str(text),
        Literal::Bytes(bytes) => Value::Bytes(Rc::from(bytes.as_slice())),
    }
}
