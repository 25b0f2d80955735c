//! Requests and answers, as text.

use crate::peer::Peer;
use sockeye_proto::handshake::accept_key;

/// The key of the handshakes made here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A request or response head, as it came.
#[derive(Clone, Debug)]
pub struct Head {
    /// All of it, without the empty line at its end.
    pub text: String,
}

impl Head {
    /// The status of a response.
    pub fn status(&self) -> u16 {
        let status = self.text.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.text))
    }

    /// The value of a header; the first, if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A response with its body.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status and headers.
    pub head: Head,
    /// The body, taken out of its chunks if it came in some.
    pub body: Vec<u8>,
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A handshake request for `target`, with these headers besides the necessary ones; a header
/// given here stands in for the necessary one of its name.
pub fn upgrade_request(target: &str, headers: &[(&str, &str)]) -> String {
    let necessary = [
        ("Host", "localhost"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ];
    let replaced = |name: &str| headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let kept = necessary.iter().filter(|(name, _)| !replaced(name));
    let mut text = format!("GET {target} HTTP/1.1\r\n");
    for (name, value) in kept.chain(headers) {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n"
}

/// As a server: takes a handshake and agrees to it. Returns the request.
pub fn accept_upgrade(peer: &mut Peer) -> Head {
    let request = peer.expect_head();
    let answer = switching_protocols(&request);
    peer.send(answer);
    request
}

impl Head {
    /// The answer that agrees to this handshake request.
    pub fn switching_protocols(&self) -> String {
        switching_protocols(self)
    }
}

fn switching_protocols(request: &Head) -> String {
    let key = request.header("Sec-WebSocket-Key").unwrap_or_default();
    let accept = accept_key(key).map(char::from).iter().collect::<String>();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}
