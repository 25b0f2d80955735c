//! Fuzzing without anything but stable Rust: a mutator, a corpus, a driver.
//!
//! The targets themselves lie beside what they test, in `sockeye_proto::fuzz` and
//! `sockeye::fuzz`; [`TARGETS`] lists them. The program `sockeye-fuzz` feeds them mutations of
//! `fuzz/corpus/TARGET/*` and writes what makes them panic to `fuzz/crashes/`.
//!
//! There is no feedback from coverage. Instead most targets tell what kind of thing has happened,
//! and inputs that made something new happen are kept and mutated further.
#![forbid(unsafe_code)]

mod corpus;
mod driver;
mod mutate;
mod outcomes;
mod random;
mod shrink;
mod targets;

pub use corpus::{Corpus, crashes, seeds};
pub use driver::{Crash, Report, Session, silently};
pub use mutate::mutate;
pub use random::Random;
pub use shrink::shrink;
pub use targets::{TARGETS, Target, find};
