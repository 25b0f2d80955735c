//! Medians and what is known of them.

/// How often the bootstrap draws.
const DRAWS: usize = 2000;
/// The share of draws that lie within the interval.
const CONFIDENCE: f64 = 0.90;

/// The median of some values, and the interval in which it lies with a confidence of 90 %, by the
/// bootstrap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How many values there were.
    pub(crate) count: usize,
}

impl Spread {
    /// `None` of no values; what is no number counts as none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let median = middle(&values)?;
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut drawn = vec![0.0; values.len()];
        let mut medians = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            drawn.fill_with(|| values[random.below(values.len())]);
            drawn.sort_by(f64::total_cmp);
            medians.extend(middle(&drawn));
        }
        medians.sort_by(f64::total_cmp);
        let cut = (DRAWS as f64 * (1.0 - CONFIDENCE) / 2.0) as usize;
        let (low, high) = (medians[cut], medians[DRAWS - 1 - cut]);
        Some(Self { median, low, high, count: values.len() })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.low, self.high)
    }
}

/// The median of values in order.
fn middle(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The median of values in any order.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    middle(&values)
}

/// The same numbers in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(number) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_odd_and_even_numbers_of_values() {
        let of = |values: &[f64]| median(values.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2.0]), Some(2.0));
        assert_eq!(of(&[3.0, f64::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0]), Some(2.5));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn one_value_is_its_own_interval() {
        let spread = Spread::of([1.5]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high, spread.count), (1.5, 1.5, 1.5, 1));
    }

    #[test]
    fn the_interval_narrows_as_values_become_more() {
        let spread = |count: usize| {
            let values = (0..count).map(|i| (i * 7919 % 1000) as f64 / 1000.0);
            Spread::of(values).unwrap()
        };
        let (few, many) = (spread(11), spread(400));
        assert!(many.high - many.low < 0.5 * (few.high - few.low), "{few:?} {many:?}");
        assert!(many.low < 0.5 && 0.5 < many.high, "{many:?}");
    }

    #[test]
    fn nine_tenths_of_intervals_hold_the_truth() {
        let mut random = Random(1);
        let mut held = 0;
        for _ in 0..200 {
            // A sum of uniform values, whose median is 3.
            let mut value = || (0..6).map(|_| random.below(1000) as f64 / 999.0).sum::<f64>();
            let values: Vec<f64> = (0..31).map(|_| value()).collect();
            let spread = Spread::of(values).unwrap();
            held += usize::from(spread.low <= 3.0 && 3.0 <= spread.high);
        }
        assert!((165..=195).contains(&held), "{held} of 200");
    }
}
