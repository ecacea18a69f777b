//! Faults that a new version may have, or meet, and how they are written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration;

/// Fault of the new version, or of its surroundings while it is released.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Nothing: a good version.
    None,
    /// This share of its requests is answered with 500, percent.
    ErrorRate(f64),
    /// Each of its requests takes so much longer.
    Latency(Duration),
    /// Its tasks end with code 1 so long after they run.
    Crash(Duration),
    /// Its health checks fail.
    BadHealth,
    /// Its memory grows by so many bytes a second.
    Leak(u64),
    /// Its first `before` job fails.
    MigrateFail,
    /// Its first `smoke` job fails.
    SmokeFail,
    /// The first job of its release hangs.
    HookTimeout,
    /// Nobody sends requests while it is released.
    NoTraffic,
    /// The database is gone for so long, from the new version's first share of traffic on.
    DatabaseDown(Duration),
}

/// The forms, for messages.
pub const FORMS: &str = "none, error-rate=5%, latency=2s, crash=30s, bad-health, leak=10MB/s, \
     migrate-fail, smoke-fail, hook-timeout, no-traffic, database-down=30s";

/// A fault that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fault; write one of {FORMS}")]
pub struct FaultError(String);

/// The faults of a whole rehearsal, from the loudest to the quietest.
#[must_use]
pub fn all() -> Vec<Fault> {
    vec![
        Fault::MigrateFail,
        Fault::HookTimeout,
        Fault::SmokeFail,
        Fault::BadHealth,
        Fault::Crash(Duration::ZERO),
        Fault::Crash(Duration::from_secs(30)),
        Fault::ErrorRate(100.0),
        Fault::ErrorRate(5.0),
        Fault::Latency(Duration::from_secs(2)),
        Fault::Leak(10 << 20),
        Fault::DatabaseDown(Duration::from_secs(30)),
        Fault::NoTraffic,
        Fault::None,
    ]
}

impl Fault {
    /// In words, after "a version that …".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::None => "is good".to_owned(),
            Self::ErrorRate(percent) => format!("answers {percent} % of its requests with 500"),
            Self::Latency(by) => format!("takes {} longer for each request", duration::format(*by)),
            Self::Crash(Duration::ZERO) => "ends as soon as it runs".to_owned(),
            Self::Crash(after) => format!("crashes {} after its start", duration::format(*after)),
            Self::BadHealth => "fails its health checks".to_owned(),
            Self::Leak(rate) => format!("leaks {} of memory", bytes(*rate)),
            Self::MigrateFail => "has a migration that fails".to_owned(),
            Self::SmokeFail => "fails its smoke test".to_owned(),
            Self::HookTimeout => "has a job that hangs".to_owned(),
            Self::NoTraffic => "is good, while nobody sends requests".to_owned(),
            Self::DatabaseDown(time) => format!(
                "is good, while the database is gone for {}",
                duration::format(*time)
            ),
        }
    }

    /// Whether the new version itself is bad: it must not serve in the end.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        !matches!(self, Self::None | Self::NoTraffic | Self::DatabaseDown(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(out, "none"),
            Self::ErrorRate(percent) => write!(out, "error-rate={percent}%"),
            Self::Latency(by) => write!(out, "latency={}", duration::format(*by)),
            Self::Crash(after) => write!(out, "crash={}", duration::format(*after)),
            Self::BadHealth => write!(out, "bad-health"),
            Self::Leak(rate) => write!(out, "leak={}", bytes(*rate)),
            Self::MigrateFail => write!(out, "migrate-fail"),
            Self::SmokeFail => write!(out, "smoke-fail"),
            Self::HookTimeout => write!(out, "hook-timeout"),
            Self::NoTraffic => write!(out, "no-traffic"),
            Self::DatabaseDown(time) => write!(out, "database-down={}", duration::format(*time)),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let time = || duration::parse(value).ok();
        let found = match name {
            "none" if value.is_empty() => Some(Self::None),
            "error-rate" => percent(value).map(Self::ErrorRate),
            "latency" => time().map(Self::Latency),
            "crash" => time().map(Self::Crash),
            "bad-health" if value.is_empty() => Some(Self::BadHealth),
            "leak" => bytes_per_second(value).map(Self::Leak),
            "migrate-fail" if value.is_empty() => Some(Self::MigrateFail),
            "smoke-fail" if value.is_empty() => Some(Self::SmokeFail),
            "hook-timeout" if value.is_empty() => Some(Self::HookTimeout),
            "no-traffic" if value.is_empty() => Some(Self::NoTraffic),
            "database-down" => time().map(Self::DatabaseDown),
            _ => None,
        };
        found.ok_or_else(|| FaultError(text.to_owned()))
    }
}

fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.parse().ok()?;
    (number > 0.0 && number <= 100.0).then_some(number)
}

fn bytes(rate: u64) -> String {
    if rate.is_multiple_of(1 << 20) {
        format!("{}MB/s", rate >> 20)
    } else {
        format!("{}KB/s", rate >> 10)
    }
}

fn bytes_per_second(text: &str) -> Option<u64> {
    let amount = text.strip_suffix("/s")?;
    let (digits, shift) = match (amount.strip_suffix("MB"), amount.strip_suffix("KB")) {
        (Some(digits), _) => (digits, 20),
        (None, Some(digits)) => (digits, 10),
        (None, None) => return None,
    };
    let count: u64 = digits.parse().ok()?;
    (1..=1024).contains(&count).then(|| count << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for fault in all() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        for form in FORMS.split(", ") {
            let fault: Fault = form.trim().parse().expect("a form");
            assert_eq!(fault.to_string(), form.trim());
        }
    }

    #[test]
    fn what_is_no_fault_is_refused_with_the_forms() {
        for text in [
            "",
            "error-rate",
            "error-rate=5",
            "error-rate=0%",
            "error-rate=101%",
            "latency=fast",
            "leak=10MB",
            "leak=0KB/s",
            "bad-health=yes",
            "meteor",
        ] {
            let refused = text.parse::<Fault>().expect_err("no fault").to_string();
            assert!(refused.contains(text) && refused.contains("database-down=30s"));
        }
    }
}
