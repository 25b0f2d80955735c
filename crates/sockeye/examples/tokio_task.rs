//! Slow work beside the loop: requests go to a tokio runtime on a thread of its own, and answers
//! come back by connection id, whenever they are ready and in any order.
//!
//! Callbacks must not wait, for the loop serves everybody. So `receive` hands its work on and
//! returns; what it keeps is the [`ConnId`], which names this connection and never another one.
//! Answers to clients that have left in the meantime find nobody, and do no harm.
//!
//! ```sh
//! cargo run -p sockeye --example tokio_task -- 127.0.0.1:7681
//! ```

use sockeye::{
    Action, Conn, ConnId, Connections, Context, Handle, Handshake, Key, Message, Protocol, Reject,
};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Requests that may wait for the runtime; further ones are told so.
const WAITING: usize = 256;

/// A request on its way to the runtime.
struct Job {
    client: ConnId,
    question: String,
}

/// A result on its way back.
struct Answer {
    client: ConnId,
    text: String,
}

struct Oracle {
    jobs: Sender<Job>,
}

impl Protocol for Oracle {
    type Session = ();
    type Notice = Answer;

    fn name(&self) -> &str {
        "oracle"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        let Some(question) = message.as_text().map(str::to_owned) else {
            return conn.reply("a question is text");
        };
        match self.jobs.try_send(Job { client: conn.id(), question }) {
            Ok(()) => Action::Continue,
            Err(_) => conn.reply("too many questions, ask again later"),
        }
    }

    /// An answer is ready. Its client may have left; then its id means nobody, not somebody else.
    fn notified(&mut self, connections: Connections<'_>, answer: Answer) {
        match connections.send(answer.client, answer.text) {
            Ok(()) => {}
            Err(error) => println!("no answer to {}: {error}", answer.client),
        }
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7681".into());
    let (jobs, waiting) = channel(WAITING);
    let mut builder = Context::builder();
    let oracle = builder.register(Oracle { jobs });
    let mut context = builder.build()?;
    println!("listening on ws://{}", context.listen(address)?);

    let handle = context.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    thread::spawn(move || runtime.block_on(work(waiting, handle, oracle)));
    context.run()
}

/// On the runtime's thread: a task for each question.
async fn work(mut waiting: Receiver<Job>, handle: Handle, oracle: Key<Oracle>) {
    while let Some(Job { client, question }) = waiting.recv().await {
        let handle = handle.clone();
        tokio::spawn(async move {
            let text = think(&question).await;
            let _ = handle.post(oracle, Answer { client, text }); // nobody asks without a context
        });
    }
}

/// Stands for a query to a database, or to another server.
async fn think(question: &str) -> String {
    tokio::time::sleep(Duration::from_millis(200)).await;
    format!("{question} {} letters, that is certain", question.chars().count())
}
