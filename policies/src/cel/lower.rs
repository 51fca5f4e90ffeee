//! From text to [`Expr`]: parse, resolve names, turn macros into loops.

use kube_cel::cel::{
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr as Ast, IdedExpr, LiteralValue, operators},
    parser::Parser,
};
use regex::Regex;

use super::{
    bridge,
    expr::{Binary, Expr, Function, Literal, Loop, Root},
};

/// Longest text of one expression, in bytes.
const LONGEST: usize = 16 * 1024;

/// Deepest nesting of brackets and of conditionals. The parser's own limit counts only after it has gone down as deep as the text.
const DEEPEST: usize = 40;

/// Why a text is no expression here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CelError {
    /// It is too long to be read.
    #[error("the expression has {0} bytes, at most {LONGEST} are read")]
    TooLong(usize),
    /// It is nested too deeply to be read.
    #[error("the expression is nested deeper than {DEEPEST}")]
    TooDeep,
    /// The parser does not understand it.
    #[error("the expression cannot be parsed: {0}")]
    Syntax(String),
    /// It names something that is not there.
    #[error(
        "there is no `{0}` here; an expression may read object, item, variables.<name>, related.<name>, namespaceObject and now"
    )]
    Name(String),
    /// It calls something that is not there.
    #[error("there is no function `{0}` with {1} arguments")]
    Function(String, usize),
    /// A constant regular expression is none.
    #[error("`{0}` is no regular expression: {1}")]
    Pattern(String, String),
    /// It uses a part of CEL that packs do not use.
    #[error("{0} cannot be used in a pack")]
    Unsupported(&'static str),
}

/// The names that an expression may use.
pub trait Names {
    /// Where a variable (`variables.<name>`) leads.
    fn variable(&self, name: &str) -> Option<Root>;
    /// Where a list of related objects (`related.<name>`) leads.
    fn related(&self, name: &str) -> Option<Root>;
    /// Whether `object` is there; it is not for a control of the whole cluster.
    fn object(&self) -> bool;
    /// Whether `item` is there.
    fn item(&self) -> bool;
    /// Whether `now` and `namespaceObject` are there; they are not for shared sub-expressions, of which it must be known what they depend on.
    fn around(&self) -> bool {
        true
    }
}

/// Compiles an expression.
pub fn compile(text: &str, names: &dyn Names) -> Result<Expr, CelError> {
    if text.len() > LONGEST {
        return Err(CelError::TooLong(text.len()));
    }
    if depth(text) > DEEPEST {
        return Err(CelError::TooDeep);
    }
    let ast = Parser::new().parse(text).map_err(|errors| CelError::Syntax(one_line(&errors.to_string())))?;
    Lower { names, locals: Vec::new() }.expr(&ast)
}

/// How deep brackets and conditionals may nest at most; brackets in strings count too, which nobody will miss.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest + text.matches('?').count()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Lower<'n> {
    names: &'n dyn Names,
    locals: Vec<String>,
}

impl Lower<'_> {
    fn boxed(&mut self, ast: &IdedExpr) -> Result<Box<Expr>, CelError> {
        Ok(Box::new(self.expr(ast)?))
    }

    fn expr(&mut self, ast: &IdedExpr) -> Result<Expr, CelError> {
        match &ast.expr {
            Ast::Literal(literal) => Ok(Expr::Literal(self::literal(literal))),
            Ast::Ident(name) => self.name(name),
            Ast::Select(select) => {
                if let Ast::Ident(name) = &select.operand.expr
                    && !self.locals.contains(name)
                {
                    let root = match name.as_str() {
                        "variables" => Some(self.names.variable(&select.field)),
                        "related" => Some(self.names.related(&select.field)),
                        _ => None,
                    };
                    if let Some(root) = root {
                        let root = root.ok_or_else(|| CelError::Name(format!("{name}.{}", select.field)))?;
                        return if select.test {
                            Err(CelError::Unsupported("has() of a variable"))
                        } else {
                            Ok(Expr::Root(root))
                        };
                    }
                }
                let operand = self.boxed(&select.operand)?;
                Ok(if select.test {
                    Expr::Has(operand, select.field.clone())
                } else {
                    Expr::Select(operand, select.field.clone())
                })
            }
            Ast::Call(call) => self.call(call),
            Ast::List(list) => {
                if !list.optional_indices.is_empty() {
                    return Err(CelError::Unsupported("an optional element"));
                }
                Ok(Expr::List(
                    list.elements.iter().map(|element| self.expr(element)).collect::<Result<_, _>>()?,
                ))
            }
            Ast::Map(map) => map
                .entries
                .iter()
                .map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) if !entry.optional => {
                        Ok((self.expr(&entry.key)?, self.expr(&entry.value)?))
                    }
                    _ => Err(CelError::Unsupported("an optional entry")),
                })
                .collect::<Result<_, _>>()
                .map(Expr::Map),
            Ast::Comprehension(comprehension) => self.comprehension(comprehension),
            Ast::Struct(_) => Err(CelError::Unsupported("an object literal")),
            Ast::Unspecified => Err(CelError::Unsupported("an empty expression")),
        }
    }

    fn name(&self, name: &str) -> Result<Expr, CelError> {
        if let Some(place) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Expr::Local(place));
        }
        let root = match name {
            "object" if self.names.object() => Root::Object,
            "namespaceObject" if self.names.object() && self.names.around() => Root::NamespaceObject,
            "item" if self.names.item() => Root::Item,
            "now" if self.names.around() => Root::Now,
            _ => return Err(CelError::Name(name.to_owned())),
        };
        Ok(Expr::Root(root))
    }

    fn call(&mut self, call: &CallExpr) -> Result<Expr, CelError> {
        let name = call.func_name.as_str();
        let [first, second] = match call.args.as_slice() {
            [only] => [Some(only), None],
            [first, second] => [Some(first), Some(second)],
            _ => [None, None],
        };
        if call.target.is_none() {
            if let (Some(left), Some(right)) = (first, second) {
                match name {
                    operators::LOGICAL_AND => return Ok(Expr::And(self.boxed(left)?, self.boxed(right)?)),
                    operators::LOGICAL_OR => return Ok(Expr::Or(self.boxed(left)?, self.boxed(right)?)),
                    operators::INDEX => return Ok(Expr::Index(self.boxed(left)?, self.boxed(right)?)),
                    operators::OPT_INDEX | operators::OPT_SELECT => {
                        return Err(CelError::Unsupported("an optional value"));
                    }
                    _ => {}
                }
                if let Some(operator) = binary(name) {
                    return Ok(Expr::Binary(operator, self.boxed(left)?, self.boxed(right)?));
                }
            }
            match (name, call.args.as_slice()) {
                (operators::CONDITIONAL, [condition, then, otherwise]) => {
                    return Ok(Expr::Conditional(
                        self.boxed(condition)?,
                        self.boxed(then)?,
                        self.boxed(otherwise)?,
                    ));
                }
                (operators::LOGICAL_NOT, [operand]) => return Ok(Expr::Not(self.boxed(operand)?)),
                (operators::NEGATE, [operand]) => {
                    return Ok(match self.expr(operand)? {
                        Expr::Literal(Literal::Int(value)) => {
                            Expr::Literal(Literal::Int(value.wrapping_neg()))
                        }
                        Expr::Literal(Literal::Double(value)) => Expr::Literal(Literal::Double(-value)),
                        operand => Expr::Negate(Box::new(operand)),
                    });
                }
                _ => {}
            }
        }
        // `sets.contains(a, b)`: the target is the name of a library, not a value.
        if let Some(target) = &call.target
            && let Ast::Ident(library) = &target.expr
            && !self.locals.contains(library)
            && bridge::is_library(library)
        {
            let arguments = self.arguments(None, &call.args)?;
            let foreign = bridge::Call::qualified(library, name, arguments.len())
                .ok_or_else(|| CelError::Function(format!("{library}.{name}"), arguments.len()))?;
            return Ok(Expr::Foreign(Box::new(foreign), arguments));
        }
        let arguments = self.arguments(call.target.as_deref(), &call.args)?;
        if let (Some(Function::Matches), [_, Expr::Literal(Literal::Text(pattern))]) =
            (function(name, call.target.is_some(), arguments.len()), arguments.as_slice())
        {
            let regex = Regex::new(pattern)
                .map_err(|error| CelError::Pattern(pattern.clone(), one_line(&error.to_string())))?;
            let mut arguments = arguments;
            arguments.truncate(1);
            let text = arguments.pop().ok_or(CelError::Unsupported("an empty expression"))?;
            return Ok(Expr::Matches(Box::new(text), Box::new(regex)));
        }
        if let Some(function) = function(name, call.target.is_some(), arguments.len()) {
            return Ok(Expr::Call(function, arguments));
        }
        let foreign = bridge::Call::plain(name, call.target.is_some(), arguments.len())
            .ok_or_else(|| CelError::Function(name.to_owned(), call.args.len()))?;
        Ok(Expr::Foreign(Box::new(foreign), arguments))
    }

    fn arguments(
        &mut self,
        target: Option<&IdedExpr>,
        arguments: &[IdedExpr],
    ) -> Result<Vec<Expr>, CelError> {
        target.into_iter().chain(arguments).map(|argument| self.expr(argument)).collect()
    }

    /// The parser has expanded the macros; each is known by the shape of its step.
    fn comprehension(&mut self, it: &ComprehensionExpr) -> Result<Expr, CelError> {
        const STRANGE: CelError = CelError::Unsupported("this comprehension");
        if it.iter_var2.is_some() {
            return Err(CelError::Unsupported("a comprehension with two variables"));
        }
        let range = self.boxed(&it.iter_range)?;
        self.locals.push(it.iter_var.clone());
        let made = (|| {
            let Ast::Call(step) = &it.loop_step.expr else { return Err(STRANGE) };
            match (step.func_name.as_str(), step.args.as_slice()) {
                (operators::LOGICAL_AND, [_, body]) => Ok(Expr::Loop(Loop::All, range, self.boxed(body)?)),
                (operators::LOGICAL_OR, [_, body]) => Ok(Expr::Loop(Loop::Exists, range, self.boxed(body)?)),
                (operators::ADD, [_, mapped]) => {
                    Ok(Expr::MapOf(range, None, self.boxed(only(mapped).ok_or(STRANGE)?)?))
                }
                (operators::CONDITIONAL, [condition, then, _]) => {
                    let Ast::Call(then) = &then.expr else { return Err(STRANGE) };
                    let Some(mapped) = then.args.get(1) else { return Err(STRANGE) };
                    let condition = self.boxed(condition)?;
                    match only(mapped) {
                        // exists_one counts: its step adds the literal 1.
                        None => Ok(Expr::Loop(Loop::ExistsOne, range, condition)),
                        Some(element) if matches!(&element.expr, Ast::Ident(name) if *name == it.iter_var) => {
                            Ok(Expr::Loop(Loop::Filter, range, condition))
                        }
                        Some(element) => Ok(Expr::MapOf(range, Some(condition), self.boxed(element)?)),
                    }
                }
                _ => Err(STRANGE),
            }
        })();
        self.locals.pop();
        made
    }
}

/// The one element of a list literal.
fn only(ast: &IdedExpr) -> Option<&IdedExpr> {
    match &ast.expr {
        Ast::List(list) => match list.elements.as_slice() {
            [element] => Some(element),
            _ => None,
        },
        _ => None,
    }
}

fn literal(literal: &LiteralValue) -> Literal {
    match literal {
        LiteralValue::Boolean(value) => Literal::Bool(*value.inner()),
        LiteralValue::Bytes(value) => Literal::Bytes(value.inner().to_vec()),
        LiteralValue::Double(value) => Literal::Double(*value.inner()),
        LiteralValue::Int(value) => Literal::Int(*value.inner()),
        LiteralValue::Null => Literal::Null,
        LiteralValue::String(value) => Literal::Text(value.inner().to_owned()),
        LiteralValue::UInt(value) => Literal::Uint(*value.inner()),
    }
}

fn binary(name: &str) -> Option<Binary> {
    Some(match name {
        operators::EQUALS => Binary::Equal,
        operators::NOT_EQUALS => Binary::NotEqual,
        operators::LESS => Binary::Less,
        operators::LESS_EQUALS => Binary::LessOrEqual,
        operators::GREATER => Binary::Greater,
        operators::GREATER_EQUALS => Binary::GreaterOrEqual,
        operators::IN => Binary::In,
        operators::ADD => Binary::Add,
        operators::SUBSTRACT => Binary::Subtract,
        operators::MULTIPLY => Binary::Multiply,
        operators::DIVIDE => Binary::Divide,
        operators::MODULO => Binary::Modulo,
        _ => return None,
    })
}

fn function(name: &str, method: bool, arguments: usize) -> Option<Function> {
    Some(match (name, method, arguments) {
        ("size", _, 1) => Function::Size,
        ("startsWith", true, 2) => Function::StartsWith,
        ("endsWith", true, 2) => Function::EndsWith,
        ("contains", true, 2) => Function::Contains,
        ("matches", _, 2) => Function::Matches,
        ("lowerAscii", true, 1) => Function::LowerAscii,
        ("upperAscii", true, 1) => Function::UpperAscii,
        ("trim", true, 1) => Function::Trim,
        ("split", true, 2 | 3) => Function::Split,
        ("join", true, 1 | 2) => Function::Join,
        ("replace", true, 3 | 4) => Function::Replace,
        ("indexOf", true, 2) => Function::IndexOf,
        ("substring", true, 2 | 3) => Function::Substring,
        ("int", false, 1) => Function::Int,
        ("double", false, 1) => Function::Double,
        ("string", false, 1) => Function::ToString,
        ("dyn", false, 1) => Function::Dyn,
        ("timestamp", false, 1) => Function::Timestamp,
        ("duration", false, 1) => Function::Duration,
        ("getHours", true, 1) => Function::GetHours,
        ("getMinutes", true, 1) => Function::GetMinutes,
        ("getSeconds", true, 1) => Function::GetSeconds,
        ("selects", false, 2) => Function::Selects,
        ("flags", false, 1) => Function::Flags,
        ("certificates", false, 1) => Function::Certificates,
        _ => return None,
    })
}
