//! Mutants: an expression with one small mistake in it. A control whose examples do not notice the mistake does not show what it claims, so a
//! test holds each control's examples against all of its mutants.

use super::expr::{Binary, Expr, Literal, Loop};

/// Every expression that differs from this one in one place: a negation left out, `&&` for `||` and the other way round, a side of either left
/// out, a comparison turned or moved by one, a constant changed, `all` for `exists`, the branches of a condition exchanged, `has()` taken for
/// granted. Constants in a list after `in` stay, as each would ask for an example of its own.
pub fn mutants(expr: &Expr) -> Vec<Expr> {
    let mut made = own(expr);
    let mut wrap = |child: &Expr, build: &dyn Fn(Box<Expr>) -> Expr| {
        made.extend(mutants(child).into_iter().map(|child| build(Box::new(child))));
    };
    match expr {
        Expr::Literal(_) | Expr::Root(_) | Expr::Local(_) | Expr::Map(_) => {}
        Expr::Select(operand, field) => wrap(operand, &|operand| Expr::Select(operand, field.clone())),
        Expr::Has(operand, field) => wrap(operand, &|operand| Expr::Has(operand, field.clone())),
        Expr::Index(operand, index) => wrap(operand, &|operand| Expr::Index(operand, index.clone())),
        Expr::Not(operand) => wrap(operand, &Expr::Not),
        Expr::Negate(operand) => wrap(operand, &Expr::Negate),
        Expr::And(left, right) => {
            wrap(left, &|left| Expr::And(left, right.clone()));
            wrap(right, &|right| Expr::And(left.clone(), right));
        }
        Expr::Or(left, right) => {
            wrap(left, &|left| Expr::Or(left, right.clone()));
            wrap(right, &|right| Expr::Or(left.clone(), right));
        }
        Expr::Conditional(condition, then, otherwise) => {
            wrap(condition, &|condition| Expr::Conditional(condition, then.clone(), otherwise.clone()));
            wrap(then, &|then| Expr::Conditional(condition.clone(), then, otherwise.clone()));
            wrap(otherwise, &|otherwise| Expr::Conditional(condition.clone(), then.clone(), otherwise));
        }
        Expr::Binary(operator, left, right) => {
            wrap(left, &|left| Expr::Binary(*operator, left, right.clone()));
            if *operator != Binary::In || !matches!(**right, Expr::List(_)) {
                wrap(right, &|right| Expr::Binary(*operator, left.clone(), right));
            }
        }
        Expr::List(elements) => {
            for (place, element) in elements.iter().enumerate() {
                wrap(element, &|mutant| Expr::List(replaced(elements, place, *mutant)));
            }
        }
        Expr::Loop(kind, range, body) => {
            wrap(range, &|range| Expr::Loop(*kind, range, body.clone()));
            wrap(body, &|body| Expr::Loop(*kind, range.clone(), body));
        }
        Expr::MapOf(range, condition, body) => {
            wrap(range, &|range| Expr::MapOf(range, condition.clone(), body.clone()));
            if let Some(condition) = condition {
                wrap(condition, &|condition| Expr::MapOf(range.clone(), Some(condition), body.clone()));
            }
            wrap(body, &|body| Expr::MapOf(range.clone(), condition.clone(), body));
        }
        Expr::Call(function, arguments) => {
            for (place, argument) in arguments.iter().enumerate() {
                wrap(argument, &|mutant| Expr::Call(*function, replaced(arguments, place, *mutant)));
            }
        }
        Expr::Matches(text, pattern) => wrap(text, &|text| Expr::Matches(text, pattern.clone())),
        Expr::Foreign(call, arguments) => {
            for (place, argument) in arguments.iter().enumerate() {
                wrap(argument, &|mutant| Expr::Foreign(call.clone(), replaced(arguments, place, *mutant)));
            }
        }
    }
    made
}

fn replaced(all: &[Expr], place: usize, with: Expr) -> Vec<Expr> {
    let mut all = all.to_vec();
    if let Some(slot) = all.get_mut(place) {
        *slot = with;
    }
    all
}

fn own(expr: &Expr) -> Vec<Expr> {
    match expr {
        Expr::Literal(Literal::Bool(value)) => vec![Expr::Literal(Literal::Bool(!value))],
        Expr::Literal(Literal::Int(value)) => vec![
            Expr::Literal(Literal::Int(value.wrapping_add(1))),
            Expr::Literal(Literal::Int(value.wrapping_sub(1))),
        ],
        Expr::Literal(Literal::Text(_)) => vec![Expr::Literal(Literal::Text("~mutant~".to_owned()))],
        Expr::Has(..) | Expr::Matches(..) => {
            vec![Expr::Literal(Literal::Bool(true)), Expr::Literal(Literal::Bool(false))]
        }
        Expr::Not(operand) => vec![(**operand).clone()],
        Expr::And(left, right) => {
            vec![(**left).clone(), (**right).clone(), Expr::Or(left.clone(), right.clone())]
        }
        Expr::Or(left, right) => {
            vec![(**left).clone(), (**right).clone(), Expr::And(left.clone(), right.clone())]
        }
        Expr::Conditional(condition, then, otherwise) => {
            vec![Expr::Conditional(condition.clone(), otherwise.clone(), then.clone())]
        }
        Expr::Loop(Loop::All, range, body) => vec![Expr::Loop(Loop::Exists, range.clone(), body.clone())],
        Expr::Loop(Loop::Exists, range, body) => vec![Expr::Loop(Loop::All, range.clone(), body.clone())],
        Expr::Binary(operator, left, right) => match operator {
            Binary::Equal => vec![Binary::NotEqual],
            Binary::NotEqual => vec![Binary::Equal],
            Binary::Less => vec![Binary::LessOrEqual, Binary::GreaterOrEqual],
            Binary::LessOrEqual => vec![Binary::Less, Binary::Greater],
            Binary::Greater => vec![Binary::GreaterOrEqual, Binary::LessOrEqual],
            Binary::GreaterOrEqual => vec![Binary::Greater, Binary::Less],
            _ => Vec::new(),
        }
        .into_iter()
        .map(|operator| Expr::Binary(operator, left.clone(), right.clone()))
        .chain((*operator == Binary::In).then(|| Expr::Not(Box::new(expr.clone()))))
        .collect(),
        _ => Vec::new(),
    }
}
