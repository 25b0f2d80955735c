//! C programs, compiled against the header and the library that cargo has built, and talked to.

mod build;
mod echo;
mod fraggle;
mod header;
mod hostile;
mod panics;
mod recorder;
mod run;
mod site;
mod symbols;
