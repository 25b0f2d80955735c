//! Whose page may connect (class 10).

use sockeye_proto::handshake::{OriginPolicy, OriginVerdict, host_is_listed, same_origin};

#[track_caller]
fn verdict(origin: &str, host: &str, expected: OriginVerdict) {
    assert_eq!(same_origin(origin, host), expected, "Origin {origin:?}, Host {host:?}");
    let admitted = OriginPolicy::SameHost.check(Some(origin), host).is_ok();
    assert_eq!(admitted, expected == OriginVerdict::Same);
}

#[test]
fn same_host_and_port_is_admitted_whatever_its_spelling() {
    for (origin, host) in [
        ("http://example.com", "example.com"),
        ("http://EXAMPLE.com", "example.COM"),
        ("HTTPS://example.com", "example.com"),
        ("http://example.com", "example.com:80"),
        ("http://example.com:80", "example.com"),
        ("https://example.com", "example.com:443"),
        ("https://example.com:0443", "example.com"),
        ("http://localhost:7681", "localhost:7681"),
        ("http://127.0.0.1:7681", "127.0.0.1:7681"),
        ("http://[::1]:7681", "[::1]:7681"),
        ("http://[0:0::1]", "[::1]:80"),
        ("http://[FE80::A]", "[fe80::a]"),
        ("ws://example.com", "example.com"),
    ] {
        verdict(origin, host, OriginVerdict::Same);
    }
}

#[test]
fn hosts_that_only_look_alike_are_refused() {
    for (origin, host) in [
        ("http://evil-example.com", "example.com"),
        ("http://example.com.evil.net", "example.com"),
        ("http://evil.net", "example.com"),
        ("http://sub.example.com", "example.com"),
        ("http://example.com", "sub.example.com"),
        ("http://example.com.", "example.com"),
        ("http://localhost", "127.0.0.1"),
        ("http://[::1]", "127.0.0.1"),
        ("http://[::ffff:127.0.0.1]", "127.0.0.1"),
        ("http://example%2ecom", "example.com"),
    ] {
        verdict(origin, host, OriginVerdict::OtherHost);
    }
}

#[test]
fn another_port_is_another_origin() {
    for (origin, host) in [
        ("http://example.com:8080", "example.com"),
        ("http://example.com", "example.com:8080"),
        ("https://example.com", "example.com:80"),
        ("http://example.com:443", "example.com"),
        ("http://[::1]:1", "[::1]:2"),
    ] {
        verdict(origin, host, OriginVerdict::OtherPort);
    }
}

#[test]
fn null_is_the_origin_of_nobody() {
    verdict("null", "example.com", OriginVerdict::Null);
    verdict("null", "null", OriginVerdict::Null);
    verdict("NULL", "", OriginVerdict::Null);
}

#[test]
fn malformed_origins_and_user_information_are_refused() {
    for origin in [
        "",
        "example.com",
        "//example.com",
        "http:/example.com",
        "http://",
        "http://:80",
        "http://example.com/",
        "http://example.com/x",
        "http://example.com?x",
        "http://example.com#x",
        "http://example.com\\",
        "http://evil.net\\@example.com",
        "http://evil.net@example.com",
        "http://example.com@evil.net",
        "http://example.com:80@evil.net",
        "http://user:password@example.com",
        "http://example.com, http://evil.net",
        "http://example.com http://evil.net",
        "http://example.com:x",
        "http://example.com:+80",
        "http://example.com:65616", // 80 in 16 bits
        "http://[::1",
        "http://::1",
        "file://",
        "chrome-extension://example.com",
        " http://example.com",
        "http://exam\u{0440}le.com",
    ] {
        verdict(origin, "example.com", OriginVerdict::Malformed);
    }
    for host in ["", ":80", "a b", "example.com/", "user@example.com", "[example.com]"] {
        verdict("http://example.com", host, OriginVerdict::Malformed);
    }
}

#[test]
fn client_without_an_origin_is_no_browser_and_is_admitted() {
    let list = OriginPolicy::List(vec![]);
    for policy in [OriginPolicy::SameHost, OriginPolicy::Any, list] {
        assert_eq!(policy.check(None, "example.com"), Ok(()));
    }
    assert_eq!(OriginPolicy::default(), OriginPolicy::SameHost);
}

#[test]
fn any_admits_any() {
    for origin in ["null", "http://evil.net", "nonsense"] {
        assert_eq!(OriginPolicy::Any.check(Some(origin), "example.com"), Ok(()));
    }
}

#[test]
fn list_admits_what_is_on_it_and_nothing_else() {
    let policy = OriginPolicy::List(
        ["https://Example.com", "http://a:8080", "chrome-extension://abc"].map(Into::into).into(),
    );
    let admitted = |origin| policy.check(Some(origin), "here").is_ok();
    for origin in [
        "https://example.com",
        "https://example.com:443",
        "http://A:8080",
        "chrome-extension://abc",
    ] {
        assert!(admitted(origin), "{origin}");
    }
    for origin in [
        "http://example.com",
        "https://example.com:8443",
        "https://evil-example.com",
        "https://example.com.evil.net",
        "https://example.com@evil.net",
        "https://example.com/",
        "http://a",
        "chrome-extension://abcd",
        "http://here",
        "null",
        "",
    ] {
        assert!(!admitted(origin), "{origin}");
    }
    let null = OriginPolicy::List(vec!["null".into()]);
    assert!(null.check(Some("null"), "here").is_ok());
    assert!(null.check(Some("http://null"), "here").is_err());
}

#[test]
fn refusal_names_both_values_on_one_line() {
    let refused = OriginPolicy::SameHost.check(Some("http://evil\r\nX"), "example.com");
    let text = refused.unwrap_err().to_string();
    assert_eq!(text, "Origin \"http://evil\\r\\nX\" may not connect to host \"example.com\"");
}

/// DNS rebinding: the attacker's page names its own host in both fields, so they agree.
#[test]
fn rebound_host_is_caught_by_the_host_list_or_the_origin_list() {
    let (origin, host) = ("http://rebound.evil.net:7681", "rebound.evil.net:7681");
    assert!(OriginPolicy::SameHost.check(Some(origin), host).is_ok());
    assert!(!host_is_listed(host, ["localhost", "127.0.0.1", "[::1]"]));
    assert!(host_is_listed("LOCALHOST:7681", ["localhost", "127.0.0.1"]));
    assert!(host_is_listed("[0::1]:7681", ["[::1]"]));
    assert!(host_is_listed("a:1", ["a:1"]) && !host_is_listed("a:2", ["a:1"]));
    assert!(!host_is_listed("a", ["a:1"]) && !host_is_listed("", [""]));
    let list = OriginPolicy::List(vec!["http://localhost:7681".into()]);
    assert!(list.check(Some(origin), host).is_err());
}
