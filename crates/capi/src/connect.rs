//! Opening connections. At the manual's level the call itself looks the name up and connects, so
//! that NULL can say that nobody is there. From 1.23 on the loop does that, and
//! CLIENT_CONNECTION_ERROR says it.

use crate::abi::POST_PADDING;
use crate::call;
use crate::context::Ctx;
use crate::create::proxy_of_text;
use crate::ids::Purpose;
use crate::level::{Level, Reason};
use crate::log::say;
use crate::panic::export;
use crate::wsi::{Kind, Stash, Wsi};
use libc::POLLIN;
use sockeye::tls::ClientTls;
use sockeye::{Address, Connect, Proxy, ProxyKind};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null_mut;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a look-up, a connect and a proxy's answer may take, each.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program may add to a request, less what the other headers take.
const HEADER_ROOM: usize = 3809;

/// The longest answer of a proxy.
const PROXY_ANSWER: usize = 4096;

struct Wanted<'w> {
    address: &'w str,
    port: u16,
    path: &'w str,
    host: &'w str,
    origin: Option<&'w str>,
    protocol: Option<&'w str>,
    tls: Option<ClientTls>,
    userdata: *mut c_void,
}

impl Ctx {
    fn open_connection(&self, wanted: &Wanted<'_>) -> Result<Rc<Wsi>, String> {
        let socket = match self.level {
            Level::Manual => Some(self.reach(wanted)?),
            Level::V123 | Level::V130 | Level::V140 => None,
        };
        let fd = socket.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let wsi = self.add(Kind::Connecting, fd).ok_or("too many connections")?;
        wsi.has_userdata.set(!wanted.userdata.is_null());
        wsi.user.set(wanted.userdata);
        *wsi.stash.borrow_mut() = Some(Box::new(wanted.stash()));
        self.tell_created(&wsi);
        if socket.is_some() {
            self.tell_add(&wsi, fd, POLLIN);
        }
        if let Err(error) = self.begin(&wsi, wanted, socket.map(OwnedFd::from)) {
            self.tell_deleted(&wsi);
            self.tell_destroyed(&wsi);
            self.remove(&wsi);
            return Err(error);
        }
        Ok(wsi)
    }

    /// The request, with what the program adds to it.
    fn compose(&self, wsi: &Wsi, wanted: &Wanted<'_>) -> Result<Connect, String> {
        let connect = wanted.target(self.level)?;
        let mut connect = connect.host(wanted.host).compression(self.offers_compression(wsi));
        if let Some(origin) = wanted.origin {
            connect = connect.origin(origin);
        }
        let names = wanted.protocol.unwrap_or_default().split(',').map(str::trim_ascii);
        for name in names.filter(|name| !name.is_empty()) {
            connect = connect.subprotocol(name);
        }
        for (name, value) in self.added_headers(wsi)? {
            connect = connect.header(name, value);
        }
        Ok(connect)
    }

    /// Begins to open the connection; over a socket that is connected the request is sent.
    fn begin(
        &self,
        wsi: &Rc<Wsi>,
        wanted: &Wanted<'_>,
        socket: Option<OwnedFd>,
    ) -> Result<(), String> {
        let connect = self.compose(wsi, wanted)?;
        // Whatever the answer says, it comes to the first registration: all are the same there.
        let protocol = self.registrations.borrow().first().copied().ok_or("no protocol")?;
        let opened = match socket {
            Some(socket) => self.with(|connections| {
                let opened = connections.connect_over(socket, &connect, protocol);
                if let Ok(conn) = opened {
                    connections.is_choked(conn); // sends the request
                }
                opened
            }),
            None => {
                let connect = connect.proxy(self.proxy()?);
                self.with(|connections| connections.connect(&connect, protocol))
            }
        };
        let conn = opened
            .ok_or("not possible in FILTER_NETWORK_CONNECTION")?
            .map_err(|e| e.to_string())?;
        self.bind(wsi, conn);
        self.drain();
        Ok(())
    }

    /// What the loop's connections go through.
    fn proxy(&self) -> Result<Option<Proxy>, String> {
        let proxy = self.proxy.borrow();
        let Some((address, port)) = proxy.as_ref() else { return Ok(None) };
        let proxy = Proxy::at(ProxyKind::HTTP, &format!("{address}:{port}"));
        proxy.map(Some).map_err(|error| format!("proxy {address}:{port}: {error}"))
    }

    /// CLIENT_CONFIRM_EXTENSION_SUPPORTED, if there is anything to confirm.
    fn offers_compression(&self, wsi: &Wsi) -> bool {
        if !self.compresses {
            return false;
        }
        let mut name = c"permessage-deflate".to_bytes_with_nul().to_vec();
        let input = (name.as_mut_ptr().cast(), 0);
        let reason = Reason::ClientConfirmExtensionSupported;
        self.call(0, Some(wsi), reason, null_mut(), input) == 0
    }

    /// CLIENT_APPEND_HANDSHAKE_HEADER: whole header lines, each with its CRLF.
    fn added_headers(&self, wsi: &Wsi) -> Result<Vec<(String, String)>, String> {
        let mut room = vec![0_u8; HEADER_ROOM + POST_PADDING];
        let mut at: *mut c_char = room.as_mut_ptr().cast();
        let input = ((&raw mut at).cast(), HEADER_ROOM);
        self.call(0, Some(wsi), Reason::ClientAppendHandshakeHeader, null_mut(), input);
        let used = at.addr().wrapping_sub(room.as_ptr().addr());
        let text = room.get(..used).filter(|_| used <= HEADER_ROOM);
        let text =
            text.ok_or("CLIENT_APPEND_HANDSHAKE_HEADER wrote more than there is room for")?;
        let mut rest = std::str::from_utf8(text).map_err(|_| "an added header is not UTF-8")?;
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let end = rest.as_bytes().windows(2).position(|two| two == b"\r\n");
            let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind.strip_prefix("\r\n").unwrap_or_default();
            if !line.is_empty() {
                let (name, value) = line.split_once(':').ok_or("an added header has no colon")?;
                headers.push((name.to_owned(), value.trim_ascii().to_owned()));
            }
        }
        Ok(headers)
    }

    /// A TCP connection to the address, or through the proxy.
    fn reach(&self, wanted: &Wanted<'_>) -> Result<TcpStream, String> {
        let proxy = self.proxy.borrow().clone();
        let Some((proxy, port)) = proxy else {
            return dial(wanted.address, wanted.port);
        };
        let stream = dial(&proxy, port)?;
        let ask = format!(
            "CONNECT {}:{} HTTP/1.0\r\nUser-agent: libwebsockets\r\n\r\n",
            wanted.address, wanted.port
        );
        tunnel(&stream, ask.as_bytes())
            .map_err(|error| format!("proxy {proxy}:{port}: {error}"))?;
        Ok(stream)
    }
}

impl Wanted<'_> {
    /// Where it goes. Under TLS the certificate must be for the address that was asked for. At the
    /// manual's level a plain connection is there already.
    fn target(&self, level: Level) -> Result<Connect, String> {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        if self.tls.is_none() && level == Level::Manual {
            let url = format!("ws://localhost{slash}{}", self.path);
            return Connect::to(&url).map_err(|error| format!("path: {error}"));
        }
        let host = match bare(self.address) {
            v6 if v6.contains(':') => format!("[{v6}]"),
            name => name.to_owned(),
        };
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        let url = format!("{scheme}://{host}:{}{slash}{}", self.port, self.path);
        let connect = Connect::to(&url).map_err(|error| format!("address or path: {error}"))?;
        Ok(match &self.tls {
            Some(tls) => connect.tls(tls.clone()),
            None => connect,
        })
    }

    fn stash(&self) -> Stash {
        let text = |text: &str| CString::new(text).unwrap_or_default();
        Stash {
            protocols: self.protocol.map(text),
            address: text(self.address),
            uri: text(self.path),
            host: text(self.host),
            origin: self.origin.map(text),
        }
    }
}

/// An address without the brackets that IPv6 has in URLs.
fn bare(address: &str) -> &str {
    address.trim_start_matches('[').trim_end_matches(']')
}

/// Connects to the first address of a name that lets us.
fn dial(address: &str, port: u16) -> Result<TcpStream, String> {
    let found = look_up(bare(address), port)
        .map_err(|error| format!("Unable to get host name from {address}: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    for address in found {
        match sockeye::connect_until(address, deadline) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(format!("connect to {}: {error}", Address::from(address))),
        }
    }
    Err(last.unwrap_or_else(|| format!("{address} has no address")))
}

/// The addresses of a name, or that which one stands for itself.
fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match sockeye::parse_ip(name) {
        Some(ip) => Ok(vec![(ip, port).into()]),
        None => sockeye::look_up_within(name, port, PATIENCE),
    }
}

/// Asks a proxy for a tunnel; takes nothing of what comes after its answer.
fn tunnel(mut stream: &TcpStream, ask: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(ask)?;
    let deadline = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if answer.len() >= PROXY_ANSWER || Instant::now() >= deadline {
            return Err(io::Error::other("its answer does not end"));
        }
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    let agreed = [b"HTTP/1.0 200 ", b"HTTP/1.1 200 "].iter().any(|ok| answer.starts_with(*ok));
    if agreed { Ok(()) } else { Err(io::Error::other("it refuses the tunnel")) }
}

/// A string of C's; `None` for NULL.
///
/// # Safety
///
/// NULL, or a string that lives as long as the result is used.
unsafe fn text<'t>(what: &str, start: *const c_char) -> Result<Option<&'t str>, String> {
    if start.is_null() {
        return Ok(None);
    }
    // SAFETY: by the caller's word.
    let text = unsafe { CStr::from_ptr(start) };
    text.to_str().map(Some).map_err(|_| format!("{what} is not UTF-8"))
}

/// The arguments of the connect calls.
#[derive(Clone, Copy)]
struct Arguments {
    context: *mut c_void,
    address: *const c_char,
    port: c_int,
    ssl_connection: c_int,
    path: *const c_char,
    host: *const c_char,
    origin: *const c_char,
    protocol: *const c_char,
    version: c_int,
    userdata: *mut c_void,
}

fn connect(function: &'static str, arguments: Arguments) -> *mut c_void {
    let Some(used) = call::context(function, arguments.context, Purpose::Call) else {
        return null_mut();
    };
    match try_connect(used.ctx(), arguments) {
        Ok(wsi) => wsi.handle,
        Err(error) => {
            say!(ERR, "{function}: {error}");
            null_mut()
        }
    }
}

fn try_connect(ctx: &Ctx, arguments: Arguments) -> Result<Rc<Wsi>, String> {
    let Arguments { address, port, path, host, origin, protocol, version, .. } = arguments;
    if ctx.is_dying() {
        return Err("the context has been destroyed".into());
    }
    let tls = match (arguments.ssl_connection, ctx.clients.get()) {
        (0, _) => None,
        (how, Some(clients)) => Some(clients.tls(how)?),
        (_, None) => return Err("no TLS before the context is complete".into()),
    };
    if version != -1 && version != 13 {
        return Err(format!("version {version} is not spoken, only 13 (or -1)"));
    }
    // SAFETY: the caller of the export says that each is NULL or a string.
    let (address, path, host, origin, protocol) = unsafe {
        (
            text("the address", address)?.ok_or("an address is needed, NULL was given")?,
            text("the path", path)?.unwrap_or("/"),
            text("the host", host)?,
            text("the origin", origin)?,
            text("the protocol", protocol)?,
        )
    };
    let port = u16::try_from(port).ok().filter(|&port| port > 0);
    let port = port.ok_or("the port must be 1 to 65535")?;
    let host = host.unwrap_or(address);
    let userdata = arguments.userdata;
    ctx.open_connection(&Wanted { address, port, path, host, origin, protocol, tls, userdata })
}

export! {
    /// Since 1.23: clients of this context connect through a "host:port" from now on.
    fn libwebsocket_set_proxy(context: *mut c_void, proxy: *const c_char) -> c_int {
        let function = "libwebsocket_set_proxy";
        let Some(used) = call::context(function, context, Purpose::Call) else { return -1 };
        // SAFETY: the caller says that it is NULL or a string.
        let proxy = unsafe { text("the proxy", proxy) };
        let proxy = proxy.and_then(|text| Ok(text.ok_or("a proxy is needed, NULL was given")?));
        match proxy.and_then(proxy_of_text) {
            Ok(proxy) => {
                *used.ctx().proxy.borrow_mut() = proxy;
                0
            }
            Err(error) => {
                say!(ERR, "{function}: {error}");
                -1
            }
        }
    } else -1;

    /// Opens a connection; NULL if nobody is there.
    fn libwebsocket_client_connect(
        context: *mut c_void,
        address: *const c_char,
        port: c_int,
        ssl_connection: c_int,
        path: *const c_char,
        host: *const c_char,
        origin: *const c_char,
        protocol: *const c_char,
        version: c_int,
    ) -> *mut c_void {
        let userdata = null_mut();
        connect("libwebsocket_client_connect", Arguments {
            context, address, port, ssl_connection, path, host, origin, protocol, version, userdata,
        })
    } else null_mut();

    /// The same, with the program's own `user` for the connection.
    fn libwebsocket_client_connect_extended(
        context: *mut c_void,
        address: *const c_char,
        port: c_int,
        ssl_connection: c_int,
        path: *const c_char,
        host: *const c_char,
        origin: *const c_char,
        protocol: *const c_char,
        version: c_int,
        userdata: *mut c_void,
    ) -> *mut c_void {
        connect("libwebsocket_client_connect_extended", Arguments {
            context, address, port, ssl_connection, path, host, origin, protocol, version, userdata,
        })
    } else null_mut();
}
