//! Rule packs of Banyan and the engine that evaluates them over plain JSON objects. No Kubernetes client: the same call serves the operator, the
//! command line and the tests.

pub mod admission;
pub mod cel;
pub mod crypto;
pub mod engine;
pub mod input;
pub mod pack;
pub mod verdict;
