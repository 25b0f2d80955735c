//! JSON, laid out for reading. Numbers and strings stay as they were written, and members in their
//! order.

use super::show::Show;
use serde::de::IgnoredAny;
use std::io::{self, Write};

/// Deeper is not laid out: each line would be long with blanks.
const DEPTH: usize = 128;

/// Whether this is JSON, nested no deeper than is readable.
pub(crate) fn is(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok() && depth(text) <= DEPTH
}

/// How deep JSON is nested.
fn depth(json: &str) -> usize {
    let (mut rest, mut depth, mut most) = (json.trim_start_matches(BLANKS), 0_usize, 0);
    while !rest.is_empty() {
        match rest.as_bytes()[0] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        most = most.max(depth);
        rest = rest[token_length(rest)..].trim_start_matches(BLANKS);
    }
    most
}

const KEY: &str = "34;1";
const STRING: &str = "32";
const NUMBER: &str = "36";
const LITERAL: &str = "35";

/// Writes what [`is`] JSON with a line for each member, indented.
pub(crate) fn lay_out(json: &str, show: Show, out: &mut dyn Write) -> io::Result<()> {
    let (mut rest, mut depth) = (json.trim_start_matches(BLANKS), 0);
    while let Some(first) = rest.chars().next() {
        let (token, behind) = rest.split_at(token_length(rest));
        rest = behind.trim_start_matches(BLANKS);
        match first {
            '{' | '[' if rest.starts_with(['}', ']']) => {
                out.write_all(token.as_bytes())?;
                out.write_all(&rest.as_bytes()[..1])?;
                rest = rest[1..].trim_start_matches(BLANKS);
            }
            '{' | '[' => {
                depth += 1;
                out.write_all(token.as_bytes())?;
                indent(depth, out)?;
            }
            '}' | ']' => {
                depth -= 1;
                indent(depth, out)?;
                out.write_all(token.as_bytes())?;
            }
            ',' => {
                out.write_all(b",")?;
                indent(depth, out)?;
            }
            ':' => out.write_all(b": ")?,
            '"' if rest.starts_with(':') => show.coloured(KEY, token, out)?,
            '"' => show.coloured(STRING, token, out)?,
            'a'..='z' => show.coloured(LITERAL, token, out)?,
            _ => show.coloured(NUMBER, token, out)?,
        }
    }
    Ok(())
}

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

fn indent(depth: usize, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "\n{:1$}", "", 2 * depth)
}

/// The length of what comes first, which is no blank.
fn token_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    match bytes[0] {
        b'"' => {
            let mut at = 1;
            while bytes.get(at).is_some_and(|&byte| byte != b'"') {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at + 1
        }
        b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
        _ => rest.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::show::Show;

    fn laid_out(json: &str) -> String {
        assert!(is(json), "{json}");
        let mut out = Vec::new();
        lay_out(json, Show::PLAIN, &mut out).expect("there is room");
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn members_have_lines_and_stay_as_they_were_written() {
        let json = r#" {"b":1.10,"a":[ ],"s":"q\"}\\","n":[-1e5,true,null,{"":{}}], "b":2} "#;
        let expected = r#"{
  "b": 1.10,
  "a": [],
  "s": "q\"}\\",
  "n": [
    -1e5,
    true,
    null,
    {
      "": {}
    }
  ],
  "b": 2
}"#;
        assert_eq!(laid_out(json), expected);
        for scalar in ["1", "\"\u{e9}\"", "false", "[]", "{}"] {
            assert_eq!(laid_out(scalar), scalar);
        }
    }

    #[test]
    fn what_is_laid_out_means_the_same() {
        let json = r#"[{"x":[[],[[1,2],"a,b:c"]],"\u0022":"{[\\"},"é",0.0,123456789012345678901]"#;
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&laid_out(json)), value(json));
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        for wrong in ["", "{", "{'a':1}", "1 2", "hello", "[1,]", &"[".repeat(1000)] {
            assert!(!is(wrong), "{wrong}");
        }
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(is(&nested(DEPTH)) && !is(&nested(DEPTH + 1)));
    }
}
