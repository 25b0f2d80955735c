//! How it is noticed that a peer is gone.

use super::time::time;
use sockeye::{Builder, Limits, TcpKeepalive};
use std::time::Duration;

/// How it is noticed that a peer is gone: each of three ways alone is enough.
#[derive(Debug, clap::Args)]
pub(crate) struct PeerArgs {
    /// Ping a WebSocket after so long a silence, and end it if nothing comes within the second
    /// time (20s); or `off`
    #[arg(long, default_value = "30s,20s", value_name = "TIME[,TIME]", value_parser = ping)]
    ping: Ping,
    /// Let TCP look after silent connections: after this time it sends so many probes (6), and
    /// waits for the answer to each for the interval (10s)
    #[arg(long, value_name = "TIME[,PROBES,INTERVAL]", value_parser = keepalive)]
    keepalive: Option<TcpKeepalive>,
    /// End a connection whose peer acknowledges or takes nothing of what was sent for so long
    #[arg(long, value_name = "TIME", value_parser = user_timeout)]
    user_timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ping {
    after: Duration,
    within: Duration,
}

impl PeerArgs {
    /// Sets `limits` with these times, and the options of sockets.
    pub(crate) fn apply(&self, builder: Builder, limits: Limits) -> Builder {
        let Ping { after, within } = self.ping;
        builder
            .limits(Limits { ping_after: after, pong_within: within, ..limits })
            .tcp_keepalive(self.keepalive)
            .tcp_user_timeout(self.user_timeout)
    }
}

fn ping(text: &str) -> Result<Ping, &'static str> {
    if text == "off" {
        return Ok(Ping { after: Duration::MAX, within: Duration::MAX });
    }
    let (after, within) = text.split_once(',').unwrap_or((text, "20s"));
    let ping = Ping { after: time(after)?, within: time(within)? };
    if ping.after.is_zero() || ping.within.is_zero() {
        return Err("both times must be more than 0; `off` switches pings off");
    }
    Ok(ping)
}

fn keepalive(text: &str) -> Result<TcpKeepalive, String> {
    let fields: Vec<&str> = text.split(',').collect();
    let keepalive = match fields[..] {
        [idle] => TcpKeepalive { time: time(idle)?, ..TcpKeepalive::default() },
        [idle, probes, interval] => TcpKeepalive {
            time: time(idle)?,
            probes: probes.parse().map_err(|_| "the number of probes must be from 1 to 127")?,
            interval: time(interval)?,
        },
        _ => return Err("it is neither TIME nor TIME,PROBES,INTERVAL, as in 60s,6,10s".into()),
    };
    keepalive.check().map_err(|error| error.to_string())?;
    Ok(keepalive)
}

fn user_timeout(text: &str) -> Result<Duration, &'static str> {
    let timeout = time(text)?;
    if timeout.is_zero() || timeout > Duration::from_millis(i32::MAX as u64) {
        return Err("it must be more than 0 and at most 24 days");
    }
    Ok(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_keepalive_is_a_time_or_all_three() {
        let all = TcpKeepalive { time: 20 * SECOND, probes: 3, interval: 5 * SECOND };
        assert_eq!(keepalive("20s,3,5s"), Ok(all));
        let time = TcpKeepalive { time: 2 * SECOND, ..TcpKeepalive::default() };
        assert_eq!(keepalive("2s"), Ok(time));
        for (wrong, named) in [
            ("", "a time"),
            ("20s,3", "TIME,PROBES,INTERVAL"),
            ("20s,3,5s,1", "TIME,PROBES,INTERVAL"),
            ("0s", "keepalive time"),
            ("20s,0,5s", "probes"),
            ("20s,many,5s", "probes"),
            ("20s,128,5s", "127"),
            ("20s,3,40000s", "interval"),
        ] {
            let why = keepalive(wrong).expect_err(wrong);
            assert!(why.contains(named), "{wrong}: {why}");
        }
    }

    #[test]
    fn pings_have_two_times_or_are_off() {
        assert_eq!(ping("1s,2s"), Ok(Ping { after: SECOND, within: 2 * SECOND }));
        assert_eq!(ping("1s"), Ok(Ping { after: SECOND, within: 20 * SECOND }));
        assert_eq!(ping("off"), Ok(Ping { after: Duration::MAX, within: Duration::MAX }));
        for wrong in ["", "0s", "1s,0s", "1s,2s,3s", "on"] {
            assert!(ping(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_user_timeout_is_neither_nothing_nor_for_ever() {
        assert_eq!(user_timeout("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(user_timeout("0s").is_err() && user_timeout("600h").is_err());
    }
}
