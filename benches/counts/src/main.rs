//! `sockeye-counts OPERATION TIMES` does one thing so many times, and nothing else that depends on
//! the number: under `valgrind --tool=callgrind` the difference between twice as often and once
//! as often is what the thing costs in instructions of this program, the kernel's left out.
//! `sockeye-counts list` names the operations. `cargo xtask counts` runs it.
//!
//! | operations on | open |
//! |---|---|
//! | bytes alone: frames, masks, heads, compression | `bytes.rs` |
//! | a context and its clients, over Unix sockets: their other end is there at once, so that the same calls find the same every time | `served.rs` |
#![forbid(unsafe_code)]

mod bytes;
mod served;

use std::process::ExitCode;

/// Does it so many times.
type Operation = fn(u32);

/// Every operation by name: what its size is counts as part of it.
const OPERATIONS: [(&str, Operation); 18] = [
    ("mask-16k", bytes::mask),
    ("frame-in-20", bytes::frame_in_20),
    ("frame-in-1k-text", bytes::frame_in_1k_text),
    ("frame-in-16k", bytes::frame_in_16k),
    ("frame-out-20", bytes::frame_out_20),
    ("frame-out-1k", bytes::frame_out_1k),
    ("frame-out-20-masked", bytes::frame_out_20_masked),
    ("head", bytes::head),
    ("inflate-1k", bytes::inflate),
    ("deflate-1k-shared", bytes::deflate_shared),
    ("deflate-1k-own", bytes::deflate_own),
    ("handshake", served::handshake),
    ("handshake-deflate", served::handshake_deflate),
    ("echo-20", served::echo_20),
    ("echo-20x16", served::echo_20x16),
    ("echo-1k-deflate", served::echo_1k_deflate),
    ("broadcast-100x16", served::broadcast),
    ("publish-16x100x16", served::publish),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
            ExitCode::SUCCESS
        }
        [name, times] => match (OPERATIONS.iter().find(|(n, _)| *n == name), times.parse()) {
            (Some((_, operation)), Ok(times)) => {
                operation(times);
                ExitCode::SUCCESS
            }
            (None, _) => misuse(&format!("unknown operation `{name}`; `list` names them")),
            (_, Err(error)) => misuse(&format!("`{times}` times: {error}")),
        },
        _ => misuse("usage: sockeye-counts list | OPERATION TIMES"),
    }
}

fn misuse(what: &str) -> ExitCode {
    eprintln!("sockeye-counts: {what}");
    ExitCode::from(2)
}
