// error: E0597
//! A context owns its protocols, and may live for as long as it likes: they borrow nothing.

use sockeye::{Action, Conn, Context, Handshake, Message, Protocol, Reject};

struct Greeter<T>(T);

impl<T: AsRef<str> + 'static> Protocol for Greeter<T> {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "greeter"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        conn.reply(self.0.as_ref())
    }
}

fn main() {
    let greeting = String::from("hello");
    Context::builder().protocol(Greeter(&greeting)).build().unwrap();
}
