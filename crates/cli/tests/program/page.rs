//! The page over HTTP.

use crate::run::{Server, read_head};
use std::io::{Read, Write};

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                   img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                   form-action 'none'; frame-ancestors 'none'";

/// An answer, taken apart as far as these tests want it.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("a status")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = server.tcp();
    let host = server.address;
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut stream);
    let mut body = Vec::new();
    stream.read_to_end(&mut body).unwrap();
    Answer { head, body }
}

fn get(server: &Server, path: &str) -> Answer {
    ask(server, "GET", path, "")
}

#[test]
fn every_file_of_the_page_is_served_as_what_it_is() {
    let server = Server::serve();
    let files: [(&str, &str, &[u8]); 6] = [
        ("/", "text/html; charset=utf-8", include_bytes!("../../page/index.html")),
        ("/?a=b", "text/html; charset=utf-8", include_bytes!("../../page/index.html")),
        ("/index.html", "text/html; charset=utf-8", include_bytes!("../../page/index.html")),
        ("/app.js", "text/javascript; charset=utf-8", include_bytes!("../../page/app.js")),
        ("/style.css", "text/css; charset=utf-8", include_bytes!("../../page/style.css")),
        ("/favicon.svg", "image/svg+xml", include_bytes!("../../page/favicon.svg")),
    ];
    for (path, content_type, content) in files {
        let answer = get(&server, path);
        assert_eq!(answer.status(), "200", "{path}");
        assert_eq!(answer.header("Content-Type"), Some(content_type), "{path}");
        assert_eq!(answer.header("Cache-Control"), Some("no-cache"), "{path}");
        assert!(answer.body == content, "{path}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = Server::serve();
    for path in ["/favicon.ico", "/nothing", "/app.js/", "/../Cargo.toml", "/%61pp.js"] {
        assert_eq!(get(&server, path).status(), "404", "{path}");
    }
}

#[test]
fn nothing_but_get_and_head_is_allowed() {
    let server = Server::serve();
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(&server, method, "/", "Content-Length: 0\r\n");
        assert_eq!(answer.status(), "405", "{method}");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD"), "{method}");
    }
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let server = Server::serve();
    let (get, head) = (get(&server, "/app.js"), ask(&server, "HEAD", "/app.js", ""));
    assert_eq!(head.status(), "200");
    for name in ["Content-Length", "Content-Type", "ETag", "Cache-Control"] {
        assert!(get.header(name).is_some(), "{name}");
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(head.body, b"");
}

#[test]
fn who_has_the_content_already_is_told_so() {
    let server = Server::serve();
    let etag = get(&server, "/style.css").header("ETag").unwrap().to_owned();
    for tags in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".into()] {
        let header = format!("If-None-Match: {tags}\r\n");
        let answer = ask(&server, "GET", "/style.css", &header);
        assert_eq!(answer.status(), "304", "{tags}");
        assert_eq!(answer.header("ETag"), Some(&*etag));
        assert_eq!(answer.body, b"");
    }
    let other = ask(&server, "GET", "/app.js", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!(other.status(), "200");
}

#[test]
fn every_answer_is_protected() {
    let server = Server::serve();
    let answers = [
        get(&server, "/"),
        get(&server, "/nothing"),
        ask(&server, "POST", "/", "Content-Length: 0\r\n"),
        ask(&server, "GET", "/", "If-None-Match: *\r\n"),
    ];
    for answer in answers {
        assert_eq!(answer.header("Content-Security-Policy"), Some(CSP));
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"));
    }
}

#[test]
fn pages_of_other_sites_may_not_connect() {
    let server = Server::serve();
    let own = format!("http://{}", server.address);
    assert!(server.shake_hands(server.request().with_header("Origin", own)).is_ok());
    let foreign = server.request().with_header("Origin", "http://example.com");
    let error = server.shake_hands(foreign).unwrap_err();
    assert!(error.contains("403"), "{error}");
}
