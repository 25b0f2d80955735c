//! What is played: roles, variants, cases.

/// The role of the library that the suite is the other end of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Server,
    Client,
}

impl Role {
    pub(crate) const BOTH: [Self; 2] = [Self::Server, Self::Client];

    /// What a value of `--role` asks for.
    pub(crate) fn named(name: &str) -> Result<Vec<Self>, String> {
        match name {
            "both" => Ok(Self::BOTH.to_vec()),
            "server" => Ok(vec![Self::Server]),
            "client" => Ok(vec![Self::Client]),
            other => Err(format!("unknown role `{other}`")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// A way to play the suite.
#[derive(Debug)]
pub(crate) struct Variant {
    /// What `--variant` calls it.
    pub(crate) name: &'static str,
    /// Options of the examples.
    pub(crate) options: &'static [&'static str],
    /// Built for `poll(2)`.
    pub(crate) poll: bool,
    /// Under TLS, by way of a relay that is not ours.
    pub(crate) tls: bool,
    /// Patterns of the cases it is about.
    about: &'static [&'static str],
}

/// Everything but compression and the cases that only measure speed.
const PROTOCOL: &[&str] = &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];
/// Some of each kind, for a run of all steps.
pub(crate) const SAMPLE: &[&str] = &["1.*.1", "2.*", "5.1*", "7.*", "9.1.*", "12.1.1"];
/// Long messages, and compression.
const LONG: &[&str] = &["9.*", "12.*", "13.*"];
/// Compression, less 13.2, 13.5 and 13.6: there the suite's server declines it unless the client
/// offers to do without a context of its own.
const OWN_CONTEXT: &[&str] = &["12.*", "13.1.*", "13.3.*", "13.4.*", "13.7.*"];

/// Every variant, the default one first.
pub(crate) const VARIANTS: [Variant; 8] = [
    Variant { name: "default", options: &["--takeover"], poll: false, tls: false, about: &["*"] },
    Variant {
        name: "streaming",
        options: &["--streaming"],
        poll: false,
        tls: false,
        about: &["*"],
    },
    Variant { name: "poll", options: &["--takeover"], poll: true, tls: false, about: &["*"] },
    Variant {
        name: "bytewise",
        options: &["--reads", "one"],
        poll: false,
        tls: false,
        about: PROTOCOL,
    },
    Variant {
        name: "cuts",
        options: &["--takeover", "--reads", "random"],
        poll: false,
        tls: false,
        about: LONG,
    },
    Variant {
        name: "headers",
        options: &["--takeover", "--reads", "random", "--streaming"],
        poll: false,
        tls: false,
        about: LONG,
    },
    Variant { name: "tls", options: &["--takeover"], poll: false, tls: true, about: &["*"] },
    Variant {
        name: "own-context",
        options: &["--own-context"],
        poll: false,
        tls: false,
        about: OWN_CONTEXT,
    },
];

impl Variant {
    /// What a value of `--variant` asks for.
    pub(crate) fn named(name: &str) -> Result<Vec<&'static Self>, String> {
        let named: Vec<_> = VARIANTS.iter().filter(|v| name == "all" || name == v.name).collect();
        if named.is_empty() { Err(format!("unknown variant `{name}`")) } else { Ok(named) }
    }

    /// Those of `all` cases that it is about and that one of `patterns`, if there are any, fits.
    pub(crate) fn cases(&self, all: &[String], patterns: &[String]) -> Vec<String> {
        let is_ours = |case: &str| self.about.iter().any(|glob| fits(glob, case));
        let is_wanted =
            |case: &str| patterns.is_empty() || patterns.iter().any(|glob| fits(glob, case));
        all.iter().filter(|case| is_ours(case) && is_wanted(case)).cloned().collect()
    }
}

fn section(case: &str) -> &str {
    case.split('.').next().unwrap_or_default()
}

/// Whether a pattern, in which `*` stands for anything, fits a case.
fn fits(glob: &str, case: &str) -> bool {
    match glob.split_once('*') {
        None => glob == case,
        Some((before, after)) => case.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))
        }),
    }
}

/// What one process of the suite plays: the sections that take long are divided.
pub(crate) fn group(case: &str) -> String {
    match section(case) {
        section @ ("12" | "13") => {
            let subsection = case.split('.').nth(1).unwrap_or_default();
            format!("{section}.{subsection}")
        }
        "9" => "9".to_owned(),
        _ => "rest".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_as_the_shell_s_do() {
        for (glob, case) in [("9.1.1", "9.1.1"), ("9.*", "9.1.1"), ("*", "1.1"), ("*.1*", "9.10")] {
            assert!(fits(glob, case), "{glob} {case}");
        }
        for (glob, case) in [("9.1", "9.1.1"), ("9.*", "19.1"), ("*.1", "9.10"), ("", "1")] {
            assert!(!fits(glob, case), "{glob} {case}");
        }
    }

    #[test]
    fn a_variant_is_about_its_sections() {
        let all = ["1.1.1", "9.1.1", "12.1.1", "13.7.18"].map(str::to_owned);
        let cases = |name: &str, globs: &[&str]| {
            let globs: Vec<_> = globs.iter().map(|&glob| glob.to_owned()).collect();
            Variant::named(name).unwrap()[0].cases(&all, &globs)
        };
        assert_eq!(cases("default", &[]), all);
        assert_eq!(cases("bytewise", &[]), ["1.1.1"]);
        assert_eq!(cases("cuts", &["1*", "9.9.*"]), ["12.1.1", "13.7.18"]);
        assert_eq!(cases("own-context", &[]), ["12.1.1", "13.7.18"]);
        assert_eq!(all.map(|case| group(&case)), ["rest", "9", "12.1", "13.7"]);
    }
}
