//! The fuzz targets, run over mutations of good and bad examples.

use sockeye_proto::{handshake, http};

const SEEDS: [&[u8]; 14] = [
    b"GET /a?b HTTP/1.1\r\nHost: a:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
      Sec-WebSocket-Protocol: a, b\r\nOrigin: http://a\r\n\r\n",
    b"POST http://a/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\r\nPUT / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"\x025\r\nhello\r\n6;a=b\r\n world\r\n0\r\nA: b\r\n\r\nGET /",
    b"\x02 1 ; a\r\nx\r\n00\r\n\r\n",
    b"\x10hello world",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Protocol: chat\r\n\
      Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    b"X-Name= value\t",
    b"a, \"b,\\\"c\" ;d=e,, f",
    b"wss://me:pw@[::1]:7681/chat?x=%20",
    b"https://Example.com?x",
    b"http://[::1]:80\n[0::1]",
    b"https://example.com\nexample.com:443",
];

const TARGETS: [fn(&[u8]); 8] = [
    http::fuzz::fuzz_head,
    http::fuzz::fuzz_body,
    http::fuzz::fuzz_response,
    http::fuzz::fuzz_header_list,
    handshake::fuzz::fuzz_url,
    handshake::fuzz::fuzz_upgrade,
    handshake::fuzz::fuzz_accept,
    handshake::fuzz::fuzz_origin,
];

/// A xorshift generator: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }

    fn mutate(&mut self, data: &mut Vec<u8>) {
        const SPICE: &[u8] = b"\r\n\0\t :;,\"\\/?#@[]%0159afx\x7f\xff";
        let at = self.below(data.len() + 1);
        match self.below(5) {
            0 => data.insert(at, SPICE[self.below(SPICE.len())]),
            1 => data.truncate(at),
            2 => drop(data.splice(at..at, SEEDS[self.below(SEEDS.len())].iter().copied())),
            3 => drop(data.drain(at..(at + self.below(8)).min(data.len()))),
            _ => {
                if let Some(byte) = data.get_mut(at) {
                    *byte = SPICE[self.below(SPICE.len())];
                }
            }
        }
    }
}

#[test]
fn targets_hold_for_every_seed_and_every_prefix_of_it() {
    for target in TARGETS {
        for seed in SEEDS {
            for end in 0..=seed.len() {
                target(&seed[..end]);
            }
        }
    }
}

#[test]
fn targets_hold_for_mutations() {
    let mut random = Random(0x5eed);
    for _ in 0..ROUNDS {
        let mut data = SEEDS[random.below(SEEDS.len())].to_vec();
        for _ in 0..=random.below(4) {
            random.mutate(&mut data);
            for target in TARGETS {
                target(&data);
            }
        }
    }
}

const ROUNDS: usize = 3000;
