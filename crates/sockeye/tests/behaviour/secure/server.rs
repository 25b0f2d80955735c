//! The server's half.

use super::certs::{Authority, Twist, self_signed};
use super::{Secure, believer, relay};
use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Mode, World, in_every_mode};
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion};
use sockeye::tls::{Certificate, CipherList, ServerTls, TlsErrorKind};
use sockeye::{Action, Answer, Connections, Context, Message, Response};
use sockeye_testkit::{Frame, Peer, upgrade_request};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;

/// Answers every message with what is known of its connection's TLS.
fn telling(trace: &Trace) -> Play {
    Play::new(trace)
        .on_upgrade({
            let trace = trace.clone();
            move |hello| {
                let tls = hello.tls().expect("it is under TLS");
                let who = tls.peer.map_or_else(|| "nobody".to_owned(), |peer| peer.subject());
                trace.note(format!("upgrade by {who}"));
                Ok(())
            }
        })
        .on_receive(|conn, _| {
            let text = known(conn.connections(), conn.id());
            conn.reply(Message::text(&text))
        })
}

fn known(connections: Connections<'_>, id: sockeye::ConnId) -> String {
    let tls = connections.tls(id).expect("it is under TLS");
    let name = tls.server_name.unwrap_or_default();
    let alpn = tls.alpn.unwrap_or_default();
    format!("{} {} {name} {alpn} {}", tls.version, tls.cipher, tls.resumed)
}

fn ask(peer: &mut Peer) -> String {
    peer.send_frame(&Frame::text("?"));
    let frame = peer.expect_frame();
    String::from_utf8(frame.payload).expect("text")
}

fn of_version(ca: &Authority, version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(super::roots(ca))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

#[test]
fn messages_come_and_go_in_both_versions() {
    in_every_mode(|mode| {
        for version in [&TLS12, &TLS13] {
            let secure = Secure::new(mode);
            let mut peer = secure.peer_with(of_version(&secure.ca, version));
            peer.upgrade("/", &[]);
            for size in [0, 1, 125, 126, 16_370, 16_383, 16_384, 16_385, 70_000, 1 << 20] {
                let payload: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
                let frame = Frame::binary(payload);
                peer.send_frame(&frame);
                assert!(peer.expect_frame().payload == frame.payload, "{size} bytes");
            }
            peer.close(1000, "done");
            secure.world.until_connections(0);
        }
    });
}

#[test]
fn a_server_closes_in_good_order_after_its_last_words() {
    in_every_mode(|mode| {
        let secure = Secure::playing(
            mode,
            |b, _| b,
            |trace| {
                Play::new(trace)
                    .on_receive(|_, _| Action::close(sockeye::CloseCode::NORMAL, "enough"))
            },
        );
        let mut peer = secure.client();
        peer.send_frame(&Frame::text("hello"));
        peer.close_answer(1000, "enough"); // and an end of the stream that was not cut off
        secure.world.until_connections(0);
    });
}

#[test]
fn an_end_without_ceremony_is_no_truncation() {
    in_every_mode(|mode| {
        let abort = |trace: &_| Play::new(trace).on_receive(|_, _| Action::Abort);
        let secure = Secure::playing(mode, |b, _| b, abort);
        let (config, at) = (believer(&secure.ca, None), secure.world.address);
        let client = std::thread::spawn(move || {
            let name = "localhost".try_into().expect("a name");
            let tls = ClientConnection::new(config.into(), name).expect("a client");
            let mut tls = StreamOwned::new(tls, TcpStream::connect(at).expect("a connection"));
            tls.write_all(upgrade_request("/", &[]).as_bytes()).expect("a request");
            tls.write_all(&Frame::text("end it").masked()).expect("a frame");
            tls.read_to_end(&mut Vec::new()).map_err(|error| error.kind())
        });
        secure.world.until("the end of the client", || client.is_finished());
        // Without a close_notify it would be an unexpected end.
        assert!(client.join().expect("no panic").is_ok());
    });
}

#[test]
fn broadcasts_of_other_turns_come_whole() {
    in_every_mode(|mode| {
        let secure = Secure::playing(
            mode,
            |b, _| b,
            |trace| {
                Play::new(trace).on_receive(|conn, message| {
                    let all: Vec<_> = conn.connections().all();
                    let shared = sockeye::Shared::new(Message::binary(message.as_bytes()));
                    for id in all {
                        let _ = conn.connections().send_shared(id, &shared);
                    }
                    Action::Continue
                })
            },
        );
        let mut peers: Vec<Peer> = (0..3).map(|_| secure.client()).collect();
        for round in 0..20_u8 {
            let payload = vec![round; 1 + usize::from(round) * 1777];
            peers[0].send_frame(&Frame::binary(payload.clone()));
            for peer in &mut peers {
                assert!(peer.expect_frame().payload == payload, "round {round}");
            }
        }
    });
}

#[test]
fn a_slow_reader_gets_everything_in_order() {
    let secure = Secure::playing(
        Mode::BuiltIn,
        |b, _| b,
        |trace| {
            let mut sent = 0_u32;
            Play::new(trace)
                .on_receive(|conn, _| {
                    conn.request_writable();
                    Action::Continue
                })
                .on_writable(move |conn, permit| {
                    let mut permit = Some(permit);
                    while let Some(ready) = permit {
                        if sent == 3000 {
                            return Action::Continue;
                        }
                        sent += 1;
                        permit = ready.send(Message::binary(sent.to_be_bytes().repeat(1000)));
                    }
                    conn.request_writable();
                    Action::Continue
                })
        },
    );
    let mut peer = secure.client();
    peer.send_frame(&Frame::text("go"));
    for expected in 1..=3000_u32 {
        let frame = peer.expect_frame();
        assert!(frame.payload == expected.to_be_bytes().repeat(1000), "message {expected}");
    }
}

#[test]
fn http_is_served_under_tls_and_knows_it() {
    let secure = Secure::new(Mode::BuiltIn);
    let mut peer = secure.peer();
    for path in ["/a", "/b"] {
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(peer.expect_response().body, format!("GET {path}").into_bytes());
    }
}

#[test]
fn what_was_agreed_on_can_be_asked_for() {
    let secure = Secure::playing(Mode::BuiltIn, |b, _| b, telling);
    for (version, expected) in [
        (&TLS12, "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (&TLS13, "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    ] {
        let mut peer = secure.peer_with(of_version(&secure.ca, version));
        peer.upgrade("/", &[]);
        assert_eq!(ask(&mut peer), format!("{expected} localhost http/1.1 false"));
    }
    assert_eq!(secure.trace.take().first().map(String::as_str), Some("upgrade by nobody"));
}

#[test]
fn the_cipher_list_decides() {
    let secure = Secure::playing(
        Mode::BuiltIn,
        |builder, _| {
            let list: CipherList = "CHACHA20:AES128".parse().unwrap();
            let tls13 = "TLS_CHACHA20_POLY1305_SHA256".parse().unwrap();
            builder.ciphers(list).tls13_suites(tls13)
        },
        telling,
    );
    for (version, expected) in [
        (&TLS12, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        (&TLS13, "TLS_CHACHA20_POLY1305_SHA256"),
    ] {
        let mut peer = secure.peer_with(of_version(&secure.ca, version));
        peer.upgrade("/", &[]);
        let answer = ask(&mut peer);
        assert!(answer.contains(expected), "{answer}");
    }
    let only13 = Secure::with(Mode::BuiltIn, |builder, _| builder.tls13_only());
    let mut old = only13.peer_with(of_version(&only13.ca, &TLS12));
    old.send(upgrade_request("/", &[]));
    old.expect_end();
}

#[test]
fn a_client_without_http_in_its_alpn_is_turned_away() {
    let secure = Secure::new(Mode::BuiltIn);
    let mut config = believer(&secure.ca, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut peer = secure.peer_with(config);
    peer.expect_end();
    secure.world.until_connections(0);
}

#[test]
fn clients_that_must_show_a_certificate_are_known_by_it() {
    in_every_mode(|mode| {
        let require = |builder: sockeye::tls::ServerTlsBuilder, ca: &Authority| {
            builder.require_clients_pem(ca.pem())
        };
        let secure = Secure::playing(mode, require, telling);
        let alice = secure.ca.issue(&["alice.example"], "alice");
        let mut peer = secure.peer_with(believer(&secure.ca, Some(&alice)));
        peer.upgrade("/", &[]);
        assert_eq!(secure.trace.take().first().map(String::as_str), Some("upgrade by CN=alice"));

        let mallory = Authority::new("Another CA").issue(&["alice.example"], "alice");
        let expired = secure.ca.issue_twisted(&["alice.example"], "alice", Twist::Expired);
        for shown in [None, Some(&mallory), Some(&expired)] {
            let mut config = believer(&secure.ca, shown);
            config.resumption = Resumption::disabled();
            let mut peer = secure.peer_with(config);
            let _ = peer.try_send(upgrade_request("/", &[]));
            let (rest, _) = peer.expect_rest_and_end();
            assert!(rest.is_empty(), "no answer to who is not known");
        }
        assert_eq!(secure.trace.count("upgrade"), 0);
        secure.world.until_connections(1);
    });
}

#[test]
fn clients_that_may_show_a_certificate_need_not_but_it_must_be_good() {
    let ask =
        |builder: sockeye::tls::ServerTlsBuilder, ca: &Authority| builder.ask_clients_pem(ca.pem());
    let secure = Secure::playing(Mode::BuiltIn, ask, telling);
    let bob = secure.ca.issue(&[], "bob");
    for (shown, expected) in [(None, "upgrade by nobody"), (Some(&bob), "upgrade by CN=bob")] {
        let mut peer = secure.peer_with(believer(&secure.ca, shown));
        peer.upgrade("/", &[]);
        assert_eq!(secure.trace.last("upgrade"), expected);
    }
    let mallory = Authority::new("Another CA").issue(&[], "bob");
    let mut peer = secure.peer_with(believer(&secure.ca, Some(&mallory)));
    let _ = peer.try_send(upgrade_request("/", &[]));
    assert!(peer.expect_rest_and_end().0.is_empty());
}

#[test]
fn a_certificate_is_chosen_by_the_name_asked_for() {
    let names = [("localhost", "server"), ("a.example", "a"), ("b.deep.example", "deep")];
    let secure = Secure::with(Mode::BuiltIn, |builder, ca| {
        let a = ca.issue(&["a.example", "b.example"], "a");
        let deep = ca.issue(&["*.deep.example"], "deep");
        builder.certificate(a.certificate()).certificate(deep.certificate())
    });
    for (name, _) in names {
        // The client checks that the certificate is for the name it has asked for.
        let mut peer = secure.peer_asking(name, believer(&secure.ca, None));
        peer.upgrade("/", &[]);
    }
    for name in ["deep.example", "x.b.deep.example", "c.example"] {
        let mut peer = secure.peer_asking(name, believer(&secure.ca, None));
        peer.expect_end(); // it got the first certificate, which is for another name
    }
}

#[test]
fn sessions_are_resumed_but_never_at_another_listener() {
    for version in [&TLS12, &TLS13] {
        let secure = Secure::playing(Mode::BuiltIn, |b, _| b, telling);
        let config = of_version(&secure.ca, version);
        for expected in ["false", "true", "true"] {
            let mut peer = secure.peer_with(config.clone());
            peer.upgrade("/", &[]);
            let answer = ask(&mut peer);
            assert!(answer.ends_with(expected), "{answer}");
        }
        // The same certificate, another policy.
        let other = secure.ca.issue(&["localhost"], "server");
        let strict = ServerTls::builder()
            .certificate(other.certificate())
            .ask_clients_pem(secure.ca.pem())
            .build()
            .expect("TLS");
        let trace = crate::play::Trace::default();
        let builder = sockeye::Context::builder().protocol(telling(&trace));
        let world = crate::world::World::secure(Mode::BuiltIn, builder, &strict);
        let relay = super::relay::to_tls(world.address, "localhost", config.into());
        let mut peer = Peer::connect(relay, world.turns());
        peer.upgrade("/", &[]);
        let answer = ask(&mut peer);
        assert!(answer.ends_with("false"), "{answer}");
    }
}

#[test]
fn plain_requests_at_a_port_for_tls_are_shown_the_way() {
    in_every_mode(|mode| {
        let secure = Secure::new(mode);
        let at = secure.world.address;
        let plain = || Peer::connect(at, secure.world.turns());
        let mut peer = plain();
        peer.send(format!("GET /x?y=1 HTTP/1.1\r\nHost: {at}\r\n\r\n"));
        let response = peer.expect_response();
        assert_eq!(response.head.status(), 307);
        let location = format!("https://{at}/x?y=1");
        assert_eq!(response.head.header("Location"), Some(location.as_str()));
        peer.expect_eof();
        drop(peer);

        let refused: [&[u8]; 4] = [
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            b"Good day\r\n\r\n",
        ];
        let upgrade = upgrade_request("/", &[]);
        for request in refused.into_iter().chain([upgrade.as_ref()]) {
            let mut peer = plain();
            peer.dribble(request);
            assert_eq!(peer.expect_response().head.status(), 400);
            peer.expect_eof();
        }
        assert_eq!(secure.trace.take(), [""; 0]);
        secure.world.until_connections(0);
    });
}

#[test]
fn certificates_are_replaced_under_open_connections() {
    let secure = Secure::new(Mode::BuiltIn);
    let config = || {
        let mut config = believer(&secure.ca, None);
        config.resumption = Resumption::disabled();
        config
    };
    let mut old = secure.client();
    let next = secure.ca.issue(&["next.example"], "next");
    secure.tls.replace(vec![next.certificate()]).expect("it is good");
    let mut new = secure.peer_asking("next.example", config());
    new.upgrade("/", &[]);
    secure.peer_with(config()).expect_end(); // the old one is shown to nobody any more
    for peer in [&mut old, &mut new] {
        peer.send_frame(&Frame::text("still here"));
        peer.expect_text("still here");
    }
}

#[test]
fn a_bad_certificate_is_refused_with_its_reason_and_the_old_one_stays() {
    let secure = Secure::new(Mode::BuiltIn);
    let good = secure.ca.issue(&["localhost"], "server");
    let other = secure.ca.issue(&["localhost"], "other");
    let expired = secure.ca.issue_twisted(&["localhost"], "old", Twist::Expired);
    let chain = format!("{}{}", secure.ca.pem(), good.pem);
    let cases = [
        (Certificate::from_pem(good.pem.clone(), other.key), "does not belong to the certificate"),
        (Certificate::from_pem(chain, good.key.clone()), "belongs to certificate 2, which must"),
        (expired.certificate(), "expired on Mon, 03 Feb 2020 00:00:00 GMT"),
        (Certificate::from_pem("", good.key.clone()), "has no certificate"),
        (Certificate::from_files("/nonexistent.pem", "/nonexistent.key"), "/nonexistent.pem: No"),
    ];
    for (certificate, expected) in cases {
        let error = secure.tls.replace(vec![certificate]).expect_err("it is bad");
        assert_eq!(error.kind(), TlsErrorKind::Settings);
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(secure.tls.replace(Vec::new()).is_err());
    let mut peer = secure.client();
    peer.send_frame(&Frame::text("as ever"));
    peer.expect_text("as ever");
}

#[test]
fn files_are_read_anew_when_told_and_seen_to_be_stale() {
    let ca = Authority::new("Test CA");
    let dir = std::env::temp_dir().join(format!("sockeye-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
    let write = |issued: &super::Issued| {
        std::fs::write(&chain, &issued.pem).unwrap();
        std::fs::write(&key, &issued.key).unwrap();
    };
    write(&ca.issue(&["a.example"], "a"));
    let tls = ServerTls::from_files(&chain, &key).expect("TLS");
    assert!(!tls.is_stale());
    std::fs::write(&chain, "half of a cert").unwrap();
    assert!(tls.is_stale());
    let error = tls.reload().expect_err("it is bad").to_string();
    assert!(error.contains(&format!("{} has no certificate", chain.display())), "{error}");
    assert!(!tls.is_stale(), "it was told, and need not be again");
    write(&ca.issue(&["b.example"], "b"));
    assert!(tls.is_stale());
    tls.reload().expect("it is good");
    assert!(!tls.is_stale());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn an_expired_certificate_is_served_all_the_same() {
    let issued = self_signed(&["localhost"], "old", Twist::Expired);
    ServerTls::builder().certificate(issued.certificate()).build().expect("with a warning");
    assert!(ServerTls::builder().build().is_err(), "one is needed");
}

#[test]
fn handshakes_on_threads_of_their_own_come_to_the_same() {
    in_every_mode(|mode| {
        for version in [&TLS12, &TLS13] {
            let secure = Secure::with_workers(mode);
            let config = of_version(&secure.ca, version);
            let mut peers: Vec<Peer> = (0..8).map(|_| secure.peer_with(config.clone())).collect();
            for peer in &mut peers {
                peer.upgrade("/", &[]);
            }
            for (number, peer) in peers.iter_mut().enumerate() {
                let frame = Frame::binary(vec![7; number * 9000]);
                peer.send_frame(&frame);
                assert!(peer.expect_frame().payload == frame.payload);
            }
            for peer in &mut peers {
                peer.close(1000, "");
            }
            secure.world.until_connections(0);
        }
    });
}

#[test]
fn what_goes_wrong_on_a_thread_ends_that_connection_alone() {
    in_every_mode(|mode| {
        let secure = Secure::with_workers(mode);
        let mut garbage = Peer::connect(secure.world.address, secure.world.turns());
        garbage.send(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"); // a ServerHello
        assert_eq!(garbage.expect_rest()[0], 21, "an alert");
        let mut plain = Peer::connect(secure.world.address, secure.world.turns());
        plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(plain.expect_response().head.status(), 307);
        let mut silent = Peer::connect(secure.world.address, secure.world.turns());
        secure.client();
        drop((garbage, plain));
        secure.world.wind(std::time::Duration::from_secs(11));
        silent.expect_rest_and_end();
    });
}

#[test]
fn who_was_let_in_by_an_old_ca_is_not_by_a_new_one_not_even_by_resumption() {
    let file = std::env::temp_dir().join(format!("sockeye-ca-{}.pem", std::process::id()));
    let (old, new) = (Authority::new("Old CA"), Authority::new("New CA"));
    std::fs::write(&file, old.pem()).unwrap();
    let require = |builder: sockeye::tls::ServerTlsBuilder, _: &Authority| {
        builder.require_clients(file.clone())
    };
    let secure = Secure::playing(Mode::BuiltIn, require, telling);
    let config = believer(&secure.ca, Some(&old.issue(&[], "alice")));
    for expected in ["false", "true"] {
        let mut peer = secure.peer_with(config.clone());
        peer.upgrade("/", &[]);
        let answer = ask(&mut peer);
        assert!(answer.ends_with(expected), "{answer}");
        assert_eq!(secure.trace.last("upgrade"), "upgrade by CN=alice");
    }
    std::fs::write(&file, new.pem()).unwrap();
    secure.tls.reload().expect("it is good");
    let mut peer = secure.peer_with(config);
    let _ = peer.try_send(upgrade_request("/", &[]));
    assert!(peer.expect_rest_and_end().0.is_empty(), "she is not let in");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn who_says_no_more_by_tls_still_gets_the_answer_that_was_put_off() {
    in_every_mode(|mode| {
        let ca = Authority::new("Test CA");
        let shown = ca.issue(&["localhost"], "server").certificate();
        let tls = ServerTls::builder().certificate(shown).build().expect("TLS");
        let (trace, asked) = (Trace::default(), Rc::new(Cell::new(None)));
        let asking = Rc::clone(&asked);
        let site = Site::new(&trace).on_request(move |conn, _| {
            asking.set(Some(conn.id()));
            Answer::Later
        });
        let world = World::secure(mode, Context::builder().http(site), &tls);
        let at = relay::to_tls(world.address, "localhost", Arc::new(believer(&ca, None)));
        let mut peer = Peer::connect(at, world.turns());
        peer.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
        peer.finish(); // a close_notify, then a FIN
        assert_eq!(peer.expect_head().status(), 100);
        let id = asked.take().expect("a request");
        world.connections(|all| all.respond(id, Response::text("here"))).expect("it listens");
        assert_eq!(peer.expect_response().body, b"here");
        peer.expect_eof();
        world.until_connections(0);
        assert_eq!(trace.take(), ["request GET /slow", "sent", "http closed"]);
    });
}
