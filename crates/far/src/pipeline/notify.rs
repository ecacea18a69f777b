//! The job that tells the manifest's webhooks how a workflow ended.
//!
//! Invariant: a webhook's URL that is a secret comes from GitHub's secret of its name and is
//! seen by this job alone, never in a list of processes; texts reach `jq` as variables, so they stay texts. A webhook that
//! cannot be reached fails nothing.

use std::collections::BTreeMap;

use neargate_core::model::{NotificationEvent, Notify, WebhookAddress, WebhookFormat};

use super::PipelineApp;
use super::names::shouted;
use super::steps::RUNNER;
use super::yaml::{YamlNode, map, script, text, texts};

/// When webhooks are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotifyWhen {
    /// However it ended.
    Always,
    /// When something failed.
    Failure,
}

/// The job, when somebody wants to be told.
pub(super) fn job(
    app: &PipelineApp,
    what: &str,
    needs: &[String],
    when: NotifyWhen,
) -> Option<(String, YamlNode)> {
    let webhooks = webhooks(app, when);
    if webhooks.is_empty() {
        return None;
    }
    let steps = webhooks.values().map(|notify| step(app, what, notify));
    let only = match when {
        NotifyWhen::Always => "always()",
        NotifyWhen::Failure => "failure()",
    };
    let job = map([
        ("name", text("Notify")),
        ("if", text(only)),
        ("needs", texts(needs)),
        ("runs-on", text(RUNNER)),
        ("timeout-minutes", YamlNode::Number(5)),
        ("permissions", YamlNode::Map(Vec::new())),
        ("steps", YamlNode::List(steps.collect())),
    ]);
    Some(("notify".to_owned(), job))
}

/// The webhooks of all environments by name; the last environment's word counts.
fn webhooks(app: &PipelineApp, when: NotifyWhen) -> BTreeMap<&str, &Notify> {
    let all = app.environments.iter().flat_map(|m| m.notify.values());
    let wanted = all.filter(|notify| {
        let failed = notify.on.contains(&NotificationEvent::ReleaseFailed);
        failed
            || (when == NotifyWhen::Always
                && notify.on.contains(&NotificationEvent::ReleaseFinished))
    });
    wanted
        .map(|notify| (notify.name.as_str(), notify))
        .collect()
}

fn step(app: &PipelineApp, what: &str, notify: &Notify) -> YamlNode {
    let url = match &notify.to {
        WebhookAddress::Url(url) => url.clone(),
        WebhookAddress::Secret(_) => {
            format!(
                "${{{{ secrets.NEARGATE_NOTIFY_{} }}}}",
                shouted(&notify.name)
            )
        }
    };
    let title = format!("{} of {}", what, app.name());
    let env = map([
        ("URL", text(url)),
        ("TITLE", text(title)),
        ("APP", text(app.name())),
        ("RESULTS", text("${{ join(needs.*.result, ' ') }}")),
        (
            "LINK",
            text(
                "${{ github.server_url }}/${{ github.repository }}/actions/runs/${{ github.run_id }}",
            ),
        ),
    ]);
    let program = match notify.format {
        WebhookFormat::Json => JSON,
        WebhookFormat::Slack => SLACK,
        WebhookFormat::Teams => TEAMS,
    };
    let quiet = !notify.on.contains(&NotificationEvent::ReleaseFinished);
    map([
        ("name", text(format!("Tell {}", notify.name))),
        ("continue-on-error", YamlNode::Flag(true)),
        // There is no checkout, so no folder of the manifest.
        ("working-directory", text("/tmp")),
        ("env", env),
        ("run", script(post(program, quiet))),
    ])
}

/// `quiet`: only failures are told.
fn post(program: &str, quiet: bool) -> String {
    let success = if quiet { "exit 0" } else { "outcome=succeeded" };
    format!(
        "if [ -z \"$URL\" ]; then
  echo '::notice::the webhook has no URL: set the secret that this step reads'
  exit 0
fi
case \" $RESULTS \" in
  *' failure '*|*' cancelled '*) outcome=failed ;;
  *' success '*) {success} ;;
  *) exit 0 ;;
esac
jq -n --arg app \"$APP\" --arg text \"$TITLE $outcome\" --arg outcome \"$outcome\" --arg link \"$LINK\" \\
  '{program}' |
  curl --silent --show-error --fail --max-time 20 --retry 3 -H 'content-type: application/json' \\
    --data @- --config <(printf 'url = \"%s\"\\n' \"$URL\")
"
    )
}

const JSON: &str =
    "{version: 1, occasion: \"pipeline\", app: $app, outcome: $outcome, text: $text, link: $link}";
const SLACK: &str = "{text: ($text + \" \" + $link)}";
const TEAMS: &str = "{type: \"message\", attachments: [{contentType: \"application/vnd.microsoft.card.adaptive\", content: {type: \"AdaptiveCard\", version: \"1.4\", body: [{type: \"TextBlock\", text: $text, wrap: true}], actions: [{type: \"Action.OpenUrl\", title: \"The run\", url: $link}]}}]}";
