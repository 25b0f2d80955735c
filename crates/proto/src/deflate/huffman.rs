//! Huffman codes: how long each is, and which (RFC 1951 §3.2.2).

/// Symbols of the largest alphabet: literals, the end of the block, lengths, and two that have
/// only a fixed code.
pub(super) const SYMBOLS: usize = 288;
/// No code is longer (§3.2.7).
pub(super) const LONGEST: usize = 15;

/// The codes of an alphabet of `N` symbols, [`SYMBOLS`] at most.
///
/// Most alphabets are used in part: all but the first step goes through what is used.
#[derive(Debug)]
pub(super) struct Codes<const N: usize> {
    /// The code of each symbol, its first bit the lowest, and its length from the 16th bit on;
    /// anything for those that are not used.
    packed: [u32; N],
    /// The symbols that are used, ascending.
    used: [u16; N],
    count: usize,
}

impl<const N: usize> Codes<N> {
    pub(super) const fn new() -> Self {
        Self { packed: [0; N], used: [0; N], count: 0 }
    }

    /// Makes the codes of the symbols that are used these: each with its length.
    pub(super) fn fix(&mut self, code: impl Fn(u16) -> (u16, u32)) {
        for &symbol in &self.used[..self.count] {
            let (code, length) = code(symbol);
            self.packed[usize::from(symbol)] = pack(code, length);
        }
    }

    /// Makes the codes that are best for symbols that come so often, none longer than `limit`
    /// bits. Returns how many bits all of them take.
    pub(super) fn build(&mut self, frequencies: &[u32; N], limit: usize) -> usize {
        self.count = find_used(frequencies, &mut self.used);
        give_codes(&self.used[..self.count], frequencies, limit, &mut self.packed)
    }

    /// The last symbol that has a code.
    pub(super) fn last(&self) -> Option<usize> {
        self.used[..self.count].last().map(|&symbol| usize::from(symbol))
    }

    /// The symbols that have a code, ascending, and how long it is.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (usize, usize)> {
        let used = self.used[..self.count].iter();
        used.map(|&symbol| (usize::from(symbol), (self.packed[usize::from(symbol)] >> 16) as usize))
    }

    /// The code of a symbol that has one, and its length in bits.
    #[inline(always)]
    pub(super) fn get(&self, symbol: usize) -> (u64, u32) {
        let packed = self.packed.get(symbol).copied().unwrap_or_default();
        (u64::from(packed & 0xffff), packed >> 16)
    }
}

/// Gathers the symbols that come at all, ascending; returns how many they are.
fn find_used(frequencies: &[u32], used: &mut [u16]) -> usize {
    let mut count = 0;
    for (eight, frequencies) in frequencies.chunks(8).enumerate() {
        if frequencies.iter().fold(0, |any, frequency| any | frequency) == 0 {
            continue;
        }
        for (at, frequency) in frequencies.iter().enumerate() {
            // Behind the last one that is used: the next overwrites it.
            used[count.min(used.len() - 1)] = (eight * 8 + at) as u16;
            count += usize::from(*frequency > 0);
        }
    }
    count
}

/// Gives the symbols that are used their codes, and says how many bits all of them take.
fn give_codes(used: &[u16], frequencies: &[u32], limit: usize, packed: &mut [u32]) -> usize {
    let mut order = [0; SYMBOLS];
    let order = sort(used, frequencies, &mut order);
    let counts = count_lengths(order, limit);
    let (mut bits, mut rarest) = (0, order);
    for length in (1..=limit).rev() {
        let (these, more) = rarest.split_at(usize::from(counts[length]));
        for node in these {
            packed[symbol(*node)] = (length as u32) << 16;
            bits += length * frequency(*node) as usize;
        }
        rarest = more;
    }
    number(used, &counts, packed);
    bits
}

/// Numbers the codes of each length in the order of their symbols.
fn number(used: &[u16], counts: &[u16; LONGEST + 1], packed: &mut [u32]) {
    let (mut next, mut code) = ([0_u16; LONGEST + 1], 0_u16);
    for length in 2..=LONGEST {
        code = code.wrapping_add(counts[length - 1]) << 1;
        next[length] = code;
    }
    for symbol in used {
        let packed = &mut packed[usize::from(*symbol)];
        let length = *packed >> 16 & 15;
        let next = &mut next[length as usize];
        *packed = pack(*next, length);
        *next = next.wrapping_add(1);
    }
}

/// A code, its first bit the lowest, and its length.
#[inline(always)]
fn pack(code: u16, length: u32) -> u32 {
    length << 16 | u32::from(code.reverse_bits().unbounded_shr(16 - length))
}

/// A symbol and how often it comes, in an order by the latter.
fn node(frequency: u32, symbol: u16) -> u32 {
    frequency << 9 | u32::from(symbol)
}

fn symbol(node: u32) -> usize {
    (node & 511) as usize
}

fn frequency(node: u32) -> u32 {
    node >> 9
}

/// The symbols by how often they come, the rarest first.
///
/// Nearly all are rare: those go where counting says; the last few are sorted.
fn sort<'o>(used: &[u16], frequencies: &[u32], order: &'o mut [u32; SYMBOLS]) -> &'o [u32] {
    const PLACES: usize = 64;
    let place = |frequency: u32| frequency.min(PLACES as u32 - 1) as usize;
    let mut starts = [0_u16; PLACES];
    for symbol in used {
        starts[place(frequencies[usize::from(*symbol)])] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        (*start, sum) = (sum, sum + *start);
    }
    let frequent = usize::from(starts[PLACES - 1]);
    for &symbol in used {
        let frequency = frequencies[usize::from(symbol)];
        let at = &mut starts[place(frequency)];
        order[usize::from(*at)] = node(frequency, symbol);
        *at += 1;
    }
    sort_few(&mut order[frequent..used.len()]);
    &order[..used.len()]
}

/// Sorts what is not much (D. L. Shell, 1959, with M. Ciura's gaps): the sort of std, which is for
/// anything, has more code than all of this module.
fn sort_few(few: &mut [u32]) {
    for gap in [57, 23, 10, 4, 1] {
        for at in gap..few.len() {
            let (value, mut to) = (few[at], at);
            while to >= gap && few[to - gap] > value {
                few[to] = few[to - gap];
                to -= gap;
            }
            few[to] = value;
        }
    }
}

/// How many codes of each length symbols get whose nodes are in this order.
///
/// The tree is made in the place of the frequencies (A. Moffat, J. Katajainen, "In-Place
/// Calculation of Minimum-Redundancy Codes", 1995).
fn count_lengths(order: &[u32], limit: usize) -> [u16; LONGEST + 1] {
    let mut counts = [0; LONGEST + 1];
    let n = order.len();
    if n < 2 {
        counts[1] = n as u16;
        return counts;
    }
    let mut tree = [0_u32; SYMBOLS];
    let tree = &mut tree[..n];
    for (weight, node) in tree.iter_mut().zip(order) {
        *weight = frequency(*node);
    }
    join(tree);
    let inner = &mut tree[..n - 1];
    // Each inner node is now where its parent is: from the root down, how deep.
    inner[n - 2] = 0;
    let mut at_depth = [0_u16; LONGEST + 1];
    at_depth[0] = 1;
    for at in (0..n - 2).rev() {
        let depth = inner[inner[at] as usize] + 1;
        inner[at] = depth;
        at_depth[(depth as usize).min(LONGEST)] += 1;
    }
    // What is not an inner node is a leaf; all that lie deeper than `limit` are brought up to it.
    let mut left = n as u16;
    for depth in 1..limit {
        counts[depth] = 2 * at_depth[depth - 1] - at_depth[depth];
        left -= counts[depth];
    }
    counts[limit] = left;
    repair(&mut counts, limit);
    counts
}

/// Joins the two lightest nodes until one is left: weights of leaves, ascending, become the
/// places of the parents of inner nodes; the root is the last but one.
fn join(tree: &mut [u32]) {
    let n = tree.len();
    let (mut leaf, mut inner) = (0, 0);
    for next in 0..n - 1 {
        let mut lightest = |tree: &mut [u32]| {
            if leaf >= n || (inner < next && tree[inner] < tree[leaf]) {
                inner += 1;
                std::mem::replace(&mut tree[inner - 1], next as u32)
            } else {
                leaf += 1;
                tree[leaf - 1]
            }
        };
        tree[next] = lightest(tree) + lightest(tree);
    }
}

/// Makes room for codes that were cut to `limit` bits: each step takes one of them off, and puts
/// it beside one that was shorter and becomes one bit longer.
fn repair(counts: &mut [u16; LONGEST + 1], limit: usize) {
    let taken = |counts: &[u16]| -> usize {
        (1..=limit).map(|length| usize::from(counts[length]) << (limit - length)).sum()
    };
    let mut excess = taken(counts).saturating_sub(1 << limit);
    while excess > 0 {
        let Some(shorter) = (1..limit).rev().find(|&length| counts[length] > 0) else { return };
        counts[shorter] -= 1;
        counts[shorter + 1] += 2;
        counts[limit] -= 1;
        excess -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths<const N: usize>(codes: &Codes<N>) -> Vec<usize> {
        codes.lengths().map(|(_, length)| length).collect()
    }

    #[test]
    fn the_example_of_rfc_1951_is_numbered_as_there() {
        let (mut codes, mut counts) = (Codes::<8>::new(), [0; LONGEST + 1]);
        (codes.used, codes.count) = (std::array::from_fn(|symbol| symbol as u16), 8);
        for (packed, length) in codes.packed.iter_mut().zip([3, 3, 3, 3, 3, 2, 4, 4]) {
            *packed = pack(0, length);
            counts[length as usize] += 1;
        }
        number(&codes.used, &counts, &mut codes.packed);
        let expected = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111_u16];
        for (symbol, code) in expected.into_iter().enumerate() {
            let (bits, length) = codes.get(symbol);
            assert_eq!(bits, u64::from(code.reverse_bits() >> (16 - length)), "{symbol}");
        }
    }

    #[test]
    fn codes_are_complete_and_best_within_their_limit() {
        // A tree of Fibonacci numbers is as deep as can be.
        let mut fibonacci = [1_u32; 30];
        (2..30).for_each(|i| fibonacci[i] = fibonacci[i - 1] + fibonacci[i - 2]);
        for used in 2..=24 {
            let mut frequencies = [0; 30];
            frequencies[..used].copy_from_slice(&fibonacci[..used]);
            for limit in [5, 7, 15] {
                let mut codes = Codes::<30>::new();
                let bits = codes.build(&frequencies, limit);
                let room: usize = lengths(&codes).iter().map(|length| 1 << (15 - length)).sum();
                assert_eq!(room, 1 << 15, "{used} symbols, {limit} bits");
                assert_eq!(lengths(&codes).into_iter().max(), Some((used - 1).min(limit)));
                let all = codes.lengths().map(|(at, length)| frequencies[at] as usize * length);
                assert_eq!(bits, all.sum::<usize>());
            }
        }
        for (frequencies, bits) in [([1; 8], 24), ([0, 0, 1, 1, 2, 4, 0, 0], 14), ([100; 8], 2400)]
        {
            assert_eq!(Codes::<8>::new().build(&frequencies, 15), bits, "{frequencies:?}");
        }
    }

    #[test]
    fn one_symbol_has_a_code_of_one_bit_and_none_has_none() {
        let mut codes = Codes::<4>::new();
        assert_eq!(codes.build(&[0, 0, 9, 0], 15), 9);
        assert_eq!(codes.lengths().collect::<Vec<_>>(), [(2, 1)]);
        assert_eq!(codes.build(&[0; 4], 15), 0);
        assert_eq!(codes.lengths().count(), 0);
    }
}
