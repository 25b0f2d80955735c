//! Proxies: their URLs, the environment that names them, and what is said to them.

use sockeye_proto::proxy::{
    BadProxy, BadTunnel, Proxy, ProxyKind, Tunnel, TunnelError, bypasses, from_environment,
};

fn proxy(text: &str) -> Proxy {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What is said to a proxy that answers with `answers`, whole or byte by byte, each as soon as
/// there is something to answer; and what comes of it.
fn talk(
    proxy: &Proxy,
    host: &str,
    answer: &[u8],
    step: usize,
) -> (Result<bool, TunnelError>, Vec<u8>, usize) {
    let mut out = Vec::new();
    let mut tunnel = Tunnel::begin(proxy, host, 7681, &mut out).expect("it can be asked");
    let mut taken = 0;
    for piece in answer.chunks(step) {
        let mut input = piece;
        let result = tunnel.receive(&mut input, &mut out);
        taken += piece.len() - input.len();
        if result != Ok(false) {
            return (result, out, taken);
        }
        assert!(input.is_empty());
    }
    (Ok(false), out, taken)
}

/// The same, both ways.
fn ask(text: &str, host: &str, answer: &[u8]) -> (Result<bool, TunnelError>, Vec<u8>) {
    let proxy = proxy(text);
    let (result, out, taken) = talk(&proxy, host, answer, usize::MAX);
    let dribbled = talk(&proxy, host, answer, 1);
    assert_eq!((&dribbled.0, &dribbled.1), (&result, &out));
    if result == Ok(true) {
        assert_eq!(dribbled.2, taken);
        assert!(answer[taken..].is_empty() || answer[taken..].starts_with(b"behind"));
    }
    (result, out)
}

#[test]
fn urls_of_proxies_are_read() {
    let plain = proxy("proxy.example:3128");
    assert_eq!(
        (plain.kind, plain.host.as_str(), plain.port),
        (ProxyKind::HTTP, "proxy.example", 3128)
    );
    assert_eq!(proxy("HTTP://Proxy/").to_string(), "http://proxy:1080");
    assert_eq!(proxy("socks5://127.0.0.1").kind, ProxyKind::SOCKS5);
    let secure = ["https://proxy", "HTTPS://Proxy:3128/"].map(proxy);
    assert!(secure.iter().all(|proxy| proxy.kind == ProxyKind::HTTPS));
    assert_eq!(secure.map(|proxy| proxy.to_string()), ["https://proxy:443", "https://proxy:3128"]);
    let user = proxy("http://a%40b:p%3Aw@[::1]:8080");
    assert_eq!(user.userinfo, Some(("a@b".into(), "p:w".into())));
    assert!(!format!("{user:?} {user}").contains("p:w"));
    for (text, error) in [
        ("", BadProxy::Host),
        ("http://", BadProxy::Host),
        ("http://:80", BadProxy::Host),
        ("http://p:0", BadProxy::Host),
        ("http://p:99999", BadProxy::Host),
        ("http://p/path", BadProxy::Host),
        ("http://a b", BadProxy::Host),
        ("http://%zz@p", BadProxy::Userinfo),
        ("http://a%0d%0a:b@p", BadProxy::Userinfo),
        ("ftp://p", BadProxy::Scheme("\"ftp\"".into())),
        ("socks4://p", BadProxy::Scheme("\"socks4\"".into())),
    ] {
        assert_eq!(text.parse::<Proxy>(), Err(error), "{text:?}");
    }
    let long = format!("http://{}", "p".repeat(9000));
    assert_eq!(long.parse::<Proxy>(), Err(BadProxy::TooLong));
}

#[test]
fn exceptions_are_names_with_all_below_addresses_and_ranges() {
    for (list, host, expected) in [
        ("example.com", "example.com", true),
        ("example.com", "EXAMPLE.com.", true),
        ("example.com.", "www.example.com", true),
        (".example.com", "example.com", true),
        ("example.com", "badexample.com", false),
        ("www.example.com", "example.com", false),
        ("a,b c\td", "c", true),
        ("*", "anything", true),
        ("a,*", "b", false),
        ("", "a", false),
        (",. ,", "a", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.10", false),
        ("10.0.0.0/8", "10.255.1.2", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("0.0.0.0/0", "1.2.3.4", true),
        ("10.0.0.0/33", "10.0.0.0", false),
        ("10.0.0.0/x", "10.0.0.0", false),
        ("0.1", "10.0.0.1", false),
        ("[::1]", "::1", true),
        ("fe80::/10", "febf::1", true),
        ("fe80::/10", "fec0::1", false),
        ("::/0", "1.2.3.4", false),
    ] {
        assert_eq!(bypasses(list, host), expected, "{host} in {list:?}");
    }
}

#[test]
fn the_environment_is_read_as_curl_reads_it() {
    let choose = |secure, host: &str, set: &[(&str, &str)]| {
        let get = |name: &str| {
            set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        from_environment(secure, host, get).map(|choice| choice.value)
    };
    let all = [("http_proxy", "h"), ("HTTPS_PROXY", "S"), ("all_proxy", "a"), ("ALL_PROXY", "A")];
    assert_eq!(choose(false, "x", &all).as_deref(), Some("h"));
    assert_eq!(choose(true, "x", &all).as_deref(), Some("S"));
    assert_eq!(choose(true, "x", &all[2..]).as_deref(), Some("a"));
    assert_eq!(choose(false, "x", &all[3..]).as_deref(), Some("A"));
    let both = [("https_proxy", "s"), ("HTTPS_PROXY", "S")];
    assert_eq!(choose(true, "x", &both).as_deref(), Some("s"));
    assert_eq!(choose(false, "x", &[("HTTP_PROXY", "H")]), None, "a header of a CGI request");
    assert_eq!(choose(false, "x", &[("http_proxy", ""), ("all_proxy", "a")]), None);
    let except = |list| [("all_proxy", "a"), list];
    assert_eq!(choose(false, "x", &except(("no_proxy", "x"))), None);
    assert_eq!(choose(false, "x", &except(("NO_PROXY", "x"))), None);
    assert_eq!(choose(false, "y", &except(("NO_PROXY", "x"))).as_deref(), Some("a"));
    let two = [("all_proxy", "a"), ("no_proxy", "y"), ("NO_PROXY", "x")];
    assert_eq!(choose(false, "x", &two).as_deref(), Some("a"));
}

#[test]
fn a_tunnel_by_connect_is_opened() {
    let (result, said) = ask("http://p", "example.com", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbehind");
    assert_eq!(result, Ok(true));
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "CONNECT example.com:7681 HTTP/1.1\r\nHost: example.com:7681\r\n\r\n"
    );
    let (result, said) = ask("http://Aladdin:open%20sesame@p", "::1", b"HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(result, Ok(true));
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "CONNECT [::1]:7681 HTTP/1.1\r\nHost: [::1]:7681\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
    let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nbehind";
    assert_eq!(ask("http://p", "a", interim).0, Ok(true));
    let endless = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9);
    assert!(matches!(
        ask("http://p", "a", &endless).0,
        Err(TunnelError::Status { status: 103, .. })
    ));
}

#[test]
fn a_proxy_that_refuses_connect_says_why() {
    let refused = |answer: &str| ask("http://p", "a", answer.as_bytes()).0.unwrap_err().to_string();
    assert_eq!(refused("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "it answered 502 \"Bad Gateway\"");
    assert_eq!(
        refused("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n"),
        "it answered 407 \"No\" and wants name and password: \"Basic realm=\\\"x\\\"\""
    );
    assert!(refused("SSH-2.0-OpenSSH\r\n\r\n").starts_with("its answer is no HTTP: "));
    assert!(refused(&format!("HTTP/1.1 200 {}", "x".repeat(17 << 10))).contains("no HTTP"));
    assert_eq!(ask("http://p", "a", b"HTTP/1.1 200 OK\r\n").0, Ok(false));
}

#[test]
fn a_tunnel_by_socks_is_opened() {
    let (result, said) =
        ask("socks5h://p", "example.com", b"\x05\0\x05\0\0\x01\x7f\0\0\x01\x1e\x01behind");
    assert_eq!(result, Ok(true));
    assert_eq!(said, b"\x05\x01\0\x05\x01\0\x03\x0bexample.com\x1e\x01");
    for (host, address) in [
        ("127.0.0.1", &b"\x01\x7f\0\0\x01"[..]),
        ("::1", b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
    ] {
        let (result, said) = ask("socks5://p", host, b"\x05\0\x05\0\0\x03\x02ab\0\0");
        assert_eq!(result, Ok(true));
        assert_eq!(said, [b"\x05\x01\0\x05\x01\0", address, b"\x1e\x01"].concat());
    }
    let six = [&b"\x05\0\x05\0\0\x04"[..], &[7; 18], b"behind"].concat();
    assert_eq!(ask("socks5h://p", "a", &six).0, Ok(true));
}

#[test]
fn socks_logs_in_if_the_proxy_asks_for_it() {
    let (result, said) =
        ask("socks5h://me:secret@p", "a", b"\x05\x02\x01\0\x05\0\0\x01\0\0\0\0\0\0behind");
    assert_eq!(result, Ok(true));
    assert_eq!(said, b"\x05\x02\0\x02\x01\x02me\x06secret\x05\x01\0\x03\x01a\x1e\x01");
    let (result, said) = ask("socks5h://me:secret@p", "a", b"\x05\0");
    assert_eq!(result, Ok(false));
    assert!(!said.windows(6).any(|bytes| bytes == b"secret"), "not asked, not told");
}

#[test]
fn a_socks_proxy_that_refuses_says_why() {
    for (url, answer, why) in [
        ("socks5h://p", &b"HTTP/1.1 400"[..], "its answer is no SOCKS 5: it has 0x48 first"),
        ("socks5h://p", b"\x04", "its answer is no SOCKS 5: it has 0x04 first"),
        ("socks5h://p", b"\x05\xff", "it wants name and password"),
        ("socks5h://p", b"\x05\x02", "it wants a login of kind 2, which was not offered"),
        ("socks5h://u:p@p", b"\x05\xff", "it accepts no login by name and password"),
        ("socks5h://u:p@p", b"\x05\x02\x01\x01", "it refused name and password"),
        ("socks5h://u:p@p", b"\x05\x02\x05\0", "its answer is no SOCKS 5: it has 0x05 first"),
        ("socks5h://p", b"\x05\0\x05\x05", "it found the connection refused (SOCKS reply 5)"),
        ("socks5h://p", b"\x05\0\x05\x63", "it gave the unknown reason 99"),
        ("socks5h://p", b"\x05\0\x05\0\0\x02", "its reply has an address of unknown kind 2"),
    ] {
        assert_eq!(ask(url, "a", answer).0.unwrap_err().to_string(), why);
    }
}

#[test]
fn what_a_proxy_cannot_be_told_is_not_asked() {
    let begin =
        |url: &str, host: &str| Tunnel::begin(&proxy(url), host, 1, &mut Vec::new()).map(drop);
    assert_eq!(begin("socks5h://p", &"a".repeat(256)), Err(BadTunnel::Host));
    assert_eq!(begin("socks5h://u@p", "a"), Err(BadTunnel::Login), "an empty password");
    assert_eq!(begin(&format!("socks5h://u:{}@p", "x".repeat(256)), "a"), Err(BadTunnel::Login));
    for host in ["", "a\r\nb", "a b", "\u{e9}"] {
        assert_eq!(begin("http://p", host), Err(BadTunnel::Host));
    }
}
