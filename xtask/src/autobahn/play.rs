//! How the suite is played: each group of cases by a pair of processes, several pairs at a time.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use super::Verdicts;
use super::plan::{Role, Variant, group};
use super::relay;
use super::verdict::Verdict;
use crate::place::Place;
use crate::run::{Background, run};
use crate::steps::{LIMIT, POLL_BACKEND};
use crate::tools::{self, Trouble};

/// How many cases the suite has.
const CASES: usize = 517;

/// Prints every case of the suite.
const LIST: &str = "from kosoku.cases import CASES; print(*CASES, sep='\\n')";
/// Prints case, verdict and verdict on closing of every case in the index that is its argument.
const TELL: &str = "\
import json, sys
for cases in json.load(open(sys.argv[1])).values():
    for name, case in cases.items():
        print(name, case['behavior'], case['behaviorClose'], sep='\\t')";

/// Both ends print this, and then where they listen.
const LISTENING: &str = "listening on ws://";
/// What our server prints under TLS.
const LISTENING_TLS: &str = "listening on wss://";
/// How long an end may take to say where it listens.
const START: Duration = Duration::from_secs(60);
/// How long the suite may take for its reports once all is played.
const REPORTS: Duration = Duration::from_secs(120);

/// The test suite, installed.
pub(crate) struct Suite {
    programs: PathBuf,
    /// In the suite's order.
    pub(crate) cases: Vec<String>,
}

impl Suite {
    /// Fetches the suite if it is not there, and asks it for its cases.
    pub(crate) fn install(place: &Place) -> Result<Self, Trouble> {
        let mut suite = Self { programs: tools::autobahn(place)?, cases: Vec::new() };
        let listed = run(suite.python(LIST), START, false).map_err(Trouble::Failed)?;
        let is_case = |line: &&str| line.chars().all(|c| c == '.' || c.is_ascii_digit());
        suite.cases = listed.lines().filter(is_case).map(str::to_owned).collect();
        match suite.cases.len() {
            CASES => Ok(suite),
            n => Err(Trouble::Failed(format!("the suite has {n} cases instead of {CASES}"))),
        }
    }

    fn python(&self, script: &str) -> Command {
        let mut command = Command::new(self.programs.join("python"));
        command.args(["-W", "ignore", "-c", script]);
        command
    }

    /// The suite, to play `cases` and report about them in `reports`.
    fn program(&self, cases: &[String], reports: &Path) -> Command {
        let mut command = Command::new(self.programs.join("kosoku"));
        command.arg("--outdir").arg(reports);
        for case in cases {
            command.args(["--include", case]);
        }
        command
    }

    /// What its reports say. Nothing if there are none: that may be all that is left of a crash.
    fn verdicts(&self, reports: &Path) -> Result<HashMap<String, Verdict>, String> {
        let index = reports.join("index.json");
        if !index.exists() {
            return Ok(HashMap::new());
        }
        let mut command = self.python(TELL);
        command.arg(index);
        let told = run(command, START, false)?;
        let verdict = |line: &str| {
            let mut parts = line.split('\t').map(str::to_owned);
            Some((parts.next()?, Verdict { behavior: parts.next()?, close: parts.next()? }))
        };
        Ok(told.lines().filter_map(verdict).collect())
    }
}

/// The library's ends, the examples `autobahn_server` and `autobahn_client`, as the package of the
/// fuzz targets calls them: built with what is built for those, they cost seconds.
const SERVER: &str = "suite_server";
const CLIENT: &str = "suite_client";

/// Builds the programs of the library's ends, and gives their directory.
pub(crate) fn build(place: &Place, variant: &Variant) -> Result<PathBuf, String> {
    let mut command = place.cargo(&["build", "--profile", "fuzz", "--package", "sockeye-fuzz"]);
    command.args(["--example", SERVER, "--example", CLIENT]);
    let mut target = place.target.clone();
    if variant.poll {
        target.push("poll");
        command.env("RUSTFLAGS", POLL_BACKEND);
    }
    command.arg("--target-dir").arg(&target);
    run(command, LIMIT, place.verbose)?;
    Ok(target.join("fuzz/examples"))
}

/// An end of ours and one of the suite's.
pub(crate) struct Pair<'p> {
    suite: &'p Suite,
    variant: &'p Variant,
    /// Where our programs are.
    programs: &'p Path,
    role: Role,
    cases: Vec<String>,
    /// For TLS.
    certificate: &'p Path,
    /// Where the suite reports.
    reports: PathBuf,
}

/// One for each group of cases and each role.
pub(crate) fn pairs<'p>(
    place: &Place,
    suite: &'p Suite,
    variant: &'p Variant,
    programs: &'p Path,
    roles: &[Role],
    cases: &[String],
    certificate: &'p Path,
) -> Vec<Pair<'p>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases {
        groups.entry(group(case)).or_default().push(case.clone());
    }
    let reports = place.target.join("autobahn").join(variant.name);
    let of_group = |(group, cases): (String, Vec<String>)| {
        let of_role = |&role: &Role| {
            let reports = reports.join(role.name()).join(&group);
            let cases = cases.clone();
            Pair { suite, variant, programs, role, cases, certificate, reports }
        };
        roles.iter().map(of_role).collect::<Vec<_>>()
    };
    groups.into_iter().flat_map(of_group).collect()
}

/// Plays what `pairs` are for, several at a time, and gives the verdicts on each of `roles` in the
/// order of `cases`, and what came in the way of verdicts.
pub(crate) fn play(
    pairs: &[Pair<'_>],
    roles: &[Role],
    cases: &[String],
) -> (Vec<(Role, Verdicts)>, Vec<String>) {
    let played = Mutex::new(Vec::new());
    let queue = Mutex::new(pairs.iter());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(pair) = next() {
                    let verdicts = pair.play();
                    let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
                    played.push((pair.role, verdicts));
                }
            });
        }
    });
    let (mut verdicts, mut troubles) = (HashMap::new(), Vec::new());
    for (role, result) in played.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match result {
            Ok(told) => verdicts.extend(told.into_iter().map(|(case, told)| ((role, case), told))),
            Err(trouble) => troubles.push(trouble),
        }
    }
    let mut verdict = |role: Role, case: &String| {
        let verdict = verdicts.remove(&(role, case.clone()));
        (case.clone(), verdict.unwrap_or_else(Verdict::missing))
    };
    let in_order =
        |&role: &Role| (role, cases.iter().map(|case| verdict(role, case)).collect::<Verdicts>());
    (roles.iter().map(in_order).collect(), troubles)
}

impl Pair<'_> {
    fn play(&self) -> Result<HashMap<String, Verdict>, String> {
        match fs::remove_dir_all(&self.reports) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("{}: {error}", self.reports.display()));
            }
            Ok(()) | Err(_) => {}
        }
        let printed = match self.role {
            Role::Server => self.play_server()?,
            Role::Client => self.play_client()?,
        };
        let verdicts = self.suite.verdicts(&self.reports)?;
        if verdicts.is_empty() {
            return Err(printed + "\nthe suite wrote no report");
        }
        Ok(verdicts)
    }

    /// Our server, and the suite that connects to it. What the suite printed.
    fn play_server(&self) -> Result<String, String> {
        let mut command = self.program(SERVER);
        command.arg("127.0.0.1:0");
        let mut server = Background::start(command)?;
        let mut suite = self.suite.program(&self.cases, &self.reports);
        let _relay = if self.variant.tls {
            let address = server.announced(LISTENING_TLS, START)?;
            let (relay, address) = relay::to_tls(self.certificate, &address)?;
            suite.arg(format!("ws://{address}"));
            Some(relay)
        } else {
            let address = server.announced(LISTENING, START)?;
            suite.arg(format!("ws://{address}"));
            None
        };
        // The suite's status says little: its reports say all.
        let (Ok(printed) | Err(printed)) = run(suite, LIMIT, false);
        Ok(printed)
    }

    /// The suite as a server, and our client that asks it for one case after the other.
    fn play_client(&self) -> Result<String, String> {
        let mut suite = self.suite.program(&self.cases, &self.reports);
        suite.args(["--mode", "fuzzingserver", "127.0.0.1:0"]);
        let mut suite = Background::start(suite)?;
        let address = suite.announced(LISTENING, START)?;
        let mut client = self.program(CLIENT);
        let _relay = if self.variant.tls {
            let (relay, port) = relay::from_tls(self.certificate, &address)?;
            client.args([&format!("wss://localhost:{port}"), "sockeye"]);
            Some(relay)
        } else {
            client.args([&format!("ws://{address}"), "sockeye"]);
            None
        };
        run(client, LIMIT, false)?;
        Ok(suite.finish(REPORTS))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.args(self.variant.options);
        if self.variant.tls {
            command.arg("--tls").arg(self.certificate);
        }
        command
    }
}
