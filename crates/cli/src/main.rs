//! The program `sockeye`: a demonstration server, an echo server, a client in a terminal and
//! a load generator.
//!
//! | to change | open |
//! |---|---|
//! | options and help texts | `args/` |
//! | the page and its three protocols | `serve/` |
//! | the echo server | `echo.rs` |
//! | the client | `connect/` |
//! | random fragments, checked | `fraggle/` |
//! | round trips; the load generator | `ping/`; `bench/` |
//! | what both servers do alike | `server.rs` |
//! | lock file and background; systemd | `background.rs`; `service.rs` |
//! | certificates read anew; manual pages | `renewal.rs`; `man.rs` |
#![forbid(unsafe_code)]

mod args;
mod background;
mod bench;
mod connect;
mod echo;
mod ending;
mod fraggle;
mod logging;
mod man;
mod ping;
mod renewal;
mod serve;
mod server;
mod service;
mod signals;

use args::{Args, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let ending = match Args::read() {
        Ok(Args { command: Command::Serve(args) }) => serve::run(&args),
        Ok(Args { command: Command::Echo(args) }) => echo::run(&args),
        Ok(Args { command: Command::Connect(args) }) => connect::run(&args),
        Ok(Args { command: Command::Fraggle(args) }) => fraggle::run(&args),
        Ok(Args { command: Command::Bench(args) }) => bench::run(&args),
        Ok(Args { command: Command::Ping(args) }) => ping::run(&args),
        Ok(Args { command: Command::Man(args) }) => man::run(&args),
        Err(ending) => ending,
    };
    ending.report()
}
