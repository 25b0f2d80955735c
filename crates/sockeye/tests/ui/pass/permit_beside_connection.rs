//! A permit does not borrow its connection: session, name and all other connections are at hand
//! while it exists.

use sockeye::{Action, Conn, Handshake, Message, Permit, Protocol, Reject, Shared};

struct Chat {
    last: Shared,
}

impl Protocol for Chat {
    type Session = Vec<String>;
    type Notice = ();

    fn name(&self) -> &str {
        "chat"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Self::Session, Reject> {
        Ok(vec![hello.path().to_owned()]) // a copy may be kept
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        self.last = Shared::new(message);
        match conn.permit() {
            Some(permit) => self.writable(conn, permit),
            None => Action::Continue,
        }
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        conn.session.push(format!("sent by {}", conn.id()));
        conn.connections().request_writable(conn.id());
        conn.pause();
        if let Some(permit) = permit.send_shared(&self.last) {
            conn.session.clear();
            conn.resume();
            let _ = permit.send(conn.session.join(", "));
        }
        conn.reply("queued")
    }
}

fn main() {
    let chat = Chat { last: Shared::new("") };
    sockeye::Context::builder().protocol(chat).build().unwrap();
}
