//! Paths that outlive a change of the working directory.

use std::io;
use std::path::{Path, PathBuf};

/// A path that counts from the root: the working directory stands in front of any other. Nothing
/// is looked up and nothing left out, which is all that [`std::path::absolute`] does besides.
///
/// # Errors
///
/// If the path is empty, or the working directory has been removed.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is empty"));
    }
    Ok(if path.is_absolute() { path.to_owned() } else { std::env::current_dir()?.join(path) })
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
