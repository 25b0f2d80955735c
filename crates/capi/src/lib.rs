//! `libwebsockets.so` and `libwebsockets.a`: the C library of the 2013 manual over Sockeye.
//!
//! What C programs see is in `include/libwebsockets.h`; every function there is an export here.
//!
//! | file | what it holds |
//! |---|---|
//! | `ids` | handles: what a program holds instead of addresses, and which thread may use them |
//! | `context` | one C context: Sockeye's context and what C adds to it |
//! | `level`, `info` | what is different from release to release |
//! | `create` | making and destroying contexts |
//! | `service` | the loop, built in and external; poll callbacks |
//! | `polls` | what is watched, and the wait for it |
//! | `bridge` | from Sockeye's callbacks to the one callback of C |
//! | `wsi` | one connection: its session memory, what it has received |
//! | `write`, `http`, `answer`, `connect`, `timeout`, `tokens`, `query` | what programs ask of connections |
//! | `all` | what they ask of all connections of a protocol |
//! | `tls` | certificates and CAs: the context's own, and what is asked about the peer's |
//! | `bell` | what other threads and signal handlers may ask |
//! | `log`, `util`, `daemon` | what needs no context |
//!
//! # The border
//!
//! * No panic crosses it: every export goes through [`panic::guard`].
//! * Handles are numbers that are checked, never addresses; data pointers are checked for NULL.
//! * No `RefCell` stays borrowed while a callback of the program runs.

mod abi;
mod all;
mod answer;
mod bell;
mod bridge;
mod call;
mod connect;
mod context;
mod create;
mod daemon;
mod http;
mod ids;
mod info;
mod level;
mod log;
mod memory;
mod panic;
mod polls;
mod query;
mod receive;
mod service;
mod timeout;
mod tls;
mod tokens;
mod util;
mod write;
mod wsi;
