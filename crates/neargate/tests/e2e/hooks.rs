//! Jobs of a canary that fail: an HTTP check, a migration, a hook that hangs. The release goes
//! back, says why, and what serves is whole.

use serde_json::Value;

use crate::app::App;
use crate::basics::curl;
use crate::canary::{CANARY, at, deploy, failures_of_others, releases, story};
use crate::load::Tally;

/// The canary with other jobs: `hooks` is what `[service.api.release]` says of them.
fn with_hooks(hooks: &str, jobs: &str) -> App {
    let manifest = CANARY
        .replace("guard = [\"success\", \"slow\", \"memory\"]", "")
        .replace("smoke = [\"look\"]", hooks)
        .replace("[job.look]", "[job.unused]");
    let app = App::new(&(manifest + jobs));
    app.up();
    app
}

/// The environment that serves, but for what differs from task to task.
pub(crate) fn serving(app: &App) -> Vec<String> {
    let mut lines: Vec<String> = curl(app, "/env")
        .lines()
        .filter(|line| !line.starts_with("PORT=") && !line.starts_with("NEARGATE_TASK="))
        .filter(|line| !line.starts_with("PWD=") && !line.starts_with("TMPDIR="))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// Result of a release that went back: exit 1, revision 1 with all that it had, no request of it
/// failed.
pub(crate) fn went_back(
    app: &App,
    before: &[String],
    (last, tally, code): &(Value, Tally, Option<i32>),
) {
    assert_eq!(*code, Some(1), "{last}");
    assert_eq!(last["outcome"], "rolled-back", "{last}");
    assert_eq!(failures_of_others(tally, 2), 0, "{:?}", tally.failed);
    let service = app.service("api");
    assert_eq!(service["stable_revision"], 1);
    assert_eq!(service["healthy"], 2);
    assert_eq!(serving(app), before, "env and secrets as before");
}

fn reason(last: &Value) -> &str {
    last["reason"].as_str().unwrap_or_default()
}

const ASK: &str = r#"
[job.ask]
service = "api"
http = { path = "/ready", status = "200-299", timeout = "2s", attempts = 3, headers = { X-Asked-By = "neargate" } }
timeout = "20s"
"#;

#[test]
fn an_http_check_asks_the_new_revision_alone_and_its_answer_is_kept() {
    let app = with_hooks("smoke = [\"ask\"]\nafter = [\"ask\"]", ASK);
    let fault = "service.api.env.ECHO_FAULT=late-ready";
    let (last, tally, code) = deploy(&app, &[fault]);
    assert_eq!(code, Some(0), "{last}");
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    at(&story(&app), "job ask succeeded");
    let log = app.ok(&["logs", "api", "--json"]);
    for told in [
        "status 503, \\\"warming up\\\"",
        "status 200, \\\"ready\\\"",
    ] {
        assert!(log.contains(told), "{told} in {log}");
    }
    let asked_of = |line: &&str| line.contains("job.api.ask.2.");
    for line in log.lines().filter(asked_of) {
        assert!(line.contains("GET /ready of revision 2: status"), "{line}");
    }
}

#[test]
fn an_http_check_that_is_not_answered_as_asked_goes_back_before_any_traffic() {
    let app = with_hooks("smoke = [\"ask\"]", ASK);
    let before = serving(&app);
    let ended = deploy(&app, &["service.api.env.ECHO_FAULT=unready"]);
    went_back(&app, &before, &ended);
    let (last, tally, _) = &ended;
    assert_eq!(
        reason(last),
        "job `ask` failed before any traffic: GET /ready: status 503, \"the cache is cold\"; \
         wanted 200-299 (attempt 3 of 3)"
    );
    assert_eq!(tally.by_revision.keys().collect::<Vec<_>>(), ["1"]);
    assert!(last["evidence"].to_string().contains("the cache is cold"));
}

#[test]
fn a_failed_migration_stops_a_canary_before_its_revision_serves_anything() {
    let app = with_hooks(
        "before = [\"migrate\"]",
        "\n[job.migrate]\nservice = \"api\"\n\
         command = [\"sh\", \"-c\", \"echo adding a column; test \\\"$COLOUR\\\" = blue || { echo column exists >&2; exit 4; }\"]\n",
    );
    let before = serving(&app);
    let ended = deploy(&app, &["service.api.env.COLOUR=green"]);
    went_back(&app, &before, &ended);
    let (last, tally, _) = &ended;
    assert_eq!(
        reason(last),
        "job `migrate` failed before any new task was started: exit code 4"
    );
    assert!(last["evidence"].to_string().contains("column exists"));
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    assert_eq!(tally.by_revision.keys().collect::<Vec<_>>(), ["1"]);
    let newest = releases(&app).pop().expect("a release");
    assert!(!newest["story"].to_string().contains("api-r2-"), "{newest}");
}

#[test]
fn a_hook_that_hangs_ends_at_its_timeout_and_the_release_goes_back() {
    let app = with_hooks(
        "smoke = [\"hang\"]",
        "\n[job.hang]\nservice = \"api\"\n\
         command = [\"sh\", \"-c\", \"test $COLOUR = blue || exec sleep 600\"]\ntimeout = \"2s\"\n",
    );
    let before = serving(&app);
    let ended = deploy(&app, &["service.api.env.COLOUR=green"]);
    went_back(&app, &before, &ended);
    let (last, tally, _) = &ended;
    assert_eq!(
        reason(last),
        "job `hang` failed before any traffic: it took longer than its timeout"
    );
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    let story = story(&app);
    let hung = at(&story, "job hang failed") - at(&story, "job hang runs");
    assert!((2_000..4_000).contains(&hung), "{hung} ms");
}
