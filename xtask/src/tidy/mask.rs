//! Rust source without what only looks like code.

/// Two views of a source file, each with the lines of the original.
#[derive(Debug, Default)]
pub(crate) struct Masked {
    /// Strings and comments are blank.
    pub(crate) code: String,
    /// Strings are blank.
    pub(crate) prose: String,
}

impl Masked {
    /// Blanks `source`.
    pub(crate) fn new(source: &str) -> Self {
        let chars: Vec<char> = source.chars().collect();
        let mut masked = Self::default();
        let mut at = 0;
        while at < chars.len() {
            let (kind, end) = lexeme(&chars, at);
            for &c in &chars[at..end] {
                let blank = if c == '\n' { '\n' } else { ' ' };
                masked.code.push(if kind == Kind::Code { c } else { blank });
                masked.prose.push(if kind == Kind::Literal { blank } else { c });
            }
            at = end;
        }
        masked
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// What begins at `at`, and where it ends: at least one character further.
fn lexeme(chars: &[char], at: usize) -> (Kind, usize) {
    let peek = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    match (peek(0), peek(1)) {
        ('/', '/') => (Kind::Comment, find(chars, at, |c| c == '\n')),
        ('/', '*') => (Kind::Comment, block_comment(chars, at)),
        ('"', _) => (Kind::Literal, string(chars, at + 1)),
        ('\'', '\\') => (Kind::Literal, after(find(chars, at + 3, |c| c == '\''), chars)),
        ('\'', c) if c != '\'' && peek(2) == '\'' => (Kind::Literal, at + 3),
        (c, _) if is_word(c) => word(chars, at),
        _ => (Kind::Code, at + 1),
    }
}

/// A word, or the string whose prefix it is: `b"…"`, `r#"…"#`.
fn word(chars: &[char], at: usize) -> (Kind, usize) {
    let end = find(chars, at, |c| !is_word(c));
    let quote = find(chars, end, |c| c != '#');
    let hashes = quote - end;
    let opens = chars.get(quote) == Some(&'"');
    match &chars[at..end] {
        ['r'] | ['b' | 'c', 'r'] if opens => (Kind::Literal, raw_string(chars, quote + 1, hashes)),
        ['b' | 'c'] if opens && hashes == 0 => (Kind::Literal, string(chars, quote + 1)),
        _ => (Kind::Code, end),
    }
}

fn block_comment(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0, at);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn string(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn raw_string(chars: &[char], mut i: usize, hashes: usize) -> usize {
    while i < chars.len() {
        let end = i + 1 + hashes;
        let closes = chars[i] == '"' && chars.get(i + 1..end).is_some_and(|s| s.iter().all(hash));
        if closes {
            return end;
        }
        i += 1;
    }
    i
}

fn hash(c: &char) -> bool {
    *c == '#'
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn find(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|&i| stop(chars[i])).unwrap_or(chars.len())
}

fn after(i: usize, chars: &[char]) -> usize {
    (i + 1).min(chars.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        let masked = Masked::new(source);
        assert_eq!(masked.code.chars().count(), source.chars().count());
        assert_eq!(masked.code.lines().count(), source.lines().count());
        masked.code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        assert_eq!(code("a // {\nb /* { /* { */ } */ c"), "a b c");
        assert_eq!(code(r#"a("{ \" {", b"{", c"{") d"#), "a( , , ) d");
        assert_eq!(code(r###"a(r"{\", r#"{"{"#, br##"{"#"##) d"###), "a( , , ) d");
        assert_eq!(code("a\u{e9} \"\u{e9}{\n{\" b"), "a\u{e9} b");
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        assert_eq!(code(r"a('{', '\'', '\u{7b}', b'{', '\\') b"), "a( , , , b , ) b");
        assert_eq!(code("fn f<'a>(x: &'a str) -> &'a str { x }").matches("'a").count(), 3);
        assert_eq!(code("r#fn + 'outer: loop {}"), "r#fn + 'outer: loop {}");
    }

    #[test]
    fn comments_stay_in_the_prose() {
        let masked = Masked::new("a(\"{\") // why\n");
        assert_eq!(masked.prose, "a(   ) // why\n");
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["\"a", "r#\"a\"", "/* a", "'\\", "b\"\\", "// a", "'"] {
            assert_eq!(Masked::new(source).code.chars().count(), source.chars().count());
        }
    }
}
