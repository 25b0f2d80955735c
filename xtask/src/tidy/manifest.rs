//! Which crate may depend on which: the architecture's arrows, never the other way.

use super::Violation;

/// Manifest, and the crates of this project it may name among its dependencies.
/// Tests of any crate may also use the test kit.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("crates/mask/Cargo.toml", &[]),
    ("crates/proto/Cargo.toml", &["sockeye-mask"]),
    ("crates/sys/Cargo.toml", &[]),
    ("crates/sockeye/Cargo.toml", &["sockeye-proto", "sockeye-sys"]),
    ("crates/capi/Cargo.toml", &["sockeye"]),
    ("crates/cli/Cargo.toml", &["sockeye"]),
    ("crates/testkit/Cargo.toml", &["sockeye-proto"]),
    ("fuzz/Cargo.toml", &["sockeye", "sockeye-proto", "sockeye-sys"]),
    ("xtask/Cargo.toml", &[]),
];

/// What tests may use besides.
const TEST_KIT: &str = "sockeye-testkit";

/// Checks the dependencies of one manifest.
pub(crate) fn check(path: &str, text: &str, found: &mut Vec<Violation>) {
    let Some((_, allowed)) = MAY_NAME.iter().find(|(manifest, _)| *manifest == path) else {
        return;
    };
    let mut section = Section::Other;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let header = line.strip_prefix('[').and_then(|line| line.split(']').next());
        let named = match header {
            Some(header) => {
                section = Section::of(header);
                in_header(header)
            }
            None => named_by(line),
        };
        if section == Section::Other || !named.starts_with("sockeye") {
            continue;
        }
        let for_tests = section == Section::DevDependencies && named == TEST_KIT;
        if !for_tests && !allowed.contains(&named) {
            let what = match allowed {
                [] => format!("depends on {named}; it may depend on no crate of this project"),
                _ => format!("depends on {named}; it may depend on {} only", allowed.join(", ")),
            };
            found.push(Violation::new(path, number, what));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Dependencies,
    DevDependencies,
    Other,
}

impl Section {
    /// Of `dependencies`, `target.'cfg(…)'.dev-dependencies`, `dependencies.name` and so on.
    fn of(header: &str) -> Self {
        let mut parts = header.split('.').map(str::trim);
        match parts.find(|part| part.ends_with("dependencies")) {
            Some("dev-dependencies") => Self::DevDependencies,
            Some(_) => Self::Dependencies,
            None => Self::Other,
        }
    }
}

/// The crate of a header such as `dependencies.name`.
fn in_header(header: &str) -> &str {
    match header.rsplit_once("dependencies.") {
        Some((_, name)) => name.trim().trim_matches('"'),
        None => "",
    }
}

/// The crate of a line such as `name = …`, `name.workspace = true` or `alias = { package = … }`;
/// also of the line `package = …` below a header.
fn named_by(line: &str) -> &str {
    if let Some((_, rest)) = line.split_once("package") {
        let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
        if let Some(value) = value.and_then(|value| value.strip_prefix('"')) {
            return value.split('"').next().unwrap_or_default();
        }
    }
    line.split(['=', '.', ' ']).next().unwrap_or_default().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        check(path, text, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn proto_and_sys_do_not_name_each_other() {
        let text =
            "[package]\nname = \"sockeye-proto\"\n[dependencies]\nsockeye-sys.workspace = true\n";
        assert_eq!(
            said("crates/proto/Cargo.toml", text),
            ["crates/proto/Cargo.toml:4: depends on sockeye-sys; \
             it may depend on sockeye-mask only"]
        );
        let text = "[dependencies.sockeye-proto]\nworkspace = true\n";
        assert_eq!(
            said("crates/sys/Cargo.toml", text),
            ["crates/sys/Cargo.toml:1: depends on sockeye-proto; \
             it may depend on no crate of this project"]
        );
        let text = "[target.'cfg(unix)'.build-dependencies]\np = { package = \"sockeye-proto\" }\n";
        assert_eq!(said("crates/sys/Cargo.toml", text).len(), 1);
    }

    #[test]
    fn the_program_sees_the_library_only() {
        let text =
            "[dependencies]\nsockeye.workspace = true\nsockeye-sys = { path = \"../sys\" }\n";
        assert_eq!(
            said("crates/cli/Cargo.toml", text),
            ["crates/cli/Cargo.toml:3: depends on sockeye-sys; it may depend on sockeye only"]
        );
    }

    #[test]
    fn tests_may_use_the_test_kit_and_nothing_else_besides() {
        let text = "[dev-dependencies]\nsockeye-testkit.workspace = true\n";
        assert_eq!(said("crates/proto/Cargo.toml", text), [""; 0]);
        let text = "[dependencies]\nsockeye-testkit.workspace = true\n";
        assert_eq!(said("crates/proto/Cargo.toml", text).len(), 1);
        let text = "[dev-dependencies]\nsockeye-sys.workspace = true\n";
        assert_eq!(said("crates/proto/Cargo.toml", text).len(), 1);
    }

    #[test]
    fn allowed_arrows_and_other_sections_pass() {
        let text = "[dependencies]\nlog = \"0.4\"\nsockeye-proto.workspace = true\n\
                    sockeye-sys.workspace = true\n[features]\nsockeye-x = []\n";
        assert_eq!(said("crates/sockeye/Cargo.toml", text), [""; 0]);
    }
}
