//! Notifications: one receiver each, and only services and secrets that there are.

use super::{CheckContext, references};
use crate::model::WebhookAddress;

pub(super) fn check(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    for (name, notify) in &manifest.notify {
        receiver(case, name);
        if let WebhookAddress::Secret(secret) = &notify.to {
            let path = ["notify", name.as_str(), "secret"];
            references::require_known(case, &path, "secret", secret);
            let generated = manifest.secrets.get(secret);
            if generated.is_some_and(|found| found.generate.is_some()) {
                let message = format!("`secret.{secret}` is generated, so it is no URL");
                let help =
                    format!("remove its `generate`, and set it by `neargate secret set {secret}`");
                case.error("contradiction", &path, message, help);
            }
        }
        for (i, service) in case.items(&["notify", name, "services"]) {
            let path = ["notify", name, "services", &i];
            references::require_known(case, &path, "service", &service);
        }
    }
}

/// Exactly one of `url` and `secret`.
fn receiver(case: &mut CheckContext<'_>, name: &str) {
    let url = case.has(&["notify", name, "url"]);
    let secret = case.has(&["notify", name, "secret"]);
    match (url, secret) {
        (true, true) => {
            let message = format!("`notify.{name}` has url and secret");
            let help = "keep one of them";
            case.error("contradiction", &["notify", name, "secret"], message, help);
        }
        (false, false) => {
            let message = format!("`notify.{name}` does not say where to post");
            let help = "add `secret`, the name of a secret whose value is the URL, or `url`";
            case.error("missing-key", &["notify", name], message, help);
        }
        _ => {}
    }
}
