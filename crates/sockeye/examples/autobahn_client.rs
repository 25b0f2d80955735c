//! The client that plays the cases of the Autobahn test suite against its fuzzing server, for
//! `cargo xtask autobahn`: one connection for each, on which it sends back every message.
//!
//! `cargo run --example autobahn_client -- URL AGENT [--streaming] [--takeover | --own-context]
//! [--reads one|random] [--cases FIRST-LAST] [--tls FILE]`

mod autobahn;

use autobahn::{Echo, Options, Told};
use sockeye::tls::ClientTls;
use sockeye::{Connect, Context, Key, Role};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    if options.streaming { play::<true>(&options) } else { play::<false>(&options) }
}

fn play<const STREAMING: bool>(options: &Options) -> Result<(), Box<dyn Error>> {
    let [url, agent] = &options.operands[..] else { return Err("URL and AGENT are wanted".into()) };
    let (context, key, told) = options.context::<STREAMING>(Role::Client)?;
    let tls = match &options.tls {
        None => None,
        Some(file) => Some(ClientTls::builder().ca_file(file).build()?),
    };
    let mut suite = Suite { context, key, told, url, tls };
    let (first, last) = match options.cases {
        Some(range) => range,
        None => (1, String::from_utf8(suite.visit("/getCaseCount")?)?.parse()?),
    };
    for case in first..=last {
        suite.visit(&format!("/runCase?case={case}&agent={agent}"))?;
    }
    suite.visit(&format!("/updateReports?agent={agent}"))?;
    println!("played cases {first} to {last}");
    Ok(())
}

/// The fuzzing server and what reaches it.
struct Suite<'u, const STREAMING: bool> {
    context: Context,
    key: Key<Echo<STREAMING>>,
    told: Told,
    url: &'u str,
    tls: Option<ClientTls>,
}

impl<const STREAMING: bool> Suite<'_, STREAMING> {
    /// Opens a connection and serves it to its end. Returns what was said on it and not echoed.
    fn visit(&mut self, target: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut connect = Connect::to(&format!("{}{target}", self.url))?;
        if let Some(tls) = &self.tls {
            connect = connect.tls(tls.clone());
        }
        self.context.connections().connect(&connect, self.key.id())?;
        loop {
            self.context.service(None)?;
            if let Some(told) = self.told.take() {
                return Ok(told?);
            }
        }
    }
}
