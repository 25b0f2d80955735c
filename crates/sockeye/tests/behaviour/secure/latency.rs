//! What the log says of TLS that holds the loop up.

use super::certs::Authority;
use super::{believer, relay};
use crate::lines::{held_up, in_haste};
use crate::play::{Play, Trace};
use sockeye::Context;
use sockeye::tls::ServerTls;
use sockeye_testkit::{Frame, Peer};
use std::sync::Arc;

#[test]
fn tls_that_holds_the_loop_is_named() {
    let ca = Authority::new("Test CA");
    let issued = ca.issue(&["localhost"], "server");
    let tls = ServerTls::builder().certificate(issued.certificate()).build().expect("TLS");
    let builder = Context::builder().protocol(Play::new(&Trace::default()));
    let (address, turn) =
        in_haste(builder, |context| context.listen_tls("127.0.0.1:0", &tls).expect("a listener"));
    let mut peer =
        Peer::connect(relay::to_tls(address, "localhost", Arc::new(believer(&ca, None))), turn);
    peer.upgrade("/", &[]);
    peer.send_frame(&Frame::text("hello"));
    peer.expect_text("hello");
    let said = held_up("tls");
    for work in ["handshake", "decryption", "encryption"] {
        let text = format!("{work} | TLS {work} on connection 0.0 held the loop for 60ms");
        assert!(said.contains(&text), "no {work}: {said:#?}");
    }
}
