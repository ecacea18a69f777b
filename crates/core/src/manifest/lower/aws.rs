//! The `[aws]` table, and the rules of the web application firewall.

use crate::manifest::typed_table::TypedTable;
use crate::model::{
    Architecture, AwsSettings, ContainerInsights, EncryptionKey, EntryPoint, EnvironmentGrade,
    NatKind, NatSettings, WafSettings,
};

pub(super) fn aws(view: TypedTable<'_>) -> AwsSettings {
    AwsSettings {
        grade: chosen(view, "grade", &GRADES),
        entry: chosen(view, "entry", &ENTRIES),
        zones: view.whole("zones"),
        cidr: view.text("cidr"),
        nat: view.table("nat").map(|nat| NatSettings {
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

pub(super) fn waf(view: TypedTable<'_>) -> WafSettings {
    WafSettings {
        rate_limit: view.whole("rate-limit"),
        managed: view.texts("managed"),
    }
}

const GRADES: [(&str, EnvironmentGrade); 2] = [
    ("trial", EnvironmentGrade::Trial),
    ("production", EnvironmentGrade::Production),
];
const ENTRIES: [(&str, EntryPoint); 3] = [
    ("balancer", EntryPoint::Balancer),
    ("edge", EntryPoint::Edge),
    ("gateway", EntryPoint::Gateway),
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
const INSIGHTS: [(&str, ContainerInsights); 3] = [
    ("disabled", ContainerInsights::Disabled),
    ("enabled", ContainerInsights::Enabled),
    ("enhanced", ContainerInsights::Enhanced),
];
const KEYS: [(&str, EncryptionKey); 2] = [
    ("customer", EncryptionKey::Customer),
    ("aws", EncryptionKey::Aws),
];

fn chosen<T: Copy>(view: TypedTable<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    let text = view.text(key)?;
    let found = words.iter().find(|(word, _)| *word == text)?;
    Some(found.1)
}

fn days(view: TypedTable<'_>, key: &str) -> Option<u32> {
    let seconds = view.duration(key)?.as_secs();
    u32::try_from(seconds / 86_400).ok()
}
