//! One connection's TLS: records in, plain bytes out, and the other way round. No sockets.
//!
//! It holds no buffers while nothing is unfinished: input and output are the context's, shared by
//! all connections.

use super::{
    ClientTls, PeerCertificate, ServerTls, TlsError, TlsErrorKind, TlsInfo, describe, hint,
};
use crate::transport::Lost;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};
use std::ops::Deref;

/// The longest record: header, payload, and what encryption may add (RFC 8446 §5.2).
pub(crate) const RECORD_MAX: usize = 5 + (16 << 10) + 256;

/// The longest piece of plain bytes in one record.
const PIECE: usize = 16 << 10;

/// What a record adds to its piece, at most.
const OVERHEAD: usize = 64;

/// The TLS of a connection.
pub(crate) struct Link {
    side: Side,
    /// What has come and is unfinished: the beginning of a record, or records with the beginning
    /// of a handshake message, which rustls has changed in place. Invariant: whenever rustls is
    /// called, it sees this first; it remembers where in it it is.
    partial: Vec<u8>,
    /// Plain bytes that go out when the handshake is done.
    early: Vec<u8>,
    /// The other end is a proxy, and what comes of its certificate is nobody else's business.
    is_proxys: bool,
    /// That to a proxy, in whose tunnel this one is: its plain bytes are the records of this one.
    under: Option<Box<Link>>,
    /// What the client asked for, on a server.
    server_name: Option<Box<str>>,
    /// The stream has ended, though not all that came before may have been taken yet.
    end: Option<Lost>,
    /// Nothing has come yet.
    fresh: bool,
    /// It has failed, or one end has said its last: no more input is taken.
    over: bool,
    /// It has failed: nothing more is sent.
    failed: bool,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What came of input.
pub(crate) enum Taken {
    /// So many plain bytes; there may be none.
    Plain(usize),
    /// It is no TLS, but looks like plain HTTP: all of the input is plain bytes.
    NoTls,
}

impl Link {
    pub(crate) fn server(tls: &ServerTls) -> Result<Self, TlsError> {
        match UnbufferedServerConnection::new(tls.config()) {
            Ok(side) => Ok(Self::new(Side::Server(side))),
            Err(error) => Err(describe::describe(&error, false, None)),
        }
    }

    pub(crate) fn client(tls: &ClientTls, name: TlsName) -> Result<Self, TlsError> {
        match UnbufferedClientConnection::new(tls.config(), name.0) {
            Ok(side) => Ok(Self::new(Side::Client(side))),
            Err(error) => Err(describe::describe(&error, true, None)),
        }
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            partial: Vec::new(),
            early: Vec::new(),
            is_proxys: false,
            under: None,
            server_name: None,
            end: None,
            fresh: true,
            over: false,
            failed: false,
        }
    }

    /// The other end is a proxy.
    pub(crate) fn of_proxy(&mut self) {
        self.is_proxys = true;
    }

    /// As it is kept.
    pub(crate) fn held(self) -> super::Held {
        Box::new(self)
    }

    /// Goes on in a tunnel at whose near end TLS is spoken with a proxy.
    pub(crate) fn inside(&mut self, mut under: Box<Self>) {
        self.ends_with(&mut under);
        self.under = Some(under);
    }

    fn is_client(&self) -> bool {
        matches!(self.side, Side::Client(_))
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Server(server) => server,
            Side::Client(client) => client,
        }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// How the stream has ended, once; to be asked when all that came before has been taken.
    pub(crate) fn take_end(&mut self) -> Option<Lost> {
        self.end.take()
    }

    /// How many bytes are kept, that new ones must follow in the buffer.
    pub(crate) fn kept(&self) -> usize {
        self.lowest().partial.len()
    }

    /// How many more are kept, of which plain bytes may come too.
    pub(crate) fn kept_above(&self) -> usize {
        self.under.as_ref().map_or(0, |_| self.partial.len().min(RECORD_MAX))
    }

    /// The one that meets the socket.
    fn lowest(&self) -> &Self {
        self.under.as_deref().unwrap_or(self)
    }

    /// Takes bytes from the socket, which lie in `cipher` behind as many as are
    /// [`kept`](Self::kept). Plain bytes go to `plain`, which must be as long as all of these and
    /// [`kept_above`](Self::kept_above); what must be answered is appended to `out`.
    pub(crate) fn take(&mut self, cipher: &mut [u8], plain: &mut [u8], out: &mut Vec<u8>) -> Taken {
        let Some(mut under) = self.under.take() else { return self.take_own(cipher, plain, out) };
        let kept = self.partial.len();
        let mut records = vec![0; kept + cipher.len()];
        let mut filled = 0;
        if let Taken::Plain(len @ 1..) = under.take_own(cipher, &mut records[kept..], out) {
            let mut answer = Vec::new();
            let taken = self.take_own(&mut records[..kept + len], plain, &mut answer);
            under.seal(&answer, out);
            filled = if let Taken::Plain(len) = taken { len } else { 0 };
        }
        self.ends_with(&mut under);
        self.under = Some(under);
        Taken::Plain(filled)
    }

    /// If the link under it has ended, it has too.
    fn ends_with(&mut self, under: &mut Self) {
        let Some(lost) = under.take_end() else { return };
        let lost = match lost {
            Lost::Tls(error) => {
                let text = format!("TLS with the proxy: {error}");
                Lost::Tls(Box::new(TlsError::new(error.kind(), text)))
            }
            Lost::Eof | Lost::Broken(_) => lost,
        };
        self.end.get_or_insert(lost);
        self.over = true;
        self.failed |= under.failed;
    }

    fn take_own(&mut self, cipher: &mut [u8], plain: &mut [u8], out: &mut Vec<u8>) -> Taken {
        let kept = self.partial.len();
        // No TLS begins like a word.
        if self.fresh && !self.is_client() && cipher.first().is_some_and(u8::is_ascii_alphabetic) {
            plain[..cipher.len()].copy_from_slice(cipher);
            return Taken::NoTls;
        }
        self.fresh = false;
        if self.over {
            return Taken::Plain(0); // what comes after the end is nobody's
        }
        cipher[..kept].copy_from_slice(&self.partial);
        if !is_worth_a_look(cipher) {
            self.partial.extend_from_slice(&cipher[kept..]);
            return Taken::Plain(0);
        }
        let (used, filled) = self.run(cipher, plain, out);
        self.keep(&cipher[used..]);
        self.handshake_done(out);
        Taken::Plain(filled)
    }

    /// Whether these bytes, which lie as for [`take`](Self::take), cost a handshake's work.
    pub(crate) fn is_heavy(&self, cipher: &mut [u8]) -> bool {
        let plain = self.fresh && cipher.first().is_some_and(u8::is_ascii_alphabetic);
        if plain || self.over || !self.is_handshaking() {
            return false;
        }
        let kept = &self.lowest().partial;
        cipher[..kept.len()].copy_from_slice(kept);
        is_worth_a_look(cipher)
    }

    /// Takes bytes that are known to be heavy; how many plain ones came of them.
    pub(crate) fn take_handshake(
        &mut self,
        cipher: &mut [u8],
        plain: &mut [u8],
        out: &mut Vec<u8>,
    ) -> usize {
        match self.take(cipher, plain, out) {
            Taken::Plain(len) => len,
            Taken::NoTls => 0,
        }
    }

    /// Drives rustls over `cipher`: how much of it is done with, and how many plain bytes came of
    /// it.
    fn run(&mut self, cipher: &mut [u8], plain: &mut [u8], out: &mut Vec<u8>) -> (usize, usize) {
        drop(hint::take());
        let mut flow = Flow { plain, filled: 0, out };
        let result = match &mut self.side {
            Side::Server(server) => flow.run(server, cipher),
            Side::Client(client) => flow.run(client, cipher),
        };
        let filled = flow.filled;
        let seen = hint::take();
        if let Some(name) = seen.server_name {
            self.server_name = Some(name.into_boxed_str());
        }
        match result {
            Ok(Pause { used, closed: false }) => return (used, filled),
            Ok(Pause { closed: true, .. }) => {
                (self.end, self.over) = (Some(Lost::Eof), true);
            }
            Err(error) => {
                self.fail(describe::describe(&error, self.is_client(), seen.certificate));
            }
        }
        (cipher.len(), filled)
    }

    fn fail(&mut self, error: TlsError) {
        self.end.get_or_insert_with(|| Lost::Tls(Box::new(error)));
        (self.over, self.failed) = (true, true);
    }

    /// Keeps what is unfinished. A record always ends; a handshake message may be cut into so many
    /// that it goes over the limit.
    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.partial = Vec::new(); // and not just cleared: an idle connection keeps nothing
            return;
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        if rest.len() > HANDSHAKE_MAX {
            let text = format!("a handshake message takes more than {HANDSHAKE_MAX} bytes");
            self.fail(TlsError::new(TlsErrorKind::Protocol, text));
        }
    }

    /// Begins the handshake: what must be sent is appended to `out`, and `early` follows when the
    /// handshake is done.
    pub(crate) fn begin(&mut self, early: Vec<u8>, out: &mut Vec<u8>) {
        self.early = early;
        self.put(out, |link, out| {
            link.run(&mut [], &mut [], out); // nothing has come yet, so nothing is kept
            link.handshake_done(out);
        });
    }

    /// Appends the records that `write` makes to `out`, by way of the link under this one.
    fn put(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        let Some(mut under) = self.under.take() else { return write(self, out) };
        let mut records = Vec::new();
        write(self, &mut records);
        under.seal(&records, out);
        self.under = Some(under);
    }

    /// Lets go what had to wait for the handshake.
    fn handshake_done(&mut self, out: &mut Vec<u8>) {
        if !self.early.is_empty() && !self.is_handshaking() {
            let early = std::mem::take(&mut self.early);
            self.seal_own(&early, out);
        }
    }

    /// Encrypts plain bytes and appends them to `out`. Before the handshake is done they wait.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.put(out, |link, out| link.seal_own(plain, out));
    }

    fn seal_own(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if self.is_handshaking() {
            return self.early.extend_from_slice(plain);
        }
        for piece in plain.chunks(PIECE) {
            if self.failed {
                return; // that was told
            }
            let guess = piece.len() + OVERHEAD;
            let done = match &mut self.side {
                Side::Server(server) => {
                    let write =
                        |room: &mut [u8], t: &mut WriteTraffic<'_, _>| t.encrypt(piece, room);
                    with_traffic(server, &mut self.partial, out, write, guess)
                }
                Side::Client(client) => {
                    let write =
                        |room: &mut [u8], t: &mut WriteTraffic<'_, _>| t.encrypt(piece, room);
                    with_traffic(client, &mut self.partial, out, write, guess)
                }
            };
            if let Err(error) = done {
                self.fail(describe::describe(&error, self.is_client(), None));
            }
        }
    }

    /// Appends our `close_notify`, unless that or an alert has gone before, or nothing may be said
    /// yet.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        self.put(out, Self::close_own);
        if let Some(under) = &mut self.under {
            under.close_own(out);
        }
    }

    fn close_own(&mut self, out: &mut Vec<u8>) {
        if self.is_handshaking() || self.failed {
            return;
        }
        let done = match &mut self.side {
            Side::Server(server) => {
                let write =
                    |room: &mut [u8], t: &mut WriteTraffic<'_, _>| t.queue_close_notify(room);
                with_traffic(server, &mut self.partial, out, write, OVERHEAD)
            }
            Side::Client(client) => {
                let write =
                    |room: &mut [u8], t: &mut WriteTraffic<'_, _>| t.queue_close_notify(room);
                with_traffic(client, &mut self.partial, out, write, OVERHEAD)
            }
        };
        self.over = true;
        if let Err(error) = done {
            self.fail(describe::describe(&error, self.is_client(), None));
        }
    }

    /// What is known of it, once the handshake is done; unless it is a proxy's.
    pub(crate) fn info(&self) -> Option<TlsInfo> {
        let common = self.common();
        if common.is_handshaking() || self.is_proxys {
            return None;
        }
        let chain = common.peer_certificates().unwrap_or_default();
        let version = match common.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(_) | None => "TLSv1.2",
        };
        let cipher = common.negotiated_cipher_suite();
        let cipher = cipher.map(|suite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_"));
        let alpn = common.alpn_protocol();
        Some(TlsInfo {
            version,
            cipher: cipher.unwrap_or_default(),
            server_name: self.server_name.as_deref().map(str::to_owned),
            alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
            peer: PeerCertificate::new(chain.iter().map(|der| der.to_vec()).collect()),
        })
    }
}

/// The most that may be kept of a handshake message and the records it is cut into. Certificates
/// are the longest, and chains of them stay well below.
pub(crate) const HANDSHAKE_MAX: usize = 64 << 10;

/// Whether more is there than the beginning of a record.
fn is_worth_a_look(bytes: &[u8]) -> bool {
    let Some((header, payload)) = bytes.split_at_checked(5) else { return false };
    let len = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let is_record = (20..=24).contains(&header[0]) && header[1] == 3 && 5 + len <= RECORD_MAX;
    !is_record || payload.len() >= len
}

/// The name of a server, as certificates have it.
#[derive(Clone, Debug)]
pub(crate) struct TlsName(ServerName<'static>);

impl TlsName {
    pub(crate) fn new(host: &str) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned());
        name.map(Self).map_err(|_| {
            let text = format!("{host:?} is no name that a certificate could be for");
            TlsError::new(TlsErrorKind::Settings, text)
        })
    }
}

/// Both kinds of connection, whose drivers are alike but not the same.
trait Drive: Deref<Target: Deref<Target = CommonState>> {
    type Data;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Drive for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Drive for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

/// Where the bytes of one call go.
struct Flow<'f> {
    plain: &'f mut [u8],
    filled: usize,
    out: &'f mut Vec<u8>,
}

/// Nothing more can be done without further input.
struct Pause {
    /// How much of the input has been used up.
    used: usize,
    /// The peer's `close_notify` has come.
    closed: bool,
}

impl Flow<'_> {
    fn run<C: Drive>(&mut self, conn: &mut C, input: &mut [u8]) -> Result<Pause, Error> {
        let (mut used, mut closed) = (0, false);
        loop {
            let UnbufferedStatus { mut discard, state } = conn.process(&mut input[used..]);
            let mut pauses = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        self.plain(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(self.out, |room| encode(&mut data, room));
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => closed = true,
                // Early data is never offered and never asked for.
                Ok(
                    ConnectionState::BlockedHandshake
                    | ConnectionState::WriteTraffic(_)
                    | ConnectionState::Closed
                    | ConnectionState::ReadEarlyData(_),
                ) => pauses = true,
                Ok(_) => pauses = true, // states of later versions: for features that are not used
                Err(error) => {
                    alert(conn, self.out);
                    return Err(error);
                }
            }
            used += discard;
            if pauses {
                return Ok(Pause { used, closed });
            }
        }
    }

    /// Plain bytes are never more than the records they came in.
    fn plain(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        self.plain[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
    }
}

/// The alert that tells the peer of an error. It is popped before rustls looks at any input.
fn alert<C: Drive>(conn: &mut C, out: &mut Vec<u8>) {
    while (**conn).wants_write()
        && let Ok(ConnectionState::EncodeTlsData(mut data)) = conn.process(&mut []).state
    {
        append(out, |room| encode(&mut data, room));
    }
}

/// Lets `write` append to `out` what may be sent now, and before it what rustls owes the peer.
/// `Err` if the connection fails by that.
fn with_traffic<C: Drive>(
    conn: &mut C,
    partial: &mut Vec<u8>,
    out: &mut Vec<u8>,
    write: impl Fn(&mut [u8], &mut WriteTraffic<'_, C::Data>) -> Result<usize, EncryptError>,
    guess: usize,
) -> Result<(), Error> {
    loop {
        let UnbufferedStatus { discard, state } = conn.process(partial);
        let written = match state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let start = out.len();
                out.resize(start + guess, 0);
                let mut written = write(&mut out[start..], &mut traffic);
                if let Err(EncryptError::InsufficientSize(error)) = &written {
                    out.resize(start + error.required_size, 0);
                    written = write(&mut out[start..], &mut traffic);
                }
                out.truncate(start + written.as_ref().map_or(0, |len| *len));
                Some(written.map(drop).map_err(unsendable))
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(out, |room| encode(&mut data, room));
                None
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                None
            }
            Ok(ConnectionState::PeerClosed) => None,
            Ok(_) => Some(Ok(())), // our last has been said
            Err(error) => {
                alert(conn, out);
                return Err(error);
            }
        };
        partial.drain(..discard);
        if let Some(done) = written {
            return done;
        }
    }
}

/// The number of records under one key has a limit (RFC 8446 §5.5).
fn unsendable(_: EncryptError) -> Error {
    Error::EncryptError
}

fn encode<D>(data: &mut EncodeTlsData<'_, D>, room: &mut [u8]) -> Result<usize, usize> {
    match data.encode(room) {
        Ok(len) => Ok(len),
        Err(EncodeError::InsufficientSize(error)) => Err(error.required_size),
        Err(EncodeError::AlreadyEncoded) => Ok(0),
    }
}

/// Appends what `write` writes, which says how much room it needs if there is not enough.
fn append(out: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>) {
    let start = out.len();
    let written = write(&mut []).or_else(|needed| {
        out.resize(start + needed, 0);
        write(&mut out[start..])
    });
    out.truncate(start + written.unwrap_or(0));
}
