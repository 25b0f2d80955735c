//! Who is connected, and how that is written down.

use serde::Serialize;
use sockeye::{ConnId, Connections, ProtocolId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The most connections listed one by one.
const LISTED: usize = 100;

/// The open WebSocket connections at one moment.
pub(crate) struct Roster {
    /// The names of the protocols, and how many connections each has.
    protocols: Vec<(String, usize)>,
    /// The oldest connections.
    oldest: Vec<Member>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    since: Instant,
    id: ConnId,
    /// Its place in `Roster::protocols`.
    protocol: usize,
}

/// What is sent; the page reads these names.
#[derive(Serialize)]
struct Report<'r> {
    connections: usize,
    protocols: BTreeMap<&'r str, usize>,
    uptime_s: u64,
    accepted: u64,
    list: Vec<Line<'r>>,
}

/// One connection in a report. Where it comes from is nobody else's business.
#[derive(Serialize)]
struct Line<'r> {
    id: String,
    protocol: &'r str,
    age_s: u64,
    you: bool,
}

impl Roster {
    /// The connections of these protocols.
    pub(crate) fn of(protocols: &[ProtocolId], connections: Connections<'_>) -> Self {
        let mut oldest = Vec::new();
        for (protocol, &registered) in protocols.iter().enumerate() {
            let member = |id| Member::of(id, protocol, connections);
            oldest.extend(connections.of(registered).filter_map(member));
        }
        oldest.sort_unstable();
        let named = |&protocol: &ProtocolId| {
            let name = connections.name(protocol).unwrap_or_default();
            (name.into_owned(), connections.count(protocol))
        };
        Self { protocols: protocols.iter().map(named).collect(), oldest }
    }

    /// The report for connection `you`, which is in the list in any case.
    pub(crate) fn report(
        &self,
        you: ConnId,
        connections: Connections<'_>,
        uptime: Duration,
    ) -> serde_json::Result<String> {
        let now = connections.now();
        let line = |member: &Member| Line {
            id: member.id.to_string(),
            protocol: &self.protocols[member.protocol].0,
            age_s: now.saturating_duration_since(member.since).as_secs(),
            you: member.id == you,
        };
        serde_json::to_string(&Report {
            connections: self.protocols.iter().map(|(_, count)| count).sum(),
            protocols: self.protocols.iter().map(|(name, count)| (name.as_str(), *count)).collect(),
            uptime_s: uptime.as_secs(),
            accepted: connections.accepted(),
            list: listed(&self.oldest, |member| member.id == you).map(line).collect(),
        })
    }
}

impl Member {
    fn of(id: ConnId, protocol: usize, connections: Connections<'_>) -> Option<Self> {
        let age = connections.info(id)?.age;
        let now = connections.now();
        Some(Self { since: now.checked_sub(age).unwrap_or(now), id, protocol })
    }
}

/// The first [`LISTED`] of `all`, the last of which gives way to `wanted` if that comes later.
fn listed<T>(all: &[T], wanted: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
    let (first, rest) = all.split_at(all.len().min(LISTED));
    let late = rest.iter().find(|item| wanted(item));
    first[..first.len() - usize::from(late.is_some())].iter().chain(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_limit_and_the_one_wanted_in_it() {
        let all: Vec<usize> = (0..150).collect();
        let pick = |wanted| listed(&all, move |&item| item == wanted).copied().collect::<Vec<_>>();
        assert_eq!(pick(3), (0..100).collect::<Vec<_>>());
        assert_eq!(pick(120), (0..99).chain([120]).collect::<Vec<_>>());
        assert_eq!(listed(&all[..2], |_| false).count(), 2);
    }
}
