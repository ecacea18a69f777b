//! Lines of an estimate and their sums.
//!
//! Invariant: each line is rounded to whole cents, and every sum is of rounded lines, so that what
//! is shown adds up.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Serialize, Serializer};

/// US cents; written as dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cents(pub i64);

impl Cents {
    /// The nearest cent of so many dollars, halves away from zero.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // A month's price is far below i64's end.
    pub fn of(dollars: f64) -> Self {
        // Half a cent may be a little less than half in binary.
        Self((dollars * 100.0 + 1e-7).round() as i64)
    }

    /// The amount in US dollars.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // A month's price is far below 2^53 cents.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", cents / 100, cents % 100))
    }
}

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.dollars())
    }
}

impl Add for Cents {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Cents {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), Add::add)
    }
}

/// Parts of a bill, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BillSection {
    /// Tasks on Fargate and their images.
    Tasks,
    /// Load balancer, gateway, CloudFront, web ACL.
    Front,
    /// The way out, endpoints, addresses.
    Network,
    /// Databases of the manifest: instances, storage and backups.
    Databases,
    /// Caches of the manifest: nodes and snapshots.
    Caches,
    /// Secrets and keys.
    Secrets,
    /// Logs, metrics, alarms, dashboard.
    Watching,
}

impl BillSection {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Tasks,
        Self::Front,
        Self::Network,
        Self::Databases,
        Self::Caches,
        Self::Secrets,
        Self::Watching,
    ];

    /// The word for it in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Front => "front",
            Self::Network => "network",
            Self::Databases => "databases",
            Self::Caches => "caches",
            Self::Secrets => "secrets",
            Self::Watching => "watching",
        }
    }
}

/// Whether a line depends on how much is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostBasis {
    /// It is paid because it is there.
    Standing,
    /// It is paid by use, which is assumed.
    Use,
}

/// One thing that is paid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineItem {
    /// Where it belongs.
    pub part: BillSection,
    /// Whose it is, such as `service.api`; with `item` unique in an estimate.
    pub subject: String,
    /// The thing that is paid for, such as `storage`.
    pub item: &'static str,
    /// How much of it, in words.
    pub detail: String,
    /// Standing or by use.
    pub basis: CostBasis,
    /// US dollars a month.
    pub monthly: Cents,
}

/// The cost of an environment in a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    pub env: String,
    /// Where it runs; the prices are those of [`super::prices::REGION`].
    pub region: String,
    /// Lines of the bill, by part.
    pub lines: Vec<LineItem>,
    /// Things that have no price here, one sentence each; the sum is without them.
    pub unpriced: Vec<String>,
}

impl Estimate {
    /// Sum of all lines, a month.
    #[must_use]
    pub fn total(&self) -> Cents {
        self.lines.iter().map(|line| line.monthly).sum()
    }

    /// Sum of one section's lines, a month.
    #[must_use]
    pub fn of(&self, part: BillSection) -> Cents {
        let lines = self.lines.iter().filter(|line| line.part == part);
        lines.map(|line| line.monthly).sum()
    }

    /// Cents a month that are paid although nobody comes.
    #[must_use]
    pub fn fixed_total(&self) -> Cents {
        let standing = self.lines.iter().filter(|l| l.basis == CostBasis::Standing);
        standing.map(|line| line.monthly).sum()
    }
}

/// Gathers the lines of an estimate, and sentences about what has no price.
#[derive(Debug, Default)]
pub(super) struct BillBuilder {
    pub(super) lines: Vec<LineItem>,
    pub(super) unpriced: Vec<String>,
}

impl BillBuilder {
    /// Adds a line that is paid all month.
    pub(super) fn add_fixed(
        &mut self,
        at: (BillSection, &str, &'static str),
        how: String,
        dollars: f64,
    ) {
        self.line(at, how, CostBasis::Standing, dollars);
    }

    /// Adds a line that is paid by use.
    pub(super) fn used(
        &mut self,
        at: (BillSection, &str, &'static str),
        how: String,
        dollars: f64,
    ) {
        self.line(at, how, CostBasis::Use, dollars);
    }

    fn line(
        &mut self,
        at: (BillSection, &str, &'static str),
        how: String,
        basis: CostBasis,
        dollars: f64,
    ) {
        let (part, subject, item) = at;
        let monthly = Cents::of(dollars);
        if monthly == Cents(0) {
            return;
        }
        self.lines.push(LineItem {
            part,
            subject: subject.to_owned(),
            item,
            detail: how,
            basis,
            monthly,
        });
    }
}
