//! How far the run is, on stderr if that is a terminal; else nothing is shown.

use indicatif::{ProgressBar, ProgressStyle};

/// The steps of the bar.
const STEPS: u64 = 1000;

/// A bar and a few words.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(STEPS);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Shows what `words` say, and the share that is done.
    pub(super) fn show(&self, share: f64, words: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            self.bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
            self.bar.set_message(words());
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
