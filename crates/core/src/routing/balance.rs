//! Which group and which target a request goes to.
//!
//! Invariant: a target that is not healthy and admitted gets nothing, except
//! when the group fails open: none of its admitted targets is healthy and at least one is
//! unhealthy; then all admitted targets are used. Targets that are all `initial` get nothing.
//! Random numbers are passed in.

use super::slow_start::{FULL, takes};
use super::table::TargetHealth;
use crate::model::Balance;

/// A target as the balancer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// May take new requests at all, and was not tried for this request.
    pub eligible: bool,
    pub health: TargetHealth,
    /// Requests in flight.
    pub in_flight: u32,
    /// Share of a full turn, 0..=[`FULL`]; round robin only (see [`super::slow_start`]).
    pub warmth: u32,
}

/// Picks a target: its index, `None` when there is none that may be used. `turn` is the
/// round-robin position, moved on by a pick; `random` is used by weighted random, and by round
/// robin while a target is in slow start.
pub fn pick(
    balance: Balance,
    targets: &[Candidate],
    turn: &mut usize,
    random: u64,
) -> Option<usize> {
    let open = fails_open(targets);
    let usable = |c: &Candidate| c.eligible && (open || c.health == TargetHealth::Healthy);
    let count = targets.iter().filter(|c| usable(c)).count();
    if count == 0 {
        return None;
    }
    match balance {
        Balance::RoundRobin => {
            let warm = |c: &Candidate| usable(c) && c.warmth >= FULL;
            if targets.iter().all(|c| !usable(c) || warm(c)) {
                return next_in_turn(targets, turn, |c| usable(c));
            }
            let chance = |i: usize| takes(targets[i].warmth, random, i);
            let found = in_turn(targets, *turn).find(|i| usable(&targets[*i]) && chance(*i));
            match found {
                Some(found) => {
                    *turn = found + 1;
                    Some(found)
                }
                // Nobody took its turn: the warmest does.
                None => (0..targets.len())
                    .filter(|i| usable(&targets[*i]))
                    .max_by_key(|i| targets[*i].warmth),
            }
        }
        Balance::LeastOutstanding => {
            let least = targets
                .iter()
                .filter(|c| usable(c))
                .map(|c| c.in_flight)
                .min()?;
            next_in_turn(targets, turn, |c| usable(c) && c.in_flight == least)
        }
        Balance::WeightedRandom => {
            let nth = usize::try_from(random % count as u64).unwrap_or(0);
            let mut usable = (0..targets.len()).filter(|i| usable(&targets[*i]));
            usable.nth(nth)
        }
    }
}

/// Whether a client may stay with this target: it is usable now.
#[must_use]
pub fn keeps(targets: &[Candidate], wanted: usize) -> bool {
    targets
        .get(wanted)
        .is_some_and(|c| c.eligible && (c.health == TargetHealth::Healthy || fails_open(targets)))
}

/// Whether no target is healthy and one at least is unhealthy.
#[must_use]
pub fn fails_open(targets: &[Candidate]) -> bool {
    let mut unhealthy = false;
    for target in targets {
        match target.health {
            TargetHealth::Healthy => return false,
            TargetHealth::Unhealthy => unhealthy = true,
            TargetHealth::Initial => {}
        }
    }
    unhealthy
}

fn next_in_turn(
    targets: &[Candidate],
    turn: &mut usize,
    usable: impl Fn(&Candidate) -> bool,
) -> Option<usize> {
    let found = in_turn(targets, *turn).find(|i| usable(&targets[*i]))?;
    *turn = found + 1;
    Some(found)
}

/// Every index once, from this turn on.
fn in_turn(targets: &[Candidate], turn: usize) -> impl Iterator<Item = usize> {
    let count = targets.len();
    (0..count).map(move |step| (turn + step) % count)
}

/// Shares requests between groups: exact over every run of `sum(weights)` requests, and
/// smooth within it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightedShares {
    credit: Vec<i64>,
}

impl WeightedShares {
    /// The next group's index; `None` when all weights are 0. Credit is kept while the number
    /// of groups stays the same, so that a changed weight does not begin a new run.
    pub fn next(&mut self, weights: impl ExactSizeIterator<Item = u32>) -> Option<usize> {
        self.credit.resize(weights.len(), 0);
        let mut total = 0;
        let mut best: Option<usize> = None;
        for (i, weight) in weights.enumerate() {
            total += i64::from(weight);
            self.credit[i] += i64::from(weight);
            if weight > 0 && best.is_none_or(|b| self.credit[i] > self.credit[b]) {
                best = Some(i);
            }
        }
        let best = best?;
        self.credit[best] -= total;
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetHealth::{Healthy, Initial, Unhealthy};

    fn candidate(health: TargetHealth, in_flight: u32) -> Candidate {
        Candidate {
            eligible: true,
            health,
            in_flight,
            warmth: FULL,
        }
    }

    fn turns(balance: Balance, targets: &[Candidate], times: u64) -> Vec<Option<usize>> {
        let mut turn = 0;
        (0..times)
            .map(|r| pick(balance, targets, &mut turn, r))
            .collect()
    }

    #[test]
    fn only_healthy_targets_are_used_and_all_when_none_is() {
        let rr = Balance::RoundRobin;
        let (h, u, i) = (
            candidate(Healthy, 0),
            candidate(Unhealthy, 0),
            candidate(Initial, 0),
        );
        let some = |list: &[usize]| list.iter().map(|i| Some(*i)).collect::<Vec<_>>();
        assert_eq!(turns(rr, &[h, u, h], 4), some(&[0, 2, 0, 2]));
        assert_eq!(turns(rr, &[u, u], 3), some(&[0, 1, 0]));
        assert_eq!(turns(rr, &[i, u], 2), some(&[0, 1]));
        assert_eq!(turns(rr, &[i, i], 1), vec![None]);
        assert_eq!(turns(rr, &[], 1), vec![None]);
        assert_eq!(turns(rr, &[i, h], 2), some(&[1, 1]));
    }

    #[test]
    fn a_tried_healthy_target_does_not_open_the_group() {
        let tried = Candidate {
            eligible: false,
            ..candidate(Healthy, 0)
        };
        let targets = [tried, candidate(Unhealthy, 0)];
        assert_eq!(turns(Balance::RoundRobin, &targets, 1), vec![None]);
    }

    #[test]
    fn least_outstanding_picks_the_fewest_and_takes_turns_among_equals() {
        let targets = [
            candidate(Healthy, 3),
            candidate(Healthy, 1),
            candidate(Healthy, 1),
        ];
        assert_eq!(
            turns(Balance::LeastOutstanding, &targets, 3),
            vec![Some(1), Some(2), Some(1)]
        );
    }

    #[test]
    fn weighted_random_follows_the_number_passed_in() {
        let targets = [
            candidate(Healthy, 0),
            candidate(Unhealthy, 0),
            candidate(Healthy, 0),
        ];
        assert_eq!(
            turns(Balance::WeightedRandom, &targets, 3),
            vec![Some(0), Some(2), Some(0)]
        );
    }

    #[test]
    fn shares_are_exact_over_every_run() {
        for weights in [
            vec![90_u32, 10],
            vec![1],
            vec![0, 5],
            vec![999, 1, 500],
            vec![3, 3, 3],
        ] {
            let mut shares = WeightedShares::default();
            let sum: u32 = weights.iter().sum();
            for _ in 0..3 {
                let mut seen = vec![0; weights.len()];
                for _ in 0..sum {
                    seen[shares.next(weights.iter().copied()).expect("a group")] += 1;
                }
                assert_eq!(seen, weights);
            }
        }
        assert_eq!(WeightedShares::default().next([0, 0].into_iter()), None);
    }
}
