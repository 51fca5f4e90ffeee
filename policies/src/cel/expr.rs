//! An expression after its names were resolved.

use regex::Regex;

/// Where a name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// The object as its user wrote it.
    Object,
    /// The Namespace that the object is in.
    NamespaceObject,
    /// The item of `each`.
    Item,
    /// The instant of the evaluation.
    Now,
    /// A shared sub-expression or a parameter, by its place in the table of variables.
    Variable(usize),
    /// A list of related objects, by its place among those of the control.
    Related(usize),
}

/// A literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A double.
    Double(f64),
    /// A string.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A binary operator that needs both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// What a loop makes of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Loop {
    All,
    Exists,
    ExistsOne,
    Filter,
}

/// A function that is evaluated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Matches,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Replace,
    IndexOf,
    Substring,
    Int,
    Double,
    ToString,
    Dyn,
    Timestamp,
    Duration,
    GetHours,
    GetMinutes,
    GetSeconds,
    Selects,
    Flags,
    Certificates,
}

/// A compiled expression. It holds no reference to any object and may be shared between threads.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Expr {
    Literal(Literal),
    Root(Root),
    /// The variable of a loop, counted from the outermost loop.
    Local(usize),
    Select(Box<Expr>, String),
    Has(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// A loop: what it makes, its range, its body.
    Loop(Loop, Box<Expr>, Box<Expr>),
    /// `range.map(x, body)` or `range.map(x, condition, body)`.
    MapOf(Box<Expr>, Option<Box<Expr>>, Box<Expr>),
    Call(Function, Vec<Expr>),
    /// `text.matches('constant')`, its pattern compiled once.
    Matches(Box<Expr>, Box<Regex>),
    /// A function of kube-cel: how it is called there, and its arguments, the target first.
    Foreign(Box<super::bridge::Call>, Vec<Expr>),
}
