//! Who hears of trouble.

use neargate_core::model::{ContainerInsights, Manifest, NotificationEvent};

use super::super::{KeyEdit, Pillar, PostureRule, RuleCheck, RuleHit, quoted, write};
use super::{HIGH, LOW, MEDIUM};
use crate::stack::Stack;

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "alarms-unheard",
        pillar: Pillar::Alarms,
        weights: [HIGH, LOW, None],
        why: "Users tell you of an outage before the alarms do.",
        change: "aws.emails = [\"NAME@HOST\"]",
        find: RuleCheck::Far(unheard),
    },
    PostureRule {
        id: "near-alarms-unheard",
        pillar: Pillar::Alarms,
        weights: [None, None, LOW],
        why: "An alarm that nobody looks at changes nothing.",
        change: "notify.NAME = { url = \"URL\", on = [\"alarm\", …] }",
        find: RuleCheck::Anywhere(near_unheard),
    },
    PostureRule {
        id: "no-alarms",
        pillar: Pillar::Alarms,
        weights: [MEDIUM, LOW, None],
        why: "Users are the first to notice that a service fails or is full.",
        change: "alarm.NAME-errors = { metric = \"errors\", service = \"NAME\", above = 10 }",
        find: RuleCheck::Far(no_alarms),
    },
    PostureRule {
        id: "no-insights",
        pillar: Pillar::Alarms,
        weights: [LOW, None, None],
        why: "After an incident there is no record of which tasks ran, restarted or were full.",
        change: "aws.insights = \"enabled\"",
        find: RuleCheck::Far(no_insights),
    },
];

/// The objectives' alarms are sent to the same people.
fn unheard(manifest: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let loud = stack.alarms.iter().filter(|alarm| alarm.notify).count();
    let watched = loud + stack.slos.len() + usize::from(stack.budget.is_some());
    if watched == 0 || !stack.emails.is_empty() {
        return Vec::new();
    }
    let what = format!("{watched} alarms, objectives and budgets notify nobody.");
    let address = quoted(&format!("{}@example.com", manifest.app));
    let edits = vec![write("aws.emails", format!("[{address}]"))];
    vec![RuleHit::new("aws.emails", what, edits)]
}

fn near_unheard(manifest: &Manifest) -> Vec<RuleHit> {
    let mut all = manifest.notify.values();
    if manifest.alarms.is_empty() || all.any(|to| to.on.contains(&NotificationEvent::Alarm)) {
        return Vec::new();
    }
    let count = manifest.alarms.len();
    let what = format!("No webhook receives the alarms ({count}).");
    let value = "{ url = \"https://hooks.example.com/services/T0/B0/x\", on = [\"alarm\"] }";
    let edits = vec![write("notify.alarms", value)];
    vec![RuleHit::new("notify", what, edits)]
}

fn no_alarms(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.services.is_empty() || !stack.alarms.is_empty() {
        return Vec::new();
    }
    let services = stack.services.iter();
    let edits = services.map(|service| alarm(&service.name, !service.routes.is_empty()));
    let what = "No alarm watches anything.";
    vec![RuleHit::new("alarm", what, edits.collect())]
}

/// An alarm on what users meet, or on a worker's processor.
fn alarm(service: &str, routed: bool) -> KeyEdit {
    let (name, metric, above) = match routed {
        true => ("errors", "errors", 10),
        false => ("cpu", "cpu", 80),
    };
    let path = format!("alarm.{}", alarm_name(service, name));
    let value = format!(
        "{{ metric = \"{metric}\", service = \"{service}\", above = {above}, missing = \"not-breaching\" }}"
    );
    write(path, value)
}

/// At most 32 characters, as names have.
pub(super) fn alarm_name(service: &str, what: &str) -> String {
    let room = 31 - what.len();
    let short: String = service.chars().take(room).collect();
    format!("{}-{what}", short.trim_end_matches('-'))
}

fn no_insights(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.cluster.insights != ContainerInsights::Disabled {
        return Vec::new();
    }
    let what = "Container Insights is off.";
    let edits = vec![write("aws.insights", "\"enabled\"")];
    vec![RuleHit::new("aws.insights", what, edits)]
}
