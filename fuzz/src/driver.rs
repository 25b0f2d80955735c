//! Feeds a target, and notices what it does not survive.

use crate::corpus::Corpus;
use crate::mutate::mutate;
use crate::random::Random;
use crate::targets::Target;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// When a run is over.
#[derive(Clone, Debug)]
pub struct Session {
    /// What the mutations depend on.
    pub seed: u64,
    /// No longer than this.
    pub time: Duration,
    /// No more inputs than this.
    pub runs: u64,
}

/// What a run without a crash has done.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many inputs were run.
    pub runs: u64,
    /// How long that took.
    pub took: Duration,
    /// How many kinds of things happened, as far as the target tells.
    pub outcomes: usize,
}

/// An input that a target does not survive.
#[derive(Debug)]
pub struct Crash {
    /// The input.
    pub input: Vec<u8>,
    /// What the panic said.
    pub message: String,
}

/// A single input may take this long; more is a crash too.
const PATIENCE: Duration = Duration::from_secs(10);

impl Session {
    /// Runs a target on its seeds and then on mutations. An input that takes too long is handed to
    /// `hung`, on another thread.
    pub fn run(
        &self,
        target: &Target,
        seeds: Vec<Vec<u8>>,
        hung: impl FnOnce(&[u8]) + Send + 'static,
    ) -> Result<Report, Crash> {
        let (mut random, mut corpus) = (Random::new(self.seed), Corpus::new(seeds));
        let watch = Watch::start(hung);
        let (began, mut runs) = (Instant::now(), 0);
        for seed in corpus.seeds() {
            watch.set(&seed);
            let outcome = survives(target, &seed)?;
            corpus.note(&seed, outcome, &mut random);
            runs += 1;
        }
        let mut input = Vec::new();
        while runs < self.runs && began.elapsed() < self.time {
            input.clear();
            input.extend_from_slice(corpus.pick(&mut random));
            let other = corpus.pick(&mut random);
            mutate(&mut input, other, target.words, &mut random);
            watch.set(&input);
            let outcome = survives(target, &input)?;
            corpus.note(&input, outcome, &mut random);
            runs += 1;
        }
        Ok(Report { runs, took: began.elapsed(), outcomes: corpus.outcomes() })
    }
}

/// Runs a target on one input.
fn survives(target: &Target, input: &[u8]) -> Result<u64, Crash> {
    panic::catch_unwind(|| target.run(input)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Crash { input: input.to_vec(), message: text.unwrap_or("a panic").to_owned() }
    })
}

/// Runs a target on one input without a word; what the panic said, if it panicked.
pub fn silently(target: &Target, input: &[u8]) -> Option<String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = survives(target, input);
    panic::set_hook(hook);
    result.err().map(|crash| crash.message)
}

/// The input that is running, for a thread that looks whether it still is.
struct Watch {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    input: Mutex<Vec<u8>>,
    count: AtomicU64,
}

/// The count of a watch that is over.
const OVER: u64 = u64::MAX;

impl Watch {
    fn start(hung: impl FnOnce(&[u8]) + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let seen = Arc::clone(&shared);
        thread::spawn(move || {
            let mut last = 0;
            let mut since = Instant::now();
            loop {
                thread::sleep(PATIENCE / 20);
                let count = seen.count.load(Ordering::Relaxed);
                if count == OVER {
                    return;
                }
                if count != last {
                    (last, since) = (count, Instant::now());
                } else if count > 0 && since.elapsed() > PATIENCE {
                    return hung(&seen.input.lock().unwrap_or_else(PoisonError::into_inner));
                }
            }
        });
        Self { shared }
    }

    fn set(&self, input: &[u8]) {
        let mut current = self.shared.input.lock().unwrap_or_else(PoisonError::into_inner);
        current.clear();
        current.extend_from_slice(input);
        self.shared.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.count.store(OVER, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAP: Target = Target {
        name: "trap",
        run: |data| assert!(!data.starts_with(b"GE"), "trapped"),
        outcome: None,
        words: &[],
    };

    fn session(runs: u64) -> Session {
        Session { seed: 3, time: Duration::MAX, runs }
    }

    #[test]
    fn a_trap_is_found_and_found_again_by_the_same_seed() {
        let seeds = || vec![b"GO on".to_vec()];
        let first = silenced(|| session(200_000).run(&TRAP, seeds(), |_| {}));
        let first = first.expect_err("it is found");
        assert!(first.input.starts_with(b"GE") && first.message == "trapped");
        let again = silenced(|| session(200_000).run(&TRAP, seeds(), |_| {}));
        assert_eq!(again.expect_err("again").input, first.input);
    }

    #[test]
    fn a_run_ends_after_so_many_inputs() {
        let calm = Target { name: "calm", run: |_| {}, outcome: None, words: &[] };
        let report = session(500).run(&calm, Vec::new(), |_| {}).expect("nothing happens");
        assert_eq!(report.runs, 500);
        assert_eq!(report.outcomes, 1);
    }

    fn silenced<R>(run: impl FnOnce() -> R) -> R {
        panic::set_hook(Box::new(|_| {}));
        let result = run();
        drop(panic::take_hook());
        result
    }
}
