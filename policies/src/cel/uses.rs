//! What an expression reads, found without evaluating it: so that only those parts of an object are kept until its related objects are known,
//! and so that a change of anything else needs no second look.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};

use super::expr::{Binary, Expr, Function, Literal, Loop, Root};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A member of an object.
    Field(String),
    /// Any element of a list.
    Items,
}

/// What is read below one place, as a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// The whole of it.
    pub whole: bool,
    /// Members that are read, each with what is read below it; one that is only asked for with `has()` has nothing below it.
    pub fields: BTreeMap<String, Uses>,
    /// What is read of each element.
    pub items: Option<Box<Uses>>,
}

impl Uses {
    /// Everything.
    pub fn everything() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// The tree at a path, made where it is missing.
    pub fn at(&mut self, path: &[Step]) -> &mut Self {
        match path {
            [] => self,
            [Step::Field(name), rest @ ..] => self.fields.entry(name.clone()).or_default().at(rest),
            [Step::Items, rest @ ..] => self.items.get_or_insert_default().at(rest),
        }
    }

    /// Takes over what another tree has.
    pub fn merge(&mut self, other: &Self) {
        self.whole |= other.whole;
        for (name, below) in &other.fields {
            self.fields.entry(name.clone()).or_default().merge(below);
        }
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().merge(items);
        }
    }

    /// The parts of a piece of JSON that are read, the rest left out.
    pub fn project(&self, json: &Json) -> Json {
        if self.whole {
            return json.clone();
        }
        match json {
            Json::Object(map) if self.items.is_none() => Json::Object(
                self.fields
                    .iter()
                    .filter_map(|(name, below)| {
                        map.get(name).map(|value| (name.clone(), below.project(value)))
                    })
                    .collect(),
            ),
            // A loop over a map reads its keys.
            Json::Object(_) => json.clone(),
            Json::Array(items) => match &self.items {
                Some(below) => items.iter().map(|item| below.project(item)).collect(),
                None => Json::Array(Vec::new()),
            },
            scalar => scalar.clone(),
        }
    }

    /// An empty object of this shape, for what is not there.
    pub fn nothing() -> Json {
        Json::Object(Map::new())
    }
}

/// A place that a value may come from.
type Place = (Root, Vec<Step>);

/// What an expression reads, by root. Variables are roots of their own: who knows their expressions goes on from there.
pub fn uses(expr: &Expr) -> HashMap<Root, Uses> {
    let mut finder = Finder { found: HashMap::new(), locals: Vec::new() };
    let places = finder.places(expr);
    finder.whole(&places);
    finder.found
}

struct Finder {
    found: HashMap<Root, Uses>,
    locals: Vec<Vec<Place>>,
}

impl Finder {
    fn whole(&mut self, places: &[Place]) {
        for (root, path) in places {
            self.found.entry(*root).or_default().at(path).whole = true;
        }
    }

    fn read(&mut self, expr: &Expr) {
        let places = self.places(expr);
        self.whole(&places);
    }

    fn below(places: &[Place], step: &Step) -> Vec<Place> {
        places
            .iter()
            .map(|(root, path)| {
                let mut path = path.clone();
                path.push(step.clone());
                (*root, path)
            })
            .collect()
    }

    /// The places that the value of an expression may lie at; what is read on the way is recorded.
    fn places(&mut self, expr: &Expr) -> Vec<Place> {
        match expr {
            Expr::Literal(_) => Vec::new(),
            Expr::Root(root) => vec![(*root, Vec::new())],
            Expr::Local(place) => self.locals.get(*place).cloned().unwrap_or_default(),
            Expr::Select(operand, field) => {
                let places = self.places(operand);
                Self::below(&places, &Step::Field(field.clone()))
            }
            Expr::Has(operand, field) => {
                let places = self.places(operand);
                for (root, path) in Self::below(&places, &Step::Field(field.clone())) {
                    self.found.entry(root).or_default().at(&path);
                }
                Vec::new()
            }
            Expr::Index(operand, index) => {
                let places = self.places(operand);
                match &**index {
                    Expr::Literal(Literal::Text(key)) => Self::below(&places, &Step::Field(key.clone())),
                    Expr::Literal(_) => Self::below(&places, &Step::Items),
                    index => {
                        // A computed key may be any.
                        self.read(index);
                        self.whole(&places);
                        Vec::new()
                    }
                }
            }
            Expr::Conditional(condition, then, otherwise) => {
                self.read(condition);
                let mut places = self.places(then);
                places.extend(self.places(otherwise));
                places
            }
            Expr::Binary(Binary::Add, left, right) => {
                let mut places = self.places(left);
                places.extend(self.places(right));
                places
            }
            Expr::And(left, right) | Expr::Or(left, right) | Expr::Binary(_, left, right) => {
                self.read(left);
                self.read(right);
                Vec::new()
            }
            Expr::Not(operand) | Expr::Negate(operand) | Expr::Matches(operand, _) => {
                self.read(operand);
                Vec::new()
            }
            Expr::List(elements) => {
                for element in elements {
                    self.read(element);
                }
                Vec::new()
            }
            Expr::Map(entries) => {
                for (key, value) in entries {
                    self.read(key);
                    self.read(value);
                }
                Vec::new()
            }
            Expr::Loop(kind, range, body) => {
                let range = self.over(range, |finder| finder.read(body));
                if *kind == Loop::Filter { range } else { Vec::new() }
            }
            Expr::MapOf(range, condition, body) => {
                self.over(range, |finder| {
                    if let Some(condition) = condition {
                        finder.read(condition);
                    }
                    finder.read(body);
                });
                Vec::new()
            }
            Expr::Call(Function::Dyn, arguments) => {
                arguments.first().map(|argument| self.places(argument)).unwrap_or_default()
            }
            Expr::Call(Function::Flags, arguments) => {
                let places = arguments.first().map(|argument| self.places(argument)).unwrap_or_default();
                for field in ["command", "args"] {
                    let places = Self::below(&places, &Step::Field(field.to_owned()));
                    self.whole(&places);
                }
                Vec::new()
            }
            Expr::Call(_, arguments) | Expr::Foreign(_, arguments) => {
                for argument in arguments {
                    self.read(argument);
                }
                Vec::new()
            }
        }
    }

    fn over(&mut self, range: &Expr, body: impl FnOnce(&mut Self)) -> Vec<Place> {
        let range = self.places(range);
        let items = Self::below(&range, &Step::Items);
        // Even when nothing of an element is read, its being there is.
        for (root, path) in &items {
            self.found.entry(*root).or_default().at(path);
        }
        self.locals.push(items);
        body(self);
        self.locals.pop();
        range
    }
}
