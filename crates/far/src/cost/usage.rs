//! How much an environment is used: what no manifest says and every bill depends on.
//!
//! Invariant: every assumption is a number here, and the report says which hold.

use std::collections::BTreeMap;

use neargate_core::model::EnvironmentGrade;
use serde::Serialize;

/// Whether what AWS gives every account for free is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FreeTier {
    /// Yes: the account has this environment alone.
    Counted,
    /// No: others use them up.
    UsedUp,
}

/// Use in one month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// Requests of users, millions.
    pub millions: f64,
    /// GB to users.
    pub traffic_gb: f64,
    /// GB of logs taken in, of all groups together: services, flows, database, web ACL, gateway.
    pub logs_gb: f64,
    /// GB of services to the internet and to AWS itself, by NAT or endpoints.
    pub outgoing_gb: f64,
    /// Capacity units of the load balancer over the whole month; `None`: from requests and traffic.
    pub lcus: Option<f64>,
    /// Tasks of a service over the whole month; its fewest when it is not here.
    pub tasks: BTreeMap<String, f64>,
    /// The account's free share.
    pub allowances: FreeTier,
}

impl Usage {
    /// Usage that is assumed when nobody says: of a trial that a few people look at, or of a small
    /// production.
    #[must_use]
    pub fn of(grade: EnvironmentGrade) -> Self {
        let (millions, traffic_gb, logs_gb, outgoing_gb) = match grade {
            EnvironmentGrade::Trial => (0.1, 2.0, 1.0, 2.0),
            EnvironmentGrade::Production => (3.0, 50.0, 5.0, 20.0),
        };
        Self {
            millions,
            traffic_gb,
            logs_gb,
            outgoing_gb,
            lcus: None,
            tasks: BTreeMap::new(),
            allowances: FreeTier::Counted,
        }
    }

    /// The rest of `used` that is paid when `free` of it is the account's.
    #[must_use]
    pub fn beyond(&self, used: f64, free: f64) -> f64 {
        match self.allowances {
            FreeTier::Counted => (used - free).max(0.0),
            FreeTier::UsedUp => used,
        }
    }

    /// The assumptions, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let balancer = match self.lcus {
            Some(units) => format!(", {units} capacity units of the load balancer"),
            None => String::new(),
        };
        let free = match self.allowances {
            FreeTier::Counted => "the account's free allowances are deducted",
            FreeTier::UsedUp => "other environments use up the account's free allowances",
        };
        format!(
            "{} million requests, {} GB to users, {} GB out of services, {} GB of logs{balancer}, \
             each service at its minimum of tasks unless set; {free}",
            self.millions, self.traffic_gb, self.outgoing_gb, self.logs_gb
        )
    }
}
