//! sockudo-ws as an echo server on one thread: `sockudo PORT`.
#![forbid(unsafe_code)]

use bytes::{Buf, BytesMut};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::error::Result;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::Message;
use sockudo_ws::{Config, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MESSAGE_BYTES: usize = 64 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).map_or(0, |port| port.parse().expect("a port"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let limits = Config::builder().max_payload_length(MESSAGE_BYTES);
    let limits = limits.max_message_size(MESSAGE_BYTES).max_frame_size(MESSAGE_BYTES);
    let config = limits.max_backpressure(MESSAGE_BYTES).build();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let config = config.clone();
        tokio::spawn(async move {
            let _ = serve(stream, config).await; // if it breaks, that is its client's affair
        });
    }
}

async fn serve(mut stream: TcpStream, config: Config) -> Result<()> {
    let mut head = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if let Some((request, length)) = parse_request(&head)? {
            let response = build_response(&generate_accept_key(request.key), None, None);
            stream.write_all(&response).await?;
            head.advance(length);
            break;
        }
    }
    let mut socket = WebSocketStream::server(stream, config);
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message).await?,
            Message::Close(_) => return Ok(()),
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(())
}
