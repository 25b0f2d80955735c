//! What is typed on a terminal: lines for the server, and commands that begin with a slash.

use super::source::Item;
use sockeye::CloseCode;

/// What `/help` says.
pub(crate) const HELP: [&str; 6] = [
    "/ping [TEXT]           send a Ping, and tell how long its answer takes",
    "/close [CODE [REASON]] close the connection, with 1000 unless another code is given",
    "/quit, or Ctrl-D       close it with 1000",
    "//...                  send a line that begins with a slash",
    "Up and Down bring earlier lines back, Ctrl-R searches them; Ctrl-C ends at once.",
    "A line that begins with a blank is sent, and not kept for later.",
];

/// The longest payload of a Ping (RFC 6455 §5.5), and reason of a Close.
const PING_MAX: usize = 125;
const REASON_MAX: usize = 123;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Item(Item),
    Help,
}

/// Takes a line apart; or says what is wrong with it.
pub(crate) fn read(line: &str) -> Result<Asked, String> {
    let Some(command) = line.strip_prefix('/') else {
        return Ok(Asked::Item(Item::Line(line.as_bytes().to_vec())));
    };
    if command.starts_with('/') {
        return Ok(Asked::Item(Item::Line(command.as_bytes().to_vec())));
    }
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = rest.trim();
    match name {
        "help" => Ok(Asked::Help),
        "quit" => Ok(Asked::Item(Item::End)),
        "ping" if rest.len() > PING_MAX => Err(format!("a Ping takes {PING_MAX} bytes at most")),
        "ping" => Ok(Asked::Item(Item::Ping(rest.to_owned()))),
        "close" => close(rest).map(Asked::Item),
        _ => Err(format!(
            "there is no command /{name}: /help tells those there are, // sends a line that \
             begins with a slash"
        )),
    }
}

fn close(rest: &str) -> Result<Item, String> {
    let (number, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = match number {
        "" => Some(CloseCode::NORMAL),
        _ => number.parse().ok().and_then(CloseCode::new),
    };
    let Some(code) = code else {
        return Err(format!(
            "{number} is no code that can be sent: those are 1000 to 1003, 1007 to 1014 and 3000 \
             to 4999"
        ));
    };
    let reason = reason.trim();
    if reason.len() > REASON_MAX {
        return Err(format!("a reason takes {REASON_MAX} bytes at most"));
    }
    Ok(Item::Close(code, reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(line: &str) -> Item {
        match read(line) {
            Ok(Asked::Item(item)) => item,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn lines_are_sent_and_slashes_begin_commands() {
        let line = |text: &str| Item::Line(text.into());
        assert_eq!(item("hello /ping"), line("hello /ping"));
        assert_eq!(item(""), line(""));
        assert_eq!(item(" /ping"), line(" /ping"));
        assert_eq!(item("//etc/motd"), line("/etc/motd"));
        assert_eq!(
            (item("/ping"), item("/ping a b ")),
            (Item::Ping("".into()), Item::Ping("a b".into()))
        );
        assert_eq!(item("/quit"), Item::End);
        assert_eq!(read("/help"), Ok(Asked::Help));
    }

    #[test]
    fn closing_takes_a_code_and_a_reason() {
        let code = |code| CloseCode::new(code).unwrap();
        assert_eq!(item("/close"), Item::Close(code(1000), String::new()));
        assert_eq!(item("/close 4000"), Item::Close(code(4000), String::new()));
        assert_eq!(item("/close 1001 so long "), Item::Close(code(1001), "so long".into()));
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        let long = "x".repeat(126);
        for (line, named) in [
            ("/close 1005", "3000 to 4999"),
            ("/close soon", "soon"),
            ("/close 70000", "70000"),
            ("/etc/motd", "//"),
            ("/", "/help"),
            (&format!("/ping {long}"), "125"),
            (&format!("/close 1000 {long}"), "123"),
        ] {
            assert!(read(line).is_err_and(|why| why.contains(named)), "{line}");
        }
    }
}
