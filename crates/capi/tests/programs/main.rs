//! C programs, compiled against the header and the library that cargo has built, and talked to.

mod apps;
mod build;
mod calls;
#[allow(dead_code)] // some of it is for other tests
#[path = "../../../sockeye/tests/behaviour/secure/certs.rs"]
mod certs;
mod echo;
mod fraggle;
mod header;
mod hostile;
mod levels;
mod many;
mod numbers;
mod panics;
mod recorder;
#[path = "../../../sockeye/tests/behaviour/secure/relay.rs"]
mod relay;
mod resolving;
mod run;
mod site;
mod symbols;
mod tls;
