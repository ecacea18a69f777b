//! The design's own example, which must always be right.

/// The example manifest of the design.
pub(crate) const EXAMPLE: &str = r#"
app = "notes"
requires = ">=0.1"

[service.api]
build    = "cargo build --release -p notes"
artifact = "target/release/notes"
command  = ["notes", "serve"]
port     = 3000
route    = "/api/*"
size     = { cpu = 256, memory = 512 }
health   = { path = "/healthz", interval = "30s", timeout = "5s", healthy = 2, unhealthy = 3, matcher = "200", grace = "10s" }
uses     = ["database.main", "cache.main", "secret.session"]
env      = { LOG = "info" }
drain    = "30s"

[service.api.scale]
min = 1
max = 4
cpu = 70

[service.api.release]
strategy = "canary"
steps    = [10, 20, 50, 70, 100]
bake     = "1m"
guard    = ["success-rate"]
before   = ["migrate"]
smoke    = ["smoke-test"]
approve  = false
breaker  = true

[service.web]
static = "frontend"
route  = "/*"

[job.migrate]
service = "api"
command = ["notes", "migrate"]

[job.smoke-test]
service = "api"
command = ["notes", "smoke"]

[database.main]
engine = "postgres"
version = "16"
backup = { retention = "7d", window = "03:00-04:00" }

[cache.main]
engine = "redis"
eviction = "allkeys-lru"

[secret.session]
generate = "base64:32"
rotate = "30d"

[alarm.success-rate]
metric = "success_rate"
service = "api"
below = 99.5
period = "1m"
datapoints = "2/2"
missing = "not-breaching"

[slo.availability]
service = "api"
objective = 99.9

[env.prod]
target = "aws"
region = "eu-central-1"
service.api.scale = { min = 2, max = 10, cpu = 70 }
database.main = { multi-az = true, size = "db.t4g.small" }
"#;
