//! CEL as Kubernetes' admission policies speak it, evaluated over JSON without copying it.
//!
//! The text is parsed by the parser of kube-cel, the same grammar that kube-cel's own interpreter runs, and lowered once to an [`Expr`] whose
//! names are resolved and whose macros (`all`, `exists`, `filter` …) are loops. That interpreter copies every value it selects;
//! this one borrows from the object. Functions that only Kubernetes has (`quantity()`, `ip()`, `url()`, `semver()`, `sets.*` …) are
//! still kube-cel's and are called through the bridge.
//!
//! Differences between the API server's Go implementation and this one are looked for by a test that asks a real API server about every example
//! of every pack.

mod bridge;
mod certificates;
mod eval;
mod expr;
mod functions;
mod lower;
mod mutate;
mod show;
mod time;
mod uses;
mod value;

pub use eval::{Budget, Env, EvalError, eval};
pub use expr::{Expr, Root};
pub(crate) use functions::flags;
pub use lower::{CelError, Names, compile};
pub use mutate::mutants;
pub use uses::{Step, Uses, uses};
pub use value::Value;

#[cfg(test)]
mod tests;
