//! Paths that outlive a change of the working directory.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path that counts from the root: the working directory stands in front of any other. Nothing
/// is looked up and nothing left out, which is all that [`std::path::absolute`] does besides.
///
/// # Errors
///
/// If the path is empty, or the working directory has been removed.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = path.as_os_str().as_bytes();
    if path.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is empty"));
    }
    let mut whole = Vec::new();
    if !path.starts_with(b"/") {
        whole = rustix::process::getcwd(whole)?.into_bytes();
        whole.push(b'/');
    }
    whole.extend_from_slice(path);
    Ok(OsString::from_vec(whole).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_std_says_but_for_the_spelling() {
        for path in ["/", "/a/b", "/a/./b//c/..", "a", "./a", "../a", ".", "a/../b/"] {
            let path = Path::new(path);
            // Paths are equal if their components are.
            assert_eq!(absolute(path).unwrap(), std::path::absolute(path).unwrap(), "{path:?}");
        }
        assert_eq!(absolute(Path::new("")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
