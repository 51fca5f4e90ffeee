//! The functions that packs call most, over borrowed values, and Banyan's own.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    certificates::certificates,
    eval::{Budget, EvalError},
    expr::Function,
    time::{read_span, read_time, show_span},
    value::Value,
};

pub(super) fn call<'a>(
    function: Function,
    arguments: &[Value<'a>],
    budget: &Budget,
) -> Result<Value<'a>, EvalError> {
    let argument =
        |place: usize| arguments.get(place).ok_or_else(|| EvalError::new("an argument is missing"));
    let text = |place: usize| {
        argument(place)
            .and_then(|value| value.as_str().ok_or_else(|| EvalError::overload(name(function), value)))
    };
    let number = |place: usize| {
        argument(place).and_then(|value| match value {
            Value::Int(value) => Ok(*value),
            other => Err(EvalError::overload(name(function), other)),
        })
    };
    for value in arguments {
        budget.charge(value.as_str().map_or(0, str::len) / 16)?;
    }
    Ok(match function {
        Function::Size => {
            let value = argument(0)?;
            count(value.size().ok_or_else(|| EvalError::overload("size()", value))?)
        }
        Function::StartsWith => Value::Bool(text(0)?.starts_with(text(1)?)),
        Function::EndsWith => Value::Bool(text(0)?.ends_with(text(1)?)),
        Function::Contains => Value::Bool(text(0)?.contains(text(1)?)),
        Function::Matches => {
            let pattern = text(1)?;
            let pattern = regex::RegexBuilder::new(pattern)
                .size_limit(1 << 20)
                .build()
                .map_err(|error| EvalError::new(format!("{pattern} is no regular expression: {error}")))?;
            budget.charge(1000)?;
            Value::Bool(pattern.is_match(text(0)?))
        }
        Function::LowerAscii => Value::text(text(0)?.to_ascii_lowercase()),
        Function::UpperAscii => Value::text(text(0)?.to_ascii_uppercase()),
        Function::Trim => Value::text(text(0)?.trim()),
        Function::Split => {
            let (whole, separator) = (text(0)?, text(1)?);
            let limit = if arguments.len() > 2 { number(2)? } else { -1 };
            budget.charge(whole.len() / 4)?;
            Value::list(match usize::try_from(limit) {
                Ok(0) => Vec::new(),
                Ok(limit) => split(whole, separator)
                    .into_iter()
                    .enumerate()
                    .fold(Vec::new(), |mut parts, (place, part)| {
                        if place < limit {
                            parts.push(part.to_owned());
                        } else if let Some(last) = parts.last_mut() {
                            *last = [last.as_str(), separator, part].concat();
                        }
                        parts
                    })
                    .into_iter()
                    .map(Value::text)
                    .collect(),
                Err(_) => split(whole, separator).into_iter().map(Value::text).collect(),
            })
        }
        Function::Join => {
            let list = argument(0)?;
            let separator = if arguments.len() > 1 { text(1)? } else { "" };
            let mut parts = Vec::new();
            for item in list.items().ok_or_else(|| EvalError::overload("join()", list))? {
                parts.push(item.as_str().ok_or_else(|| EvalError::overload("join()", &item))?.to_owned());
            }
            budget.charge(parts.iter().map(String::len).sum::<usize>() / 16 + parts.len())?;
            Value::text(parts.join(separator))
        }
        Function::Replace => {
            let (whole, from, to) = (text(0)?, text(1)?, text(2)?);
            let limit = if arguments.len() > 3 { number(3)? } else { -1 };
            // Before it is made: an empty `from` stands between all characters.
            let places = if from.is_empty() { whole.len() + 1 } else { whole.matches(from).count() };
            budget.charge((whole.len() + places.saturating_mul(to.len())) / 16)?;
            let replaced = match usize::try_from(limit) {
                Ok(limit) => whole.replacen(from, to, limit),
                Err(_) => whole.replace(from, to),
            };
            Value::text(replaced)
        }
        Function::IndexOf => {
            let whole = text(0)?;
            let before = whole.find(text(1)?).and_then(|place| whole.get(..place));
            before.map_or(Value::Int(-1), |before| count(before.chars().count()))
        }
        Function::Substring => {
            let whole = text(0)?;
            let length = i64::try_from(whole.chars().count()).unwrap_or(i64::MAX);
            let (from, to) = (number(1)?, if arguments.len() > 2 { number(2)? } else { length });
            if from < 0 || to < from || to > length {
                return Err(EvalError::new(format!(
                    "substring({from}, {to}) is outside a string of {length} characters"
                )));
            }
            Value::text(whole.chars().skip(from as usize).take((to - from) as usize).collect::<String>())
        }
        Function::Int => match argument(0)? {
            value @ Value::Int(_) => value.clone(),
            Value::Uint(value) => Value::Int(
                i64::try_from(*value).map_err(|_| EvalError::new("int() of a number out of range"))?,
            ),
            Value::Double(value) if value.is_finite() && value.abs() < 9.2e18 => Value::Int(*value as i64),
            Value::Time(time) => Value::Int(time.as_second()),
            value => Value::Int(
                value
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| EvalError::new(format!("int() of {}", value.show())))?,
            ),
        },
        Function::Double => match argument(0)? {
            value @ Value::Double(_) => value.clone(),
            Value::Int(value) => Value::Double(*value as f64),
            Value::Uint(value) => Value::Double(*value as f64),
            value => Value::Double(
                value
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| EvalError::new(format!("double() of {}", value.show())))?,
            ),
        },
        Function::ToString => match argument(0)? {
            value @ (Value::Str(_) | Value::Text(_)) => value.clone(),
            value @ (Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
                Value::text(value.show())
            }
            Value::Time(time) => Value::text(time.to_string()),
            Value::Span(span) => Value::text(show_span(*span)),
            Value::Bytes(bytes) => Value::text(
                std::str::from_utf8(bytes)
                    .map_err(|_| EvalError::new("string() of bytes that are not UTF-8"))?,
            ),
            other => return Err(EvalError::overload("string()", other)),
        },
        Function::Dyn => argument(0)?.clone(),
        Function::Timestamp => match argument(0)? {
            value @ Value::Time(_) => value.clone(),
            value => Value::Time(
                value
                    .as_str()
                    .and_then(read_time)
                    .ok_or_else(|| EvalError::new(format!("{} is no timestamp", value.show())))?,
            ),
        },
        Function::Duration => match argument(0)? {
            value @ Value::Span(_) => value.clone(),
            value => Value::Span(
                value
                    .as_str()
                    .and_then(read_span)
                    .ok_or_else(|| EvalError::new(format!("{} is no duration", value.show())))?,
            ),
        },
        Function::GetHours => Value::Int(span(argument(0)?)?.as_hours()),
        Function::GetMinutes => Value::Int(span(argument(0)?)?.as_mins()),
        Function::GetSeconds => Value::Int(span(argument(0)?)?.as_secs()),
        Function::Selects => Value::Bool(selects(argument(0)?, argument(1)?)?),
        Function::Flags => flags(argument(0)?),
        Function::Certificates => certificates(text(0)?, budget)?,
    })
}

/// A number of things, which never comes near the end of the type.
fn count<'a>(things: usize) -> Value<'a> {
    Value::Int(i64::try_from(things).unwrap_or(i64::MAX))
}

fn span(value: &Value<'_>) -> Result<jiff::SignedDuration, EvalError> {
    match value {
        Value::Span(span) => Ok(*span),
        other => Err(EvalError::overload("a duration's part", other)),
    }
}

fn name(function: Function) -> &'static str {
    match function {
        Function::StartsWith => "startsWith()",
        Function::EndsWith => "endsWith()",
        Function::Contains => "contains()",
        Function::Matches => "matches()",
        Function::LowerAscii => "lowerAscii()",
        Function::UpperAscii => "upperAscii()",
        Function::Trim => "trim()",
        Function::Split => "split()",
        Function::Join => "join()",
        Function::Replace => "replace()",
        Function::IndexOf => "indexOf()",
        Function::Substring => "substring()",
        Function::Certificates => "certificates()",
        _ => "this function",
    }
}

/// Go's `strings.Split`: an empty separator cuts between characters, without empty ends.
fn split<'t>(whole: &'t str, separator: &str) -> Vec<&'t str> {
    if separator.is_empty() {
        whole.split("").filter(|part| !part.is_empty()).collect()
    } else {
        whole.split(separator).collect()
    }
}

/// Whether a label selector (`matchLabels` and `matchExpressions`) takes labels. An empty selector takes all.
fn selects(selector: &Value<'_>, labels: &Value<'_>) -> Result<bool, EvalError> {
    let label = |key: &str| labels.member(key).map_err(|()| EvalError::overload("selects()", labels));
    let part = |name: &str| selector.member(name).map_err(|()| EvalError::overload("selects()", selector));
    if let Some(wanted) = part("matchLabels")? {
        for key in wanted.items().into_iter().flatten() {
            let key = key.as_str().unwrap_or_default();
            let value = wanted.member(key).ok().flatten();
            if !matches!((label(key)?, value), (Some(has), Some(wants)) if has.equals(&wants)) {
                return Ok(false);
            }
        }
    }
    if let Some(expressions) = part("matchExpressions")? {
        for expression in expressions.items().into_iter().flatten() {
            let field = |name: &str| expression.member(name).ok().flatten();
            let key = field("key");
            let has = label(key.as_ref().and_then(Value::as_str).unwrap_or_default())?;
            let listed = |has: &Value<'_>| {
                field("values")
                    .is_some_and(|values| values.items().into_iter().flatten().any(|value| value.equals(has)))
            };
            let operator = field("operator");
            let held = match operator.as_ref().and_then(Value::as_str) {
                Some("In") => has.is_some_and(|has| listed(&has)),
                Some("NotIn") => !has.is_some_and(|has| listed(&has)),
                Some("Exists") => has.is_some(),
                Some("DoesNotExist") => has.is_none(),
                _ => return Err(EvalError::new("a label selector has an unknown operator")),
            };
            if !held {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The flags of a container's `command` and `args`: `--name=value`, `--name value` and a bare `--name`, whose value is `true`. Of a flag that is
/// given twice the last counts, as with Go's flag package.
pub(crate) fn flags<'a>(container: &Value<'a>) -> Value<'a> {
    let words: Vec<Value<'a>> = ["command", "args"]
        .iter()
        .filter_map(|field| container.member(field).ok().flatten())
        .flat_map(|list| list.items().into_iter().flatten().collect::<Vec<_>>())
        .collect();
    let mut flags = BTreeMap::new();
    let mut words = words.iter().filter_map(Value::as_str).flat_map(str::lines).map(str::trim).peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, value),
            None => match words.next_if(|next| !next.starts_with('-')) {
                Some(value) => (flag, value),
                None => (flag, "true"),
            },
        };
        flags.insert(name.to_owned(), Value::text(value));
    }
    Value::Map(Rc::new(flags))
}
