//! The sizes that the documentation of [`DeflateOptions`] gives are those measured.

use sockeye_proto::{DeflateOptions, Deflater};

const DOCUMENTATION: &str = include_str!("../src/deflate/negotiate.rs");

/// What makes a compressor as large as it gets: no two numbers are alike.
fn numbers() -> Vec<u8> {
    let mut text = Vec::new();
    let mut number = 1_u32;
    while text.len() < 1 << 20 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{number:x} ").as_bytes());
    }
    text
}

#[test]
fn compressors_are_as_large_as_documented() {
    let (message, mut out) = (numbers(), vec![0; 1 << 20]);
    for (window_bits, memory_level) in [(15, 8), (15, 9), (12, 8), (12, 5), (9, 8), (9, 1)] {
        let options = DeflateOptions { memory_level, ..DeflateOptions::default() };
        let mut kept = None;
        let measured = allocation_counter::measure(|| {
            let deflater = kept.insert(Deflater::new(&options, window_bits));
            deflater.compress(&message, &mut out);
            deflater.reset();
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
