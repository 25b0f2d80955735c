//! `sockeye bench` with somebody at a terminal.

use crate::run::Server;
use crate::screen::Screen;

/// High enough for the longest histogram.
const SIZE: (u16, u16) = (90, 100);

/// The bar, with what is said beside it.
fn bar(lines: &[String]) -> Option<&String> {
    lines.iter().find(|line| line.contains('█') && line.ends_with(" messages/s"))
}

#[test]
fn a_bar_shows_how_far_it_is_and_goes_away() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let Some(screen) = Screen::start(SIZE, &["bench", &url, "--duration", "2s"]) else { return };
    screen.until("the bar", |lines| bar(lines).is_some());
    let lines = screen.until_ended(0);
    assert!(!lines.concat().contains('█'), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("  ≤ ") && line.contains(" ###")));
    assert!(lines.iter().any(|line| line.contains("messages/s")), "{lines:#?}");
}

#[test]
fn ctrl_c_ends_it_with_the_result_so_far() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let args = ["bench", &url, "--duration", "1h", "--warm-up", "0"];
    let Some(screen) = Screen::start(SIZE, &args) else { return };
    screen.until("the bar", |lines| bar(lines).is_some() || lines.concat().contains("messages/s"));
    screen.resize(70, 90);
    screen.keys(&["C-c"]);
    let lines = screen.until_ended(130);
    assert!(lines.iter().any(|line| line.contains("ended by SIGINT")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("messages/s")), "{lines:#?}");
}
