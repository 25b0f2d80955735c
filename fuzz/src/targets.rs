//! What can be fuzzed, and the words each target understands.

use crate::outcomes;
use sockeye_proto::fuzz as proto;

/// Something that takes any bytes and panics if an invariant does not hold.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and its corpus's.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&[u8]),
    /// Runs it too, and tells what kind of thing has happened.
    pub outcome: Option<fn(&[u8]) -> u64>,
    /// What mutations put in.
    pub words: &'static [&'static [u8]],
}

impl Target {
    /// Runs it once; what kind of thing has happened, as far as it tells.
    pub fn run(&self, input: &[u8]) -> u64 {
        match self.outcome {
            Some(outcome) => outcome(input),
            None => {
                (self.run)(input);
                0
            }
        }
    }
}

/// The target of a name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// All targets.
pub const TARGETS: &[Target] = &[
    with("head", proto::fuzz_head, outcomes::head, HTTP),
    with("body", proto::fuzz_body, outcomes::body, BODY),
    with("response", proto::fuzz_response, outcomes::response, HTTP),
    plain("header_list", proto::fuzz_header_list, LISTS),
    with("url", proto::fuzz_url, outcomes::url, URLS),
    with("upgrade", proto::fuzz_upgrade, outcomes::upgrade, HTTP),
    with("accept", proto::fuzz_accept, outcomes::accept, HTTP),
    plain("tunnel", proto::fuzz_tunnel, TUNNELS),
    plain("proxy", proto::fuzz_proxy, URLS),
    with("origin", proto::fuzz_origin, outcomes::origin, URLS),
    plain("frame_header", proto::fuzz_frame_header, FRAMES),
    plain("utf8", proto::fuzz_utf8, TEXT),
    with("reader", proto::fuzz_reader, proto::reader_outcome, FRAMES),
    plain("close_frame", proto::fuzz_close_frame, TEXT),
    plain("deflate", proto::fuzz_deflate, RUNS),
    plain("deflate_offers", proto::fuzz_deflate_offers, OFFERS),
    with("deflate_stream", proto::fuzz_deflate_stream, proto::deflate_stream_outcome, STREAMS),
    with("inflate", proto::fuzz_inflate, proto::inflate_outcome, BLOCKS),
    with(
        "connection",
        sockeye::fuzz::fuzz_connection,
        sockeye::fuzz::connection_outcome,
        CONNECTION,
    ),
    with("tls_link", sockeye::fuzz::fuzz_tls_link, sockeye::fuzz::tls_link_outcome, RECORDS),
    plain("cipher_list", sockeye::fuzz::fuzz_cipher_list, CIPHERS),
    plain("pem", sockeye::fuzz::fuzz_pem, PEM),
    plain("certificate", sockeye::fuzz::fuzz_certificate, DER),
];

const fn plain(name: &'static str, run: fn(&[u8]), words: &'static [&'static [u8]]) -> Target {
    Target { name, run, outcome: None, words }
}

const fn with(
    name: &'static str,
    run: fn(&[u8]),
    outcome: fn(&[u8]) -> u64,
    words: &'static [&'static [u8]],
) -> Target {
    Target { name, run, outcome: Some(outcome), words }
}

const HTTP: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST ",
    b"HEAD ",
    b" HTTP/1.0\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"Host: a\r\n",
    b"Host: ",
    b"Upgrade: websocket\r\n",
    b"Connection: Upgrade\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, Upgrade\r\n",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Protocol: chat, a\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n",
    b"Origin: http://a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Set-Cookie: a=b\r\n",
    b", ",
    b"=",
    b"\r\n ",
];

const BODY: &[&[u8]] = &[
    b"\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b";a=b",
    b";a=\"b\\\"\"",
    b"A: b\r\n",
    b"ffffffffffffffff",
    b"0x1",
    b"\n",
];

const CIPHERS: &[&[u8]] = &[
    b":",
    b"!",
    b"-",
    b"+",
    b"@STRENGTH",
    b"@SECLEVEL=4",
    b"ALL",
    b"DEFAULT",
    b"HIGH",
    b"AES128",
    b"AESGCM",
    b"CHACHA20",
    b"aRSA",
    b"aECDSA",
    b"RC4-MD5",
    b"ECDHE-RSA-AES128-GCM-SHA256",
    b"TLS_AES_128_GCM_SHA256",
];

const RECORDS: &[&[u8]] = &[
    b"\x03\0", // deliver all, from the client
    b"\x83\0", // and from the server
    b"\x04\xff",
    b"\x84\xff",
    b"\x05\0",
    b"\x16\x03\x01",
    b"\x16\x03\x03\0\x04\0\0\0\0",
    b"\x14\x03\x03\0\x01\x01",
    b"\x15\x03\x03\0\x02\x01\0",
    b"\x15\x03\x03\0\x02\x02\x28",
    b"\x17\x03\x03\0\x11",
    b"\x18\x03\x03\0\x03\x01\x40\0",
    b"\x17\x03\x03\x41\x01",
];

const PEM: &[&[u8]] = &[
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\n",
    b"-----END PRIVATE KEY-----\n",
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    b"Proc-Type: 4,ENCRYPTED\n",
    b"\r\n",
    b"=",
    b"MII",
];

const DER: &[&[u8]] = &[
    b"\x30\x82",
    b"\x30\x80",
    b"\x31\x0b",
    b"\x06\x03\x55\x04\x03",
    b"\x17\x0d260704123456Z",
    b"\x18\x0f20500101000000Z",
    b"\xa0\x03\x02\x01\x02",
    b"\x03\x02\x00",
    b"\x84\xff\xff\xff\xff",
];

const TUNNELS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 407 Proxy Authentication Required\r\n",
    b"Proxy-Authenticate: Basic\r\n",
    b"\x05\x00",
    b"\x05\x02",
    b"\x05\xff",
    b"\x01\x00",
    b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50",
    b"\x05\x00\x00\x03\x02ab\x00\x50",
];

const LISTS: &[&[u8]] = &[b", ", b",,", b"\"", b"\\\"", b"\"a,b\"", b";", b"=", b" ", b"\t", b"\\"];

const URLS: &[&[u8]] = &[
    b"ws://",
    b"wss://",
    b"http://",
    b"https://",
    b"example.com",
    b"[::1]",
    b"[::ffff:127.0.0.1]",
    b"127.0.0.1",
    b":80",
    b":443",
    b":65536",
    b"@",
    b"%00",
    b"%2f",
    b"\n",
    b"/",
    b"?",
    b"#",
    b"null",
    b".",
    b"xn--",
];

const TEXT: &[&[u8]] = &[
    b"\xc3\xa9",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xed\xa0\x80",
    b"\xe0\x80\xaf",
    b"\xc0\x80",
    b"\xef\xbf\xbd",
    b"\x03\xe8",
    b"\x03\xee",
    b"\x0b\xb8",
    b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnop",
];

const FRAMES: &[&[u8]] = &[
    b"\x81\x05hello",
    b"\x81\x85\0\0\0\0hello",
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    b"\x01\x03Hel",
    b"\x01\x83\0\0\0\0Hel",
    b"\x80\x02lo",
    b"\x80\x82\0\0\0\0lo",
    b"\x00\x00",
    b"\x00\x80\0\0\0\0",
    b"\x80\x00",
    b"\x80\x80\0\0\0\0",
    b"\x82\x7e\x01\x00",
    b"\x82\xfe\x01\x00\0\0\0\0",
    b"\x82\x7f\0\0\0\0\0\x01\0\0",
    b"\x89\x00",
    b"\x89\x80\0\0\0\0",
    b"\x8a\x80\0\0\0\0",
    b"\x88\x00",
    b"\x88\x02\x03\xe8",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
    b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00",
    b"\x41\x83\0\0\0\0\xf2\x48\xcd",
    b"\x80\x84\0\0\0\0\xc9\xc9\x07\x00",
    b"\xe2\x82\xac",
    b"\xff",
];

const OFFERS: &[&[u8]] = &[
    b"permessage-deflate",
    b"; server_no_context_takeover",
    b"; client_no_context_takeover",
    b"; server_max_window_bits=",
    b"; client_max_window_bits=",
    b"; client_max_window_bits",
    b"\"15\"",
    b"8",
    b"9",
    b"10",
    b"15",
    b", ",
    b"=",
    b"x-webkit-deflate-frame",
];

const RUNS: &[&[u8]] = &[
    b"\x00\x00\x00",
    b"\xe1\xff\x00",
    b"\xe4\xff\x5a",
    b"\xe2\xff\xff",
    b"\x43\x40\x07",
    b"\xa5\x80\x30",
    b"\x86\x02",
];
const STREAMS: &[&[u8]] = &[
    b"\xf2\x48\xcd\xc9\xc9\x07\x00",
    b"\xf2\x00\x11\x00\x00",
    b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
    b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
    b"\x00\x00\xff\xff",
    b"\x02\x00",
    b"\x01\x00\x00\xff\xff",
    b"hello hello hello hello hello hello hello hello ",
];

const BLOCKS: &[&[u8]] = &[
    b"\x02\x08\x20\x80\0", // fixed, and empty
    b"\x00\0\0\xff\xff",   // stored, and empty
    b"\x01\x05\0\xfa\xffhello",
    b"\x04\xc0\x81\0\0\0\0\0\x90\xff\x6b\0", // codes of its own, and empty
    b"\x05\xc0\x81",
    b"\xff\xff\xff\xff",
    b"hello hello hello hello hello hello hello hello ",
];

const CONNECTION: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /sized HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /big HTTP/1.0\r\n\r\n",
    b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /short HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /again HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"/later",
    b"/stream",
    b"/cookie",
    b"/no",
    b"/bad",
    b"/none",
    b"/abort",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
      Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"Sec-WebSocket-Protocol: echo\r\n",
    b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n",
    b"\r\n\r\n",
    b"\x81\x85\0\0\0\0hello",
    b"\x82\x83\0\0\0\0!w\x05",
    b"\x82\x83\0\0\0\0!b\xff",
    b"\x82\x83\0\0\0\0!m\xff",
    b"\x82\x83\0\0\0\0!p\x40",
    b"\x82\x82\0\0\0\0!P",
    b"\x82\x82\0\0\0\0!c",
    b"\x82\x82\0\0\0\0!C",
    b"\x82\x82\0\0\0\0!a",
    b"\x82\x82\0\0\0\0!A",
    b"\x82\x82\0\0\0\0!s",
    b"\x82\x82\0\0\0\0!k",
    b"\x82\x82\0\0\0\0!z",
    b"\x82\x83\0\0\0\0!l\xff",
    b"\x82\x84\0\0\0\0!tab",
    b"\x82\x83\0\0\0\0!t.",
    b"\x82\x86\0\0\0\0!iping",
    b"\x82\x8a\0\0\0\0!f\x82\x82\0\0\0\0!p",
    b"\xaf",
    b"\xbf",
    b"\x89\x83\0\0\0\0!m\xff",
    b"\x89\x80\0\0\0\0",
    b"\x8a\x80\0\0\0\0",
    b"\x01\x83\0\0\0\0Hel",
    b"\x80\x82\0\0\0\0lo",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x88\x80\0\0\0\0",
    b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00",
    b"\x82\x03!w\x05",
    b"\x82\x03!m\xff",
    b"\x81\x05hello",
    b"\x88\x02\x03\xe8",
    b"\xc0",
    b"\xc2",
    b"\xd2",
    b"\x60",
    b"\x6b",
    b"\x6e",
    b"\x80",
    b"\xa0",
    b"\xa1",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds;

    #[test]
    fn every_target_has_seeds_and_survives_them_and_all_their_prefixes() {
        for target in TARGETS {
            let seeds = seeds(target.name).expect("a corpus");
            assert!(!seeds.is_empty(), "{} has no seeds", target.name);
            for seed in seeds {
                let step = seed.len().div_ceil(200).max(1);
                for end in (0..seed.len()).step_by(step).chain([seed.len()]) {
                    target.run(&seed[..end]);
                }
            }
        }
    }

    #[test]
    fn the_same_input_has_the_same_outcome() {
        for target in TARGETS {
            for seed in seeds(target.name).expect("a corpus") {
                assert_eq!(target.run(&seed), target.run(&seed), "{}", target.name);
            }
        }
    }

    #[test]
    fn every_target_has_its_own_name() {
        for (i, target) in TARGETS.iter().enumerate() {
            assert!(TARGETS[..i].iter().all(|other| other.name != target.name));
            assert_eq!(find(target.name).map(|found| found.name), Some(target.name));
        }
    }
}
