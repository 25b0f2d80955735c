//! Fuzz targets: any bytes in, invariants asserted.

use super::{
    ClientHello, ClientRequest, OriginPolicy, OriginVerdict, same_origin, upgrade_request,
    write_switching_protocols,
};
use crate::http::syntax::is_token;
use crate::http::{HeadLimits, RequestHead, ResponseHead};
use crate::uri::Url;

/// URLs: what is accepted reads back the same from its own text, and can be asked for.
pub fn fuzz_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = Url::parse(text) else { return };
    assert!(url.target.starts_with('/') && !url.host.is_empty());
    if url.to_string().len() <= crate::uri::MAX_URL {
        let again = Url::parse(&url.to_string()).expect("a URL reads its own text");
        assert_eq!(again, Url { userinfo: None, ..url.clone() });
    }
    let hello = ClientHello::to_url([7; 16], &url, &ClientRequest::default());
    let mut request = Vec::new();
    hello.expect("a URL makes a request").write_to(&mut request);
    let head = RequestHead::parse(&request, &HeadLimits::default()).expect("it reads back");
    assert_eq!((head.target, head.host()), (url.target.as_str(), url.host_header().as_str()));
    assert!(matches!(upgrade_request(&head), Ok(Some(_))));
}

/// Handshakes of clients: what is accepted can be answered, what is refused has a status.
pub fn fuzz_upgrade(data: &[u8]) {
    let Ok(head) = RequestHead::parse(data, &HeadLimits::default()) else { return };
    match upgrade_request(&head) {
        Ok(None) => {}
        Ok(Some(request)) => {
            assert!(request.subprotocols().all(|name| is_token(name.as_bytes())));
            let mut out = Vec::new();
            let chosen = request.subprotocols().next();
            write_switching_protocols(&mut out, request.key, chosen, None, [])
                .expect("what is accepted can be answered");
            ResponseHead::parse(&out, &HeadLimits { bytes: usize::MAX, headers: 4 })
                .expect("and the answer read");
        }
        Err(refusal) => {
            assert!(matches!(refusal.status, 400 | 426));
            refusal.write_to(&mut Vec::new(), None).expect("a refusal can be written");
        }
    }
}

/// Responses to clients: only what was offered is ever accepted.
pub fn fuzz_accept(data: &[u8]) {
    let wanted = ClientRequest {
        host: "example.com",
        target: "/",
        subprotocols: &["chat"],
        extensions: Some("permessage-deflate"),
        ..ClientRequest::default()
    };
    let hello = ClientHello::new([0; 16], &wanted).expect("the request is well formed");
    // A fuzzer cannot guess the accept key: it gets it for nothing.
    let mut response = b"HTTP/1.1 101 \r\nSec-WebSocket-Accept: ".to_vec();
    response.extend_from_slice(&super::accept_key(hello.key()));
    response.extend_from_slice(b"\r\n");
    response.extend_from_slice(data);
    for response in [data, &response] {
        let Ok(head) = ResponseHead::parse(response, &HeadLimits::default()) else { continue };
        match hello.check(&head) {
            Ok(accepted) => {
                assert!(matches!(accepted.subprotocol.as_deref(), None | Some("chat")));
                let sent = head.headers.get("Sec-WebSocket-Protocol");
                assert_eq!(sent, accepted.subprotocol.as_deref().map(str::as_bytes));
            }
            Err(mismatch) => assert!(!mismatch.to_string().contains(['\r', '\n'])),
        }
    }
}

/// Origins: two values separated by a newline; what is the same is the same host text or address.
pub fn fuzz_origin(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (origin, host) = text.split_once('\n').unwrap_or((text, text));
    let verdict = same_origin(origin, host);
    if verdict == OriginVerdict::Same {
        assert!(!origin.contains(['@', '\\', '?', '#', ' ']) && !host.contains(['@', '/']));
        assert_eq!(origin.matches('/').count(), 2);
        let (_, page) = origin.split_once("://").expect("an origin has a scheme");
        let (page, here) = (without_port(page), without_port(host));
        let addresses = page.starts_with('[') && here.starts_with('[');
        assert!(addresses || page.eq_ignore_ascii_case(here), "{page:?} is not {here:?}");
    }
    let checked = OriginPolicy::SameHost.check(Some(origin), host);
    assert_eq!(checked.is_ok(), verdict == OriginVerdict::Same);
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}
