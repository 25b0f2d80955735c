//! What kind of thing happens to an input, for targets that do not tell by themselves.

use sockeye_proto::fuzz::{self as proto, Fingerprint};
use sockeye_proto::handshake::{OriginPolicy, same_origin, upgrade_request};
use sockeye_proto::http::{BodyEvent, BodyReader, Framing, HeadLimits, RequestHead, ResponseHead};
use sockeye_proto::uri::Url;
use std::fmt::Debug;

/// As small as in the targets.
const LIMITS: HeadLimits = HeadLimits { bytes: 512, headers: 8 };

/// Adds which variant a value is, without what it holds.
fn variant(print: &mut Fingerprint, value: &impl Debug) {
    let text = format!("{value:?}");
    print.add(text.split(['(', '{', '"', ' ']).next().unwrap_or_default());
}

pub(crate) fn head(data: &[u8]) -> u64 {
    proto::fuzz_head(data);
    let mut print = Fingerprint::new();
    match RequestHead::parse(data, &LIMITS) {
        Ok(head) => {
            variant(&mut print, &head.framing());
            print.add([head.headers.len() as u8, u8::from(head.keep_alive())]);
            print.add([u8::from(head.expects_continue()), u8::from(head.query().is_some())]);
        }
        Err(error) => variant(&mut print, &error),
    }
    print.finish()
}

pub(crate) fn body(data: &[u8]) -> u64 {
    proto::fuzz_body(data);
    let mut print = Fingerprint::new();
    let Some((_, mut rest)) = data.split_first() else { return 0 };
    let Ok(mut reader) = BodyReader::new(Framing::Chunked, 64) else { return 0 };
    for _ in 0..4 {
        match reader.next(&mut rest) {
            Ok(BodyEvent::Data(data)) => print.add_magnitude(data.len()),
            Ok(event) => {
                variant(&mut print, &event);
                break;
            }
            Err(error) => {
                variant(&mut print, &error);
                break;
            }
        }
    }
    print.finish()
}

pub(crate) fn response(data: &[u8]) -> u64 {
    proto::fuzz_response(data);
    let mut print = Fingerprint::new();
    match ResponseHead::parse(data, &LIMITS) {
        Ok(head) => print.add([head.headers.len() as u8, u8::from(head.keep_alive())]),
        Err(error) => variant(&mut print, &error),
    }
    print.finish()
}

pub(crate) fn url(data: &[u8]) -> u64 {
    proto::fuzz_url(data);
    let mut print = Fingerprint::new();
    match Url::parse(&String::from_utf8_lossy(data)) {
        Ok(url) => {
            print.add([u8::from(url.secure), u8::from(url.userinfo.is_some())]);
            print.add([u8::from(url.host.contains(':')), u8::from(url.target.contains('?'))]);
        }
        Err(error) => variant(&mut print, &error),
    }
    print.finish()
}

pub(crate) fn upgrade(data: &[u8]) -> u64 {
    proto::fuzz_upgrade(data);
    let mut print = Fingerprint::new();
    match RequestHead::parse(data, &HeadLimits::default()) {
        Ok(head) => match upgrade_request(&head) {
            Ok(Some(request)) => {
                print.add_magnitude(request.subprotocols().count());
                print.add_magnitude(request.extensions().count());
                print.add([u8::from(request.origin.is_some())]);
            }
            Ok(None) => print.add("none"),
            Err(refusal) => print.add([(refusal.status % 100) as u8]),
        },
        Err(error) => variant(&mut print, &error),
    }
    print.finish()
}

pub(crate) fn accept(data: &[u8]) -> u64 {
    proto::fuzz_accept(data);
    let mut print = Fingerprint::new();
    match ResponseHead::parse(data, &HeadLimits::default()) {
        Ok(head) => print.add([head.headers.len() as u8, (head.status / 100) as u8]),
        Err(error) => variant(&mut print, &error),
    }
    print.finish()
}

pub(crate) fn origin(data: &[u8]) -> u64 {
    proto::fuzz_origin(data);
    let mut print = Fingerprint::new();
    let text = String::from_utf8_lossy(data);
    let (origin, host) = text.split_once('\n').unwrap_or((&text, &text));
    variant(&mut print, &same_origin(origin, host));
    variant(&mut print, &OriginPolicy::SameHost.check(Some(origin), host).is_ok());
    print.add([u8::from(origin.contains('[')), u8::from(host.contains(':'))]);
    print.finish()
}
