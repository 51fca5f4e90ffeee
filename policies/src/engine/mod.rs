//! From packs and objects to findings.
//!
//! [`compile`] chooses the controls that apply and prepares them once. [`Compiled::examine`] judges one object by every control that needs nothing
//! else, and says what has to be kept of it: for controls that look at related objects, and because it is such an object itself.
//! [`Compiled::conclude`] judges what was kept, when everything has been seen. Both are pure, and objects can be examined on any
//! number of threads; [`Session`] puts the two together.

mod blind;
mod compile;
mod examples;
mod index;
mod judge;
mod kept;
mod live;
mod session;
mod subject;

pub use compile::{Active, Chosen, Compiled, Parameters, Selection, compile};
pub use examples::{ExampleFault, Survivor, alone, check_examples, judge_example, surviving_mutants};
pub use index::Index;
pub use judge::{Examined, Finding, Outcome, Pending, Place};
pub use kept::{Kept, Texts};
pub use live::{Known, Live};
pub use session::{Judged, Session, Sight};
pub use subject::{ObjectRef, POD_KINDS, kind_key};

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
