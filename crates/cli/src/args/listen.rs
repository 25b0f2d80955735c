//! Where a server listens, and how it ends.

use super::number::number;
use super::time::time;
use std::net::IpAddr;
use std::time::Duration;

/// Where a server listens.
#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// The TCP port; 0 for any that is free
    #[arg(long, default_value_t = 7681, value_parser = number(0..=u16::MAX))]
    pub(crate) port: u16,
    /// The IP address; 0.0.0.0 or :: for all of this machine
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS", value_parser = address)]
    pub(crate) bind: IpAddr,
    /// At Ctrl-C or SIGTERM, close connections one after the other over this time, not all at once
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) drain: Option<Duration>,
}

fn address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "it takes an IP address, such as 127.0.0.1 or ::1")
}
