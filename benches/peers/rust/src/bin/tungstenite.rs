//! tokio-tungstenite as an echo server on one thread:
//! `tungstenite PORT [--cert FILE --key FILE] [--small]`.
//!
//! TLS is by rustls, with ring. With `--small` each connection keeps the least.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Its command line.
#[derive(Default)]
struct Options {
    port: u16,
    cert: Option<String>,
    key: Option<String>,
    small: bool,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--cert" => options.cert = args.next(),
                "--key" => options.key = args.next(),
                "--small" => options.small = true,
                port => options.port = port.parse().expect("a port"),
            }
        }
        options
    }

    /// As to limits: none. As to buffers: by default a large one to read into, since that is fast.
    fn web_socket(&self) -> WebSocketConfig {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        if self.small { config.read_buffer_size(256).write_buffer_size(0) } else { config }
    }

    fn tls(&self) -> Option<TlsAcceptor> {
        let (cert, key) = (self.cert.as_ref()?, self.key.as_ref().expect("--key"));
        let chain = CertificateDer::pem_file_iter(cert).expect("a certificate");
        let chain = chain.collect::<Result<_, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).expect("a certificate and its key");
        // No session is ever resumed.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Some(TlsAcceptor::from(Arc::new(config)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let (tls, config) = (options.tls(), options.web_socket());
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    println!("listening on {scheme}://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match tls.clone() {
            None => drop(tokio::spawn(echo(stream, config))),
            Some(tls) => drop(tokio::spawn(async move {
                // What handshakes need is boxed, so that it goes when they are done.
                if let Ok(stream) = Box::pin(tls.accept(stream)).await {
                    Box::pin(echo(stream, config)).await;
                }
            })),
        }
    }
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: S, config: WebSocketConfig) {
    let accepting = tokio_tungstenite::accept_async_with_config(stream, Some(config));
    let Ok(mut socket) = Box::pin(accepting).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        let is_data = message.is_text() || message.is_binary();
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}
