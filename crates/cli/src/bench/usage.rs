//! What processes use, by `/proc/PID`: processor time (proc_pid_stat(5), and to the nanosecond
//! `schedstat` of their threads) and resident memory (proc_pid_smaps(5), proc_pid_status(5)).

use std::fs;
use std::io;

/// Processor time, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) user: f64,
    pub(super) system: f64,
    /// Both, and finer than each, where the system counts so.
    pub(super) total: f64,
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
        let cpu = Self::parse(&stat, ticks)
            .ok_or_else(|| format!("{path} does not have the fields expected"))?;
        Ok(Self { total: nanoseconds(pid).map_or(cpu.total, |ns| ns as f64 / 1e9), ..cpu })
    }

    fn parse(stat: &str, ticks: f64) -> Option<Self> {
        // The name may have blanks and brackets in it.
        let (_, fields) = stat.rsplit_once(") ")?;
        // The first of these is the third field, `state`.
        let mut times = fields.split_ascii_whitespace().skip(14 - 3);
        let mut next = || Some(times.next()?.parse::<u64>().ok()? as f64 / ticks);
        let (user, system) = (next()?, next()?);
        Some(Self { user, system, total: user + system })
    }
}

/// What the threads that a process has now have run for, if the system counts it.
fn nanoseconds(pid: u32) -> Option<u64> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that has ended meanwhile is none any more.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        total += run_time(&text)?;
    }
    (total > 0).then_some(total)
}

fn run_time(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// The resident memory of a process, in bytes, if it can be told.
pub(super) fn resident(pid: u32) -> Option<u64> {
    // The first is exact, the second may be known where the first is not.
    let exact = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    exact
        .and_then(|text| kilobytes(&text, "Rss:"))
        .or_else(|| kilobytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:"))
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_whatever_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 1 0 100 0 0";
        let cpu = Cpu { user: 2.5, system: 0.5, total: 3.0 };
        assert_eq!(Cpu::parse(stat, 100.0), Some(cpu));
        assert_eq!(Cpu::parse("7 (a) S 1", 100.0), None);
        assert_eq!(Cpu::parse("", 100.0), None);
    }

    #[test]
    fn memory_and_nanoseconds_are_read_as_the_system_writes_them() {
        assert_eq!(run_time("81601 12 3\n"), Some(81_601));
        assert_eq!(run_time(""), None);
        let text = "5-7 ---p 00000000 00:00 0  [rollup]\nRss:                1220 kB\nPss: 1 kB\n";
        assert_eq!(kilobytes(text, "Rss:"), Some(1220 << 10));
        assert_eq!(kilobytes("VmRSS:\t none", "VmRSS:"), None);
    }

    #[test]
    fn this_process_uses_some_of_both() {
        let own = std::process::id();
        assert!(Cpu::of(own).unwrap().total > 0.0);
        assert!(resident(own).unwrap() > 100_000);
        assert!(Cpu::of(u32::MAX).unwrap_err().contains("there is no process 4294967295"));
    }
}
