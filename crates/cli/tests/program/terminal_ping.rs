//! `sockeye ping` with somebody at a terminal.

use crate::run::Server;
use crate::screen::Screen;

const SIZE: (u16, u16) = (100, 20);

/// Whether a reply of this number has been seen.
fn replied(lines: &[String], seq: u64) -> bool {
    lines.iter().any(|line| line.contains(&format!(": seq={seq} time=")) && line.ends_with(" ms"))
}

/// The lines of the statistics: counts, and times.
fn statistics(lines: &[String]) -> (&str, &str) {
    let head = lines.iter().position(|line| line.ends_with(" ping statistics ---"));
    let head = head.unwrap_or_else(|| panic!("no statistics: {lines:#?}"));
    (&lines[head + 1], &lines[head + 2])
}

#[test]
fn there_are_lines_for_replies_until_ctrl_c_which_tells_statistics() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let Some(screen) = Screen::start(SIZE, &["ping", &url, "-i", "0.01"]) else { return };
    let first = format!("PING {url} ({}): 64 bytes of payload", server.address);
    screen.until("the first lines", |lines| lines.contains(&first) && replied(lines, 1));
    screen.until("more of them", |lines| replied(lines, 15));
    screen.keys(&["C-c"]);
    let lines = screen.until_ended(0);
    let (counts, times) = statistics(&lines);
    assert!(counts.contains(" sent, ") && counts.contains(" received, "), "{lines:#?}");
    assert!(times.starts_with("rtt min/avg/max/mdev = "), "{lines:#?}");
}

#[test]
fn a_terminal_of_another_size_changes_no_line() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let Some(screen) = Screen::start(SIZE, &["ping", &url, "-i", "0.05"]) else { return };
    let mut next = 1;
    for (columns, rows) in [(70, 10), (120, 30), (80, 20)] {
        screen.until("a reply", |lines| replied(lines, next));
        screen.resize(columns, rows);
        next += 2;
    }
    screen.until("a reply", |lines| replied(lines, next));
    screen.keys(&["C-c"]);
    let lines = screen.until_ended(0);
    statistics(&lines);
    // All replies in between are there, each in a line of its own, in order.
    let seen: Vec<u64> = lines
        .iter()
        .filter_map(|line| {
            let (_, rest) = line.split_once(": seq=")?;
            rest.split_once(' ')?.0.parse().ok()
        })
        .collect();
    assert!(seen.windows(2).all(|two| two[1] == two[0] + 1) && seen.len() > 3, "{lines:#?}");
}

#[test]
fn a_flood_shows_a_dot_for_what_has_no_reply_and_ctrl_c_ends_it() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let Some(screen) = Screen::start(SIZE, &["ping", &url, "-f"]) else { return };
    screen.until("the start", |lines| lines.iter().any(|line| line.starts_with("PING ")));
    screen.keys(&["C-c"]);
    let lines = screen.until_ended(0);
    statistics(&lines);
    assert!(!lines.iter().any(|line| line.contains("seq=")), "{lines:#?}");
}
