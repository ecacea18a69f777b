//! What is taken of a window: `average`, `p95`, `tm99`, `TM(10%:90%)`, …
//!
//! Invariant: names are CloudWatch's; both its form (`SampleCount`, `TM(10%:90%)`) and the
//! manifest's (`sample-count`, `tm90`) are read. Percentiles are by nearest rank. Refuses
//! percentages outside 0..=100 and ranges that run backwards.

use std::fmt;
use std::str::FromStr;

use super::window::Window;

/// A statistic of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// Number of samples.
    SampleCount,
    /// Sum of the samples.
    Sum,
    /// Sum by count.
    Average,
    Minimum,
    Maximum,
    /// The value that this percentage of samples does not exceed (0..=100).
    Percentile(f64),
    /// A statistic of the samples between two bounds.
    Trimmed {
        /// Statistic of the samples that are left.
        what: Trim,
        /// Lower bound, exclusive.
        low: TrimBound,
        /// Upper bound, inclusive.
        high: TrimBound,
    },
}

/// Statistics of a part of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// `TM`: average of what is inside.
    Mean,
    /// `TC`: number of samples inside.
    Count,
    /// `TS`: sum of what is inside.
    Sum,
    /// `WM`: average of all, those outside moved to the bound.
    Winsorized,
    /// `PR`: percentage of samples inside; bounds are values only.
    Rank,
}

/// One end of a range of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrimBound {
    /// No bound at this end.
    Open,
    /// A percentile, 0..=100.
    Percent(f64),
    /// A value in the metric's unit.
    Value(f64),
}

/// Why a text is not a statistic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatisticError {
    /// No statistic of that name.
    #[error("`{0}` is not a statistic; write for example average, sum, p95, tm99 or TM(10%:90%)")]
    Unknown(String),
    /// A percentage that is none.
    #[error("`{0}` has a percentage that is not between 0 and 100")]
    Percentage(String),
    /// A range that is none.
    #[error("`{0}` has no range such as (10%:90%) or (:300)")]
    Range(String),
}

impl Statistic {
    /// The statistic of a window; `None` when there is no sample (or its values are unavailable).
    #[must_use]
    pub fn of(self, window: &Window) -> Option<f64> {
        let (minimum, maximum) = (window.minimum()?, window.maximum()?);
        let count = window.count() as f64;
        match self {
            Self::SampleCount => Some(count),
            Self::Sum => Some(window.sum()),
            Self::Average => Some(window.sum() / count),
            Self::Minimum => Some(minimum),
            Self::Maximum => Some(maximum),
            Self::Percentile(percent) => {
                let values = window.histogram()?;
                let rank = up(percent, values.count()).max(1);
                Some(values.at_rank(rank)?.clamp(minimum, maximum))
            }
            Self::Trimmed { what, low, high } => trimmed(window, what, low, high),
        }
    }

    /// How many samples a percentile needs to mean something (CloudWatch's low-sample rule):
    /// 10/(1-p) from the median up, 10/p below it. `None`: the rule does not apply.
    #[must_use]
    pub fn samples_needed(self) -> Option<u64> {
        let Self::Percentile(percent) = self else {
            return None;
        };
        let tail = if percent >= 50.0 {
            100.0 - percent
        } else {
            percent
        };
        // The small amount keeps p99.9 at 10,000: 100 - 99.9 is a little less than 0.1.
        (tail > 0.0).then(|| (1000.0 / tail - 1e-6).ceil() as u64)
    }
}

/// Rank of a percentile, rounded up; the small amount forgives binary fractions.
fn up(percent: f64, count: u64) -> u64 {
    let rank = percent * count as f64 / 100.0;
    ((rank - rank * 1e-12).ceil() as u64).min(count)
}

fn down(percent: f64, count: u64) -> u64 {
    let rank = percent * count as f64 / 100.0;
    ((rank + rank * 1e-12).floor() as u64).min(count)
}

fn trimmed(window: &Window, what: Trim, low: TrimBound, high: TrimBound) -> Option<f64> {
    let values = window.histogram()?;
    let (minimum, maximum) = (window.minimum()?, window.maximum()?);
    let all = values.count();
    let after = match low {
        TrimBound::Open => 0,
        TrimBound::Percent(percent) => down(percent, all),
        TrimBound::Value(value) => values.at_most(value),
    };
    let to = match high {
        TrimBound::Open => all,
        TrimBound::Percent(percent) => up(percent, all),
        TrimBound::Value(value) => values.at_most(value),
    };
    let kept = to.saturating_sub(after);
    let sum = || -> f64 {
        let inside = values.ranks(after, to).into_iter();
        inside
            .map(|(value, count)| value.clamp(minimum, maximum) * count as f64)
            .sum()
    };
    match what {
        Trim::Count => Some(kept as f64),
        Trim::Rank => Some(100.0 * kept as f64 / all as f64),
        Trim::Sum => Some(sum()),
        Trim::Mean => (kept > 0).then(|| sum() / kept as f64),
        Trim::Winsorized => {
            let edge = |bound, rank| match bound {
                TrimBound::Value(value) => Some(value),
                TrimBound::Open | TrimBound::Percent(_) => values.at_rank(rank),
            };
            let below = edge(low, after + 1).unwrap_or(maximum) * after as f64;
            let above = edge(high, to.max(1)).unwrap_or(minimum) * (all - to.max(after)) as f64;
            Some((below + sum() + above) / all as f64)
        }
    }
}

impl FromStr for Statistic {
    type Err = StatisticError;

    fn from_str(text: &str) -> Result<Self, StatisticError> {
        Ok(match text {
            "SampleCount" | "sample-count" => Self::SampleCount,
            "Sum" | "sum" => Self::Sum,
            "Average" | "average" => Self::Average,
            "Minimum" | "minimum" => Self::Minimum,
            "Maximum" | "maximum" => Self::Maximum,
            "IQM" | "iqm" => Self::Trimmed {
                what: Trim::Mean,
                low: TrimBound::Percent(25.0),
                high: TrimBound::Percent(75.0),
            },
            _ if text.ends_with(')') => return range(text),
            _ => return single(text),
        })
    }
}

/// `p95`, `tm90`: one percentage.
fn single(text: &str) -> Result<Statistic, StatisticError> {
    let kinds = [
        ("tm", Some(Trim::Mean)),
        ("tc", Some(Trim::Count)),
        ("ts", Some(Trim::Sum)),
        ("wm", Some(Trim::Winsorized)),
        ("p", None),
    ];
    let unknown = || StatisticError::Unknown(text.to_owned());
    let (rest, what) = kinds
        .iter()
        .find_map(|(prefix, what)| Some((text.strip_prefix(prefix)?, *what)))
        .ok_or_else(unknown)?;
    if !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(unknown());
    }
    let percent = percentage(rest, text)?;
    Ok(match what {
        None => Statistic::Percentile(percent),
        Some(what) => Statistic::Trimmed {
            what,
            low: TrimBound::Open,
            high: TrimBound::Percent(percent),
        },
    })
}

fn percentage(number: &str, text: &str) -> Result<f64, StatisticError> {
    match number.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(StatisticError::Percentage(text.to_owned())),
    }
}

/// Parses a trimmed statistic, such as `TM(10%:90%)` or `PR(:300)`.
fn range(text: &str) -> Result<Statistic, StatisticError> {
    let kinds = [
        ("TM(", Trim::Mean),
        ("TC(", Trim::Count),
        ("TS(", Trim::Sum),
        ("WM(", Trim::Winsorized),
        ("PR(", Trim::Rank),
    ];
    let (rest, what) = kinds
        .iter()
        .find_map(|(prefix, what)| Some((text.strip_prefix(prefix)?, *what)))
        .ok_or_else(|| StatisticError::Unknown(text.to_owned()))?;
    let wrong = || StatisticError::Range(text.to_owned());
    let (low, high) = rest
        .trim_end_matches(')')
        .split_once(':')
        .ok_or_else(wrong)?;
    let (low, high) = (bound(low, text)?, bound(high, text)?);
    let backwards = match (low, high) {
        (TrimBound::Open, TrimBound::Open) => true,
        (TrimBound::Percent(_), TrimBound::Value(_))
        | (TrimBound::Value(_), TrimBound::Percent(_)) => true,
        (TrimBound::Percent(a), TrimBound::Percent(b))
        | (TrimBound::Value(a), TrimBound::Value(b)) => a >= b,
        _ => false,
    };
    let percent = matches!(low, TrimBound::Percent(_)) || matches!(high, TrimBound::Percent(_));
    if backwards || (what == Trim::Rank && percent) {
        return Err(wrong());
    }
    Ok(Statistic::Trimmed { what, low, high })
}

fn bound(part: &str, text: &str) -> Result<TrimBound, StatisticError> {
    let part = part.trim();
    if part.is_empty() {
        return Ok(TrimBound::Open);
    }
    if let Some(number) = part.strip_suffix('%') {
        return percentage(number, text).map(TrimBound::Percent);
    }
    match part.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(TrimBound::Value(value)),
        _ => Err(StatisticError::Range(text.to_owned())),
    }
}

impl fmt::Display for TrimBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => Ok(()),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Value(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Statistic {
    /// CloudWatch's form, which `FromStr` reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SampleCount => f.write_str("SampleCount"),
            Self::Sum => f.write_str("Sum"),
            Self::Average => f.write_str("Average"),
            Self::Minimum => f.write_str("Minimum"),
            Self::Maximum => f.write_str("Maximum"),
            Self::Percentile(percent) => write!(f, "p{percent}"),
            Self::Trimmed { what, low, high } => {
                let name = match what {
                    Trim::Mean => "TM",
                    Trim::Count => "TC",
                    Trim::Sum => "TS",
                    Trim::Winsorized => "WM",
                    Trim::Rank => "PR",
                };
                write!(f, "{name}({low}:{high})")
            }
        }
    }
}
