//! The embedded page over HTTP.

use sockeye::{Answer, Http, HttpConn, Request, Response};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Path, type and content of every file there is.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("/", HTML, INDEX),
    ("/index.html", HTML, INDEX),
    ("/app.js", "text/javascript; charset=utf-8", include_bytes!("../../page/app.js")),
    ("/style.css", "text/css; charset=utf-8", include_bytes!("../../page/style.css")),
    ("/favicon.svg", "image/svg+xml", include_bytes!("../../page/favicon.svg")),
];

const HTML: &str = "text/html; charset=utf-8";
const INDEX: &[u8] = include_bytes!("../../page/index.html");

/// What may be asked for.
const METHODS: [&str; 2] = ["GET", "HEAD"];

/// Goes with every answer: nothing but this server's own files runs, and none of it elsewhere.
const PROTECTION: [(&str, &str); 3] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

/// The handler of all requests that are not handshakes.
pub(crate) struct Page {
    files: Vec<File>,
}

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    etag: String,
}

impl Page {
    pub(crate) fn new() -> Self {
        let file = |(path, content_type, content)| File {
            path,
            content_type,
            content,
            etag: etag(content),
        };
        Self { files: FILES.map(file).into() }
    }

    fn answer(&self, request: &Request<'_>) -> Response {
        let Some(file) = self.files.iter().find(|file| file.path == request.path()) else {
            return Response::not_found();
        };
        if !METHODS.contains(&request.method()) {
            return Response::new(405).header("Allow", METHODS.join(", "));
        }
        let known = request.header("If-None-Match").is_some_and(|tags| names(tags, &file.etag));
        Response::new(if known { 304 } else { 200 })
            .header("Content-Type", file.content_type)
            .header("Cache-Control", "no-cache")
            .header("ETag", file.etag.clone())
            .body(file.content)
    }
}

impl Http for Page {
    type Session = ();

    fn request(&mut self, _: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer {
        let protect = |answer: Response, (name, value)| answer.header(name, value);
        PROTECTION.into_iter().fold(self.answer(request), protect).into()
    }
}

/// Changes with the content.
fn etag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new(); // without keys: the same in every process
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Whether an `If-None-Match` names `etag`, compared weakly (RFC 9110 §13.1.2).
fn names(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_found_in_a_list_of_them() {
        assert!(names("\"a\"", "\"a\""));
        assert!(names("\"b\", W/\"a\"", "\"a\""));
        assert!(names("*", "\"a\""));
        assert!(!names("\"b\", \"c\"", "\"a\""));
    }

    #[test]
    fn each_content_has_an_etag_of_its_own() {
        let page = Page::new();
        let mut etags: Vec<&str> = page.files.iter().map(|file| file.etag.as_str()).collect();
        etags.dedup(); // the index is there twice, side by side
        assert_eq!(etags.len(), 4);
    }
}
