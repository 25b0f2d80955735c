//! The one source of randomness: mask keys and handshake nonces, from the operating system.

use std::io;

/// A buffer over the system's generator, so that a mask key costs no system call.
pub(crate) struct MaskKeys {
    buffer: Box<[u8; 1024]>,
    /// Bytes before this have been used, and are zeroed.
    used: usize,
}

impl MaskKeys {
    pub(crate) fn new() -> Self {
        Self { buffer: Box::new([0; 1024]), used: 1024 }
    }

    /// `N` fresh random bytes.
    pub(crate) fn next<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        if self.used + N > self.buffer.len() {
            getrandom::fill(&mut self.buffer[..])
                .map_err(|error| io::Error::other(error.to_string()))?;
            self.used = 0;
        }
        let mut key = [0; N];
        let fresh = &mut self.buffer[self.used..self.used + N];
        key.copy_from_slice(fresh);
        fresh.fill(0);
        self.used += N;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_repeat_across_refills_and_use_all_bits() {
        let mut keys = MaskKeys::new();
        let seen: std::collections::HashSet<[u8; 8]> =
            (0..5000).map(|_| keys.next().unwrap()).collect();
        assert_eq!(seen.len(), 5000);
        let ones: u32 = seen.iter().flatten().map(|byte| byte.count_ones()).sum();
        let share = f64::from(ones) / (5000.0 * 64.0);
        assert!((0.49..0.51).contains(&share), "{share}");
    }
}
