//! Release policies.

use std::time::Duration;

use crate::manifest::toml_tree::TomlTable;
use crate::manifest::typed_table::TypedTable;
use crate::model::{Breaker, LowTraffic, ReleasePolicy, Strategy, Threshold};

pub(super) fn release(service: TypedTable<'_>) -> ReleasePolicy {
    let empty = TomlTable::new();
    let view = service.table("release").unwrap_or(TypedTable(&empty));
    ReleasePolicy {
        strategy: strategy(view),
        minimum_percent: view.whole("minimum-percent").unwrap_or_default(),
        maximum_percent: view.whole("maximum-percent").unwrap_or_default(),
        guard: view.texts_or_none("guard"),
        low_traffic: match view.text("low-traffic").as_deref() {
            Some("go") => LowTraffic::Go,
            Some("back") => LowTraffic::Back,
            _ => LowTraffic::Hold,
        },
        before: view.texts_or_none("before"),
        smoke: view.texts_or_none("smoke"),
        after: view.texts_or_none("after"),
        on_rollback: view.texts_or_none("on-rollback"),
        approve: view.flag("approve").unwrap_or_default(),
        breaker: view.table("breaker").and_then(breaker),
    }
}

fn strategy(view: TypedTable<'_>) -> Strategy {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    match view.text("strategy").as_deref() {
        Some("linear") => Strategy::Linear {
            percent: view.number("percent").unwrap_or(10.0),
            interval: view.duration("interval").unwrap_or(minutes(6)),
            bake: view.duration_or_zero("bake"),
        },
        Some("canary") => Strategy::Canary {
            steps: view.numbers("steps").unwrap_or_else(|| vec![5.0, 100.0]),
            bake: view.duration("bake").unwrap_or(minutes(10)),
        },
        Some("blue-green") => Strategy::BlueGreen {
            bake: view.duration_or_zero("bake"),
        },
        _ => Strategy::Rolling,
    }
}

fn breaker(view: TypedTable<'_>) -> Option<Breaker> {
    view.flag("enabled").unwrap_or_default().then(|| Breaker {
        threshold: match view.text("threshold").as_deref() {
            Some("unbounded-percent") => Threshold::UnboundedPercent,
            Some("count") => Threshold::Count,
            _ => Threshold::BoundedPercent,
        },
        value: view.whole("value").unwrap_or_default(),
        reset_on_healthy: view.flag("reset-on-healthy").unwrap_or_default(),
        rollback: view.flag("rollback").unwrap_or_default(),
    })
}
