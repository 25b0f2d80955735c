//! Header fields borrowed from the head they stand in.

use super::syntax::trim_ows;

/// One header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'b> {
    /// The name, as the peer spelt it. Names are compared without case (RFC 9110 §5.1).
    pub name: &'b str,
    /// The value without the whitespace around it. Any bytes but control characters.
    pub value: &'b [u8],
}

/// The header fields of a head, in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers<'b> {
    fields: Vec<httparse::Header<'b>>,
}

impl<'b> Headers<'b> {
    pub(crate) fn new(fields: Vec<httparse::Header<'b>>) -> Self {
        Self { fields }
    }

    /// The value of the first field of that name.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.values(name).next()
    }

    /// Like [`get`](Self::get), where the value is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&'b str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The values of all fields of that name.
    pub fn get_all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'b [u8]> + use<'h, 'b> {
        self.values(name)
    }

    fn values<'h>(&'h self, name: &'h str) -> Values<'h, 'b> {
        Values { name, fields: self.fields.iter() }
    }

    /// The elements of a comma-separated list, over all fields of that name (RFC 9110 §5.6.1).
    /// A comma inside a quoted string separates nothing. Empty elements are left out, and so are
    /// those that are not UTF-8: no name that is compared with them could be equal.
    pub fn list<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'b str> + use<'h, 'b> {
        self.elements(name).filter_map(|element| std::str::from_utf8(element).ok())
    }

    /// The elements of such a list, whatever they are.
    pub(crate) fn elements<'h>(&'h self, name: &'h str) -> Elements<'h, 'b> {
        Elements { values: self.values(name), items: ListItems::new(b"") }
    }

    /// Whether such a list has the token among its elements, compared without case.
    pub fn contains_token(&self, name: &str, token: &str) -> bool {
        let token = token.as_bytes();
        self.elements(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// All fields.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Header<'b>> + use<'_, 'b> {
        self.fields.iter().map(|&httparse::Header { name, value }| Header { name, value })
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The only field of that name: `Err` where there are more (most fields may come once only).
    pub(crate) fn only(&self, name: &str) -> Result<Option<&'b [u8]>, Repeated> {
        let mut all = self.get_all(name);
        match (all.next(), all.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(Repeated),
        }
    }
}

/// The values of all fields of a name.
struct Values<'h, 'b> {
    name: &'h str,
    fields: std::slice::Iter<'h, httparse::Header<'b>>,
}

impl<'b> Iterator for Values<'_, 'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let name = self.name;
        self.fields.find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}

/// The elements of a list, over all fields of a name.
pub(crate) struct Elements<'h, 'b> {
    values: Values<'h, 'b>,
    items: ListItems<'b>,
}

impl<'b> Iterator for Elements<'_, 'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            if let Some(item) = self.items.next() {
                return Some(item);
            }
            self.items = ListItems::new(self.values.next()?);
        }
    }
}

/// A field came more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

/// The elements of one comma-separated value, empty ones left out: one pass, no looking back.
#[derive(Clone, Debug)]
pub struct ListItems<'b> {
    rest: &'b [u8],
}

impl<'b> ListItems<'b> {
    /// Starts at the front of a field value.
    pub fn new(value: &'b [u8]) -> Self {
        Self { rest: value }
    }
}

impl<'b> Iterator for ListItems<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        while !self.rest.is_empty() {
            let length = element_length(self.rest);
            let (element, rest) = self.rest.split_at(length);
            self.rest = rest.get(1..).unwrap_or_default(); // past the comma, if there is one
            let element = trim_ows(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// How far it is to the comma that ends the first element. Looks at nothing beyond that comma;
/// a quoted string that is never closed reaches to the end (RFC 9110 §5.6.4).
fn element_length(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(value: &str) -> Vec<&str> {
        ListItems::new(value.as_bytes()).map(|item| std::str::from_utf8(item).unwrap()).collect()
    }

    #[test]
    fn list_elements_are_split_at_commas_outside_quotes() {
        assert_eq!(items("a, b ,,\t, c"), ["a", "b", "c"]);
        assert_eq!(items(r#"x; p="1,\"2,", y"#), [r#"x; p="1,\"2,""#, "y"]);
        assert_eq!(items(r#"a, "b, c"#), ["a", r#""b, c"#]);
        assert_eq!(items(r#""\"#), [r#""\"#]);
        assert_eq!(items(r"a\,b"), [r"a\", "b"]); // a backslash escapes inside quotes only
        assert_eq!(items(" , ,"), Vec::<&str>::new());
    }

    /// Each step ends at the byte it stopped at, so the lengths of all steps are all the work.
    #[test]
    fn a_hundred_thousand_commas_quotes_and_backslashes_are_looked_at_once() {
        for unit in [",", "\"", "\\", ",\"\\", "\",", "\"\\\",", " ,", "\t"] {
            let value = unit.repeat(100_000);
            let mut rest = value.as_bytes();
            let mut work = 0;
            while !rest.is_empty() {
                let length = element_length(rest);
                work += length + 1;
                rest = rest.get(length + 1..).unwrap_or_default();
            }
            assert!(work <= value.len() + 1, "{unit:?}");
            assert!(ListItems::new(value.as_bytes()).count() <= 100_000);
        }
    }
}
