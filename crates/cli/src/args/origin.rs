//! Whose pages may connect.

use sockeye::OriginPolicy;

/// Which values of `Origin` a server takes.
#[derive(Debug, clap::Args)]
pub(crate) struct OriginArgs {
    /// Whose pages may connect: `any`, `same-host`, or one origin. Clients that are no browsers and
    /// send no Origin always may
    #[arg(
        long = "origin",
        default_value = "same-host",
        value_name = "ORIGIN",
        value_parser = origin_policy
    )]
    pub(crate) policy: OriginPolicy,
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
