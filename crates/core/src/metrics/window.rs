//! What is known of the samples of one stretch of time: count, sum, extremes and spread.
//!
//! Invariant: `merge` gives what recording all samples in one window would give (sums up to the
//! rounding of floating point). A histogram is stored only once values differ, so a counter or a
//! gauge costs none. Refuses non-finite values. After a negative value, or a set of statistics
//! whose values are not known, percentiles and trimmed statistics are unavailable (CloudWatch
//! reference, "Data points and statistics").

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// Samples of one stretch of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Window {
    count: u64,
    sum: f64,
    minimum: f64,
    maximum: f64,
    spread: ValueSpread,
}

/// How the values of a window are spread.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ValueSpread {
    /// All values are the minimum (or there are none).
    #[default]
    Uniform,
    Measured(Histogram),
    Unavailable,
}

impl Window {
    /// One value, seen some times.
    #[must_use]
    pub fn of(value: f64, times: u64) -> Self {
        let mut window = Self::default();
        window.record(value, times);
        window
    }

    /// A set of statistics from elsewhere. Percentiles work only when all values are equal.
    /// `None` when the numbers contradict each other.
    #[must_use]
    pub fn from_statistics(count: u64, sum: f64, minimum: f64, maximum: f64) -> Option<Self> {
        let finite = sum.is_finite() && minimum.is_finite() && maximum.is_finite();
        if count == 0 || !finite || minimum > maximum {
            return None;
        }
        let equal = minimum == maximum && sum == minimum * count as f64 && minimum >= 0.0;
        let spread = if equal {
            ValueSpread::Uniform
        } else {
            ValueSpread::Unavailable
        };
        Some(Self {
            count,
            sum,
            minimum,
            maximum,
            spread,
        })
    }

    /// Takes in a value that was seen some times; a value that is not finite is refused: `false`.
    pub fn record(&mut self, value: f64, times: u64) -> bool {
        if !value.is_finite() {
            return false;
        }
        let spread = if value < 0.0 {
            ValueSpread::Unavailable
        } else {
            ValueSpread::Uniform
        };
        if times > 0 {
            self.take(value * times as f64, times, (value, value), &spread);
        }
        true
    }

    /// Takes in all samples of another window.
    pub fn merge(&mut self, other: &Self) {
        if other.count > 0 {
            let extremes = (other.minimum, other.maximum);
            self.take(other.sum, other.count, extremes, &other.spread);
        }
    }

    /// Number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the samples.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Smallest sample; `None` without one.
    #[must_use]
    pub fn minimum(&self) -> Option<f64> {
        (self.count > 0).then_some(self.minimum)
    }

    /// Largest sample; `None` without one.
    #[must_use]
    pub fn maximum(&self) -> Option<f64> {
        (self.count > 0).then_some(self.maximum)
    }

    /// How many buckets its histogram has; none while all values are equal.
    #[must_use]
    pub fn buckets(&self) -> usize {
        match &self.spread {
            ValueSpread::Measured(histogram) => histogram.len(),
            ValueSpread::Uniform | ValueSpread::Unavailable => 0,
        }
    }

    /// The values with their counts; `None` when there are none or they are unavailable.
    pub(super) fn histogram(&self) -> Option<Histogram> {
        match &self.spread {
            ValueSpread::Uniform if self.count > 0 => {
                let mut histogram = Histogram::default();
                histogram.record(self.minimum, self.count);
                Some(histogram)
            }
            ValueSpread::Measured(histogram) => Some(histogram.clone()),
            ValueSpread::Uniform | ValueSpread::Unavailable => None,
        }
    }

    fn take(&mut self, sum: f64, count: u64, (minimum, maximum): (f64, f64), spread: &ValueSpread) {
        if self.count == 0 {
            let spread = spread.clone();
            *self = Self {
                count,
                sum,
                minimum,
                maximum,
                spread,
            };
            return;
        }
        self.widen(count, minimum, spread);
        self.count = self.count.saturating_add(count);
        self.sum += sum;
        self.minimum = self.minimum.min(minimum);
        self.maximum = self.maximum.max(maximum);
    }

    /// The spread with some more values; called before the other fields change.
    fn widen(&mut self, count: u64, minimum: f64, spread: &ValueSpread) {
        match (&mut self.spread, spread) {
            (ValueSpread::Unavailable, _) => return,
            (here, ValueSpread::Unavailable) => {
                *here = ValueSpread::Unavailable;
                return;
            }
            (ValueSpread::Uniform, ValueSpread::Uniform) if self.minimum == minimum => return,
            (here @ ValueSpread::Uniform, _) => {
                let mut histogram = Histogram::default();
                histogram.record(self.minimum, self.count);
                *here = ValueSpread::Measured(histogram);
            }
            (ValueSpread::Measured(_), _) => {}
        }
        if let ValueSpread::Measured(histogram) = &mut self.spread {
            match spread {
                ValueSpread::Measured(other) => histogram.merge(other),
                ValueSpread::Uniform | ValueSpread::Unavailable => {
                    histogram.record(minimum, count);
                }
            }
        }
    }
}
