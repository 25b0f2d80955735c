//! LLVM bitcode, as far as the linker has to be told how to take it.
//!
//! A module that comes with a summary of itself is optimized on its own by the linker, with single
//! functions taken over from others ("ThinLTO"). rustc gives every module one, and no stable option
//! has it not do so. Modules without one are joined and optimized as one.
//!
//! The format is that of LLVM's "Bitcode File Format": a stream of bits, lowest first, in blocks of
//! abbreviated records.

/// What files of it begin with.
const MAGIC: [u8; 4] = *b"BC\xc0\xde";
/// Numbers of blocks.
const MODULE: u64 = 8;
const SUMMARY: u64 = 20;
/// One that LLVM does not know, and skips.
const UNKNOWN: u8 = 63;
/// What stands before an entry of a block; everything else is a record as an abbreviation has it.
const END_BLOCK: u64 = 0;
const ENTER_BLOCK: u64 = 1;
const DEFINE_ABBREVIATION: u64 = 2;
const RECORD: u64 = 3;
/// How wide that is outside all blocks.
const OUTERMOST: u32 = 2;

/// Whether a file is bitcode and nothing else.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Hides the summaries of the modules in a file. Gives how many there were, or `None` if the file
/// is not what it should be; it may have changed then.
pub(super) fn hide_summary(bytes: &mut [u8]) -> Option<usize> {
    let mut hidden = 0;
    for module in modules(bytes)? {
        for number in summaries(bytes, module)? {
            write_byte(bytes, number);
            hidden += 1;
        }
    }
    Some(hidden)
}

/// The entries of a module begin at this bit and end before that; each starts with so many bits.
struct Module {
    begin: usize,
    end: usize,
    width: u32,
}

fn modules(bytes: &[u8]) -> Option<Vec<Module>> {
    let mut found = Vec::new();
    let mut bits = Bits { bytes, at: MAGIC.len() * 8 };
    while bits.at < bytes.len() * 8 {
        if bits.fixed(OUTERMOST)? != ENTER_BLOCK {
            return None;
        }
        let block = bits.block()?;
        if block.number == MODULE {
            found.push(Module { begin: bits.at, end: block.end, width: block.width });
        }
        bits.at = block.end;
    }
    Some(found)
}

/// Where the numbers of the summaries' blocks are.
fn summaries(bytes: &[u8], module: Module) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    let mut abbreviations = Vec::new();
    let mut bits = Bits { bytes, at: module.begin };
    while bits.at < module.end {
        match bits.fixed(module.width)? {
            END_BLOCK => break,
            ENTER_BLOCK => {
                let at = bits.at;
                let block = bits.block()?;
                if block.number == SUMMARY {
                    found.push(at);
                }
                bits.at = block.end;
            }
            DEFINE_ABBREVIATION => abbreviations.push(bits.abbreviation()?),
            RECORD => {
                bits.variable(6)?;
                for _ in 0..bits.variable(6)? {
                    bits.variable(6)?;
                }
            }
            other => {
                let which = usize::try_from(other).ok()? - 4;
                bits.skip_record(abbreviations.get(which)?)?;
            }
        }
    }
    Some(found)
}

/// Writes eight bits that begin anywhere.
fn write_byte(bytes: &mut [u8], at: usize) {
    for bit in 0..8 {
        let (byte, mask) = ((at + bit) / 8, 1 << ((at + bit) % 8));
        bytes[byte] =
            if UNKNOWN >> bit & 1 == 1 { bytes[byte] | mask } else { bytes[byte] & !mask };
    }
}

struct Block {
    number: u64,
    width: u32,
    end: usize,
}

/// How a field of a record is written.
#[derive(Clone, Copy)]
enum Field {
    /// Not at all.
    Literal,
    /// In so many bits.
    Fixed(u32),
    /// In groups of so many.
    Variable(u32),
    /// As a number of elements, and those as the next field says.
    Array,
    /// As a number of bytes, and those.
    Blob,
}

/// Bits that are read.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn fixed(&mut self, width: u32) -> Option<u64> {
        let mut value = 0;
        for bit in 0..width {
            let byte = *self.bytes.get(self.at / 8)?;
            value |= u64::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }

    /// Groups of `width` bits, the lowest first; the highest bit of each says that more follow.
    fn variable(&mut self, width: u32) -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let group = self.fixed(width)?;
            let more = 1 << (width - 1);
            value |= (group & (more - 1)).checked_shl(shift)?;
            if group & more == 0 {
                return Some(value);
            }
            shift += width - 1;
        }
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(32);
    }

    /// What follows [`ENTER_BLOCK`].
    fn block(&mut self) -> Option<Block> {
        let number = self.variable(8)?;
        let width = u32::try_from(self.variable(4)?).ok()?;
        self.align();
        let words = usize::try_from(self.fixed(32)?).ok()?;
        let end = self.at + words * 32;
        (end <= self.bytes.len() * 8).then_some(Block { number, width, end })
    }

    /// What follows [`DEFINE_ABBREVIATION`].
    fn abbreviation(&mut self) -> Option<Vec<Field>> {
        let fields = self.variable(5)?;
        (0..fields).map(|_| self.field()).collect()
    }

    fn field(&mut self) -> Option<Field> {
        if self.fixed(1)? == 1 {
            self.variable(8)?;
            return Some(Field::Literal);
        }
        let width = |bits: &mut Self| u32::try_from(bits.variable(5)?).ok();
        match self.fixed(3)? {
            1 => Some(Field::Fixed(width(self)?)),
            2 => Some(Field::Variable(width(self)?)),
            3 => Some(Field::Array),
            4 => Some(Field::Fixed(6)), // a letter of 64
            5 => Some(Field::Blob),
            _ => None,
        }
    }

    fn skip_record(&mut self, fields: &[Field]) -> Option<()> {
        let mut fields = fields.iter();
        while let Some(&field) = fields.next() {
            match field {
                Field::Array => {
                    let element = *fields.next()?;
                    for _ in 0..self.variable(6)? {
                        self.skip_scalar(element)?;
                    }
                }
                Field::Blob => {
                    let bytes = usize::try_from(self.variable(6)?).ok()?;
                    self.align();
                    self.at += bytes * 8;
                    self.align();
                }
                Field::Literal | Field::Fixed(_) | Field::Variable(_) => self.skip_scalar(field)?,
            }
        }
        Some(())
    }

    fn skip_scalar(&mut self, field: Field) -> Option<()> {
        match field {
            Field::Literal | Field::Fixed(0) | Field::Variable(0) => Some(()),
            Field::Fixed(width) => self.fixed(width).map(drop),
            Field::Variable(width) => self.variable(width).map(drop),
            Field::Array | Field::Blob => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits that are written, the lowest first.
    #[derive(Default)]
    struct Stream(Vec<bool>);

    impl Stream {
        fn new() -> Self {
            let mut stream = Self::default();
            MAGIC.into_iter().for_each(|byte| stream.fixed(byte.into(), 8));
            stream
        }

        fn fixed(&mut self, value: u64, width: u32) {
            self.0.extend((0..width).map(|bit| value >> bit & 1 == 1));
        }

        fn variable(&mut self, mut value: u64, width: u32) {
            let more = 1 << (width - 1);
            while value >= more {
                self.fixed(value & (more - 1) | more, width);
                value >>= width - 1;
            }
            self.fixed(value, width);
        }

        fn align(&mut self) {
            self.0.resize(self.0.len().next_multiple_of(32), false);
        }

        /// A block whose entries begin with three bits; where its number is.
        fn block(&mut self, outer: u32, number: u64, inside: impl FnOnce(&mut Self)) -> usize {
            self.fixed(ENTER_BLOCK, outer);
            let at = self.0.len();
            self.variable(number, 8);
            self.variable(3, 4);
            self.align();
            let length = self.0.len();
            self.fixed(0, 32);
            inside(self);
            self.fixed(END_BLOCK, 3);
            self.align();
            let words = self.0.len() / 32 - length / 32 - 1;
            (0..32).for_each(|bit| self.0[length + bit] = words >> bit & 1 == 1);
            at
        }

        fn bytes(&self) -> Vec<u8> {
            let byte =
                |bits: &[bool]| bits.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit));
            self.0.chunks(8).map(byte).collect()
        }
    }

    /// A module with records of every kind before its summary, and a block within another that has
    /// the summary's number and is none.
    fn module() -> (Vec<u8>, usize) {
        let mut summary = 0;
        let mut stream = Stream::new();
        stream.block(OUTERMOST, 13, |block| {
            block.block(3, SUMMARY, |_| {});
        });
        stream.block(OUTERMOST, MODULE, |module| {
            // Abbreviation 4: a literal, five bits, an array of letters.
            module.fixed(DEFINE_ABBREVIATION, 3);
            module.variable(4, 5);
            module.fixed(1, 1);
            module.variable(300, 8);
            [(1, Some(5)), (3, None), (4, None)].into_iter().for_each(|(kind, width)| {
                module.fixed(kind << 1, 4);
                width.into_iter().for_each(|width| module.variable(width, 5));
            });
            // Abbreviation 5: a blob.
            module.fixed(DEFINE_ABBREVIATION, 3);
            module.variable(1, 5);
            module.fixed(5 << 1, 4);
            // Records of both, and one without.
            module.fixed(4, 3);
            module.fixed(9, 5);
            module.variable(40, 6);
            (0..40).for_each(|letter| module.fixed(letter, 6));
            module.fixed(5, 3);
            module.variable(3, 6);
            module.align();
            module.fixed(0xff_ffff, 24);
            module.align();
            module.fixed(RECORD, 3);
            [1, 2, 7000, 1 << 40].into_iter().for_each(|word| module.variable(word, 6));
            module.block(3, 12, |function| {
                function.block(3, SUMMARY, |_| {});
            });
            summary = module.block(3, SUMMARY, |block| block.fixed(RECORD, 3));
        });
        (stream.bytes(), summary)
    }

    #[test]
    fn only_the_number_of_the_summary_changes() {
        let (before, at) = module();
        let mut after = before.clone();
        assert_eq!(hide_summary(&mut after), Some(1));
        let number = |bytes| Bits { bytes, at }.variable(8);
        assert_eq!((number(&before), number(&after)), (Some(SUMMARY), Some(UNKNOWN.into())));
        let differ = (0..before.len() * 8).filter(|bit| {
            let read = |bytes| Bits { bytes, at: *bit }.fixed(1);
            read(&before) != read(&after)
        });
        assert!(differ.into_iter().all(|bit| (at..at + 8).contains(&bit)));
        assert_eq!(hide_summary(&mut after), Some(0));
    }

    #[test]
    fn what_is_cut_short_or_no_bitcode_is_refused() {
        let (whole, _) = module();
        assert!(is(&whole) && !is(b"\x7fELF"));
        let modules = modules(&whole).unwrap();
        for length in modules[0].begin / 8..whole.len() {
            assert_eq!(hide_summary(&mut whole[..length].to_vec()), None, "{length}");
        }
        assert_eq!(hide_summary(&mut [&MAGIC[..], &[0xff; 64]].concat()), None);
    }
}
