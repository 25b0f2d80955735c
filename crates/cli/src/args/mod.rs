//! The command line: one file for each command, and one for each group of options that several
//! commands share.

mod bench;
mod connect;
mod deflate;
mod echo;
mod fraggle;
mod listen;
mod log;
mod man;
mod misuse;
mod number;
mod origin;
mod peers;
mod ping;
mod request;
mod serve;
mod service;
mod time;
mod tls;
mod way;

pub(crate) use bench::{BenchArgs, Matter};
pub(crate) use connect::ConnectArgs;
pub(crate) use deflate::DeflateArgs;
pub(crate) use echo::EchoArgs;
pub(crate) use fraggle::FraggleArgs;
pub(crate) use listen::{ListenArgs, Place};
pub(crate) use log::{LogArgs, LogTo};
pub(crate) use man::ManArgs;
pub(crate) use origin::OriginArgs;
pub(crate) use peers::PeerArgs;
pub(crate) use ping::PingArgs;
pub(crate) use request::RequestArgs;
pub(crate) use serve::ServeArgs;
pub(crate) use service::ServiceArgs;
pub(crate) use tls::{ClientTlsArgs, ServerTlsArgs};
pub(crate) use way::{StepArgs, WayArgs};

use crate::ending::{Ending, MISUSED};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

const EXAMPLES: &str = "\
`sockeye help COMMAND` tells all about one command;
`sockeye man DIRECTORY` writes it all as manual pages.

Examples:
  sockeye serve                                  a page to draw on, at http://127.0.0.1:7681/
  sockeye echo --port 9001                       an echo server at ws://127.0.0.1:9001
  sockeye connect ws://127.0.0.1:9001            talk to it, line by line";

/// WebSocket servers and clients: a drawing board to try, an echo, a terminal, a load generator.
#[derive(Debug, Parser)]
#[command(name = "sockeye", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a page with a shared drawing board, a counter and live connections.
    #[command(after_help = serve::EXAMPLES)]
    Serve(ServeArgs),
    /// Send every message back where it came from.
    #[command(after_help = echo::EXAMPLES)]
    Echo(EchoArgs),
    /// Talk to a server: lines in, lines out.
    #[command(after_help = connect::EXAMPLES)]
    Connect(ConnectArgs),
    /// Ping a server: a line for each reply, and statistics.
    #[command(after_help = ping::EXAMPLES)]
    Ping(PingArgs),
    /// Measure an echo server: throughput, latencies, and whether every echo is right.
    #[command(after_help = bench::EXAMPLES, mut_arg("url", bench::with_target))]
    Bench(BenchArgs),
    /// Send or check random fragments, which takes both ends through every way to cut a message.
    #[command(after_help = fraggle::EXAMPLES)]
    Fraggle(FraggleArgs),
    /// Write the manual pages into a directory; for those who make packages.
    #[command(hide = true)]
    Man(ManArgs),
}

impl Args {
    /// What the command line asks for; else how the program ends.
    pub(crate) fn read() -> Result<Self, Ending> {
        let error = match Self::try_parse() {
            Ok(args) => return Ok(args),
            Err(error) => error,
        };
        Err(if !error.use_stderr() {
            // Help, or the version.
            error.print().map_or_else(|error| Ending::of_stdout(&error), |()| Ending::success())
        } else if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let _ = error.print(); // with stderr gone there is nobody left to tell
            Ending::silent(MISUSED)
        } else {
            let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
            let words: Vec<String> = words.collect();
            Ending::with(MISUSED, misuse::sentence(&error, Self::command(), &words))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_put_together_right() {
        Args::command().debug_assert();
    }
}
