//! Security baselines: MLPS 2.0 and other standards, judged by packs of controls.

pub mod spec;
