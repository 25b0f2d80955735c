//! `sockeye connect` through proxies that others have written: tinyproxy (HTTP `CONNECT`) and
//! microsocks (SOCKS 5), with and without a login.

use crate::run::{Program, Server, command};
use crate::scratch::Scratch;
use sockeye_testkit::{Port, finish};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// Only so that nothing waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks whether a proxy listens.
const BLINK: Duration = Duration::from_millis(5);

/// A running proxy, ended with the test.
struct Proxy {
    _program: Program,
    _port: Port,
    address: SocketAddr,
    /// Where its configuration lies.
    _scratch: Option<Scratch>,
}

impl Proxy {
    /// `None` if the machine has no such program; in CI it must have it.
    fn start(
        name: &str,
        arguments: impl Fn(SocketAddr) -> (Vec<String>, Option<Scratch>),
    ) -> Option<Self> {
        let port = Port::reserve();
        let address = port.address;
        let (arguments, scratch) = arguments(address);
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = match command.spawn() {
            Ok(child) => Program::from(child),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let why = format!("needs {name}: apt install {name}");
                assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
                println!("skipped: {why}");
                return None;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < PATIENCE, "{name} does not listen");
            thread::sleep(BLINK);
        }
        Some(Self { _program: program, _port: port, address, _scratch: scratch })
    }

    fn tinyproxy(login: Option<(&str, &str)>) -> Option<Self> {
        Self::start("tinyproxy", |address| {
            let scratch = Scratch::new();
            let file = scratch.name("tinyproxy.conf");
            let login = login.map_or_else(String::new, |(user, password)| {
                format!("BasicAuth {user} {password}\n")
            });
            let (ip, port) = (address.ip(), address.port());
            let text = format!("Port {port}\nListen {ip}\nTimeout 60\nMaxClients 20\n{login}");
            fs::write(&file, text).unwrap();
            (vec!["-d".to_owned(), "-c".to_owned(), file], Some(scratch))
        })
    }

    fn microsocks(login: Option<(&str, &str)>) -> Option<Self> {
        Self::start("microsocks", |address| {
            let (ip, port) = (address.ip().to_string(), address.port().to_string());
            let mut arguments = vec!["-i".to_owned(), ip, "-p".to_owned(), port];
            if let Some((user, password)) = login {
                arguments.extend(["-u", user, "-P", password].map(str::to_owned));
            }
            (arguments, None)
        })
    }
}

/// Says hello to an echo server: exit status, stdout, stderr.
fn hello(to: &str, options: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut program = command(&[&["connect", to, "--count", "1"], options].concat())
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = program.stdin.take().unwrap().write_all(b"hello\n"); // it may have given up already
    let output = finish(program);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn echoed() -> (Option<i32>, String, String) {
    (Some(0), "hello\n".to_owned(), String::new())
}

/// An echo server, and its URL by a name, which the proxy has to look up.
fn server() -> (Server, String) {
    let server = Server::echo();
    let url = format!("ws://localhost:{}/", server.address.port());
    (server, url)
}

#[test]
fn tinyproxy_gives_a_tunnel() {
    let Some(proxy) = Proxy::tinyproxy(None) else { return };
    let (_server, url) = server();
    let by_option = format!("http://{}", proxy.address);
    assert_eq!(hello(&url, &["--proxy", &by_option], &[]), echoed());
    for variable in ["http_proxy", "all_proxy", "ALL_PROXY"] {
        assert_eq!(hello(&url, &[], &[(variable, &by_option)]), echoed(), "{variable}");
    }
    let nobody = Port::reserve();
    let (status, _, said) = hello("ws://localhost:1/", &["--proxy", &by_option], &[]);
    assert_eq!(status, Some(1));
    assert!(said.contains(&format!("proxy {by_option}: it answered 5")), "{said}");
    let dead = format!("http://{}", nobody.address);
    let without: &[&[(&str, &str)]] = &[
        &[("http_proxy", &dead), ("no_proxy", "localhost")],
        &[("http_proxy", &dead), ("NO_PROXY", "*")],
        &[("HTTP_PROXY", &dead)],
        &[("https_proxy", &dead)],
    ];
    for variables in without {
        assert_eq!(hello(&url, &[], variables), echoed(), "{variables:?}");
    }
    assert_eq!(hello(&url, &["--proxy", "none"], &[("http_proxy", &dead)]), echoed());
    assert_eq!(hello(&url, &[], &[("http_proxy", &dead)]).0, Some(1));
}

#[test]
fn tinyproxy_wants_a_login() {
    let Some(proxy) = Proxy::tinyproxy(Some(("me", "secret"))) else { return };
    let (_server, url) = server();
    let at = proxy.address;
    assert_eq!(hello(&url, &["--proxy", &format!("http://me:secret@{at}")], &[]), echoed());
    let variable = format!("me:secret@{at}");
    assert_eq!(hello(&url, &[], &[("http_proxy", &variable)]), echoed());
    for login in ["", "me:wrong@"] {
        let (status, _, said) = hello(&url, &["--proxy", &format!("http://{login}{at}")], &[]);
        let refused = said.contains(&format!("proxy http://{at}: it answered 40"));
        assert!(status == Some(1) && refused && !said.contains("wrong"), "{status:?}: {said}");
    }
}

#[test]
fn microsocks_gives_a_tunnel() {
    let Some(proxy) = Proxy::microsocks(None) else { return };
    let (_server, url) = server();
    let by_option = format!("socks5h://{}", proxy.address);
    assert_eq!(hello(&url, &["--proxy", &by_option], &[]), echoed());
    assert_eq!(hello(&url, &[], &[("all_proxy", &by_option)]), echoed());
    let (status, _, said) = hello("ws://localhost:1/", &["--proxy", &by_option], &[]);
    let expected = "it found the connection refused (SOCKS reply 5)\n";
    assert!(status == Some(1) && said.ends_with(expected), "{status:?}: {said}");
    let (status, _, said) = hello("ws://no.such.name.invalid/", &["--proxy", &by_option], &[]);
    assert!(status == Some(1) && said.contains("(SOCKS reply "), "{status:?}: {said}");
}

#[test]
fn microsocks_wants_a_login() {
    let Some(proxy) = Proxy::microsocks(Some(("me", "secret"))) else { return };
    let (_server, url) = server();
    let at = proxy.address;
    assert_eq!(hello(&url, &["--proxy", &format!("socks5h://me:secret@{at}")], &[]), echoed());
    for (login, why) in
        [("", "it wants name and password"), ("me:wrong@", "it refused name and password")]
    {
        let (status, _, said) = hello(&url, &["--proxy", &format!("socks5h://{login}{at}")], &[]);
        let expected = format!("sockeye: {url}: proxy socks5h://{at}: {why}\n");
        assert_eq!((status, said), (Some(1), expected));
    }
}

#[test]
fn tls_goes_through_the_tunnel_to_the_server() {
    let server = Server::start(&["echo", "--tls-self-signed"], "wss");
    let url = format!("wss://localhost:{}/", server.address.port());
    for (scheme, proxy) in [("http", Proxy::tinyproxy(None)), ("socks5h", Proxy::microsocks(None))]
    {
        let Some(proxy) = proxy else { continue };
        let proxy = format!("{scheme}://{}", proxy.address);
        assert_eq!(hello(&url, &["--insecure", "--proxy", &proxy], &[]), echoed());
        let variables = [("http_proxy", "http://127.0.0.1:1"), ("HTTPS_PROXY", &proxy)];
        assert_eq!(hello(&url, &["--insecure"], &variables), echoed());
        // It is the server that is checked, by the name in the URL.
        let (status, _, said) = hello(&url, &["--proxy", &proxy], &[]);
        assert!(status == Some(1) && said.contains("signed by itself"), "{status:?}: {said}");
    }
}
