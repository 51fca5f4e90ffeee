//! Rule packs and the engine that evaluates them over plain JSON objects.
//!
//! The room is laid out; see its README for what it will hold.
