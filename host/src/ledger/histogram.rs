//! Post-dial delays in buckets that can be added up: percentiles over any sum of quarter hours.

/// Buckets: four to a doubling, from 10 ms to 64 s, and one for everything above.
pub const BUCKETS: usize = 4 * DOUBLINGS + 2;

const DOUBLINGS: usize = 13;
/// 10 ms × 2^(n/4), in microseconds.
const FIRST: [u64; 4] = [10_000, 11_892, 14_142, 16_818];

/// Upper bounds in microseconds, inclusive, of all buckets but the last.
pub fn bounds() -> impl Iterator<Item = u64> {
    (0..BUCKETS - 1).map(|index| FIRST[index % 4] << (index / 4))
}

/// How many delays fell into each bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram([i64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Histogram {
    /// Counts one delay, in microseconds.
    pub fn observe(&mut self, micros: u64) {
        let bucket = bounds().take_while(|bound| *bound < micros).count();
        self.0[bucket] += 1;
    }

    /// As an array in PostgreSQL's notation: `{0,1,…}`.
    pub fn literal(&self) -> String {
        let counts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        format!("{{{}}}", counts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_grow_by_a_fifth_from_10_ms_to_beyond_a_minute() {
        let bounds: Vec<u64> = bounds().collect();
        assert_eq!((bounds[0], bounds[4], bounds.last().copied()), (10_000, 20_000, Some(81_920_000)));
        assert!(bounds.windows(2).all(|pair| pair[1] * 100 / pair[0] <= 119 && pair[1] > pair[0]));
    }

    #[test]
    fn a_delay_falls_into_the_first_bucket_that_holds_it() {
        let counted = |micros| {
            let mut histogram = Histogram::default();
            histogram.observe(micros);
            histogram.0.iter().position(|count| *count == 1).unwrap()
        };
        assert_eq!((counted(0), counted(10_000), counted(10_001), counted(u64::MAX)), (0, 0, 1, BUCKETS - 1));
    }
}
