//! `cargo xtask bench`: Sockeye beside its peers and the bare system calls.
//!
//! Servers and the load take turns: in each round every server meets every kind of load once, so
//! that what else happens on the machine meets all of them alike. Server and load are pinned to
//! processors of their own. What counts is messages per second of the server's processor time.
//!
//! | to change | open |
//! |---|---|
//! | kinds of load | `cells.rs` |
//! | who is measured, and how they are built | `peers.rs` |
//! | how one measurement is made | `measure.rs` |
//! | what is printed and written | `results.rs`, `plot.rs` |
#![forbid(unsafe_code)]

mod cells;
mod measure;
mod peers;
mod place;
mod plot;
mod results;
mod stats;

use cells::{CELLS, Cell};
use measure::{Measured, Pace};
use peers::Peer;
use place::Place;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
cargo xtask bench [--quick] [--rounds N] [--cells NAME[,NAME...]] [--peers NAME[,NAME...]]
    Measures messages per second of server processor time, and writes benches/RESULTS.md and
    benches/plots/*.svg. Takes up to two hours; with --quick ten minutes, for fewer kinds of load,
    three rounds instead of eleven, and nothing is written.
    --rounds  so many rounds
    --cells   only these kinds of load, such as binary-20-64x16
    --peers   only these servers, such as sockeye,uwebsockets,floor";

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    cells: Vec<Cell>,
    peers: Vec<Peer>,
    rounds: u32,
    pace: Pace,
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
        let (warm_up, measured) = if quick { (200, 1000) } else { (500, 2000) };
        Ok(Self {
            cells: cells.unwrap_or_else(all),
            peers: peers.unwrap_or_else(|| Peer::ALL.to_vec()),
            rounds: rounds.unwrap_or(if quick { 3 } else { 11 }),
            pace: Pace {
                warm_up: Duration::from_millis(warm_up),
                measured: Duration::from_millis(measured),
            },
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
    let mut tools = peers::Tools::build(place)?;
    let mut servers = Vec::new();
    for &peer in &options.peers {
        match peer.build(place) {
            Ok(server) => servers.push(server),
            // Named in the results: a peer is never silently missing.
            Err(why) => tools.missing.push((peer, why)),
        }
    }
    for (peer, why) in &tools.missing {
        println!("{} is not measured: {why}", peer.name());
    }
    let mut all: Vec<Measured> = Vec::new();
    for round in 1..=options.rounds {
        for cell in &options.cells {
            println!("round {round} of {}: {}", options.rounds, cell.name());
            for server in servers.iter().filter(|server| server.peer.takes(cell)) {
                let measured = measure::once(&tools, server, cell, round, &options.pace);
                match measured {
                    Ok(measured) => {
                        println!("    {:<16} {:>11.0} a second", server.peer.name(), measured.rate);
                        all.push(measured);
                    }
                    Err(why) => {
                        println!("    {:<16} {why}", server.peer.name());
                        all.push(Measured::failed(server.peer, *cell, round, why));
                    }
                }
            }
        }
    }
    let results = results::Results::new(&options.peers, &options.cells, &all, &tools.missing);
    println!("\n{}", results.tables());
    if options.whole {
        results.write(place, options.rounds)?;
    }
    Ok(())
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
}
