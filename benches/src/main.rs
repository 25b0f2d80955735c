//! `cargo xtask bench`: Sockeye beside its peers and the bare system calls.
//!
//! Servers take turns: in each round all of them run under every kind of load, of which each gets
//! a tenth of a second, four times, so that what else happens on the machine meets all of them
//! alike. Server and load are pinned to processors of their own. What counts is messages per second
//! of the server's processor time.
//!
//! | to change | open |
//! |---|---|
//! | kinds of load | `cells.rs` |
//! | who is measured, with which loads and options | `peers.rs` |
//! | how they are built | `make.rs` |
//! | how one measurement is made | `measure.rs`; `load.rs`, `server.rs` |
//! | how system calls are counted | `calls.rs` |
//! | what is to be reached, and when it counts as reached | `rows.rs`, `stats.rs` |
//! | what is printed and written | `results.rs`, `plot.rs` |
#![forbid(unsafe_code)]

mod calls;
mod cells;
mod load;
mod make;
mod measure;
mod peers;
mod place;
mod plot;
mod results;
mod rows;
mod server;
mod stats;

use cells::{CELLS, Cell};
use make::Built;
use measure::Measured;
use peers::{Peer, Server};
use place::Place;
use results::Results;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const HELP: &str = "\
cargo xtask bench [--quick] [--rounds N] [--cells NAME[,NAME...]] [--peers NAME[,NAME...]]
    Measures messages per second of server processor time, and writes benches/RESULTS.md and
    benches/plots/*.svg. Takes half an hour; with --quick less than ten minutes, for fewer kinds of
    load, three rounds instead of eleven, and nothing is written.
    --rounds  so many rounds
    --cells   only these kinds of load, such as binary-20-64x16
    --peers   only these servers, such as sockeye,uwebsockets,floor";

/// For so long there are rounds in which everybody takes part; then those by whom nothing is judged
/// sit out.
const FOR_ALL: Duration = Duration::from_secs(21 * 60);

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    cells: Vec<Cell>,
    peers: Vec<Peer>,
    rounds: u32,
    /// All of it was asked for, so that it can be written down.
    whole: bool,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self, String> {
        let (mut quick, mut rounds, mut cells, mut peers) = (false, None, None, None);
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
            match arg {
                "--quick" => quick = true,
                "--rounds" => {
                    let number = value()?.parse().ok().filter(|&rounds| rounds > 0);
                    rounds = Some(number.ok_or("`--rounds` needs a number from 1 up")?);
                }
                "--cells" => cells = Some(named_cells(value()?)?),
                "--peers" => peers = Some(named_peers(value()?)?),
                other => return Err(format!("unknown argument `{other}` of `bench`")),
            }
        }
        let whole = !quick && cells.is_none() && peers.is_none();
        let all = || CELLS.iter().filter(|cell| cell.quick || !quick).copied().collect();
        Ok(Self {
            cells: cells.unwrap_or_else(all),
            peers: peers.unwrap_or_else(|| Peer::ALL.to_vec()),
            rounds: rounds.unwrap_or(if quick { 3 } else { 11 }),
            whole,
        })
    }
}

fn named_cells(names: &str) -> Result<Vec<Cell>, String> {
    let named = |name| {
        let found = CELLS.iter().find(|cell| cell.name() == name).copied();
        found.ok_or_else(|| {
            let all: Vec<String> = CELLS.iter().map(Cell::name).collect();
            format!("unknown kind of load `{name}`; there are {}", all.join(", "))
        })
    };
    names.split(',').map(named).collect()
}

fn named_peers(names: &str) -> Result<Vec<Peer>, String> {
    let named = |name| {
        let found = Peer::ALL.into_iter().find(|peer| peer.name() == name);
        found.ok_or_else(|| {
            let all = Peer::ALL.map(Peer::name).join(", ");
            format!("unknown server `{name}`; there are {all}")
        })
    };
    names.split(',').map(named).collect()
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args == ["--help"] {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let result = Options::parse(&args).map_err(|what| (2, what)).and_then(|options| {
        let place = Place::find().map_err(|error| (1, error.to_string()))?;
        bench(&place, &options).map_err(|what| (1, what))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, what)) => {
            eprintln!("bench: {what}");
            ExitCode::from(status)
        }
    }
}

fn bench(place: &Place, options: &Options) -> Result<(), String> {
    println!("building");
    let built = Built::new(place, &options.peers)?;
    for (peer, why) in &built.missing {
        println!("{} is not measured: {why}", peer.name());
    }
    let begun = Instant::now();
    let mut all: Vec<Measured> = Vec::new();
    let mut left = Duration::ZERO;
    for round in 1..=options.rounds {
        let since = Instant::now();
        let everybody = begun.elapsed() + left <= FOR_ALL;
        for cell in options.cells.iter().filter(|cell| !cell.is_once()) {
            println!("round {round} of {}: {}", options.rounds, cell.name());
            each(&built, cell, round, everybody, &mut all);
        }
        left = since.elapsed() * (options.rounds - round);
        println!("{}; {} left for the rounds", Minutes(begun.elapsed()), Minutes(left));
    }
    for cell in options.cells.iter().filter(|cell| cell.is_once()) {
        println!("once: {}", cell.name());
        each(&built, cell, 1, true, &mut all);
    }
    let mut calls = Vec::new();
    for cell in calls::cells(&options.cells) {
        println!("system calls: {}", cell.name());
        let takes = |server: &&Server| server.peer.takes(&cell);
        for server in built.servers.iter().filter(takes) {
            calls.push(calls::count(place, &built.tools, server, &cell));
        }
    }
    let results = Results::new(options, &built, &all, &calls);
    println!("\n{}", results.tables());
    println!("{} for all of it, building aside", Minutes(begun.elapsed()));
    if options.whole {
        results.write(place)?;
    }
    Ok(())
}

/// Measures every server that takes this kind of load, or those that Sockeye is judged by; in every
/// other round in reverse order.
fn each(built: &Built, cell: &Cell, round: u32, everybody: bool, all: &mut Vec<Measured>) {
    let takes = |peer: Peer| peer.takes(cell) && (everybody || peer.judges(cell.wire));
    let mut servers: Vec<&Server> =
        built.servers.iter().filter(|server| takes(server.peer)).collect();
    if round.is_multiple_of(2) {
        servers.reverse();
    }
    for measured in measure::all(&built.tools, &servers, cell, round) {
        let name = measured.peer.name();
        match &measured.failure {
            None => println!("    {name:<22} {:>12.0}", measured.value),
            Some(why) => println!("    {name:<22} {why}"),
        }
        all.push(measured);
    }
}

/// A time, as people say it.
struct Minutes(Duration);

impl std::fmt::Display for Minutes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        write!(f, "{}:{:02} min", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_is_a_part_and_only_the_whole_is_written() {
        let quick = Options::parse(&["--quick"]).unwrap();
        assert!(quick.cells.len() < CELLS.len() && quick.rounds == 3 && !quick.whole);
        let whole = Options::parse(&[]).unwrap();
        assert!(whole.cells.len() == CELLS.len() && whole.rounds == 11 && whole.whole);
        assert!(!Options::parse(&["--peers", "floor"]).unwrap().whole);
    }

    #[test]
    fn what_is_misspelt_is_named_with_what_there_is() {
        for (args, what) in [
            (&["--cells", "big"][..], "unknown kind of load `big`; there are binary-20-1x1, "),
            (&["--peers", "nginx"], "unknown server `nginx`; there are sockeye, "),
            (&["--rounds", "0"], "`--rounds` needs a number from 1 up"),
            (&["--cells"], "`--cells` needs a value"),
            (&["--fast"], "unknown argument `--fast` of `bench`"),
        ] {
            let said = Options::parse(args).unwrap_err();
            assert!(said.starts_with(what), "{said}");
        }
    }

    #[test]
    fn times_are_said_in_minutes() {
        assert_eq!(Minutes(Duration::from_secs(125)).to_string(), "2:05 min");
    }
}
