//! Inputs to start from, and inputs worth going on from.

use crate::random::Random;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where crashes are written.
pub fn crashes() -> PathBuf {
    home().join("crashes")
}

/// The hand-made inputs of a target, in the order of their names.
pub fn seeds(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut files: Vec<PathBuf> = match fs::read_dir(home().join("corpus").join(target)) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    files.sort();
    files.iter().map(fs::read).collect()
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The most inputs that are kept; one more replaces another.
const MOST: usize = 4096;

/// The seeds, and what made something new happen.
#[derive(Debug)]
pub struct Corpus {
    inputs: Vec<Vec<u8>>,
    seeds: usize,
    outcomes: HashSet<u64>,
}

impl Corpus {
    /// Just the seeds, and nothing at all.
    pub fn new(mut seeds: Vec<Vec<u8>>) -> Self {
        seeds.push(Vec::new());
        Self { seeds: seeds.len(), inputs: seeds, outcomes: HashSet::new() }
    }

    /// Takes note of an outcome, and of the input if it is new.
    pub fn note(&mut self, input: &[u8], outcome: u64, random: &mut Random) {
        if !self.outcomes.insert(outcome) {
            return;
        }
        if self.inputs.len() < MOST {
            self.inputs.push(input.to_vec());
        } else {
            let at = self.seeds + random.below(MOST - self.seeds);
            self.inputs[at] = input.to_vec();
        }
    }

    /// An input; every fourth time a seed.
    pub fn pick(&self, random: &mut Random) -> &[u8] {
        let most = if random.below(4) == 0 { self.seeds } else { self.inputs.len() };
        &self.inputs[random.below(most)]
    }

    /// The inputs to start with.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        self.inputs[..self.seeds].to_vec()
    }

    /// How many kinds of things have happened.
    pub fn outcomes(&self) -> usize {
        self.outcomes.len()
    }
}
