//! A histogram of values that are not negative: log-linear buckets, as HDR histograms have.
//!
//! Invariant: a bucket is at most 1/128 (0.8 %) of its lower bound wide and is read as its
//! middle, so a value that is read back is at most 0.4 % off; there are at most
//! [`MOST_BUCKETS`]. Merging two histograms gives the histogram of all their values, in any
//! order. Values below 2⁻³⁰ count as 0, values from 2⁵⁰ on as the last bucket. Refuses negative
//! and non-finite values. A bucket's count stops at `u32::MAX`.

use serde::{Deserialize, Serialize};

/// Buckets per doubling, as a power of two.
const SUB_BITS: u32 = 7;
const LOWEST_EXPONENT: i64 = -30;
const HIGHEST_EXPONENT: i64 = 50;
/// `bits >> SHIFT` of an f64 is its exponent followed by its first [`SUB_BITS`] bits.
const SHIFT: u32 = 52 - SUB_BITS;
const BASE: u64 = ((1023 + LOWEST_EXPONENT) as u64) << SUB_BITS;

/// Most buckets that a histogram has: 128 per doubling from 2⁻³⁰ to 2⁵⁰, and one for zero.
pub const MOST_BUCKETS: usize =
    (((HIGHEST_EXPONENT - LOWEST_EXPONENT) as usize) << SUB_BITS as usize) + 1;

/// Counts of values by bucket; only buckets that are not empty are stored, in rising order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram {
    buckets: Vec<(u16, u32)>,
}

impl Histogram {
    /// Counts a value some times. Negative and non-finite values are refused: `false`.
    pub fn record(&mut self, value: f64, times: u64) -> bool {
        let Some(bucket) = bucket(value) else {
            return false;
        };
        if times > 0 {
            self.add(bucket, u32::try_from(times).unwrap_or(u32::MAX));
        }
        true
    }

    /// Counts everything that another histogram counted.
    pub fn merge(&mut self, other: &Self) {
        let (mine, theirs) = (std::mem::take(&mut self.buckets), &other.buckets);
        self.buckets.reserve(mine.len().max(theirs.len()));
        let (mut i, mut j) = (0, 0);
        while let (Some(a), Some(b)) = (mine.get(i), theirs.get(j)) {
            let count = if a.0 == b.0 {
                a.1.saturating_add(b.1)
            } else if a.0 < b.0 {
                a.1
            } else {
                b.1
            };
            self.buckets.push((a.0.min(b.0), count));
            i += usize::from(a.0 <= b.0);
            j += usize::from(b.0 <= a.0);
        }
        self.buckets.extend_from_slice(&mine[i..]);
        self.buckets.extend_from_slice(&theirs[j..]);
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .map(|&(_, count)| u64::from(count))
            .sum()
    }

    /// How many buckets are not empty.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The value at a rank: 1 is the smallest. `None` beyond the last one.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<f64> {
        let mut seen = 0;
        self.buckets.iter().find_map(|&(bucket, count)| {
            seen += u64::from(count);
            (rank > 0 && seen >= rank).then(|| middle(bucket))
        })
    }

    /// (value, count) of the ranks in `after..=to`, rising.
    pub(super) fn ranks(&self, after: u64, to: u64) -> Vec<(f64, u64)> {
        let mut begin = 0;
        let mut kept = Vec::new();
        for &(bucket, count) in &self.buckets {
            let end = begin + u64::from(count);
            let inside = end.min(to).saturating_sub(begin.max(after));
            if inside > 0 {
                kept.push((middle(bucket), inside));
            }
            begin = end;
        }
        kept
    }

    /// How many values are at most this: a bucket counts in full when it holds the bound.
    pub(super) fn at_most(&self, bound: f64) -> u64 {
        let Some(last) = bucket(bound) else {
            return if bound > 0.0 { self.count() } else { 0 };
        };
        let inside = self.buckets.iter().take_while(|&&(b, _)| b <= last);
        inside.map(|&(_, count)| u64::from(count)).sum()
    }

    fn add(&mut self, bucket: u16, count: u32) {
        match self.buckets.binary_search_by_key(&bucket, |&(b, _)| b) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }
}

fn bucket(value: f64) -> Option<u16> {
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    let index = (value.to_bits() >> SHIFT).saturating_sub(BASE);
    let exact = if value < 2f64.powi(LOWEST_EXPONENT as i32) {
        0
    } else {
        (index + 1).min(MOST_BUCKETS as u64 - 1)
    };
    u16::try_from(exact).ok()
}

fn middle(bucket: u16) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let bits = |index: u64| f64::from_bits((BASE + index) << SHIFT);
    let index = u64::from(bucket) - 1;
    f64::midpoint(bits(index), bits(index + 1))
}
