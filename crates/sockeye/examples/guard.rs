//! Two doors before a connection is open: one that sees the address before a byte is read, and one
//! that sees the request. What the request says and is needed later is kept by the session.
//!
//! `cargo run --example guard -- 127.0.0.1:7681 TOKEN [ADDRESS NOT WELCOME]`

use sockeye::{Action, Conn, Context, Handshake, Message, Protocol, Reject};
use std::net::IpAddr;

struct Guarded {
    token: String,
}

impl Protocol for Guarded {
    /// What the client calls itself. Its headers are gone when `upgrade` returns.
    type Session = String;
    type Notice = ();

    fn name(&self) -> &str {
        "guarded"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<String, Reject> {
        let credentials = hello.header("Authorization").and_then(|it| it.strip_prefix("Bearer "));
        if credentials != Some(&self.token) {
            return Err(Reject::new(401, "A token is needed.").header("WWW-Authenticate", "Bearer"));
        }
        Ok(hello.header("User-Agent").unwrap_or("somebody").to_owned())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        let said = message.as_text().unwrap_or("nothing that is text");
        let answer = format!("{} says {said}", conn.session);
        conn.reply(answer)
    }
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:7681".into());
    let token = args.next().unwrap_or_else(|| "secret".into());
    let unwelcome: Option<IpAddr> = args.next().and_then(|text| text.parse().ok());
    let mut context = Context::builder()
        .protocol(Guarded { token })
        .accept_filter(move |_, peer| {
            unwelcome.is_none() || peer.ip().map(|peer| peer.ip()) != unwelcome
        })
        .build()?;
    println!("listening on ws://{}", context.listen(address)?);
    context.run()
}
