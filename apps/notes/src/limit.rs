//! Rate limiting: one token bucket per client, shared by all tasks through Redis.
//!
//! Invariant: a client never gets more than its burst and rate; while Redis is down each task
//! counts for itself, so the bound is then times the number of tasks. Refuses: keeping addresses.
//! Clients go by a keyed pseudonym; at most 10,000 of them are held locally.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::config::Rate;

/// Most clients that are counted locally.
const CLIENTS: usize = 10_000;

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    pub allowed: bool,
    /// Size of the bucket.
    pub limit: u32,
    /// Tokens left in the bucket.
    pub remaining: u32,
    /// Until the next token; zero while some are left.
    pub wait: Duration,
}

/// Takes a token in Redis, by Redis's own clock: all tasks agree on it.
const TAKE: &str = "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local burst, per_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = redis.call('HMGET', KEYS[1], 'tokens', 'time')
local tokens = tonumber(at[1]) or burst
tokens = math.min(burst, tokens + math.max(0, now - (tonumber(at[2]) or now)) * per_ms)
local allowed = 0
if tokens >= 1 then allowed = 1; tokens = tokens - 1 end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'time', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_ms) + 1000)
local wait = 0
if tokens < 1 then wait = math.ceil((1 - tokens) / per_ms) end
return {allowed, math.floor(tokens), wait}";

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The limiter of one task.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: Rate,
    local: Mutex<HashMap<String, Bucket>>,
}

impl Limiter {
    /// A limiter with this rate for each client.
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            local: Mutex::default(),
        }
    }

    /// Takes one token of `client` (a pseudonym).
    pub(crate) async fn acquire(&self, cache: &Cache, client: &str) -> Verdict {
        let mut command = redis::cmd("EVAL");
        command
            .arg(TAKE)
            .arg(1)
            .arg(format!("notes:v1:rate:{client}"));
        command
            .arg(self.rate.burst)
            .arg(self.rate.per_second / 1000.0);
        match cache
            .run::<(u8, u32, u64)>("counting a request", &command)
            .await
        {
            Ok((allowed, remaining, wait)) => {
                self.verdict(allowed == 1, remaining, Duration::from_millis(wait))
            }
            Err(_) => self.take_locally(client, Instant::now()),
        }
    }

    fn take_locally(&self, client: &str, now: Instant) -> Verdict {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.len() >= CLIENTS && !local.contains_key(client) {
            self.make_room(&mut local, now);
        }
        let full = Bucket {
            tokens: f64::from(self.rate.burst),
            at: now,
        };
        let bucket = local.entry(client.to_owned()).or_insert(full);
        *bucket = self.refilled(*bucket, now);
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        let missing = (1.0 - bucket.tokens).max(0.0);
        self.verdict(
            allowed,
            bucket.tokens as u32,
            Duration::from_secs_f64(missing / self.rate.per_second),
        )
    }

    /// Full buckets say nothing; when none is full, all start again.
    fn make_room(&self, local: &mut HashMap<String, Bucket>, now: Instant) {
        let burst = f64::from(self.rate.burst);
        local.retain(|_, bucket| self.refilled(*bucket, now).tokens < burst);
        if local.len() >= CLIENTS {
            local.clear();
        }
    }

    fn refilled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let back = now.saturating_duration_since(bucket.at).as_secs_f64() * self.rate.per_second;
        Bucket {
            tokens: (bucket.tokens + back).min(f64::from(self.rate.burst)),
            at: now,
        }
    }

    fn verdict(&self, allowed: bool, remaining: u32, wait: Duration) -> Verdict {
        Verdict {
            allowed,
            limit: self.rate.burst,
            remaining,
            wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again_at_its_rate() {
        let limiter = Limiter::new(Rate {
            burst: 2,
            per_second: 1.0,
        });
        let start = Instant::now();
        let take = |after: u64| limiter.take_locally("a", start + Duration::from_millis(after));
        assert!(take(0).allowed && take(0).allowed);
        let refused = take(100);
        assert!(!refused.allowed);
        assert!(refused.wait > Duration::from_millis(800), "{refused:?}");
        assert!(take(1200).allowed);
        assert!(
            limiter.take_locally("b", start).allowed,
            "another client has its own bucket"
        );
    }

    #[test]
    fn clients_that_are_counted_locally_are_bounded() {
        let limiter = Limiter::new(Rate {
            burst: 5,
            per_second: 0.001,
        });
        let now = Instant::now();
        for n in 0..CLIENTS + 5 {
            limiter.take_locally(&n.to_string(), now);
        }
        assert!(limiter.local.lock().expect("not poisoned").len() <= CLIENTS);
    }
}
