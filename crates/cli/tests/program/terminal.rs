//! `sockeye connect` with somebody at a terminal.

use crate::run::{Patient, Peer, Server, close_of, say, text};
use crate::screen::Screen;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, accept};

const SIZE: (u16, u16) = (60, 16);

/// A terminal with `sockeye connect` in it, and the other end of the connection.
struct Session {
    screen: Screen,
    peer: Peer,
}

impl Session {
    fn new(options: &[&str]) -> Option<Self> {
        Self::with(SIZE, &[], options)
    }

    fn with(size: (u16, u16), variables: &[(&str, &str)], options: &[&str]) -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let screen = Screen::start_with(size, variables, &[&["connect", &url], options].concat())?;
        let peer = accept(Patient::new(listener.accept().unwrap().0)).expect("a handshake");
        screen.until("the connection", |lines| lines.iter().any(|l| l.contains("connected to")));
        screen.until_cursor(2);
        Some(Self { screen, peer })
    }

    /// Presses keys, ends the line, and says what comes of it.
    fn entered(&mut self, keys: &[&str]) -> String {
        self.screen.keys(keys);
        self.screen.keys(&["Enter"]);
        text(&mut self.peer)
    }

    /// Ends the session by Ctrl-D.
    fn end(mut self) {
        self.screen.keys(&["C-d"]);
        assert_eq!(close_of(&mut self.peer), (1000, String::new()));
        let _ = self.peer.flush(); // the answer
        self.screen.until_ended(0);
    }
}

#[test]
fn a_line_is_edited_before_it_is_sent() {
    let Some(mut session) = Session::new(&[]) else { return };
    let s = &mut session;
    assert_eq!(s.entered(&["hello wrld", "Left", "Left", "Left", "o"]), "hello world");
    assert_eq!(s.entered(&["iddle", "Home", "m", "End", "!"]), "middle!");
    assert_eq!(s.entered(&["axy", "BSpace", "BSpace", "b", "Left", "DC", "c"]), "ac");
    assert_eq!(s.entered(&["wrong", "C-u", "one two", "C-w", "three"]), "one three");
    assert_eq!(s.entered(&["two one", "C-Left", "C-k", "C-a", "C-y", " "]), "one two ");
    assert_eq!(s.entered(&["z\u{f6}e\u{1f41f}x", "Left", "BSpace", "Left", "BSpace"]), "zex");
    assert_eq!(s.entered(&[" "]), " ");
    s.screen.keys(&["日本", "Left", "語"]);
    s.screen.until_end(&["> 日語本"]);
    s.screen.until_cursor(6);
    assert_eq!(s.entered(&[]), "日語本");
    s.screen.until_end(&["> 日語本", ">"]);
    session.end();
}

#[test]
fn what_comes_while_a_line_is_edited_stands_above_it() {
    let Some(mut session) = Session::new(&[]) else { return };
    session.screen.text("half of a lie");
    session.screen.keys(&["Left"]);
    session.screen.until_end(&["> half of a lie"]);
    session.screen.until_cursor(14);
    for news in ["first news", "second\nin two lines", "third"] {
        say(&mut session.peer, news);
    }
    let last = ["< first news", "< second", "in two lines", "< third", "> half of a lie"];
    session.screen.until_end(&last);
    session.screen.until_cursor(14);
    assert_eq!(session.entered(&["n"]), "half of a line");
    session.end();
}

#[test]
fn a_burst_of_messages_leaves_the_line_as_it_is() {
    let Some(mut session) = Session::new(&[]) else { return };
    session.screen.text("still here");
    for number in 0..2000 {
        say(&mut session.peer, &format!("number {number}"));
    }
    session.screen.until_end(&["< number 1998", "< number 1999", "> still here"]);
    let lines = session.screen.lines();
    assert_eq!(lines.iter().filter(|line| line.contains('>')).count(), 1, "{lines:#?}");
    assert_eq!(session.entered(&[]), "still here");
    session.end();
}

#[test]
fn a_terminal_of_another_size_loses_nothing_of_a_long_line() {
    let line: String = (0..30).map(|number| format!("{number:04}")).collect();
    let Some(mut session) = Session::new(&[]) else { return };
    say(&mut session.peer, "before");
    session.screen.until_line("< before");
    session.screen.text(&line);
    let rows = |columns: usize, all: &str| -> Vec<String> {
        let all = format!("> {all}").into_bytes();
        all.chunks(columns).map(|row| String::from_utf8(row.to_vec()).unwrap()).collect()
    };
    let expect = |screen: &Screen, columns: usize, all: &str| {
        let wanted = rows(columns, all);
        screen.until_end(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    };
    expect(&session.screen, 60, &line);
    for columns in [30, 50, 25, 100, 200, 41] {
        session.screen.resize(columns, 16);
        expect(&session.screen, columns.into(), &line);
    }
    session.screen.keys(&["Home", "x", "Right", "y"]);
    let line = format!("x0y{}", &line[1..]);
    expect(&session.screen, 41, &line);
    say(&mut session.peer, "after");
    session.screen.until_line("< after");
    session.screen.resize(60, 16);
    let wanted = rows(60, &line);
    let mut end = vec!["< before", "< after"];
    end.extend(wanted.iter().map(String::as_str));
    session.screen.until_end(&end);
    assert_eq!(session.entered(&[]), line);
    session.end();
}

#[test]
fn a_line_longer_than_the_screen_is_seen_where_the_cursor_is() {
    let Some(mut session) = Session::with((20, 5), &[], &["--no-history"]) else { return };
    let line: String = (0..100).map(|number| format!("{number:03}")).collect();
    session.screen.text(&line);
    session.screen.until("the end of it", |lines| lines.concat().ends_with("098099"));
    session.screen.keys(&["Home"]);
    session.screen.until("its start", |lines| lines.iter().any(|row| row.starts_with("> 000001")));
    assert_eq!(session.entered(&["x"]), format!("x{line}"));
    session.end();
}

#[test]
fn lines_come_back_in_this_session_and_in_the_next() {
    let state = crate::scratch::Scratch::new();
    let state = [("XDG_STATE_HOME", &*state.name("deep/down"))];
    let Some(mut session) = Session::with(SIZE, &state, &[]) else { return };
    for line in ["first", "second", " hidden"] {
        assert_eq!(session.entered(&[line]), line);
    }
    session.screen.keys(&["Up"]);
    session.screen.until_end(&["> second"]);
    session.screen.keys(&["Up"]);
    session.screen.until_end(&["> first"]);
    assert_eq!(session.entered(&["Down", "!"]), "second!");
    session.end();
    let history = format!("{}/sockeye/history", state[0].1);
    assert_eq!(fs::read_to_string(&history).unwrap(), "first\nsecond\nsecond!\n");
    assert_eq!(fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);

    let mut session = Session::with(SIZE, &state, &[]).unwrap();
    assert_eq!(session.entered(&["Up", "Up"]), "second");
    assert_eq!(session.entered(&["C-r", "fir"]), "first");
    session.end();

    let mut session = Session::with(SIZE, &state, &["--no-history"]).unwrap();
    assert_eq!(session.entered(&["Up", "new"]), "new");
    assert_eq!(session.entered(&["Up"]), "new");
    session.end();
    let kept = fs::read_to_string(&history).unwrap();
    assert!(!kept.contains("new"), "{kept}");
}

#[test]
fn a_history_that_cannot_be_kept_is_told_and_holds_nobody_up() {
    let state = [("XDG_STATE_HOME", "/proc/nowhere")];
    let Some(mut session) = Session::with((100, 16), &state, &[]) else { return };
    assert_eq!(session.entered(&["line"]), "line");
    let told = "* the history is not kept: /proc/nowhere/sockeye/history: ";
    session.screen.until(told, |lines| lines.iter().any(|line| line.starts_with(told)));
    assert_eq!(session.entered(&["Up"]), "line");
    session.end();
}

#[test]
fn ctrl_d_ends_an_empty_line_only() {
    let Some(mut session) = Session::new(&[]) else { return };
    assert_eq!(session.entered(&["abc", "Home", "C-d"]), "bc");
    session.end();
}

#[test]
fn ctrl_c_closes_and_is_status_130() {
    let Some(mut session) = Session::new(&[]) else { return };
    session.screen.text("never sent");
    session.screen.until_end(&["> never sent"]);
    session.screen.keys(&["C-c"]);
    assert_eq!(close_of(&mut session.peer), (1000, String::new()));
    let _ = session.peer.flush(); // the answer
    session.screen.until_ended(130);
}

#[test]
fn ctrl_d_ends_a_connection_that_does_not_come_about() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let Some(screen) = Screen::start(SIZE, &["connect", &url]) else { return };
    let _silent = listener.accept().unwrap();
    screen.until_cursor(2);
    screen.keys(&["C-d"]);
    screen.until_ended(0);
}

#[test]
fn ctrl_z_stops_it_and_it_goes_on_where_it_was() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let line = format!(
        "set -m; '{}' connect {url}; stty -g >/dev/null; \
                        [ \"$was\" = \"$(stty -g)\" ] && echo sane; fg",
        crate::run::PROGRAM
    );
    let Some(screen) = Screen::run(SIZE, &[], &line) else { return };
    let mut peer = accept(Patient::new(listener.accept().unwrap().0)).unwrap();
    screen.until("the connection", |lines| lines.iter().any(|l| l.contains("connected to")));
    screen.text("one tw");
    screen.until_end(&["> one tw"]);
    screen.keys(&["C-z"]);
    screen.until("it stopped, and goes on", |lines| {
        let sane = lines.iter().position(|line| line == "sane");
        sane.is_some_and(|sane| lines[sane..].last().is_some_and(|last| last == "> one tw"))
    });
    screen.keys(&["o", "Enter"]);
    assert_eq!(text(&mut peer), "one two");
    screen.keys(&["C-d"]);
    assert_eq!(close_of(&mut peer).0, 1000);
    let _ = peer.flush(); // the answer
    screen.until_ended(0);
}

#[test]
fn what_is_pasted_is_one_message() {
    let Some(mut session) = Session::new(&[]) else { return };
    session.screen.paste("{\n\t\"a\": 1\n}");
    session.screen.until_end(&["> {↵^I\"a\": 1↵}"]);
    assert_eq!(session.entered(&[]), "{\n\t\"a\": 1\n}");
    session.end();
}

#[test]
fn nothing_from_the_server_commands_the_terminal() {
    let Some(mut session) = Session::new(&[]) else { return };
    say(&mut session.peer, "a\x1b[2J\x1b]0;mine\x07\u{9b}31mb\rc\u{202e}d");
    session.peer.send(Message::binary(&b"\x1bc\xff"[..])).unwrap();
    session.screen.until_end(&[
        "< a\\u001b[2J\\u001b]0;mine\\u0007\\u009b31mb\\u000dc\\u202ed",
        "< \\u001bc\\xff",
        ">",
    ]);
    let reason = "r\x1b[2J";
    session.peer.close(Some(CloseFrame { code: 4001.into(), reason: reason.into() })).unwrap();
    let lines = session.screen.until_ended(3);
    let last = "sockeye: the server closed the connection with 4001 of the";
    assert!(lines.iter().any(|line| line.starts_with(last)), "{lines:#?}");
    assert!(lines.concat().contains("r\\u{1b}[2J"), "{lines:#?}");
}

#[test]
fn nothing_from_the_server_commands_a_terminal_that_only_shows() {
    let server = Server::echo();
    let line = format!(
        "printf 'a\\033[2Jb\\n' | '{}' connect ws://{} --linger 0",
        crate::run::PROGRAM,
        server.address
    );
    let Some(screen) = Screen::run(SIZE, &[], &line) else { return };
    let lines = screen.until_ended(0);
    assert_eq!(lines[0], "a\\u001b[2Jb");
}

#[test]
fn json_is_laid_out_in_colours_unless_they_are_not_wanted() {
    for (variables, coloured) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let Some(mut session) = Session::with(SIZE, variables, &["--json"]) else { return };
        say(&mut session.peer, r#"{"a":[1,null],"b\u0041":"x"}"#);
        say(&mut session.peer, "{no json}");
        let laid_out =
            ["< {", "  \"a\": [", "    1,", "    null", "  ],", "  \"b\\u0041\": \"x\"", "}"];
        session.screen.until_end(&[&laid_out[..], &["< {no json}", ">"]].concat());
        assert_eq!(session.screen.colours().contains("\x1b["), coloured);
        session.end();
    }
}

#[test]
fn commands_do_what_they_say() {
    let Some(mut session) = Session::with((80, 24), &[], &[]) else { return };
    session.screen.keys(&["/ping", "Enter", "/ping my text", "Enter"]);
    for payload in ["ping 1", "my text"] {
        assert_eq!(session.peer.read().unwrap(), Message::Ping(payload.into()));
        session.peer.flush().unwrap();
        let answer = format!("* answer to \"{payload}\" after ");
        session.screen.until(&answer, |lines| lines.iter().any(|line| line.starts_with(&answer)));
    }
    session.screen.keys(&["/help", "Enter"]);
    session.screen.until("help", |lines| lines.iter().any(|line| line.starts_with("* /close ")));
    session.screen.keys(&["/what", "Enter"]);
    session.screen.until("advice", |lines| {
        lines.iter().any(|line| line.starts_with("* there is no command /what: "))
    });
    assert_eq!(session.entered(&["//what"]), "/what");
    session.screen.keys(&["/close 1006", "Enter"]);
    session.screen.until("advice", |lines| {
        lines.iter().any(|line| line.starts_with("* 1006 is no code that can be sent"))
    });
    session.screen.keys(&["/close 4000 so long", "Enter"]);
    assert_eq!(close_of(&mut session.peer), (4000, "so long".into()));
    let _ = session.peer.flush(); // the answer
    session.screen.until_ended(0);
}

#[test]
fn the_servers_goodbye_is_told_with_its_meaning() {
    let Some(mut session) = Session::new(&[]) else { return };
    session.peer.close(Some(CloseFrame { code: 1000.into(), reason: "".into() })).unwrap();
    let lines = session.screen.until_ended(0);
    let told = "* the server closed the connection with 1000 normal closure";
    assert!(lines.iter().any(|line| line == told), "{lines:#?}");
    let Some(mut session) = Session::new(&[]) else { return };
    session.peer.close(Some(CloseFrame { code: 1012.into(), reason: "".into() })).unwrap();
    session.screen.until_ended(3);
}
