//! What the API server would say of a resource of ours, without one: structure, defaults, and the rules of its definition.
//!
//! A [`Definition`] is made from a `CustomResourceDefinition` and asked about plain JSON. It goes the way of the API server:
//! fields that are not known are told (strict field validation) and left out, nulls that mean nothing are dropped, defaults
//! are filled in, the schema is held against the rest, and then the rules in CEL are. The schema is checked by the crate
//! `jsonschema` and the rules are evaluated by `kube-cel`; [`schema`] is what lies between them and Kubernetes' dialect.
//!
//! What an API server decides by what it has already (an immutable field, a name that is taken) is not seen here.

mod faults;
mod metadata;
mod schema;

use banyan_crds::GROUP;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_cel::ErrorKind;
use serde_json::Value;

pub use faults::{Fault, What};

/// A definition that cannot be made use of: a mistake in our own schemas, which the tests find.
#[derive(Debug, thiserror::Error)]
#[error("the definition of {kind} cannot be made use of: {message}")]
pub struct DefinitionError {
    /// The kind.
    pub kind: String,
    /// What is wrong with it.
    pub message: String,
}

/// One version of a kind, ready to be asked.
pub struct Definition {
    /// `group/version`.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The schema of the definition, with that of the metadata put in.
    schema: Value,
    /// The same for the schema's engine.
    shape: jsonschema::Validator,
    /// The rules in CEL.
    rules: kube_cel::CompiledSchema,
    engine: kube_cel::Validator,
}

impl Definition {
    /// Every served version of every kind of Banyan.
    pub fn all() -> Result<Vec<Self>, DefinitionError> {
        let each = banyan_crds::all();
        each.iter()
            .map(Self::of)
            .collect::<Result<Vec<_>, _>>()
            .map(|kinds| kinds.into_iter().flatten().collect())
    }

    /// Every served version of a kind.
    pub fn of(crd: &CustomResourceDefinition) -> Result<Vec<Self>, DefinitionError> {
        let kind = &crd.spec.names.kind;
        let wrong = |message: String| DefinitionError { kind: kind.clone(), message };
        let served = crd.spec.versions.iter().filter(|version| version.served);
        served
            .map(|version| {
                let schema = version.schema.as_ref().and_then(|all| all.open_api_v3_schema.as_ref());
                let schema = schema.ok_or_else(|| wrong(format!("{} has no schema", version.name)))?;
                let mut schema = serde_json::to_value(schema).map_err(|error| wrong(error.to_string()))?;
                metadata::complete(&mut schema);
                let shape = jsonschema::draft202012::options()
                    .should_validate_formats(true)
                    .with_format("date-time", schema::is_date_time)
                    .build(&schema::for_engine(&schema))
                    .map_err(|error| wrong(error.to_string()))?;
                Ok(Self {
                    api_version: format!("{}/{}", crd.spec.group, version.name),
                    kind: kind.clone(),
                    rules: kube_cel::compile_schema(&schema),
                    engine: kube_cel::Validator::new(),
                    shape,
                    schema,
                })
            })
            .collect()
    }

    /// The resource as the API server would keep it, without status; or everything that it would refuse.
    pub fn check(&self, object: &Value) -> Result<Value, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut kept = object.clone();
        schema::prune(&self.schema, &mut kept, "", &mut faults);
        if let Some(root) = kept.as_object_mut() {
            // The server drops what a user writes there.
            root.remove("status");
        }
        let kept = kube_cel::apply_defaults(&self.schema, &kept);
        faults.extend(self.shape.iter_errors(&kept).map(|error| faults::of_schema(&error)));
        schema::duplicates(&self.schema, &kept, "", &mut faults);
        // As in the API server: a rule may rely on types, bounds and required fields.
        if !faults.iter().any(|fault| fault.what.keeps_rules_from_being_asked())
            && let Err(errors) =
                self.engine.validate_compiled(&self.rules, &schema::without_nulls(&kept), None)
        {
            let sound = faults.is_empty();
            // A rule that cannot be evaluated because a value has the wrong form only repeats it.
            let own = errors.into_iter().filter(|error| sound || error.kind != ErrorKind::EvaluationError);
            faults
                .extend(own.map(|error| Fault { field: error.field_path, what: What::Rule(error.message) }));
        }
        if faults.is_empty() { Ok(kept) } else { Err(faults) }
    }
}

/// What became of the search for a document's definition.
pub enum Found<'a> {
    /// It is of this one.
    Ours(&'a Definition),
    /// Another group's: none of our business.
    Foreign,
    /// Our group's, and there is no such version or kind; with what may have been meant.
    Unheard(Fault),
}

/// The definition of a document.
pub fn find<'a>(definitions: &'a [Definition], object: &Value) -> Found<'a> {
    let (api_version, kind) =
        (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    if api_version.split('/').next() != Some(GROUP) {
        return Found::Foreign;
    }
    let fault = |field: &str, given: &str, known: Vec<&str>| {
        let near = schema::near(given, known.iter().copied()).map(str::to_owned);
        let known = known.into_iter().map(str::to_owned).collect();
        Found::Unheard(Fault {
            field: field.to_owned(),
            what: What::NoSuch { given: given.to_owned(), known, near },
        })
    };
    let of_kind: Vec<&Definition> = definitions.iter().filter(|one| one.kind == kind).collect();
    if of_kind.is_empty() {
        return fault("kind", kind, definitions.iter().map(|one| one.kind.as_str()).collect());
    }
    match of_kind.iter().find(|one| one.api_version == api_version) {
        Some(found) => Found::Ours(found),
        None => {
            fault("apiVersion", api_version, of_kind.iter().map(|one| one.api_version.as_str()).collect())
        }
    }
}

#[cfg(test)]
mod tests;
