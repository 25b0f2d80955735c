//! `sockeye-fuzz`: runs one fuzz target.
#![forbid(unsafe_code)]

use sockeye_fuzz::{Crash, Session, TARGETS, Target, crashes, find, seeds, shrink, silently};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, io, process};

const HELP: &str = "\
sockeye-fuzz TARGET [--seconds N | --runs N] [--seed S]
    Runs a target on mutations of fuzz/corpus/TARGET/* until it crashes, or for 60 seconds.
sockeye-fuzz TARGET --file FILE
    Runs a target on one input.
sockeye-fuzz --list
    Names the targets.
";

/// What was wrong with the command line.
const MISUSE: u8 = 2;

enum Order {
    Help,
    List,
    Fuzz(&'static Target, Session),
    Reproduce(&'static Target, PathBuf),
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match order(&args) {
        Ok(Order::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Order::List) => {
            TARGETS.iter().for_each(|target| println!("{}", target.name));
            ExitCode::SUCCESS
        }
        Ok(Order::Fuzz(target, session)) => fuzz(target, &session).unwrap_or_else(trouble),
        Ok(Order::Reproduce(target, file)) => reproduce(target, &file).unwrap_or_else(trouble),
        Err(what) => {
            eprintln!("sockeye-fuzz: {what} (see `sockeye-fuzz --help`)");
            ExitCode::from(MISUSE)
        }
    }
}

fn order(args: &[String]) -> Result<Order, String> {
    let mut args = args.iter().map(String::as_str);
    let name = match args.next() {
        None | Some("--help" | "-h") => return Ok(Order::Help),
        Some("--list") => return Ok(Order::List),
        Some(name) => name,
    };
    let target = find(name).ok_or_else(|| format!("unknown target `{name}`"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = now.as_nanos() as u64;
    let mut session = Session { seed, time: Duration::from_secs(60), runs: u64::MAX };
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("`{arg}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is no number"));
        match arg {
            "--seconds" => session.time = Duration::from_secs(number()?),
            "--runs" => (session.runs, session.time) = (number()?, Duration::MAX),
            "--seed" => session.seed = number()?,
            "--file" => return Ok(Order::Reproduce(target, value.into())),
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    Ok(Order::Fuzz(target, session))
}

fn fuzz(target: &'static Target, session: &Session) -> io::Result<ExitCode> {
    let hung = |input: &[u8]| {
        eprintln!("{}: an input takes too long", target.name);
        if let Err(error) = write_down(target, input) {
            eprintln!("sockeye-fuzz: {error}");
        }
        process::exit(1);
    };
    match session.run(target, seeds(target.name)?, hung) {
        Ok(report) => {
            let each = report.runs as f64 / report.took.as_secs_f64().max(0.001);
            println!(
                "{}: {} inputs in {:.1} s, {each:.0}/s, {} outcomes, seed {}",
                target.name,
                report.runs,
                report.took.as_secs_f64(),
                report.outcomes,
                session.seed,
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(Crash { input, message }) => {
            println!("{}: {message} (seed {})", target.name, session.seed);
            let start = without_numbers(&message);
            let shorter = shrink(&input, |input| {
                silently(target, input).is_some_and(|message| without_numbers(&message) == start)
            });
            write_down(target, &shorter)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The first words of a message, by which it is told from others.
fn without_numbers(message: &str) -> String {
    message.chars().filter(|c| !c.is_ascii_digit()).take(24).collect()
}

/// Keeps an input that crashes, and says how to see it crash again.
fn write_down(target: &Target, input: &[u8]) -> io::Result<()> {
    let dir = crashes();
    fs::create_dir_all(&dir)?;
    let name = input.iter().fold(0_u32, |sum, &b| sum.wrapping_mul(31).wrapping_add(b.into()));
    let file = dir.join(format!("{}-{name:08x}", target.name));
    fs::write(&file, input)?;
    println!("{} bytes: b\"{}\"", input.len(), input.escape_ascii());
    println!("to reproduce: sockeye-fuzz {} --file {}", target.name, file.display());
    Ok(())
}

fn reproduce(target: &Target, file: &Path) -> io::Result<ExitCode> {
    target.run(&fs::read(file)?);
    println!("{}: survived {}", target.name, file.display());
    Ok(ExitCode::SUCCESS)
}

fn trouble(error: io::Error) -> ExitCode {
    eprintln!("sockeye-fuzz: {error}");
    ExitCode::FAILURE
}
