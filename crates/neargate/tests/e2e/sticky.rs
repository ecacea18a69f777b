//! Sticky sessions while a release shifts traffic.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::app::{App, kill, wait_for};
use crate::load::{Load, request};
use crate::releases::outcome;

const STICKY: &str = r#"
app = "echo"

[service.api]
artifact = "echo"
command = ["echo"]
port = 3000
route = "/*"
drain = "5s"
sticky = "1h"
health = { path = "/healthz", interval = "5s", timeout = "2s", healthy = 2, unhealthy = 2 }
scale = { min = 2, max = 2 }

[service.api.release]
strategy = "canary"
steps = [10, 50, 100]
bake = "5s"
"#;

/// Requests a second of clients that keep no cookies: each is a new session.
const NEWCOMERS: u32 = 400;
/// Sessions that began before the release, and those that begin in it.
const OLD: usize = 12;
const YOUNG: usize = 40;
/// Between two requests of a session.
const PAUSE: Duration = Duration::from_millis(100);

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("this millennium")
}

/// Where a session went: when each revision began to serve it.
#[derive(Debug, Default)]
struct Trail {
    revisions: Vec<(u64, String)>,
    failures: Vec<String>,
}

struct Clients {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Trail>>,
}

impl Clients {
    fn of(app: &App) -> Self {
        Self {
            address: app.address,
            stop: Arc::default(),
            threads: Vec::new(),
        }
    }

    fn join(&mut self) {
        let (address, stop) = (self.address, self.stop.clone());
        let browse = move || browse(address, &stop);
        self.threads.push(std::thread::spawn(browse));
    }

    fn finish(self) -> Vec<Trail> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        threads
            .map(|thread| thread.join().expect("a client panicked"))
            .collect()
    }
}

/// A browser that keeps its cookies.
fn browse(address: SocketAddr, stop: &AtomicBool) -> Trail {
    let mut trail = Trail::default();
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let pairs: Vec<String> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        match request(address, "/", &pairs.join("; "), &mut connection) {
            Ok(answer) if answer.status == 200 => {
                let same = trail.revisions.last().map(|(_, last)| last) == Some(&answer.revision);
                if !same {
                    trail.revisions.push((now(), answer.revision));
                }
                for cookie in answer.set_cookies {
                    let pair = cookie.split(';').next().unwrap_or_default();
                    if let Some((name, value)) = pair.split_once('=') {
                        cookies.insert(name.to_owned(), value.to_owned());
                    }
                }
            }
            Ok(answer) => trail.failures.push(format!("status {}", answer.status)),
            Err(error) => {
                connection = None;
                trail.failures.push(error);
            }
        }
        std::thread::sleep(PAUSE);
    }
    trail
}

fn story(app: &App) -> Vec<(u64, String)> {
    let text = app.ok(&["releases", "api", "--json"]);
    let releases: Vec<Value> = serde_json::from_str(&text).expect("releases are JSON");
    let newest = releases.last().expect("a release");
    let moments = newest["story"].as_array().expect("a story").iter();
    let told = moments.map(|moment| {
        let text = moment["text"].as_str().unwrap_or_default();
        (moment["at"].as_u64().unwrap_or_default(), text.to_owned())
    });
    told.collect()
}

fn begun(step: u64, status: &Value) -> bool {
    status["services"][0]["release"]["step"] == step
}

#[test]
fn sticky_sessions_survive_a_shift() {
    let app = App::new(STICKY);
    app.up();
    let mut clients = Clients::of(&app);
    (0..OLD).for_each(|_| clients.join());
    let newcomers = Load::start(app.address, "/", NEWCOMERS);
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| {
            let setting = "service.api.env.COLOUR=green";
            app.run(&["deploy", "api", "--json", "--set", setting])
        });
        app.wait("the first step", |status| begun(1, status));
        (0..YOUNG).for_each(|_| clients.join());
        app.wait("the second step", |status| begun(2, status));
        (0..YOUNG).for_each(|_| clients.join());
        let output = deploy.join().expect("the deploy");
        assert_eq!(outcome(&output)["outcome"], "done");
    });
    let (tally, trails) = (newcomers.finish(), clients.finish());
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    let story = story(&app);
    let last = story
        .iter()
        .find(|(_, text)| text.contains("step 3: 100 %"));
    let old_goes = last.expect("the last step").0;
    let (mut moved, mut new) = (0, 0);
    for trail in &trails {
        assert_eq!(trail.failures, Vec::<String>::new());
        match trail.revisions.as_slice() {
            [(_, only)] if only == "2" => new += 1,
            [(_, first), (at, second)] if first == "1" && second == "2" => {
                assert!(*at >= old_goes, "moved {} ms too early", old_goes - at);
                moved += 1;
            }
            other => panic!("a session went {other:?}"),
        }
    }
    assert!(
        new >= 5,
        "half of the later sessions began on the new revision: {new}"
    );
    assert!(
        moved >= OLD,
        "the old sessions stayed until their revision went: {moved}"
    );
    // The split that was asked for is the one over new sessions: no step was held up.
    assert!(
        story
            .iter()
            .any(|(_, text)| text.contains("the router sent the new revision"))
            && !story
                .iter()
                .any(|(_, text)| text.contains("not its weight")),
        "{story:?}"
    );
}

#[test]
fn sticky_sessions_survive_an_engine_and_a_router() {
    let app = App::new(STICKY);
    app.up();
    let mut kept = None;
    let first = request(app.address, "/", "", &mut kept).expect("an answer");
    let cookies: Vec<String> = first
        .set_cookies
        .iter()
        .filter_map(|cookie| Some(cookie.split(';').next()?.to_owned()))
        .collect();
    assert_eq!(cookies.len(), 4, "{cookies:?}");
    let task = |cookies: &str| {
        let output = std::process::Command::new("curl")
            .args(["-fsS", "-H", &format!("Cookie: {cookies}")])
            .arg(format!("http://{}/", app.address))
            .output()
            .expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split(' ').nth(1).map(str::to_owned)
    };
    let cookies = cookies.join("; ");
    let home = task(&cookies).expect("a task");
    let status = app.status();
    for process in ["engine", "router"] {
        kill(status[process]["pid"].as_u64().expect("a pid"));
    }
    wait_for("an engine with a router", || {
        app.try_status()
            .filter(|status| status["router"]["pid"].as_u64().is_some())
    });
    wait_for("an answer", || task(&cookies));
    for _ in 0..6 {
        assert_eq!(task(&cookies).as_ref(), Some(&home));
    }
}
