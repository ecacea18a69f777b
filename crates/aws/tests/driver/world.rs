//! One moto server for all tests, an app of its own for each.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use neargate_aws::api::Endpoint;
use neargate_aws::environment::{Driver, ReleaseOperator};
use neargate_aws::error::DriverError;
use neargate_aws::record::LEASE;
use neargate_core::manifest::{ManifestSource, load};
use neargate_core::model::{Manifest, Strategy};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "../moto/server.rs"]
mod server;

use server::Moto;

static SERVER: OnceLock<Option<Moto>> = OnceLock::new();

/// An app on moto's AWS, as Terraform would have left it.
pub(crate) struct World {
    pub app: String,
    moto: &'static Moto,
    pub told: Rc<RefCell<Vec<String>>>,
    pub folder: TempDir,
    /// ARNs: `rule`, `blue`, `green`.
    pub made: Value,
    /// `uses` of the service.
    pub uses: &'static str,
    /// More of the manifest.
    pub more: &'static str,
}

/// `None`: there is no moto here.
pub(crate) fn world(app: &str) -> Option<World> {
    let moto = SERVER.get_or_init(Moto::start).as_ref()?;
    let made = moto.control("world", &json!({ "app": app }));
    Some(World {
        app: app.to_owned(),
        moto,
        told: Rc::default(),
        folder: tempfile::tempdir().expect("a folder"),
        made,
        uses: "",
        more: "",
    })
}

impl World {
    pub(crate) fn control(&self, name: &str, body: &Value) -> Value {
        self.moto.control(name, body)
    }

    /// ECS calls of this app so far, by name.
    pub(crate) fn calls(&self, action: &str) -> usize {
        let all = self.control("calls", &json!({ "holds": self.app }));
        let all = all.as_array().cloned().unwrap_or_default();
        let own = |call: &&Value| call.as_str().is_some_and(|it| it.starts_with(action));
        all.iter().filter(own).count()
    }

    /// Bodies of the ECS calls of this app by that name, oldest first.
    pub(crate) fn bodies(&self, action: &str) -> Vec<Value> {
        let all = self.control("calls", &json!({ "holds": self.app }));
        let all = all.as_array().cloned().unwrap_or_default();
        let body = |call: &Value| {
            let text = call.as_str()?.strip_prefix(action)?;
            serde_json::from_str(text.trim()).ok()
        };
        all.iter().filter_map(body).collect()
    }

    /// Writes to a bucket so far: method and path, in order.
    pub(crate) fn writes(&self, bucket: &str) -> Vec<String> {
        let all = self.control("calls", &json!({ "holds": format!("PUT /{bucket}/") }));
        let all = all.as_array().cloned().unwrap_or_default();
        let line = |call: &Value| call.as_str().unwrap_or_default().trim().to_owned();
        all.iter().map(line).collect()
    }

    pub(crate) fn alarm(&self, state: &str) {
        let name = format!("{}-success-rate", self.app);
        let body = json!({ "name": name, "state": state, "reason": "5 of 100 failed" });
        self.control("alarm", &body);
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            url: Some(self.moto.endpoint()),
            keys: Some(("test".to_owned(), "test".to_owned())),
        }
    }

    /// A client of its own name.
    pub(crate) async fn client(&self, holder: &str, release: &str) -> Driver {
        self.try_client(holder, release).await.expect("it opens")
    }

    pub(crate) async fn try_client(
        &self,
        holder: &str,
        release: &str,
    ) -> Result<Driver, DriverError> {
        self.leased(holder, release, LEASE).await
    }

    /// A client that is taken to be lost so long after its last write.
    pub(crate) async fn leased(
        &self,
        holder: &str,
        release: &str,
        lease: Duration,
    ) -> Result<Driver, DriverError> {
        let asker = ReleaseOperator {
            user: "ann".to_owned(),
            holder: holder.to_owned(),
            git: Some("abc123".to_owned()),
            overrides: Vec::new(),
            folder: self.folder.path().to_owned(),
            pace: Duration::from_millis(10),
            lease,
        };
        let told = Rc::clone(&self.told);
        let tell = Box::new(move |_: &str, text: &str| told.borrow_mut().push(text.to_owned()));
        Driver::open(self.manifest(release), &self.endpoint(), asker, tell).await
    }

    fn manifest(&self, release: &str) -> Manifest {
        let text = format!(
            r#"
app = "{}"

[service.api]
command = ["notes", "serve"]
port = 3000
route = "/api/*"
health = "/healthz"
uses = [{}]
env = {{ LOG = "info" }}
scale = {{ min = 2, max = 4 }}
release = {{ {release} }}

[job.migrate]
service = "api"
command = ["notes", "migrate"]

[job.undo]
service = "api"
command = ["notes", "undo"]

[alarm.success-rate]
metric = "success_rate"
service = "api"
below = 99.5
period = "10s"

[service.web]
static = {{ root = "front", cache = {{ "/assets/*" = "public, max-age=31536000, immutable" }} }}
route = "/*"
{}

[env.prod]
target = "aws"
region = "eu-central-1"
"#,
            self.app, self.uses, self.more
        );
        let source = ManifestSource {
            name: "neargate.toml".to_owned(),
            text,
        };
        match load(&source, "prod", &[]) {
            Ok(loaded) => hurried(loaded.manifest),
            Err(problems) => panic!("{}", problems.render(false)),
        }
    }

    pub(crate) fn heard(&self, text: &str) -> bool {
        self.told.borrow().iter().any(|line| line.contains(text))
    }
}

/// Runs a test's future.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test);
}

/// CloudWatch's shortest period is 10 s, ECS's shortest bake a minute; a step of a test need not be that long.
fn hurried(mut manifest: Manifest) -> Manifest {
    for alarm in manifest.alarms.values_mut() {
        alarm.period = Duration::from_millis(100);
    }
    for service in manifest.services.values_mut() {
        if let Strategy::Canary { bake, .. } = &mut service.release.strategy
            && *bake == Duration::from_secs(60)
        {
            *bake = Duration::from_millis(100);
        }
    }
    manifest
}

/// Both futures, side by side.
pub(crate) async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut first, mut second) = (None, None);
    poll_fn(move |context| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// The first future until the second ends; then it is dropped where it is.
pub(crate) async fn until<A: std::fmt::Debug>(
    a: impl Future<Output = A>,
    b: impl Future<Output = ()>,
) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    poll_fn(move |context| {
        if let Poll::Ready(value) = a.as_mut().poll(context) {
            panic!("it ended first: {value:?}");
        }
        b.as_mut().poll(context)
    })
    .await;
}
