//! What is done to errors on their way out: repeating interrupted calls, and naming what failed.

use std::error::Error;
use std::{fmt, io};

/// Repeats `call` until it is not interrupted by a signal.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Puts the name of what was attempted in front of `error`, which stays its source.
pub(crate) fn context(attempted: impl fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Context { attempted: attempted.to_string(), error })
}

#[derive(Debug)]
struct Context {
    attempted: String,
    error: io::Error,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.attempted, self.error)
    }
}

impl Error for Context {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_calls_are_repeated_and_other_results_are_not() {
        let mut results = vec![
            Err(io::ErrorKind::Interrupted.into()),
            Err(io::ErrorKind::Interrupted.into()),
            Ok(7),
            Ok(8),
        ]
        .into_iter();
        assert_eq!(retry(|| results.next().unwrap()).unwrap(), 7);

        let mut calls = 0;
        let blocked: io::Result<()> = retry(|| {
            calls += 1;
            Err(io::ErrorKind::WouldBlock.into())
        });
        assert_eq!((blocked.unwrap_err().kind(), calls), (io::ErrorKind::WouldBlock, 1));
    }

    #[test]
    fn context_keeps_kind_and_source() {
        let original = io::Error::from_raw_os_error(rustix::io::Errno::ADDRINUSE.raw_os_error());
        let text = original.to_string();
        let named = context("listen on 127.0.0.1:80", original);
        assert_eq!(named.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(named.to_string(), format!("listen on 127.0.0.1:80: {text}"));
        let source = named.get_ref().and_then(|e| e.source()).expect("a source");
        assert!(source.downcast_ref::<io::Error>().unwrap().raw_os_error().is_some());
    }
}
