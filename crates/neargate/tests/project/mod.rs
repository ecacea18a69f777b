//! A folder with a manifest for AWS, and what a command said in it.

use std::fs;
use std::process::Output;

use tempfile::TempDir;

/// A service with a database, in a trial and in production.
pub(crate) const MANIFEST: &str = r#"
app = "notes"
[service.api]
command = ["notes", "serve"]
artifact = "notes"
port = 3000
route = "/*"
uses = ["database.main"]
health = { path = "/healthz", grace = "30s" }
[database.main]
engine = "postgres"
[env.dev]
target = "aws"
region = "eu-central-1"
[env.prod]
target = "aws"
region = "eu-central-1"
database.main.protect = true
"#;

/// A folder with it.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("neargate.toml"), MANIFEST).expect("the manifest");
    folder
}

/// Exit code, standard output, standard error.
pub(crate) fn exit_and_output(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().expect("an exit code");
    (code, text(&output.stdout), text(&output.stderr))
}
