//! The program as its users see it: started for real, spoken to over sockets and pipes.

mod bench;
mod bench_faults;
mod capacity;
mod connect;
mod counter;
mod daemon;
mod drain;
mod echo;
mod ending;
mod examples;
mod fraggle;
mod identity;
mod link;
mod listening;
mod logging;
mod man;
mod mirror;
mod namespace;
mod page;
mod ping;
mod run;
mod scratch;
mod service;
mod status;
mod tls;
mod usage;
