// error: lifetime may not live long enough
//! What holds for a handshake's headers holds for those of any HTTP request.

use sockeye::{Answer, Http, HttpConn, Request};

struct Cookies;

impl Http for Cookies {
    type Session = Option<&'static str>;

    fn request(&mut self, conn: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer {
        *conn.session = request.header("Cookie");
        Answer::Abort
    }
}

fn main() {}
