//! One source, many receivers: another thread has news, and every client gets the latest.
//!
//! The thread frames each message once and posts it; the loop shows it to all clients, each as
//! soon as its socket can take it. A client that is too slow misses messages instead of making
//! them pile up: what waits for it is never more than one.
//!
//! ```sh
//! cargo run -p sockeye --example broadcast -- 127.0.0.1:7681
//! ```

use sockeye::{
    Action, Conn, Connections, Context, Handle, Handshake, Key, Message, Permit, Protocol,
    ProtocolId, Reject, Shared,
};
use std::thread;
use std::time::Duration;

/// Time between two messages.
const PERIOD: Duration = Duration::from_millis(50);

/// A message for everybody.
struct News {
    number: u64,
    message: Shared,
}

struct Broadcast {
    latest: News,
    /// Its own registration, by which it asks for all its connections.
    registration: Option<ProtocolId>,
}

impl Protocol for Broadcast {
    /// Number of the last message sent to this client.
    type Session = u64;
    /// What the thread posts.
    type Notice = News;

    fn name(&self) -> &str {
        "broadcast"
    }

    fn registered(&mut self, key: Key<Self>) {
        self.registration = Some(key.id());
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<u64, Reject> {
        Ok(0)
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        conn.request_writable(); // there may be news already
        Action::Continue
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue // whatever clients say, nobody listens
    }

    /// On the loop's thread: takes the news and asks to send it to everyone.
    fn notified(&mut self, connections: Connections<'_>, news: News) {
        self.latest = news;
        if let Some(registration) = self.registration {
            connections.request_writable_all(registration);
        }
    }

    /// This client's socket takes data now: it gets the latest, however many it has missed.
    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        if *conn.session < self.latest.number {
            *conn.session = self.latest.number;
            let _ = permit.send_shared(&self.latest.message); // one is all there is to send
        }
        Action::Continue
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7681".into());
    let latest = News { number: 0, message: Shared::new("no news yet") };
    let mut builder = Context::builder();
    let key = builder.register(Broadcast { latest, registration: None });
    let mut context = builder.build()?;
    println!("listening on ws://{}", context.listen(address)?);

    let handle = context.handle();
    thread::spawn(move || make_news(&handle, key));
    context.run()
}

/// On another thread: it has a [`Handle`] and a [`Key`], and never sees the context.
fn make_news(handle: &Handle, key: Key<Broadcast>) {
    for number in 1.. {
        thread::sleep(PERIOD);
        let message = Shared::new(format!("news number {number}"));
        if handle.post(key, News { number, message }).is_err() {
            return; // the context is gone
        }
    }
}
