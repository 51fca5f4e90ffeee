//! HTML pages from templates. What is put in is escaped; the texts are those of the catalogue, by the function `t`.

use std::borrow::Cow;

use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, TeraResult};

use crate::lang::{self, Lang};

/// A template: its name, which ends with `.html` so that what is put in is escaped, and its text.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// Name.
    pub name: &'static str,
    /// Text.
    pub text: &'static str,
}

/// The report of energy.
pub const ENERGY: Template = Template { name: "energy.html", text: include_str!("energy.html") };

/// The page that `template` makes of `content`.
///
/// In it `t(key="…", name=…)` is a text of the catalogue with its variables.
pub fn render(template: Template, lang: Lang, content: &impl Serialize) -> TeraResult<String> {
    let mut tera = Tera::new();
    tera.register_function("t", move |arguments: Kwargs, _: &State<'_>| text(lang, &arguments));
    tera.add_raw_template(template.name, template.text)?;
    tera.render(template.name, &Context::from_serialize(content)?)
}

fn text(lang: Lang, arguments: &Kwargs) -> TeraResult<String> {
    let key = arguments.must_get::<&str>("key")?;
    let variables = arguments.iter().filter_map(|(name, value)| {
        let name = name.as_str().filter(|name| *name != "key")?;
        // A whole number chooses between forms of a text.
        let value = match value.as_i128().and_then(|number| i64::try_from(number).ok()) {
            Some(number) => lang::Value::from(number),
            None => lang::Value::String(Cow::Owned(value.to_string())),
        };
        Some((name, value))
    });
    Ok(lang::text(lang, key, variables))
}
