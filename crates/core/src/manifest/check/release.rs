//! Release policies: strategy, percentages, breaker.

use super::CheckContext;
use crate::machine::strategy;
use crate::manifest::toml_tree::{TomlValue, find};
use crate::model::{Service, Strategy, Threshold};

pub(super) fn check(case: &mut CheckContext<'_>, name: &str) {
    let manifest = case.manifest;
    let service = &manifest.services[name];
    foreign_keys(case, service);
    steps(case, service);
    tenths(case, service);
    whole_minutes(case, service);
    let policy = &service.release;
    let path = |key| ["service", name, "release", key];
    if policy.minimum_percent == 100 && policy.maximum_percent == 100 {
        let message =
            "no task may stop and none may start: a release would wait for ever".to_owned();
        case.error(
            "deadlock",
            &path("maximum-percent"),
            message,
            "write a smaller minimum-percent or a greater maximum-percent; ECS refuses both at 100",
        );
    }
    if let Some(breaker) = policy.breaker
        && breaker.threshold != Threshold::Count
        && breaker.value > 100
    {
        let path = ["service", name, "release", "breaker", "value"];
        let message = format!("{} is more than 100 percent", breaker.value);
        case.error(
            "out-of-range",
            &path,
            message,
            "write 1 to 100, or threshold = \"count\"",
        );
    }
}

/// Keys of one strategy under another.
fn foreign_keys(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    if !case.sound(&["service", name, "release", "strategy"]) {
        return;
    }
    let strategy = strategy::name(&service.release.strategy);
    let owners: [(&str, &[&str]); 4] = [
        ("steps", &["canary"]),
        ("percent", &["linear"]),
        ("interval", &["linear"]),
        ("bake", &["canary", "linear", "blue-green"]),
    ];
    for (key, owners) in owners {
        let path = ["service", name, "release", key];
        if case.has(&path) && !owners.contains(&strategy) {
            let message = format!("a {strategy} release has no `{key}`");
            let help = format!(
                "`{key}` belongs to strategy = \"{}\"",
                owners.join("\" or \"")
            );
            case.error("contradiction", &path, message, help);
        }
    }
}

fn steps(case: &mut CheckContext<'_>, service: &Service) {
    let Strategy::Canary { steps, .. } = &service.release.strategy else {
        return;
    };
    let path = ["service", service.name.as_str(), "release", "steps"];
    if !whole_list(case, service.name.as_str(), steps) {
        return;
    }
    if let Some(i) = (1..steps.len()).find(|i| steps[*i] <= steps[*i - 1]) {
        let at = i.to_string();
        let path = [path[0], path[1], path[2], path[3], at.as_str()];
        let message = format!(
            "step {} is not more than {} before it",
            steps[i],
            steps[i - 1]
        );
        case.error(
            "wrong-steps",
            &path,
            message,
            "write rising percentages, 100 last",
        );
    }
    if let Some(last) = steps.last().filter(|last| **last < 100.0) {
        let message =
            format!("the last step is {last}, so the new revision would never get all traffic");
        case.error("wrong-steps", &path, message, "add 100 as the last step");
    }
}

/// Whether no step was found wrong, so that positions in the model are those in the file.
fn whole_list(case: &CheckContext<'_>, service: &str, steps: &[f64]) -> bool {
    let path = ["service", service, "release", "steps"];
    find(case.tree, &path).is_none_or(
        |node| matches!(&node.value, TomlValue::List(items) if items.len() == steps.len()),
    )
}

/// ECS takes percentages in tenths.
fn tenths(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let fine = |n: f64| ((n * 10.0) - (n * 10.0).round()).abs() < 1e-6;
    match &service.release.strategy {
        Strategy::Linear { percent, .. } if !fine(*percent) => {
            let path = ["service", name, "release", "percent"];
            case.error(
                "out-of-range",
                &path,
                format!("{percent} has more than one decimal"),
                "write tenths of a percent",
            );
        }
        Strategy::Canary { steps, .. } if whole_list(case, name, steps) => {
            for (i, step) in steps.iter().enumerate().filter(|(_, step)| !fine(**step)) {
                let i = i.to_string();
                let path = ["service", name, "release", "steps", i.as_str()];
                case.error(
                    "out-of-range",
                    &path,
                    format!("{step} has more than one decimal"),
                    "write tenths of a percent",
                );
            }
        }
        _ => {}
    }
}

/// ECS takes bake times in minutes.
fn whole_minutes(case: &mut CheckContext<'_>, service: &Service) {
    let (interval, bake) = match &service.release.strategy {
        Strategy::Rolling => return,
        Strategy::Linear { interval, bake, .. } => (Some(*interval), *bake),
        Strategy::Canary { bake, .. } | Strategy::BlueGreen { bake } => (None, *bake),
    };
    for (key, time) in [("interval", interval), ("bake", Some(bake))] {
        let Some(time) = time.filter(|time| time.as_millis() % 60_000 != 0) else {
            continue;
        };
        let path = ["service", service.name.as_str(), "release", key];
        let message = format!("{} is not whole minutes", crate::duration::format(time));
        let help = "ECS bakes for whole minutes: write for example \"1m\"";
        case.far_refuses(&path, message, help);
    }
}
