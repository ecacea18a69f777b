//! The samples of all series, second by second and rolled up, in bounded memory.
//!
//! Invariant: at most [`RetentionLimits::series`] series; in each, windows of each resolution that reach
//! back from the newest as far as [`RetentionLimits`] says. A sample is recorded once, with every dimension
//! that is known; [`MetricsStore::windows`] merges the series that have the dimensions it is asked for.
//! No window reaches across a [`WindowBoundary`], so whoever asks from one on gets what came after it and
//! nothing else. Refuses nothing: a sample older than all windows of a resolution is dropped, and
//! a new series drops the one that was silent longest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::dimensions::Dimensions;
use super::window::Window;
use crate::time::Timestamp;

/// Resolutions that are kept, in seconds, finest first. Periods are made of the coarsest that
/// fits: 1 s and 5 s of seconds, 10 s, 20 s and 30 s of tens, whole minutes of minutes.
pub const RESOLUTIONS: [u64; 3] = [1, 10, 60];
/// Most series of an environment.
pub const MOST_SERIES: usize = 8192;
/// Most windows of one resolution: a week of minutes and the evaluation range beyond it.
pub const MOST_WINDOWS: usize = 16_384;

/// Bounds of the memory that series may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionLimits {
    /// Most series at one time.
    pub series: usize,
    /// Windows per series of each of [`RESOLUTIONS`].
    pub windows: [usize; 3],
}

impl Default for RetentionLimits {
    /// 5 minutes of seconds, 30 minutes of tens, 3 hours of minutes.
    fn default() -> Self {
        Self {
            series: MOST_SERIES,
            windows: [300, 180, 180],
        }
    }
}

impl RetentionLimits {
    /// The same, but enough for `count` data points of a period (bounded by [`MOST_WINDOWS`]).
    #[must_use]
    pub fn covering(mut self, period: Duration, count: u64) -> Self {
        let tier = tier(period.as_secs());
        // One more, because the window that is still open takes one too.
        let seconds = period.as_secs().saturating_mul(count.saturating_add(1));
        let needed = usize::try_from(seconds / RESOLUTIONS[tier] + 1).unwrap_or(usize::MAX);
        self.windows[tier] = self.windows[tier].max(needed.min(MOST_WINDOWS));
        self
    }
}

/// The resolution that windows of this period are made of.
#[must_use]
pub fn resolution(period: Duration) -> Duration {
    Duration::from_secs(RESOLUTIONS[tier(period.as_secs())])
}

fn tier(period: u64) -> usize {
    let fits = |resolution: &u64| period > 0 && period.is_multiple_of(*resolution);
    RESOLUTIONS.iter().rposition(fits).unwrap_or_default()
}

/// Moments at which windows of a service's series end, besides those of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowBoundary {
    /// Service whose series they cut.
    pub service: String,
    /// The first of them.
    pub since: Timestamp,
    /// Between one and the next; `None`: there is only the first.
    pub every: Option<Duration>,
}

impl WindowBoundary {
    /// The last of the moments that is not after `at`, in milliseconds; 0 when none is. Windows
    /// that are longer than it is between two moments are cut at the first only.
    fn before(&self, at: u64, resolution: u64) -> u64 {
        let since = self.since.0;
        let Some(passed) = at.checked_sub(since) else {
            return 0;
        };
        let every = self
            .every
            .filter(|every| RESOLUTIONS[tier(every.as_secs())] >= resolution)
            .map_or(0, |every| every.as_millis() as u64);
        since + passed.checked_div(every).unwrap_or(0) * every
    }
}

/// All series of an environment.
#[derive(Debug, Clone, Default)]
pub struct MetricsStore {
    limits: RetentionLimits,
    cuts: Vec<WindowBoundary>,
    /// By metric name, then dimensions.
    series: BTreeMap<String, BTreeMap<Dimensions, Series>>,
    count: usize,
}

/// One series: its windows by start in milliseconds, rising, per resolution.
#[derive(Debug, Clone, Default)]
struct Series {
    newest: u64,
    tiers: [VecDeque<(u64, Window)>; 3],
}

impl MetricsStore {
    /// A store without series.
    #[must_use]
    pub fn new(limits: RetentionLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// From now on at least so much is kept, and windows are cut there.
    pub fn keep(&mut self, limits: RetentionLimits, cuts: Vec<WindowBoundary>) {
        self.limits = limits;
        self.cuts = cuts;
    }

    /// Takes in a value that was seen some times. A value that is not finite is refused: `false`.
    pub fn record(
        &mut self,
        metric: &str,
        dimensions: &Dimensions,
        at: Timestamp,
        value: f64,
        times: u64,
    ) -> bool {
        if times > 0 {
            self.merge(metric, dimensions, at, &Window::of(value, times));
        }
        value.is_finite()
    }

    /// Takes in a whole window of samples, all of the second of `at` and of the same side of every
    /// cut.
    pub fn merge(&mut self, metric: &str, from: &Dimensions, at: Timestamp, samples: &Window) {
        if samples.count() == 0 || self.limits.series == 0 {
            return;
        }
        let known = self
            .series
            .get(metric)
            .is_some_and(|s| s.contains_key(from));
        if !known {
            if self.count >= self.limits.series {
                self.drop_the_most_silent();
            }
            self.count += 1;
        }
        let named = self.series.entry(metric.to_owned()).or_default();
        let series = named.entry(from.clone()).or_default();
        let cut = |resolution: u64| {
            let cuts = self.cuts.iter();
            let own = cuts.filter(|cut| from.service.as_ref() == Some(&cut.service));
            own.map(|cut| cut.before(at.0, resolution)).max()
        };
        series.merge(at.0, samples, &self.limits, |resolution| {
            cut(resolution).unwrap_or(0)
        });
    }

    /// `count` windows of a period, oldest first, the last one ending at `end`, over all series
    /// of the metric that have the wanted dimensions. A window without samples has count 0.
    #[must_use]
    pub fn windows(
        &self,
        metric: &str,
        wanted: &Dimensions,
        period: Duration,
        end: Timestamp,
        count: usize,
    ) -> Vec<Window> {
        let mut windows = vec![Window::default(); count.min(MOST_WINDOWS)];
        let length = period.as_secs().saturating_mul(1000);
        let end = end.0;
        if length == 0 {
            return windows;
        }
        let start = end.saturating_sub(length.saturating_mul(windows.len() as u64));
        // Counted from the end, so that a range that begins before time itself stays aligned.
        let shift = windows.len() as u64;
        for series in self.matching(metric, wanted) {
            let tier = &series.tiers[tier(period.as_secs())];
            let first = tier.partition_point(|&(at, _)| at < start);
            for (at, samples) in tier.iter().skip(first).take_while(|&&(at, _)| at < end) {
                let back = (end - at).div_ceil(length);
                let slot = usize::try_from(shift - back.min(shift)).unwrap_or_default();
                windows[slot].merge(samples);
            }
        }
        windows
    }

    /// Everything from a cut on, as far back as minutes are kept.
    #[must_use]
    pub fn since(&self, metric: &str, wanted: &Dimensions, cut: Timestamp) -> Window {
        let mut all = Window::default();
        for series in self.matching(metric, wanted) {
            let minutes = &series.tiers[tier(60)];
            let first = minutes.partition_point(|&(at, _)| at < cut.0);
            for (_, samples) in minutes.iter().skip(first) {
                all.merge(samples);
            }
        }
        all
    }

    /// Names of the metrics that have samples with these dimensions, in order.
    #[must_use]
    pub fn names(&self, wanted: &Dimensions) -> Vec<&str> {
        let found = self
            .series
            .iter()
            .filter(|(_, series)| series.keys().any(|dimensions| dimensions.has(wanted)));
        found.map(|(name, _)| name.as_str()).collect()
    }

    /// Where samples come from, in order.
    #[must_use]
    pub fn dimensions(&self) -> BTreeSet<Dimensions> {
        let all = self.series.values();
        all.flat_map(|series| series.keys().cloned()).collect()
    }

    /// Number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets series that had no sample since `before`.
    pub fn forget_silent(&mut self, before: Timestamp) {
        for series in self.series.values_mut() {
            series.retain(|_, series| series.newest >= before.0);
        }
        self.series.retain(|_, series| !series.is_empty());
        self.count = self.series.values().map(BTreeMap::len).sum();
    }

    fn matching<'a>(
        &'a self,
        metric: &str,
        wanted: &'a Dimensions,
    ) -> impl Iterator<Item = &'a Series> {
        // Dimensions are ordered by service first: those of one service are neighbours.
        let from = Dimensions {
            service: wanted.service.clone(),
            ..Dimensions::default()
        };
        let named = self.series.get(metric).into_iter();
        named
            .flat_map(move |series| series.range(from.clone()..))
            .take_while(|(d, _)| wanted.service.is_none() || d.service == wanted.service)
            .filter(|(dimensions, _)| dimensions.has(wanted))
            .map(|(_, series)| series)
    }

    fn drop_the_most_silent(&mut self) {
        let all = self.series.iter();
        let oldest = all
            .flat_map(|(name, series)| series.iter().map(move |(d, s)| (s.newest, name, d)))
            .min()
            .map(|(_, name, dimensions)| (name.clone(), dimensions.clone()));
        let Some((name, dimensions)) = oldest else {
            return;
        };
        if let Some(series) = self.series.get_mut(&name) {
            series.remove(&dimensions);
            self.count -= 1;
            if series.is_empty() {
                self.series.remove(&name);
            }
        }
    }
}

impl Series {
    fn merge(
        &mut self,
        at: u64,
        samples: &Window,
        limits: &RetentionLimits,
        cut: impl Fn(u64) -> u64,
    ) {
        self.newest = self.newest.max(at);
        let newest = self.newest;
        let tiers = self.tiers.iter_mut().zip(RESOLUTIONS).zip(limits.windows);
        for ((windows, resolution), most) in tiers {
            let length = resolution * 1000;
            let kept = length.saturating_mul((most as u64).saturating_sub(1));
            let oldest = (newest - newest % length).saturating_sub(kept);
            let begun = at - at % length;
            if most == 0 || begun < oldest {
                continue;
            }
            let start = begun.max(cut(resolution));
            let place = windows.partition_point(|&(other, _)| other < start);
            match windows.get_mut(place) {
                Some((other, window)) if *other == start => window.merge(samples),
                _ => windows.insert(place, (start, samples.clone())),
            }
            while windows.front().is_some_and(|&(start, _)| start < oldest) {
                windows.pop_front();
            }
        }
    }
}
