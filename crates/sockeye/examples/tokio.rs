//! Sockeye inside tokio: the context is one descriptor among those tokio waits for, on a runtime
//! of one thread, beside other tasks. Here one of them is a clock that all clients hear.
//!
//! ```sh
//! cargo run -p sockeye --example tokio -- 127.0.0.1:7681
//! ```
//!
//! The one rule: tokio is told of changes only, so readiness is cleared only after
//! `service(Duration::ZERO)` has returned `Turn::Idle`. Cleared earlier, what is left undone would
//! wait for the next change, which may never come.
//!
//! A context is one descriptor by way of `epoll(7)`; where that is missing, use a
//! `Context<External>` as the example `foreign_poll` does.

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend))))]
fn main() {
    println!("this example needs epoll(7)");
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7681".into());
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(on_epoll::serve(&address))
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
mod on_epoll {
    use sockeye::{
        Action, Conn, Connections, Context, Handle, Handshake, Key, Message, Protocol, ProtocolId,
        Reject, Turn,
    };
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Echoes, and tells the time in between.
    #[derive(Default)]
    struct EchoAndClock {
        registration: Option<ProtocolId>,
    }

    impl Protocol for EchoAndClock {
        type Session = ();
        /// Ticks of the clock so far.
        type Notice = u64;

        fn name(&self) -> &str {
            "echo-and-clock"
        }

        fn registered(&mut self, key: Key<Self>) {
            self.registration = Some(key.id());
        }

        fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
            Ok(())
        }

        fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
            conn.reply(message)
        }

        fn notified(&mut self, connections: Connections<'_>, ticks: u64) {
            let text = format!("tick {ticks}");
            for id in self.registration.into_iter().flat_map(|all| connections.of(all)) {
                let _ = connections.send(id, text.as_str()); // who is too slow misses a tick
            }
        }
    }

    pub(crate) async fn serve(address: &str) -> io::Result<()> {
        let mut builder = Context::builder();
        let key = builder.register(EchoAndClock::default());
        let mut context = builder.build()?;
        println!("listening on ws://{}", context.listen(address)?);
        tokio::spawn(tick(context.handle(), key));

        let descriptor = watch(context.as_fd().try_clone_to_owned()?)?;
        while !context.is_finished() {
            let mut ready = descriptor.readable().await?;
            match context.service(Duration::ZERO)? {
                Turn::Worked => {} // there may be more: the next round sees
                Turn::Idle => ready.clear_ready(),
            }
        }
        Ok(())
    }

    /// A second name of the context's descriptor, so that waiting for it does not borrow the
    /// context.
    #[expect(deprecated, reason = "what an `OwnedFd` guarantees, the successor takes on trust")]
    fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
        AsyncFd::with_interest(descriptor, Interest::READABLE)
    }

    /// Another task of the runtime. It could run on any thread: it only has a handle.
    async fn tick(handle: Handle, key: Key<EchoAndClock>) {
        let mut interval = tokio::time::interval(Duration::from_millis(100));
        for ticks in 0.. {
            interval.tick().await;
            if handle.post(key, ticks).is_err() {
                return;
            }
        }
    }
}
