//! An expression as text again, near enough to CEL to be read: names are gone, so a variable is shown by its place.

use std::fmt;

use super::expr::{Expr, Literal, Root};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: &[Expr]| {
            for (place, item) in items.iter().enumerate() {
                write!(f, "{}{item}", if place == 0 { "" } else { ", " })?;
            }
            Ok(())
        };
        match self {
            Self::Literal(Literal::Null) => f.write_str("null"),
            Self::Literal(Literal::Bool(value)) => write!(f, "{value}"),
            Self::Literal(Literal::Int(value)) => write!(f, "{value}"),
            Self::Literal(Literal::Uint(value)) => write!(f, "{value}u"),
            Self::Literal(Literal::Double(value)) => write!(f, "{value:?}"),
            Self::Literal(Literal::Text(text)) => write!(f, "{text:?}"),
            Self::Literal(Literal::Bytes(bytes)) => write!(f, "b{:?}", String::from_utf8_lossy(bytes)),
            Self::Root(Root::Object) => f.write_str("object"),
            Self::Root(Root::NamespaceObject) => f.write_str("namespaceObject"),
            Self::Root(Root::Item) => f.write_str("item"),
            Self::Root(Root::Now) => f.write_str("now"),
            Self::Root(Root::Variable(place)) => write!(f, "variable{place}"),
            Self::Root(Root::Related(place)) => write!(f, "related{place}"),
            Self::Local(place) => write!(f, "x{place}"),
            Self::Select(operand, field) => write!(f, "{operand}.{field}"),
            Self::Has(operand, field) => write!(f, "has({operand}.{field})"),
            Self::Index(operand, index) => write!(f, "{operand}[{index}]"),
            Self::Not(operand) => write!(f, "!{operand}"),
            Self::Negate(operand) => write!(f, "-{operand}"),
            Self::And(left, right) => write!(f, "({left} && {right})"),
            Self::Or(left, right) => write!(f, "({left} || {right})"),
            Self::Conditional(condition, then, otherwise) => {
                write!(f, "({condition} ? {then} : {otherwise})")
            }
            Self::Binary(operator, left, right) => write!(f, "({left} {operator:?} {right})"),
            Self::List(items) => {
                f.write_str("[")?;
                list(f, items)?;
                f.write_str("]")
            }
            Self::Map(_) => f.write_str("{…}"),
            Self::Loop(kind, range, body) => write!(f, "{range}.{kind:?}({body})"),
            Self::MapOf(range, Some(condition), body) => write!(f, "{range}.map({condition}, {body})"),
            Self::MapOf(range, None, body) => write!(f, "{range}.map({body})"),
            Self::Call(function, arguments) => {
                write!(f, "{function:?}(")?;
                list(f, arguments)?;
                f.write_str(")")
            }
            Self::Matches(text, pattern) => write!(f, "{text}.matches({:?})", pattern.as_str()),
            Self::Foreign(call, arguments) => {
                write!(f, "{}(", call.name())?;
                list(f, arguments)?;
                f.write_str(")")
            }
        }
    }
}
