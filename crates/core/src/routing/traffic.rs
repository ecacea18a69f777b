//! From what the router counted to samples.
//!
//! Invariant: every request gives one sample to each of requests, success rate and latency, and
//! one to errors when it was answered with 5xx, by the target or by the router for it. Those that
//! a cookie kept with their revision give one more, to kept requests.

use super::control::RequestCount;
use crate::metrics::{Dimensions, Sample, StatusClass, Window, names};

/// The samples of what one target answered in an interval.
#[must_use]
pub fn samples(count: &RequestCount) -> Vec<Sample> {
    let from = Dimensions {
        service: Some(count.service.clone()),
        revision: count.revision.unless_none(),
        target: Some(count.task.clone()).filter(|task| !task.is_empty()),
        class: None,
    };
    let mut found = Vec::new();
    let mut success = Window::default();
    for (status, times) in count.target_status.iter().chain(&count.router_status) {
        let class = StatusClass::of(*status);
        let failed = class == Some(StatusClass::ServerError);
        success.record(if failed { 0.0 } else { 100.0 }, *times);
        let of_class = Dimensions {
            class,
            ..from.clone()
        };
        let ones = Window::of(1.0, *times);
        if failed {
            found.push(sample(names::ERRORS, &of_class, ones.clone()));
        }
        found.push(sample(names::REQUESTS, &of_class, ones));
    }
    found.push(sample(names::SUCCESS_RATE, &from, success));
    found.push(sample(names::LATENCY, &from, count.latency.clone()));
    if count.kept > 0 {
        found.push(sample(names::KEPT, &from, Window::of(1.0, count.kept)));
    }
    found
}

fn sample(metric: &'static str, from: &Dimensions, window: Window) -> Sample {
    Sample {
        metric,
        from: from.clone(),
        window,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::RevisionNumber;
    use crate::metrics::Statistic;

    #[test]
    fn each_request_is_one_sample_and_the_routers_own_errors_count() {
        let count = RequestCount {
            service: "api".into(),
            revision: RevisionNumber(2),
            task: "api-r2-3".into(),
            target_status: BTreeMap::from([(200, 95), (404, 2), (500, 2)]),
            router_status: BTreeMap::from([(502, 1)]),
            latency: Window::of(1.0, 100),
            kept: 60,
        };
        let all = samples(&count);
        let merged = |metric: &str| {
            let mut window = Window::default();
            for sample in all.iter().filter(|sample| sample.metric == metric) {
                assert!(
                    sample
                        .from
                        .has(&Dimensions::revision("api", RevisionNumber(2)))
                );
                window.merge(&sample.window);
            }
            window
        };
        assert_eq!(merged(names::REQUESTS).count(), 100);
        assert_eq!(merged(names::KEPT).count(), 60);
        assert_eq!(merged(names::ERRORS).sum(), 3.0);
        assert_eq!(
            Statistic::Average.of(&merged(names::SUCCESS_RATE)),
            Some(97.0)
        );
        assert_eq!(merged(names::LATENCY).maximum(), Some(1.0));
    }
}
