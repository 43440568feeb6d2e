//! Turns and draws by weight: where the next of a row of requests goes, and where one at random.

/// More places than that are not written out one by one.
const LONGEST: u64 = 2048;

/// The golden ratio's fractional part, as 64 bits: its multiples fill a circle evenly, however far one counts.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What weights make of turns.
#[derive(Debug)]
pub(super) struct Wheel {
    /// One whole round, each as often as its weight says and as far apart as can be. Empty: too long to write out.
    round: Box<[u16]>,
    /// Up to which number each goes.
    bounds: Box<[u64]>,
    total: u64,
}

impl Wheel {
    /// One for those weights, of which none is 0.
    pub(super) fn new(weights: &[u64]) -> Self {
        let mut total = 0u64;
        let bounds = weights.iter().map(|weight| {
            total = total.saturating_add(*weight);
            total
        });
        let bounds: Box<[u64]> = bounds.collect();
        let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
        let places = total / divisor;
        let fits = places <= LONGEST && weights.len() <= usize::from(u16::MAX);
        let round = if fits { smooth(weights, divisor, places) } else { Box::default() };
        Self { round, bounds, total }
    }

    /// Whose turn is it?
    #[inline]
    pub(super) fn turn(&self, number: u64) -> usize {
        if self.round.is_empty() {
            return self.at(number.wrapping_mul(GOLDEN));
        }
        usize::from(self.round[(number % self.round.len() as u64) as usize])
    }

    /// One at random.
    #[inline]
    pub(super) fn draw(&self) -> usize {
        if self.bounds.len() == 1 { 0 } else { self.at(fastrand::u64(..)) }
    }

    /// Who has that point of the circle?
    fn at(&self, point: u64) -> usize {
        let scaled = (u128::from(point) * u128::from(self.total)) >> 64;
        let index = self.bounds.partition_point(|bound| u128::from(*bound) <= scaled);
        index.min(self.bounds.len().saturating_sub(1))
    }
}

/// Smooth weighted round robin, for one round.
fn smooth(weights: &[u64], divisor: u64, places: u64) -> Box<[u16]> {
    let mut credit = vec![0i64; weights.len()];
    let turns = (0..places).map(|_| {
        let mut best = 0;
        for (index, weight) in weights.iter().enumerate() {
            credit[index] += (weight / divisor) as i64;
            if credit[index] > credit[best] {
                best = index;
            }
        }
        credit[best] -= places as i64;
        best as u16
    });
    turns.collect()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turns(weights: &[u64], count: u64) -> Vec<usize> {
        let wheel = Wheel::new(weights);
        (0..count).map(|number| wheel.turn(number)).collect()
    }

    #[test]
    fn turns_are_smooth() {
        assert_eq!(turns(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(turns(&[5000, 1000, 1000], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[7], 2), [0, 0]);
    }

    proptest! {
        #[test]
        fn everyone_gets_its_share(weights in prop::collection::vec(1u64..1_000_000, 1..20)) {
            let wheel = Wheel::new(&weights);
            let total: u64 = weights.iter().sum();
            let rounds = 20_000u64;
            let mut counts = vec![0u64; weights.len()];
            (0..rounds).for_each(|number| counts[wheel.turn(number)] += 1);
            for (count, weight) in counts.iter().zip(&weights) {
                let expected = rounds as f64 * *weight as f64 / total as f64;
                prop_assert!((*count as f64 - expected).abs() <= 12.0, "{count} instead of {expected}");
            }
        }
    }
}
