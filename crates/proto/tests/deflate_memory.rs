//! The sizes that the documentation of [`DeflateOptions`] gives are those measured.

use sockeye_proto::{DeflateOptions, Deflater};

const DOCUMENTATION: &str = include_str!("../src/deflate/negotiate.rs");

#[test]
fn compressors_are_as_large_as_documented() {
    for (window_bits, memory_level) in [(15, 8), (15, 9), (12, 8), (12, 5), (9, 8), (9, 1)] {
        let options = DeflateOptions { memory_level, ..DeflateOptions::default() };
        let mut kept = None;
        let measured = allocation_counter::measure(|| {
            kept = Some(Deflater::new(&options, window_bits));
        });
        let bytes = measured.bytes_current;
        let row = format!("/// | {window_bits}, {memory_level}");
        let line = DOCUMENTATION.lines().find(|line| line.starts_with(&row)).expect(&row);
        let documented: String = line
            .split('|')
            .nth(2)
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        assert_eq!(documented, bytes.to_string(), "{row}");
    }
}
