//! Messages of any size in constant memory: each is summed up as it comes, and answered with the
//! number and the sum of its bytes.
//!
//! `STREAMING` makes the library hand over pieces as they lie in its receive buffer, instead of
//! whole messages of bounded size. A message may come in many frames, and a frame in many pieces:
//! `remaining` counts down to the end of the frame, `is_final` tells the end of the message.
//!
//! ```sh
//! cargo run -p sockeye --example chunks -- 127.0.0.1:7681
//! ```

use sockeye::{Action, Chunk, CloseCode, Conn, Context, Handshake, Message, Protocol, Reject};

/// The longest message that is listened to: 1 TiB. Of its contents, nothing is kept.
const MOST: u64 = 1 << 40;

/// The message so far.
#[derive(Default)]
struct Tally {
    bytes: u64,
    sum: u64,
}

struct Chunks;

impl Protocol for Chunks {
    type Session = Tally;
    type Notice = ();
    const STREAMING: bool = true;

    fn name(&self) -> &str {
        "chunks"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<Tally, Reject> {
        Ok(Tally::default())
    }

    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        let tally = &mut *conn.session;
        tally.bytes += chunk.payload().len() as u64;
        tally.sum += chunk.payload().iter().map(|&byte| u64::from(byte)).sum::<u64>();
        if tally.bytes + chunk.remaining() > MOST {
            // A frame tells its length first, so this is known before the bytes have come.
            return Action::close(CloseCode::TOO_BIG, "more than a tebibyte");
        }
        if !chunk.is_final() {
            return Action::Continue;
        }
        let Tally { bytes, sum } = std::mem::take(tally);
        conn.reply(format!("{bytes} bytes, sum {sum}"))
    }

    /// Never called: with `STREAMING`, everything goes to `chunk`.
    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Abort
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7681".into());
    let mut context = Context::builder().protocol(Chunks).build()?;
    println!("listening on ws://{}", context.listen(address)?);
    context.run()
}
