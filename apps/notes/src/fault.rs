//! Faults for rehearsals: how a deliberately bad version of this application misbehaves.
//!
//! Invariant: without `NOTES_FAULT` nothing here has any effect. `error-rate` and `latency` touch
//! requests under `/api` only, so that health checks see what they would see in a real incident.
//! Refuses: unknown forms, and amounts that are out of range.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This share of API requests fails with 500, in hundredths of a percent (1..=10000).
    ErrorRate(u32),
    /// Every API request waits this long first.
    Latency(Duration),
    /// The process exits with code 1 after this long.
    Crash(Duration),
    /// `/healthz` and `/readyz` answer 503.
    BadHealth,
    /// Memory grows by this many bytes each second.
    Leak(u64),
    /// `notes migrate` meets a migration that cannot be applied.
    MigrateFail,
}

/// The forms, as the messages show them.
pub(crate) const FORMS: &str =
    "error-rate=5%, latency=2s, crash=30s, bad-health, leak=1MB/s, migrate-fail";

/// Why a fault was not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is none of the forms {FORMS} (several are separated by commas)")]
pub(crate) struct FaultError {
    text: String,
}

/// Reads a comma-separated list of faults.
pub(crate) fn parse(text: &str) -> Result<Vec<Fault>, FaultError> {
    text.split(',').map(str::trim).map(parse_one).collect()
}

fn parse_one(text: &str) -> Result<Fault, FaultError> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let fault = match name {
        "error-rate" => percent(value).map(Fault::ErrorRate),
        "latency" => duration(value).map(Fault::Latency),
        "crash" => duration(value).map(Fault::Crash),
        "leak" => bytes_per_second(value).map(Fault::Leak),
        "bad-health" if value.is_empty() => Some(Fault::BadHealth),
        "migrate-fail" if value.is_empty() => Some(Fault::MigrateFail),
        _ => None,
    };
    fault.ok_or_else(|| FaultError {
        text: text.to_owned(),
    })
}

fn percent(text: &str) -> Option<u32> {
    let number: f64 = text.strip_suffix('%')?.parse().ok()?;
    let hundredths = (number * 100.0).round();
    (1.0..=10_000.0)
        .contains(&hundredths)
        .then_some(hundredths as u32)
}

fn duration(text: &str) -> Option<Duration> {
    let (digits, scale) = if let Some(digits) = text.strip_suffix("ms") {
        (digits, 1)
    } else if let Some(digits) = text.strip_suffix('s') {
        (digits, 1000)
    } else {
        (text.strip_suffix('m')?, 60_000)
    };
    let amount: u32 = digits.parse().ok()?;
    Some(Duration::from_millis(u64::from(amount) * scale))
}

fn bytes_per_second(text: &str) -> Option<u64> {
    let amount = text.strip_suffix("/s")?;
    let (digits, scale) = if let Some(digits) = amount.strip_suffix("MB") {
        (digits, 1 << 20)
    } else {
        (amount.strip_suffix("KB")?, 1 << 10)
    };
    let count: u32 = digits.parse().ok()?;
    (1..=1024)
        .contains(&count)
        .then(|| u64::from(count) * scale)
}

/// The faults of one running process.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    requests: AtomicU64,
}

/// A leak stops here; by then every sensible memory limit has acted.
const LEAK_BOUND: u64 = 4 << 30;

impl Faults {
    /// The faults that were asked for.
    pub(crate) fn new(list: Vec<Fault>) -> Self {
        Self {
            list,
            requests: AtomicU64::new(0),
        }
    }

    /// Whether health checks must fail.
    pub(crate) fn bad_health(&self) -> bool {
        self.list.contains(&Fault::BadHealth)
    }

    /// How long this API request must wait.
    pub(crate) fn latency(&self) -> Option<Duration> {
        self.list.iter().find_map(|fault| match fault {
            Fault::Latency(duration) => Some(*duration),
            _ => None,
        })
    }

    /// Whether this API request must fail. Failures are spread evenly: exactly the asked share.
    pub(crate) fn error(&self) -> bool {
        let share = self.list.iter().find_map(|fault| match fault {
            Fault::ErrorRate(hundredths) => Some(u64::from(*hundredths)),
            _ => None,
        });
        let Some(share) = share else { return false };
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        (n * share) / 10_000 != ((n + 1) * share) / 10_000
    }

    /// Starts the faults that need no request: the crash and the leak.
    pub(crate) fn start(&self, log: &crate::log::Log) {
        for fault in &self.list {
            match *fault {
                Fault::Crash(after) => {
                    let log = log.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(after).await;
                        log.error("crashing, as NOTES_FAULT asks", &[]);
                        std::process::exit(1);
                    });
                }
                Fault::Leak(rate) => {
                    tokio::spawn(leak(rate));
                }
                _ => {}
            }
        }
    }
}

async fn leak(bytes_per_second: u64) {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut total = 0;
    while total < LEAK_BOUND {
        tick.tick().await;
        // Written, not only reserved: the kernel counts touched pages.
        kept.push(vec![0xA5; bytes_per_second as usize]);
        total += bytes_per_second;
    }
    std::future::pending::<()>().await;
    drop(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood_alone_and_in_a_list() {
        let cases = [
            ("error-rate=5%", Fault::ErrorRate(500)),
            ("error-rate=0.5%", Fault::ErrorRate(50)),
            ("latency=2s", Fault::Latency(Duration::from_secs(2))),
            ("latency=150ms", Fault::Latency(Duration::from_millis(150))),
            ("crash=30s", Fault::Crash(Duration::from_secs(30))),
            ("bad-health", Fault::BadHealth),
            ("leak=1MB/s", Fault::Leak(1 << 20)),
            ("migrate-fail", Fault::MigrateFail),
        ];
        for (text, fault) in &cases {
            assert_eq!(parse(text), Ok(vec![fault.clone()]), "{text}");
        }
        assert_eq!(
            parse("bad-health, latency=2s").map(|list| list.len()),
            Ok(2)
        );
    }

    #[test]
    fn other_forms_are_refused_and_the_forms_are_shown() {
        for wrong in [
            "",
            "slow",
            "error-rate=5",
            "error-rate=101%",
            "latency=2h",
            "leak=1MB",
            "bad-health=1",
        ] {
            let message = parse(wrong).expect_err(wrong).to_string();
            assert!(message.contains("crash=30s"), "{message}");
        }
    }

    #[test]
    fn five_percent_is_one_request_in_twenty() {
        let faults = Faults::new(vec![Fault::ErrorRate(500)]);
        assert_eq!((0..1000).filter(|_| faults.error()).count(), 50);
    }
}
