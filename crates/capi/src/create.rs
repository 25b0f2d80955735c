//! Making and destroying contexts; the manual's 3.1 and 3.9.

use crate::abi::{
    ALLOW_NON_SSL, ContextHandle, Info, LIBEV, REQUIRE_CLIENT_CERT, SKIP_CANONICAL_NAME,
    VALIDATE_UTF8,
};
use crate::bell::{self, PROTOCOLS_MAX};
use crate::bridge::{Bridge, HttpBridge};
use crate::call;
use crate::context::{Ctx, Protocol};
use crate::daemon;
use crate::ids::{self, Purpose, Use};
use crate::info::{Creation, Info130, Info140, Layout};
use crate::level::{Level, Protocols, Reason};
use crate::log::{self, say};
use crate::panic::export;
use crate::tls;
use crate::tokens;
use crate::util;
use crate::wsi::Kind;
use sockeye::tls::ServerTls;
use sockeye::{Builder, Context, External, Limits, Listen, OriginPolicy, TcpKeepalive};
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::net::Ipv4Addr;
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Bytes that may wait for a socket before `libwebsocket_write` refuses more.
const QUEUE_BYTES: usize = 1 << 20;

/// How long a connection may wait for its request, or between two.
const REQUEST: Duration = Duration::from_secs(60);

/// What the program wants, read once and checked.
struct Plan {
    level: Level,
    /// `None`: it does not listen.
    port: Option<u16>,
    iface: Option<String>,
    array: *mut Protocols,
    protocols: Vec<Protocol>,
    compresses: bool,
    keepalive: Option<TcpKeepalive>,
    options: u32,
    user: *mut c_void,
    ids: (c_int, c_int),
    proxy: Option<(String, u16)>,
    tls: tls::Wanted,
    token_limits: Vec<u16>,
}

/// A string of C's; `None` for NULL.
///
/// # Safety
///
/// NULL, or a string.
unsafe fn string(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by the caller's word.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

impl Plan {
    /// # Safety
    ///
    /// `creation` and what it points to are as the header says.
    unsafe fn read(creation: &Creation) -> Result<Self, String> {
        let Creation { level, info, .. } = creation;
        let port = port_of(info.port, *level)?;
        refuse_what_is_not_here(creation)?;
        Ok(Self {
            level: *level,
            port,
            // SAFETY: by the caller's word.
            iface: unsafe { string(info.iface) },
            array: info.protocols,
            // SAFETY: by the caller's word.
            protocols: unsafe { read_protocols(info.protocols, *level)? },
            compresses: !info.extensions.is_null(),
            keepalive: keepalive_of(info),
            options: info.options,
            user: info.user,
            ids: (info.gid, info.uid),
            // SAFETY: by the caller's word.
            proxy: match unsafe { proxy_of(creation)? } {
                Some(proxy) => Some(proxy),
                None => proxy_of_environment()?,
            },
            // SAFETY: by the caller's word.
            token_limits: unsafe { token_limits(creation) },
            // SAFETY: by the caller's word.
            tls: unsafe { tls::Wanted::read(info, *level)? },
        })
    }

    fn builder(&self, ctx: &Rc<Ctx>) -> Builder {
        let mut builder = Context::builder()
            .limits(Limits {
                queue_bytes: QUEUE_BYTES,
                ping_after: Duration::MAX, // programs of the time ping by themselves
                handshake: Duration::from_secs(10),
                keep_alive: REQUEST,
                exchange: REQUEST,
                ..Limits::default()
            })
            .origins(OriginPolicy::Any)
            .check_utf8(self.options & VALIDATE_UTF8 != 0)
            .lenient_requests(true)
            .announce_writes(true)
            .tcp_keepalive(self.keepalive)
            .http(HttpBridge { ctx: Rc::clone(ctx) });
        if !self.compresses {
            builder = builder.compression(None);
        }
        let filtered = Rc::clone(ctx);
        builder = builder.accept_filter(move |fd, _| filtered.admits(fd));
        let mut registrations = Vec::new();
        for (index, protocol) in ctx.protocols.iter().enumerate() {
            let bridge = Bridge { ctx: Rc::clone(ctx), index };
            registrations.push(match protocol.name.as_str() {
                "" => builder.register_unnamed(bridge).id(),
                _ => builder.register(bridge).id(),
            });
        }
        ctx.registrations.replace(registrations);
        builder
    }

    fn listen(&self, engine: &mut Context<External>, tls: Option<&ServerTls>) -> io::Result<()> {
        let Some(port) = self.port else { return Ok(()) };
        let mut place = match self.iface.as_deref() {
            None => Listen::tcp((Ipv4Addr::UNSPECIFIED, port)),
            Some(text) => match sockeye::parse_ip(text) {
                Some(ip) => Listen::tcp((ip, port)),
                None => Listen::interface(text, port),
            },
        };
        if let Some(tls) = tls {
            place = place.tls(tls);
        }
        let listening = engine.listen_at(&place);
        listening.map(drop).map_err(|error| {
            let number = error.raw_os_error().unwrap_or(0);
            let text = format!("ERROR on binding to port {port} ({number} {error})");
            io::Error::new(error.kind(), text)
        })
    }

    /// Whether its clients must show certificates.
    fn requires_clients(&self) -> bool {
        self.port.is_some() && self.tls.is_secure() && self.options & REQUIRE_CLIENT_CERT != 0
    }

    /// setgid, then setuid; what fails is only warned of.
    fn change_ids(&self) {
        let (gid, uid) = self.ids;
        // SAFETY: both calls take any number.
        unsafe {
            if gid != -1 && libc::setgid(gid as libc::gid_t) != 0 {
                say!(WARN, "setgid: {}", io::Error::last_os_error());
            }
            if uid != -1 && libc::setuid(uid as libc::uid_t) != 0 {
                say!(WARN, "setuid: {}", io::Error::last_os_error());
            }
        }
    }
}

/// # Safety
///
/// NULL, or an array that ends with an entry whose callback is NULL.
unsafe fn read_protocols(array: *const Protocols, level: Level) -> Result<Vec<Protocol>, String> {
    if array.is_null() {
        return Err("protocols are needed, NULL was given".into());
    }
    let mut all = Vec::new();
    loop {
        // SAFETY: the array goes on until the end that has not been met.
        let entry = unsafe { &*array.byte_add(all.len() * level.entry().size) };
        let Some(callback) = entry.callback else { break };
        if all.len() == PROTOCOLS_MAX {
            return Err(format!("more than {PROTOCOLS_MAX} protocols, or an array without end"));
        }
        all.push(Protocol {
            // SAFETY: NULL or a string, as the header says.
            name: unsafe { string(entry.name) }.unwrap_or_default(),
            callback,
            session_size: entry.per_session_data_size,
            rx_size: entry.rx_buffer_size,
        });
    }
    if all.is_empty() { Err("the protocol array is empty".into()) } else { Ok(all) }
}

/// `port` of the creation info; `None` if the context is not to listen.
fn port_of(port: c_int, level: Level) -> Result<Option<u16>, String> {
    if port == level.no_listen() {
        return Ok(None);
    }
    u16::try_from(port).map(Some).map_err(|_| format!("port {port} is none: it must be 0 to 65535"))
}

/// What creation info may ask for since 1.3 and 1.4, and cannot be had.
fn refuse_what_is_not_here(creation: &Creation) -> Result<(), String> {
    let options = if creation.level >= Level::V130 { creation.info.options } else { 0 };
    let why = if options & LIBEV != 0 {
        "LWS_SERVER_OPTION_LIBEV: there is no libev in this library; use the poll callbacks"
    } else if options & ALLOW_NON_SSL != 0 {
        "LWS_SERVER_OPTION_ALLOW_NON_SSL_ON_SSL_PORT: a port speaks TLS or does not; use two"
    } else if !creation.key_password.is_null() {
        "ssl_private_key_password: keys that are encrypted are not read; decrypt the file"
    } else if !creation.provided_client_ssl_ctx.is_null() {
        "provided_client_ssl_ctx: that is OpenSSL's, which is not in this library"
    } else {
        return Ok(());
    };
    Err(why.into())
}

fn keepalive_of(info: &Info) -> Option<TcpKeepalive> {
    let seconds = |value: c_int| u64::try_from(value).unwrap_or(0);
    (info.ka_time > 0).then(|| TcpKeepalive {
        time: Duration::from_secs(seconds(info.ka_time)),
        interval: Duration::from_secs(seconds(info.ka_interval).max(1)),
        probes: seconds(info.ka_probes).clamp(1, 127) as u32,
    })
}

/// The limits of headers, one for each token of the level.
///
/// # Safety
///
/// NULL, or as many as that.
unsafe fn token_limits(creation: &Creation) -> Vec<u16> {
    if creation.token_limits.is_null() {
        return Vec::new();
    }
    let count = tokens::of_level(creation.level).len();
    // SAFETY: by the caller's word.
    unsafe { std::slice::from_raw_parts(creation.token_limits, count) }.to_vec()
}

/// `http_proxy_address` and `http_proxy_port`, the address perhaps with a port of its own.
///
/// # Safety
///
/// NULL, or a string.
unsafe fn proxy_of(creation: &Creation) -> Result<Option<(String, u16)>, String> {
    let (address, port) = creation.proxy;
    // SAFETY: by the caller's word.
    let Some(address) = (unsafe { string(address) }) else { return Ok(None) };
    match u16::try_from(port) {
        Ok(0) => proxy_of_text(&address),
        Ok(port) => proxy_of_text(&format!("{address}:{port}")),
        Err(_) => Err(format!("http_proxy_port {port} is none: it must be 0 to 65535")),
    }
}

/// The variable `http_proxy`.
fn proxy_of_environment() -> Result<Option<(String, u16)>, String> {
    // SAFETY: the name is a string, and so is what it gives; that the program changes none
    // meanwhile is what C asks of every program with threads.
    let text = unsafe { string(libc::getenv(c"http_proxy".as_ptr())) }.unwrap_or_default();
    if text.is_empty() { Ok(None) } else { proxy_of_text(&text) }
}

/// A proxy, as `address:port`; port 0 is none.
pub(crate) fn proxy_of_text(text: &str) -> Result<Option<(String, u16)>, String> {
    let (address, port) = text.split_once(':').ok_or("http_proxy needs to be ads:port")?;
    let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
    let port: u16 = port[..digits].parse().unwrap_or(0);
    Ok((port != 0).then(|| {
        say!(NOTICE, " Proxy {address}:{port}");
        (address.to_owned(), port)
    }))
}

fn hostname(options: u32) -> CString {
    let mut name = [0_u8; 256];
    // SAFETY: the length is that of the buffer, less the zero at its end.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
    if failed || options & SKIP_CANONICAL_NAME != 0 {
        return c"unknown".to_owned();
    }
    // SAFETY: the last byte has been left zero.
    unsafe { CStr::from_ptr(name.as_ptr().cast()) }.to_owned()
}

extern "C" fn on_pipe(_: c_int) {}

/// Writes to a pipe that nobody reads must fail, not kill; the program's own handler stays.
fn survive_sigpipe() {
    // SAFETY: the handler does nothing; the structure is zeroed and then filled by `sigaction`.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut now);
        if asked == 0 && now.sa_sigaction == libc::SIG_DFL {
            let handler: extern "C" fn(c_int) = on_pipe;
            libc::signal(libc::SIGPIPE, handler as libc::sighandler_t);
        }
    }
}

/// # Safety
///
/// As [`Plan::read`].
unsafe fn create(creation: &Creation) -> Result<*mut c_void, String> {
    log::join_sockeye();
    say!(NOTICE, "Initial logging level {}", log::levels());
    // SAFETY: the version is a string.
    let version = unsafe { CStr::from_ptr(util::lws_get_library_version()) };
    say!(NOTICE, "Library version: {}", version.to_string_lossy());
    say!(NOTICE, " Started with daemon pid {}", daemon::PID.load(Ordering::SeqCst));
    survive_sigpipe();
    // SAFETY: by the caller's word.
    let plan = unsafe { Plan::read(creation)? };
    tell_of_tls(&plan);
    let used = build(plan)?;
    Ok(used.ctx().handle)
}

fn tell_of_tls(plan: &Plan) {
    if !cfg!(feature = "tls") {
        return say!(NOTICE, " Compiled without SSL support");
    }
    say!(NOTICE, " Compiled with SSL support (rustls)");
    if plan.port.is_some() {
        let mode = if plan.tls.is_secure() { "SSL" } else { "non-SSL" };
        say!(NOTICE, " Using {mode} mode");
    }
}

/// # Safety
///
/// `info` is NULL, or it and what it points to are as the header of that level says.
unsafe fn create_at<I: Layout>(level: Level, info: *const I) -> *mut c_void {
    // SAFETY: by the caller's word.
    let Some(info) = (unsafe { info.as_ref() }) else {
        say!(ERR, "libwebsocket_create_context: creation info is needed, NULL was given");
        return null_mut();
    };
    // SAFETY: by the caller's word.
    unsafe { create(&info.read(level)) }.unwrap_or_else(|error| {
        say!(ERR, "libwebsocket_create_context: {error}");
        null_mut()
    })
}

fn build(mut plan: Plan) -> Result<Use, String> {
    let protocols = std::mem::take(&mut plan.protocols);
    let used = ids::register(|shared, table| {
        let mut ctx = Ctx::new(shared, table, plan.level, plan.array, protocols);
        ctx.user = plan.user;
        ctx.hostname = hostname(plan.options);
        ctx.proxy = RefCell::new(plan.proxy.take());
        ctx.token_limits = std::mem::take(&mut plan.token_limits);
        ctx.compresses = plan.compresses;
        ctx.requires_clients = plan.requires_clients();
        Rc::new(ctx)
    });
    let used = used.ok_or_else(|| format!("more than {} contexts", ids::CONTEXTS_MAX))?;
    let ctx = used.ctx();
    if let Err(error) = start(ctx, &plan) {
        ctx.die(); // `Use` destroys it, PROTOCOL_DESTROY included
        return Err(error);
    }
    if ctx.is_dying() {
        return Err("the context was destroyed inside one of its callbacks".into());
    }
    Ok(used)
}

fn start(ctx: &Rc<Ctx>, plan: &Plan) -> Result<(), String> {
    let clients = plan.tls.clients(ctx, plan.port.is_some())?;
    let tls = if plan.port.is_some() { plan.tls.server(ctx)? } else { None };
    // No one else can have set it: the context is new.
    let _ = ctx.clients.set(clients);
    let engine = plan.builder(ctx).build_external();
    let mut engine = engine.map_err(|error| error.to_string())?;
    plan.listen(&mut engine, tls.as_ref()).map_err(|error| error.to_string())?;
    ctx.shared.set_waker(engine.handle());
    ctx.bell.set(bell::hang(ctx, engine.handle()));
    if ctx.bell.get().is_none() {
        return Err("too many contexts".into());
    }
    *ctx.engine.borrow_mut() = Some(engine);
    if let Some(port) = plan.port {
        say!(NOTICE, " Listening on port {port}");
    }
    plan.change_ids();
    for index in 0..ctx.protocols.len() {
        let (entry, layout) = (ctx.entry(index), ctx.level.entry());
        // SAFETY: the array has that many entries of that layout, and is the library's to write
        // to.
        unsafe {
            entry.byte_add(layout.owner).cast::<ContextHandle>().write(ctx.handle);
            entry.byte_add(layout.index).cast::<c_int>().write(index as c_int);
        }
    }
    ctx.drain();
    for index in 0..ctx.protocols.len() {
        ctx.call(index, None, Reason::ProtocolInit, null_mut(), (null_mut(), 0));
    }
    Ok(())
}

/// Ends a context that is dying: its listener, its connections, its protocols. To be called when
/// no callback of it runs.
pub(crate) fn finish_destroy(ctx: &Rc<Ctx>) {
    for wsi in ctx.told_all() {
        if wsi.kind.get() == Kind::Listener {
            ctx.tell_deleted(&wsi);
        }
    }
    ctx.with(|connections| connections.all().into_iter().for_each(|id| connections.abort(id)));
    // Ends what was aborted, with its callbacks.
    let ended = ctx.turn(|engine| engine.tick(Instant::now()));
    if let Err(error) = ended {
        say!(DEBUG, "libwebsocket_context_destroy: {error}");
    }
    for wsi in ctx.told_all() {
        ctx.tell_deleted(&wsi);
    }
    for index in 0..ctx.protocols.len() {
        ctx.call(index, None, Reason::ProtocolDestroy, null_mut(), (null_mut(), 0));
    }
    if let Some(bell) = ctx.bell.take() {
        bell::take_down(bell);
    }
    let engine = ctx.engine.take();
    drop(engine); // with the bridges, which hold this context
    ctx.by_conn.take();
    *ctx.watches.borrow_mut() = Default::default();
    *ctx.listener.borrow_mut() = None;
}

export! {
    /// Makes a context; NULL on failure.
    fn libwebsocket_create_context(info: *const Info) -> *mut c_void {
        // SAFETY: what the header asks of the caller.
        unsafe { create_at(Level::Manual, info) }
    } else null_mut();

    /// The same for programs of 1.23.
    fn libwebsocket_create_context_123(info: *const Info) -> *mut c_void {
        // SAFETY: as above.
        unsafe { create_at(Level::V123, info) }
    } else null_mut();

    /// The same for programs of 1.3.
    fn libwebsocket_create_context_130(info: *const Info130) -> *mut c_void {
        // SAFETY: as above.
        unsafe { create_at(Level::V130, info) }
    } else null_mut();

    /// The same for programs of 1.4.
    fn libwebsocket_create_context_140(info: *const Info140) -> *mut c_void {
        // SAFETY: as above.
        unsafe { create_at(Level::V140, info) }
    } else null_mut();

    /// Destroys a context; inside one of its callbacks, once that has returned.
    fn libwebsocket_context_destroy(context: *mut c_void) {
        if context.is_null() {
            return;
        }
        if let Some(used) = call::context("libwebsocket_context_destroy", context, Purpose::Call) {
            used.ctx().die(); // the outermost `Use` finishes it
        }
    } else ();
}
