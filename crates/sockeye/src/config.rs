//! Every bound the library keeps, with its default.

use std::time::Duration;

/// What happens to a message for a connection whose send queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Reading from the connection pauses until the queue is empty, so that its peer feels the
    /// pressure; what cannot be queued meanwhile is refused.
    ///
    /// What is sent with a [`Permit`](crate::Permit) never makes reading pause: the permit bounds
    /// it. So a client that streams by permits reads what comes, and its server, which answers,
    /// cannot wait for a client that waits for the server.
    #[default]
    Pause,
    /// The message is dropped; the connection goes on.
    Drop,
    /// The connection ends at once, with [`Cause::QueueFull`](crate::Cause::QueueFull): a Close
    /// frame could not get past the queue.
    Close,
}

/// The bounds on what a peer can make this end hold, count or wait for.
///
/// | limit | default | over it |
/// |---|---|---|
/// | [`connections`](Self::connections) | what `RLIMIT_NOFILE` leaves | accepting pauses |
/// | [`handshake`](Self::handshake) | 10 s | 408, or the connection ends |
/// | [`connect`](Self::connect), [`proxy`](Self::proxy) | 10 s each | the connection fails |
/// | [`attempt_delay`](Self::attempt_delay), [`attempts`](Self::attempts) | 250 ms, 8 | the next address is tried, or waits |
/// | [`head_bytes`](Self::head_bytes), [`headers`](Self::headers) | 16 KiB, 100 | 431 |
/// | [`message_bytes`](Self::message_bytes) | 1 MiB | close 1009 |
/// | [`fragments`](Self::fragments) | 4096 | close 1009 |
/// | [`queue_bytes`](Self::queue_bytes) | 64 KiB | [`overflow`](Self::overflow) |
/// | [`ping_after`](Self::ping_after), [`pong_within`](Self::pong_within) | 30 s, 20 s | the connection is cut |
/// | [`close_within`](Self::close_within) | 5 s | the connection is cut |
/// | [`keep_alive`](Self::keep_alive), [`exchange`](Self::exchange) | 60 s, 20 s | the connection ends |
/// | [`body_bytes`](Self::body_bytes) | 1 MiB | 413 |
/// | [`notices`](Self::notices) | 65,536 | the sender is told |
/// | [`ended_lines`](Self::ended_lines), [`refused_lines`](Self::refused_lines) | 100/s, 10/s | the log counts the others |
///
/// ```
/// use sockeye::Limits;
///
/// let limits = Limits { message_bytes: 64 << 20, ..Limits::default() };
/// assert_eq!(limits.fragments, 4096);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most connections at a time, both roles. `None`: the descriptor limit, raised as far as
    /// the system allows, less what was in use when the context was built and 16 to spare. More
    /// than that there are not in any case. At the limit accepting pauses.
    pub connections: Option<usize>,
    /// From accept, or from the first byte of a later request, to the end of the request head;
    /// and from a client's request to the end of the answer's head.
    pub handshake: Duration,
    /// From [`connect`](crate::Connections::connect) to an open TCP connection, to the server or
    /// to the proxy, look-up included.
    pub connect: Duration,
    /// How long a name's next address waits for the one before to answer, before it is tried
    /// beside it (RFC 8305 §5).
    pub attempt_delay: Duration,
    /// The most addresses of a name that are tried at a time, 1 at least.
    pub attempts: usize,
    /// From an open TCP connection to a proxy to the end of its answer.
    pub proxy: Duration,
    /// The longest request or response head, in bytes.
    pub head_bytes: usize,
    /// The most header lines in a head.
    pub headers: usize,
    /// The longest message assembled, in bytes. Does not bound [`chunk`](crate::Protocol::chunk)s.
    pub message_bytes: u64,
    /// The most frames in one message, empty ones counted.
    pub fragments: u32,
    /// Bytes that may wait for a socket before `overflow` applies, 1 at least. One message may go
    /// over it, and what was sent with a [`Permit`](crate::Permit) does not count.
    pub queue_bytes: usize,
    /// What happens at `queue_bytes`.
    pub overflow: Overflow,
    /// Silence after which an open WebSocket is pinged. `Duration::MAX`: never.
    pub ping_after: Duration,
    /// How long after that ping any byte must have come.
    pub pong_within: Duration,
    /// From our Close frame to the peer's, and from our FIN to the peer's.
    pub close_within: Duration,
    /// From the end of a response to the first byte of the next request.
    pub keep_alive: Duration,
    /// The longest time without progress in a request body or a response.
    pub exchange: Duration,
    /// The longest request body, in bytes.
    pub body_bytes: u64,
    /// The most posts from other threads that wait for the loop.
    pub notices: usize,
    /// The most lines per second that the log has about ended connections, at
    /// [`Levels::INFO`](crate::log::Levels::INFO); then comes one that counts the others.
    pub ended_lines: u32,
    /// The same of refused requests, handshakes and connections, at
    /// [`Levels::NOTICE`](crate::log::Levels::NOTICE).
    pub refused_lines: u32,
    /// How long a callback, a system call or TLS may hold the loop before
    /// [`Levels::LATENCY`](crate::log::Levels::LATENCY) tells of it. Nothing is measured while
    /// that level is off.
    pub latency: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            attempt_delay: Duration::from_millis(250),
            attempts: 8,
            proxy: Duration::from_secs(10),
            head_bytes: 16 << 10,
            headers: 100,
            message_bytes: 1 << 20,
            fragments: 4096,
            queue_bytes: 64 << 10,
            overflow: Overflow::Pause,
            ping_after: Duration::from_secs(30),
            pong_within: Duration::from_secs(20),
            close_within: Duration::from_secs(5),
            keep_alive: Duration::from_secs(60),
            exchange: Duration::from_secs(20),
            body_bytes: 1 << 20,
            notices: 65_536,
            ended_lines: 100,
            refused_lines: 10,
            latency: Duration::from_millis(50),
        }
    }
}
