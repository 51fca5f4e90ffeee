//! What Banyan says to people, in English and Chinese: one catalogue, in Fluent's format.
//!
//! Each area has a file of the same name in `en/` and `zh/`; [`t!`](crate::t) looks a text up by its key. The tests see to
//! it that both languages have the same keys with the same variables, that every key the code asks for exists, and that none
//! is left over. Words of the API, such as verdicts and the names of actions, are in [`words`].
//!
//! What goes into a cluster (conditions, events, the trail) has one language, the API's, so that programs can rely on it.

pub mod numbers;
pub mod reasons;
pub mod words;

use std::{fmt, sync::OnceLock};

use clap::ValueEnum;
use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

/// A language of tables, pages and explanations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese, in simplified characters.
    Zh,
}

/// The value of a variable in a text.
pub type Value<'a> = fluent_bundle::FluentValue<'a>;

/// The files of a language, each with its name.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!($folder, "/", $name, ".ftl")))),*]
    };
}

/// Every area has its file in both languages.
macro_rules! areas {
    ($($name:literal),* $(,)?) => {
        const EN: Files = files!("en": $($name),*);
        const ZH: Files = files!("zh": $($name),*);
    };
}

areas![
    "audit-run",
    "audit",
    "baseline",
    "crypto",
    "doctor",
    "evidence",
    "explain",
    "import",
    "plan",
    "policies",
    "reasons",
    "report",
    "runbook",
    "status",
    "uninstall",
    "validate",
    "waiver",
    "words"
];

impl Lang {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The language that the environment asks for: Chinese where the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set
    /// begins with `zh`.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()));
        if set.is_some_and(|value| value.to_ascii_lowercase().starts_with("zh")) {
            Self::Zh
        } else {
            Self::En
        }
    }

    /// The tag of the language after BCP 47, as HTML's `lang` takes it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-CN",
        }
    }

    const fn files(self) -> Files {
        match self {
            Self::En => EN,
            Self::Zh => ZH,
        }
    }

    fn catalogue(self) -> &'static FluentBundle<FluentResource> {
        static CATALOGUES: OnceLock<[FluentBundle<FluentResource>; 2]> = OnceLock::new();
        &CATALOGUES.get_or_init(|| Self::ALL.map(load))[self as usize]
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::En => "en",
            Self::Zh => "zh",
        })
    }
}

/// A catalogue from its files. What cannot be parsed is left out; a test sees to it that nothing is.
fn load(lang: Lang) -> FluentBundle<FluentResource> {
    let mut bundle =
        FluentBundle::new_concurrent(vec![lang.tag().parse::<LanguageIdentifier>().unwrap_or_default()]);
    // Marks of direction around each variable would get into CSV files and terminals.
    bundle.set_use_isolating(false);
    for (_, text) in lang.files() {
        let resource = FluentResource::try_new((*text).to_owned()).unwrap_or_else(|(resource, _)| resource);
        let _ = bundle.add_resource(resource);
    }
    bundle
}

/// The text of `key` in a language; the key itself where there is none. Use [`t!`](crate::t), or the function `t` in templates.
pub fn text<'a>(lang: Lang, key: &str, variables: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> String {
    let bundle = lang.catalogue();
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        return key.to_owned();
    };
    let mut arguments = FluentArgs::new();
    for (name, value) in variables {
        arguments.set(name, value);
    }
    bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
}

/// A text of the catalogue: `t!(lang, "status-none")`, `t!(lang, "status-remark", site = "gulou-1", message = "…")`.
///
/// A whole number chooses between forms (`one`, `other`) and is written without grouping; anything that is to be shown in a
/// certain form, such as a ratio or an energy, is given as text.
#[macro_export]
macro_rules! t {
    ($lang:expr, $key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::lang::text($lang, $key, [$((stringify!($name), $crate::lang::Value::from($value))),*])
    };
}

#[cfg(test)]
mod pages;
#[cfg(test)]
mod tests;
