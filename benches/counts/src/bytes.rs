//! Operations of `sockeye-proto`: bytes in, bytes out.

use sockeye_proto::handshake::{upgrade_request, write_switching_protocols};
use sockeye_proto::http::{HeadLimits, RequestHead};
use sockeye_proto::{
    DeflateAgreed, DeflateOptions, Deflaters, Event, FrameHeader, HEADER_MAX, History, Inflaters,
    Opcode, RSV1, Reader, Role, Rules, apply_mask, push_frame,
};
use std::hint::black_box;

/// A key that changes nothing, though it is applied: what has been read lies there as it came, and
/// can be read again.
const KEY: [u8; 4] = [0; 4];

/// A window of 2^15, nothing kept between messages: what is agreed on by default.
const AGREED: DeflateAgreed =
    DeflateAgreed { window_bits: 15, context_takeover: false, peer_context_takeover: false };

/// A handshake as a browser sends it.
pub(crate) const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\n\
    Host: example.com:7681\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Upgrade: websocket\r\n\
    Origin: http://example.com:7681\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// About 1 KiB of what applications send: JSON, with names that come again and values that do not.
pub(crate) fn json() -> Vec<u8> {
    let mut text = String::from("[");
    for i in 0_u32..10 {
        let (id, price) = (i * 7_919 % 10_007, i * 104_729 % 99_991);
        let (whole, cents, quantity) = (price / 100, price % 100, id % 500);
        let side = ["buy", "sell"][(id % 2) as usize];
        let (symbol, day, hour) = (id % 37, i + 1, id % 24);
        text.push_str(&format!(
            "{{\"id\":{id},\"symbol\":\"SYM{symbol:02}\",\"price\":{whole}.{cents:02},\
             \"quantity\":{quantity},\"side\":\"{side}\",\
             \"time\":\"2026-03-{day:02}T{hour:02}:14:07Z\"}},"
        ));
    }
    text.push(']');
    text.into_bytes()
}

/// A client's frame.
pub(crate) fn frame(opcode: Opcode, reserved: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = FrameHeader { fin: true, reserved, opcode, mask: Some(KEY), len: 0 };
    push_frame(&mut frame, header, payload);
    frame
}

pub(crate) fn mask(times: u32) {
    let mut data = vec![7; 16 << 10];
    let mut key = [1, 2, 3, 4];
    for _ in 0..times {
        key = apply_mask(black_box(&mut data), key);
    }
    black_box(key);
}

pub(crate) fn frame_in_20(times: u32) {
    read(times, &AGREED, frame(Opcode::Binary, 0, &[7; 20]));
}

pub(crate) fn frame_in_1k_text(times: u32) {
    read(times, &AGREED, frame(Opcode::Text, 0, &[b'a'; 1024]));
}

pub(crate) fn frame_in_16k(times: u32) {
    read(times, &AGREED, frame(Opcode::Binary, 0, &[7; 16 << 10]));
}

pub(crate) fn inflate(times: u32) {
    let small = Deflaters::new(&DeflateOptions::default())
        .compress(AGREED.window_bits, None, &json())
        .expect("JSON gets shorter")
        .to_vec();
    read(times, &AGREED, frame(Opcode::Text, RSV1, &small));
}

/// Reads the frame, and finds that there is no other. What reading leaves of it is the payload.
fn read(times: u32, agreed: &DeflateAgreed, frame: Vec<u8>) {
    let rules = Rules::new(Role::Server);
    let (mut reader, mut inflaters) = (Reader::with_deflate(agreed), Inflaters::new());
    let (mut messages, mut buffer) = (0, frame.clone());
    for _ in 0..times {
        buffer[..HEADER_MAX].copy_from_slice(&frame[..HEADER_MAX]);
        let mut input = black_box(&mut buffer[..]);
        loop {
            let event = reader.next(&rules, &mut inflaters, &mut input).expect("a frame in order");
            if matches!(event, Event::NeedMore) {
                break;
            }
            messages += u32::from(matches!(black_box(event), Event::Message { .. }));
        }
    }
    assert_eq!(messages, times);
}

pub(crate) fn frame_out_20(times: u32) {
    write(times, None, &[7; 20]);
}

pub(crate) fn frame_out_1k(times: u32) {
    write(times, None, &[7; 1024]);
}

pub(crate) fn frame_out_20_masked(times: u32) {
    write(times, Some(KEY), &[7; 20]);
}

fn write(times: u32, mask: Option<[u8; 4]>, payload: &[u8]) {
    let header = FrameHeader { fin: true, reserved: 0, opcode: Opcode::Binary, mask, len: 0 };
    let mut out = Vec::with_capacity(HEADER_MAX + payload.len());
    for _ in 0..times {
        out.clear();
        push_frame(black_box(&mut out), header, black_box(payload));
    }
}

/// Reads a request, and writes the answer that makes it a WebSocket.
pub(crate) fn head(times: u32) {
    let (limits, options) = (HeadLimits::default(), DeflateOptions::default());
    let mut answer = Vec::with_capacity(512);
    for _ in 0..times {
        answer.clear();
        let head = RequestHead::parse(black_box(REQUEST), &limits).expect("a head");
        let upgrade = upgrade_request(&head).expect("in order").expect("a handshake");
        let (_, extensions) = options.accept(upgrade.extensions()).expect("compression");
        write_switching_protocols(&mut answer, upgrade.key, None, Some(&extensions), [])
            .expect("nothing in it breaks a head");
        black_box(&answer);
    }
}

pub(crate) fn deflate_shared(times: u32) {
    let (mut all, json) = (Deflaters::new(&DeflateOptions::default()), json());
    for _ in 0..times {
        black_box(all.compress(AGREED.window_bits, None, black_box(&json)));
    }
}

pub(crate) fn deflate_own(times: u32) {
    let options = DeflateOptions::default();
    let mut all = Deflaters::new(&options);
    let mut history = History::new();
    // Another one each time: the window would find the last as a whole.
    let mut json = json();
    for time in 0..times {
        let at = time as usize * 31 % json.len();
        json[at] = b'0' + (time % 10) as u8;
        black_box(all.compress(AGREED.window_bits, Some(&mut history), black_box(&json)));
    }
}
