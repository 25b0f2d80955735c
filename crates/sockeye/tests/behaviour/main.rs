//! What the library does, seen from the wire and from its callbacks.

mod bindings;
mod broadcast;
mod client;
mod closing;
mod dialing;
mod drain;
mod echo;
mod external;
mod fairness;
mod faults;
mod handles;
mod handshake;
mod held;
mod http;
mod http_limits;
#[cfg(target_os = "linux")]
mod interest;
mod keepalive;
mod later;
mod lines;
mod links;
mod negotiation;
mod pausing;
mod play;
#[cfg(feature = "tls")]
mod secure;
mod site;
mod time;
mod violations;
mod world;
mod writability;
