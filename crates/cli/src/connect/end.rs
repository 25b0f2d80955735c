//! What the end of a connection means for that of the program.

use crate::ending::Ending;
use sockeye::{By, Cause, CloseCode, Closed};

/// The status when the server closed with a code that is no goodbye.
const TURNED_OUT: u8 = 3;
/// The status when the connection ended in no order.
const LOST: u8 = 4;

/// Why we close.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// All lines are sent; that they arrived, the server's Close frame says.
    Sent,
    /// Nothing more is wanted of the server, and this is what it will mean.
    Enough(Ending),
}

/// What the end of the connection means for the program's.
pub(crate) fn meaning(goal: Option<Goal>, closed: &Closed) -> Ending {
    match goal {
        Some(Goal::Enough(ending)) => return ending,
        Some(Goal::Sent) if closed.clean => return Ending::success(),
        Some(Goal::Sent) | None => {}
    }
    if !matches!(closed.cause, Cause::Close) {
        let broke = matches!(closed.cause, Cause::Violation(_));
        let what = if broke { "the connection was closed" } else { "the connection was lost" };
        return Ending::with(LOST, format!("{what}: {}", closed.cause));
    }
    match (closed.by, closed.code) {
        (By::Us, _) => Ending::with(LOST, "the connection was lost before the server closed it"),
        (By::Peer, None | Some(CloseCode::NORMAL)) => Ending::success(),
        (By::Peer, Some(code)) if closed.reason.is_empty() => {
            Ending::with(TURNED_OUT, format!("the server closed the connection with {code}"))
        }
        (By::Peer, Some(code)) => Ending::with(
            TURNED_OUT,
            format!("the server closed the connection with {code}: {:?}", closed.reason),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(by: By, code: Option<u16>, clean: bool, cause: Cause) -> Closed {
        let code = code.and_then(CloseCode::new);
        Closed { code, reason: "why".into(), clean, by, cause }
    }

    #[test]
    fn closing_in_good_order_is_a_success() {
        let ours = closed(By::Us, Some(1000), true, Cause::Close);
        assert_eq!(meaning(Some(Goal::Sent), &ours), Ending::success());
        for code in [None, Some(1000)] {
            let theirs = closed(By::Peer, code, true, Cause::Close);
            assert_eq!(meaning(None, &theirs), Ending::success());
        }
    }

    #[test]
    fn the_servers_code_and_reason_are_told() {
        let theirs = closed(By::Peer, Some(4000), true, Cause::Close);
        let sentence = "the server closed the connection with 4000 of the application: \"why\"";
        assert_eq!(meaning(None, &theirs), Ending::with(TURNED_OUT, sentence));
    }

    #[test]
    fn lines_whose_arrival_nobody_confirmed_are_no_success() {
        for cause in [Cause::Close, Cause::CloseUnanswered(std::time::Duration::from_secs(5))] {
            let ours = closed(By::Us, Some(1000), false, cause);
            assert_ne!(meaning(Some(Goal::Sent), &ours), Ending::success());
            assert_eq!(meaning(Some(Goal::Enough(Ending::success())), &ours), Ending::success());
        }
    }

    #[test]
    fn a_connection_that_vanishes_is_lost() {
        let lost = closed(By::Peer, None, false, Cause::Vanished);
        let sentence = "the connection was lost: end of stream without a close frame";
        assert_eq!(meaning(None, &lost), Ending::with(LOST, sentence));
    }
}
