//! What may be wrong with a field.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
    paths::{Location, LocationSegment},
};

/// Something that the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, such as `spec.pue.targets[1].max`; empty for the whole resource.
    pub field: String,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// There is no such field.
    Unknown {
        /// The field that may have been meant.
        near: Option<String>,
    },
    /// There is no such kind or version of our group.
    NoSuch {
        /// What was written.
        given: String,
        /// What there is.
        known: Vec<String>,
        /// What may have been meant.
        near: Option<String>,
    },
    /// It has to be there.
    Missing,
    /// It is of another type than this.
    Type(String),
    /// It is none of these words.
    NotOneOf(Vec<String>),
    /// It does not have the form of this regular expression.
    Pattern(String),
    /// It is not a `date`, `date-time` or another named form.
    Format(String),
    /// Characters: fewer than this.
    TooShort(u64),
    /// Characters: more than this.
    TooLong(u64),
    /// Items: fewer than this.
    TooFew(u64),
    /// Items or keys: more than this.
    TooMany(u64),
    /// Less than this.
    TooSmall(String),
    /// More than this.
    TooLarge(String),
    /// Another item of the list has the same key or value.
    Twice,
    /// A rule of the definition, in its own words.
    Rule(String),
    /// Anything else that the schema has, in the words of its engine.
    Other(String),
}

impl What {
    /// Whether the API server leaves the rules in CEL alone: they rely on types, bounds and required fields.
    pub fn keeps_rules_from_being_asked(&self) -> bool {
        matches!(
            self,
            Self::Missing
                | Self::Type(_)
                | Self::NotOneOf(_)
                | Self::TooLong(_)
                | Self::TooMany(_)
                | Self::Other(_)
        )
    }
}

/// A fault as the schema's engine tells it.
pub fn of_schema(error: &ValidationError<'_>) -> Fault {
    let mut field = path(error.instance_path());
    let what = match error.kind() {
        ValidationErrorKind::Required { property } => {
            field = below(&field, property.as_str().unwrap_or_default());
            What::Missing
        }
        ValidationErrorKind::Type { kind } => What::Type(match kind {
            TypeKind::Single(one) => one.to_string(),
            // Null is said to be allowed where the field may as well be left out.
            TypeKind::Multiple(several) => {
                let names = several.iter().map(|one| one.to_string()).filter(|name| name != "null");
                names.collect::<Vec<_>>().join(" or ")
            }
        }),
        ValidationErrorKind::Enum { options } => {
            let words = options.as_array().into_iter().flatten().filter(|word| !word.is_null());
            What::NotOneOf(
                words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect(),
            )
        }
        ValidationErrorKind::Pattern { pattern } => What::Pattern(pattern.clone()),
        ValidationErrorKind::Format { format } => What::Format(format.clone()),
        ValidationErrorKind::MinLength { limit } => What::TooShort(*limit),
        ValidationErrorKind::MaxLength { limit } => What::TooLong(*limit),
        ValidationErrorKind::MinItems { limit } => What::TooFew(*limit),
        // Of a value that may be one of several types, and no object.
        ValidationErrorKind::MaxProperties { limit: 0 } | ValidationErrorKind::MinProperties { .. } => {
            What::Type("string, integer, boolean or array".to_owned())
        }
        ValidationErrorKind::MultipleOf { .. } => What::Type("integer".to_owned()),
        ValidationErrorKind::MaxItems { limit } | ValidationErrorKind::MaxProperties { limit } => {
            What::TooMany(*limit)
        }
        ValidationErrorKind::Minimum { limit } => What::TooSmall(limit.to_string()),
        ValidationErrorKind::Maximum { limit } => What::TooLarge(limit.to_string()),
        _ => What::Other(error.to_string()),
    };
    Fault { field, what }
}

/// `spec.pue.targets[1].max`.
fn path(location: &Location) -> String {
    location.segments().fold(String::new(), |path, step| match step {
        LocationSegment::Property(name) => below(&path, &name),
        LocationSegment::Index(index) => format!("{path}[{index}]"),
    })
}

/// The path of a property of `path`.
pub fn below(path: &str, property: &str) -> String {
    if path.is_empty() { property.to_owned() } else { format!("{path}.{property}") }
}
