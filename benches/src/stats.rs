//! Medians and their spread.

/// The middle of some values, and where nine tenths of them lie; of a few, where all lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// `None` of no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        let cut = values.len() / 20;
        let inside = &values[cut..values.len() - cut];
        let (low, high) =
            (inside.first().copied().unwrap_or(first), inside.last().copied().unwrap_or(last));
        Some(Self { median, low, high })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.low, self.high)
    }
}

/// The middle of several ratios: their geometric mean.
pub(crate) fn mean(ratios: impl IntoIterator<Item = f64>) -> Option<f64> {
    let logs: Vec<f64> = ratios.into_iter().map(f64::ln).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_odd_and_even_numbers_of_values() {
        let of = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2.0]), Some(Spread { median: 2.0, low: 2.0, high: 2.0 }));
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, low: 1.0, high: 3.0 }));
        assert_eq!(of(&[4.0, 1.0]), Some(Spread { median: 2.5, low: 1.0, high: 4.0 }));
    }

    #[test]
    fn of_many_values_the_outermost_are_left_out() {
        let spread = Spread::of((0..40).map(f64::from)).unwrap();
        assert_eq!((spread.low, spread.high), (2.0, 37.0));
    }

    #[test]
    fn ratios_are_averaged_as_ratios() {
        assert!((mean([0.5, 2.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(mean([]), None);
    }
}
