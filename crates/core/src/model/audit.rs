//! What `neargate audit` is told, in the checked model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The `[audit]` table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Accepted rules by id, each with its reason.
    pub accept: BTreeMap<String, String>,
}
