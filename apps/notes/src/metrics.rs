//! Counters in Prometheus's text format (version 0.0.4).
//!
//! Invariant: label values are bounded: routes are patterns, methods are known ones, statuses are
//! numbers. Refuses: labels made of what clients send.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Upper bounds of the latency buckets, seconds.
const BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

/// How a look-up in the cache ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    Hit,
    Miss,
    /// Redis did not answer.
    Error,
}

type Series = (&'static str, String);

#[derive(Debug, Default)]
struct Latency {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

#[derive(Debug, Default)]
struct Requests {
    statuses: BTreeMap<(Series, u16), u64>,
    latencies: BTreeMap<Series, Latency>,
}

/// The counters of one task.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Mutex<Requests>,
    in_flight: AtomicU64,
    cache: [AtomicU64; 3],
    limited: AtomicU64,
    started: SystemTime,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            in_flight: AtomicU64::new(0),
            cache: Default::default(),
            limited: AtomicU64::new(0),
            started: SystemTime::now(),
        }
    }
}

/// Facts that are read when the metrics are asked for.
#[derive(Debug)]
pub(crate) struct Vitals<'a> {
    /// Open connections to the database: (all, idle).
    pub database: (usize, usize),
    /// The revision that runs.
    pub revision: &'a str,
}

/// Counts a request as in flight until it is dropped.
pub(crate) struct InFlight<'a>(&'a Metrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// A request came.
    pub(crate) fn came(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// A request was answered.
    pub(crate) fn answered(
        &self,
        method: &axum::http::Method,
        route: &str,
        status: u16,
        took: Duration,
    ) {
        let series: Series = (known(method), route.to_owned());
        let seconds = took.as_secs_f64();
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = requests.latencies.entry(series.clone()).or_default();
        latency.count += 1;
        latency.sum += seconds;
        if let Some(index) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            latency.buckets[index] += 1;
        }
        *requests.statuses.entry((series, status)).or_default() += 1;
    }

    /// The cache was asked.
    pub(crate) fn looked_up(&self, lookup: Lookup) {
        self.cache[lookup as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A request was refused by the rate limit.
    pub(crate) fn limited(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything as text.
    pub(crate) fn render(&self, vitals: &Vitals<'_>) -> String {
        let mut out = String::new();
        self.render_requests(&mut out);
        self.render_counts(&mut out);
        render_vitals(&mut out, vitals);
        let started = self
            .started
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let _ = writeln!(
            out,
            "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {started:.3}"
        );
        out
    }

    fn render_counts(&self, out: &mut String) {
        let [hits, misses, errors] =
            [0, 1, 2].map(|index| self.cache[index].load(Ordering::Relaxed));
        let cache = [
            ("result=\"hit\"", hits),
            ("result=\"miss\"", misses),
            ("result=\"error\"", errors),
        ];
        family(
            out,
            "notes_cache_lookups_total",
            "counter",
            "Look-ups in the cache.",
            &cache,
        );
        let limited = [("", self.limited.load(Ordering::Relaxed))];
        family(
            out,
            "notes_rate_limited_total",
            "counter",
            "Requests refused by the rate limit.",
            &limited,
        );
        let in_flight = [("", self.in_flight.load(Ordering::Relaxed))];
        family(
            out,
            "notes_http_requests_in_flight",
            "gauge",
            "Requests being handled.",
            &in_flight,
        );
    }

    fn render_requests(&self, out: &mut String) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        out.push_str("# HELP notes_http_requests_total Answered requests.\n# TYPE notes_http_requests_total counter\n");
        for (((method, route), status), count) in &requests.statuses {
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            let _ = writeln!(out, "notes_http_requests_total{{{labels}}} {count}");
        }
        let name = "notes_http_request_duration_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} Time to answer.\n# TYPE {name} histogram"
        );
        for ((method, route), latency) in &requests.latencies {
            let labels = format!("method=\"{method}\",route=\"{route}\"");
            let mut below = 0;
            for (bound, count) in BUCKETS.iter().zip(latency.buckets) {
                below += count;
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
            }
            let _ = writeln!(
                out,
                "{name}_bucket{{{labels},le=\"+Inf\"}} {}",
                latency.count
            );
            let _ = writeln!(
                out,
                "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}",
                latency.sum, latency.count
            );
        }
    }
}

fn render_vitals(out: &mut String, vitals: &Vitals<'_>) {
    let (open, idle) = (vitals.database.0 as u64, vitals.database.1 as u64);
    let pool = [
        ("state=\"idle\"", idle),
        ("state=\"used\"", open.saturating_sub(idle)),
    ];
    family(
        out,
        "notes_db_connections",
        "gauge",
        "Open connections to PostgreSQL.",
        &pool,
    );
    let version = env!("CARGO_PKG_VERSION");
    let revision = escaped(vitals.revision);
    let build = format!("version=\"{version}\",revision=\"{revision}\"");
    family(
        out,
        "notes_build_info",
        "gauge",
        "What runs.",
        &[(build.as_str(), 1)],
    );
    family(
        out,
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory.",
        &[("", resident_bytes())],
    );
}

fn family(out: &mut String, name: &str, kind: &str, help: &str, samples: &[(&str, u64)]) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = match *labels {
            "" => writeln!(out, "{name} {value}"),
            labels => writeln!(out, "{name}{{{labels}}} {value}"),
        };
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn known(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// From `/proc/self/status`, which counts in KiB whatever the page size; 0 where there is none.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) * 1024
}
