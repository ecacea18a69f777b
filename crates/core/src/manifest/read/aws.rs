//! The `[aws]` table, and the rules of the web application firewall.

use crate::manifest::model::{Architecture, Aws, Entry, Grade, Insights, Key, Nat, NatKind, Waf};
use crate::manifest::view::View;

pub(super) fn aws(view: View<'_>) -> Aws {
    Aws {
        grade: chosen(view, "grade", &GRADES),
        entry: chosen(view, "entry", &ENTRIES),
        zones: view.whole("zones"),
        cidr: view.text("cidr"),
        nat: view.table("nat").map(|nat| Nat {
            kind: chosen(nat, "kind", &NATS).unwrap_or(NatKind::Gateway),
            per_zone: nat.flag("per-zone"),
        }),
        endpoints: view.texts("endpoints"),
        architecture: chosen(view, "architecture", &ARCHITECTURES).unwrap_or_default(),
        spot: view.whole("spot"),
        hosted_zone: view.text("hosted-zone"),
        budget: view.whole("budget"),
        emails: view.texts_or_none("emails"),
        log_days: days(view, "logs"),
        trail_days: days(view, "trail"),
        insights: chosen(view, "insights", &INSIGHTS),
        key: chosen(view, "key", &KEYS),
        exec: view.flag("exec").unwrap_or(false),
        state_bucket: view.text("state-bucket"),
    }
}

pub(super) fn waf(view: View<'_>) -> Waf {
    Waf {
        rate_limit: view.whole("rate-limit"),
        managed: view.texts("managed"),
    }
}

const GRADES: [(&str, Grade); 2] = [("trial", Grade::Trial), ("production", Grade::Production)];
const ENTRIES: [(&str, Entry); 3] = [
    ("balancer", Entry::Balancer),
    ("edge", Entry::Edge),
    ("gateway", Entry::Gateway),
];
const NATS: [(&str, NatKind); 3] = [
    ("gateway", NatKind::Gateway),
    ("instance", NatKind::Instance),
    ("none", NatKind::None),
];
const ARCHITECTURES: [(&str, Architecture); 2] = [
    ("arm64", Architecture::Arm64),
    ("x86-64", Architecture::X86_64),
];
const INSIGHTS: [(&str, Insights); 3] = [
    ("disabled", Insights::Disabled),
    ("enabled", Insights::Enabled),
    ("enhanced", Insights::Enhanced),
];
const KEYS: [(&str, Key); 2] = [("customer", Key::Customer), ("aws", Key::Aws)];

fn chosen<T: Copy>(view: View<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    let text = view.text(key)?;
    let found = words.iter().find(|(word, _)| *word == text)?;
    Some(found.1)
}

fn days(view: View<'_>, key: &str) -> Option<u32> {
    let seconds = view.duration(key)?.as_secs();
    u32::try_from(seconds / 86_400).ok()
}
