//! The shortest server: every message goes back where it came from.
//!
//! `cargo run --example echo -- 127.0.0.1:7681`

use sockeye::{Action, Conn, Context, Handshake, Message, Protocol, Reject};

struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        conn.reply(message) // out at once if the socket takes it; else queued, and reading pauses
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7681".into());
    let mut context = Context::builder().protocol(Echo).build()?;
    println!("listening on ws://{}", context.listen(address)?);
    context.run()
}
