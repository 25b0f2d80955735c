//! The server that the Autobahn test suite is played against, by `cargo xtask autobahn`: it sends
//! back every message.
//!
//! `cargo run --example autobahn_server -- ADDRESS [--streaming] [--takeover]
//! [--reads one|random] [--tls FILE]`

mod autobahn;

use autobahn::Options;
use sockeye::Role;
use sockeye::tls::ServerTls;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    if options.streaming { serve::<true>(&options) } else { serve::<false>(&options) }
}

fn serve<const STREAMING: bool>(options: &Options) -> Result<(), Box<dyn Error>> {
    let [address] = &options.operands[..] else { return Err("ADDRESS is wanted".into()) };
    let (mut context, ..) = options.context::<STREAMING>(Role::Server)?;
    match &options.tls {
        None => println!("listening on ws://{}", context.listen(address)?),
        Some(file) => {
            let tls = ServerTls::from_files(file, file)?;
            println!("listening on wss://{}", context.listen_tls(address, &tls)?);
        }
    }
    Ok(context.run()?)
}
