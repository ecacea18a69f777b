//! The output `monthly_estimate` in a plan: what was applied last, and what the plan would make it.
//!
//! Invariant: both figures are the estimate of `cost`, one kept in the state and one in the files.
//! Refuses to compare with a figure that is not there. Source: JSON Output Format of Terraform,
//! `output_changes`.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::cost::Cents;

/// The name of the output.
pub const OUTPUT: &str = "monthly_estimate";

/// Cost of a month, US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MonthlyBill {
    /// As applied; `None`: nothing was, or by a version without estimates.
    pub before: Option<Cents>,
    /// As planned; `None`: everything goes.
    pub after: Option<Cents>,
}

impl MonthlyBill {
    /// Reads a plan; `None` when it has no estimate.
    pub(super) fn of(plan: &Value) -> Option<Self> {
        let change = &plan["output_changes"][OUTPUT];
        let cents = |key: &str| change[key].as_f64().map(Cents::of);
        let bill = Self {
            before: cents("before"),
            after: cents("after"),
        };
        (bill.before.is_some() || bill.after.is_some()).then_some(bill)
    }

    /// Whether the plan makes a difference to it.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.before != self.after
    }
}

impl fmt::Display for MonthlyBill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.unwrap_or_default();
        match self.before {
            None => write!(f, "monthly estimate ${after}"),
            Some(before) if before == after => write!(f, "monthly estimate ${after}, as before"),
            Some(before) => {
                let sign = if after > before { '+' } else { '-' };
                let by = Cents((after.0 - before.0).abs());
                write!(f, "monthly estimate ${before} → ${after} ({sign}${by})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MonthlyBill, OUTPUT};
    use serde_json::{Value, json};

    #[test]
    fn an_estimate_is_compared_with_what_was_applied() {
        let rows = [
            (
                json!(54.84),
                json!(60.1),
                Some("monthly estimate $54.84 → $60.10 (+$5.26)"),
            ),
            (
                json!(60.1),
                json!(54.84),
                Some("monthly estimate $60.10 → $54.84 (-$5.26)"),
            ),
            (
                json!(54.84),
                json!(54.84),
                Some("monthly estimate $54.84, as before"),
            ),
            (Value::Null, json!(7), Some("monthly estimate $7.00")),
            (
                json!(54.84),
                Value::Null,
                Some("monthly estimate $54.84 → $0.00 (-$54.84)"),
            ),
            (Value::Null, Value::Null, None),
        ];
        for (before, after, words) in rows {
            let change = json!({ "actions": ["update"], "before": before, "after": after });
            let bill = MonthlyBill::of(&json!({ "output_changes": { OUTPUT: change } }));
            assert_eq!(bill.map(|bill| bill.to_string()).as_deref(), words);
        }
    }
}
