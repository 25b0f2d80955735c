//! How much processor time processes have used, by `/proc/PID/stat` (proc_pid_stat(5)).

use std::fs;
use std::io;

/// Processor time, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) user: f64,
    pub(super) system: f64,
}

impl Cpu {
    /// What a process has used so far, all of its threads.
    pub(super) fn of(pid: u32) -> Result<Self, String> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                format!("there is no process {pid}, no {path}")
            } else {
                format!("cannot read {path}: {error}")
            }
        })?;
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Self::parse(&stat, ticks).ok_or_else(|| format!("{path} does not have the fields expected"))
    }

    fn parse(stat: &str, ticks: f64) -> Option<Self> {
        // The name may have blanks and brackets in it.
        let (_, fields) = stat.rsplit_once(") ")?;
        // The first of these is the third field, `state`.
        let mut times = fields.split_ascii_whitespace().skip(14 - 3);
        let mut next = || Some(times.next()?.parse::<u64>().ok()? as f64 / ticks);
        Some(Self { user: next()?, system: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_whatever_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 1 0 100 0 0";
        assert_eq!(Cpu::parse(stat, 100.0), Some(Cpu { user: 2.5, system: 0.5 }));
        assert_eq!(Cpu::parse("7 (a) S 1", 100.0), None);
        assert_eq!(Cpu::parse("", 100.0), None);
    }
}
