//! `sockeye echo`.

use super::{DeflateArgs, ListenArgs, LogArgs, PeerArgs, ServerTlsArgs, ServiceArgs};
use sockeye::OriginPolicy;

pub(super) const EXAMPLES: &str = "\
Ctrl-C or SIGTERM closes every connection with 1001; a second one ends at once. With --drain
the first takes its time, the second closes what is left with 1001, and a third ends at once.

Exit status: 0 ended by one signal, 1 could not listen, 2 wrong usage,
130 or 143 ended at once by SIGINT or SIGTERM.

Examples:
  sockeye echo --port 0 --origin any             any free port, pages of any site
  sockeye echo --tls-self-signed                 at wss://127.0.0.1:7681
  sockeye echo --listen unix:@echo               at a name without a file";

/// Options of `sockeye echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) tls: ServerTlsArgs,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// Whose pages may connect: `any`, `same-host`, or one origin. Clients that are no browsers
    /// always may
    #[arg(long, default_value = "same-host", value_name = "ORIGIN", value_parser = origin_policy)]
    pub(crate) origin: OriginPolicy,
    #[command(flatten)]
    pub(crate) peers: PeerArgs,
    #[command(flatten)]
    pub(crate) deflate: DeflateArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

fn origin_policy(text: &str) -> Result<OriginPolicy, &'static str> {
    match text {
        "any" => Ok(OriginPolicy::Any),
        "same-host" => Ok(OriginPolicy::SameHost),
        _ if text == "null" || text.contains("://") => {
            Ok(OriginPolicy::List(vec![text.to_owned()]))
        }
        _ => Err("it is neither `any` nor `same-host` nor an origin such as https://example.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_checked_for_their_form() {
        assert_eq!(origin_policy("any"), Ok(OriginPolicy::Any));
        assert!(
            matches!(origin_policy("http://a:1"), Ok(OriginPolicy::List(list)) if list.len() == 1)
        );
        assert!(origin_policy("example.com").is_err());
    }
}
