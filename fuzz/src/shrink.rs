//! Makes an input that crashes shorter.

/// Tries enough for inputs of some thousand bytes.
const TRIES: usize = 3000;

/// The shortest input found for which `fails` still holds, by leaving parts out and clearing
/// bytes.
pub fn shrink(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = TRIES;
    let mut size = best.len().div_ceil(2);
    while size > 0 && tries > 0 {
        let mut shorter = false;
        let mut at = 0;
        while at < best.len() && tries > 0 {
            tries -= 1;
            let end = (at + size).min(best.len());
            let candidate = [&best[..at], &best[end..]].concat();
            if fails(&candidate) {
                best = candidate;
                shorter = true;
            } else {
                at += size;
            }
        }
        if !shorter || size > best.len() {
            size /= 2;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_left() {
        let input: Vec<u8> = (0..=255).cycle().take(2000).collect();
        let fails = |data: &[u8]| data.contains(&7) && data.contains(&200);
        assert_eq!(shrink(&input, fails).len(), 2);
        assert_eq!(shrink(b"", |_| true), b"");
    }
}
