//! URLs of WebSockets (RFC 6455 §3).

use sockeye_proto::uri::{MAX_URL, Url, UrlError};

#[track_caller]
fn parts(text: &str) -> (bool, String, u16, String, String) {
    let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let header = url.host_header();
    (url.secure, url.host, url.port, url.target, header)
}

fn expected(
    secure: bool,
    host: &str,
    port: u16,
    target: &str,
    header: &str,
) -> (bool, String, u16, String, String) {
    (secure, host.into(), port, target.into(), header.into())
}

#[test]
fn url_is_taken_apart() {
    assert_eq!(parts("ws://a"), expected(false, "a", 80, "/", "a"));
    assert_eq!(
        parts("WSS://Example.COM/Chat"),
        expected(true, "example.com", 443, "/Chat", "example.com")
    );
    assert_eq!(parts("ws://a:8080/x?y=/z"), expected(false, "a", 8080, "/x?y=/z", "a:8080"));
    assert_eq!(parts("ws://a?y"), expected(false, "a", 80, "/?y", "a"));
    assert_eq!(parts("ws://a:80/"), expected(false, "a", 80, "/", "a"));
    assert_eq!(parts("ws://a:443/"), expected(false, "a", 443, "/", "a:443"));
    assert_eq!(parts("wss://a:"), expected(true, "a", 443, "/", "a"));
    assert_eq!(parts("http://a"), expected(false, "a", 80, "/", "a"));
    assert_eq!(parts("https://a:444"), expected(true, "a", 444, "/", "a:444"));
    assert_eq!(parts("ws://[::1]"), expected(false, "::1", 80, "/", "[::1]"));
    assert_eq!(parts("wss://[FE80::1]:7/"), expected(true, "fe80::1", 7, "/", "[fe80::1]:7"));
    assert_eq!(
        parts("ws://127.0.0.1:7681//"),
        expected(false, "127.0.0.1", 7681, "//", "127.0.0.1:7681")
    );
    assert_eq!(parts("ws://a/@b:c"), expected(false, "a", 80, "/@b:c", "a"));
}

#[test]
fn url_is_displayed_without_the_password() {
    let url = Url::parse("https://me:s%65cret%20x@a:443/p?q").unwrap();
    assert_eq!(url.userinfo, Some(("me".into(), "secret x".into())));
    assert_eq!(url.to_string(), "wss://a/p?q");
    assert!(!format!("{url:?}").contains("secret"));
    assert_eq!(Url::parse("ws://me@a").unwrap().userinfo, Some(("me".into(), String::new())));
}

#[test]
fn each_kind_of_malformed_url_is_told_apart() {
    for text in ["", "a", "/a", "ws:/a", "ws:a", "ftp://a", "wsx://a", "javascript://a"] {
        assert_eq!(Url::parse(text), Err(UrlError::Scheme), "{text}");
    }
    for text in ["ws://a#", "ws://a/#x", "ws://a/?x#y"] {
        assert_eq!(Url::parse(text), Err(UrlError::Fragment), "{text}");
    }
    for text in [
        "ws://",
        "ws:///a",
        "ws://:80",
        "ws://a:b",
        "ws://a:65536",
        "ws://a:-1",
        "ws://a:+80",
        "ws://a:0",
        "ws://::1",
        "ws://[::1",
        "ws://[::1]x",
        "ws://[a]",
        "ws://a%2eb",
        "ws://a,b",
        "ws://[fe80::1%25lo]",
        "ws://@",
        "ws://u@v@a",
    ] {
        assert_eq!(Url::parse(text), Err(UrlError::Host), "{text}");
    }
    for text in ["ws://u%@a", "ws://u%zz@a", "ws://u%3ax@a", "ws://u:%0d%0a@a", "ws://%ff@a"] {
        assert_eq!(Url::parse(text), Err(UrlError::Userinfo), "{text}");
    }
    for (text, at) in [
        ("ws://a/\r\nX: y", 7),
        ("ws://a/ b", 7),
        (" ws://a", 0),
        ("ws://good.example\\@evil.net", 17),
        ("ws://caf\u{e9}", 8),
        ("ws://a/\0", 7),
        ("ws://a/<b>", 7),
    ] {
        assert_eq!(Url::parse(text), Err(UrlError::Character { at }), "{text:?}");
    }
    let longest = format!("ws://a/{}", "x".repeat(MAX_URL - 7));
    assert!(Url::parse(&longest).is_ok());
    assert_eq!(Url::parse(&format!("{longest}x")), Err(UrlError::TooLong));
}
