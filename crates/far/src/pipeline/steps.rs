//! Steps that several workflows share, and the actions that they use.
//!
//! Invariant: every action is pinned to the commit of a release, looked up in its repository;
//! the comment says which release. No step leaves a credential in the checkout.

use neargate_core::model::Manifest;

use super::PipelineApp;
use super::names;
use super::yaml::{YamlNode, map, script, text};

/// Checks out the repository. Source: <https://github.com/actions/checkout>.
const CHECKOUT: YamlNode = YamlNode::Action(
    "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
    "v7.0.1",
);
/// Keeps files for later jobs of the workflow. Source: <https://github.com/actions/upload-artifact>.
pub(super) const UPLOAD: YamlNode = YamlNode::Action(
    "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "v7.0.0",
);
/// Fetches files that an earlier job kept. Source: <https://github.com/actions/download-artifact>.
pub(super) const DOWNLOAD: YamlNode = YamlNode::Action(
    "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
    "v8.0.1",
);
/// Takes on a role by OpenID Connect. Source: <https://github.com/aws-actions/configure-aws-credentials>.
const CREDENTIALS: YamlNode = YamlNode::Action(
    "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c",
    "v6.2.3",
);
/// Installs Terraform. Source: <https://github.com/hashicorp/setup-terraform>.
const TERRAFORM: YamlNode = YamlNode::Action(
    "hashicorp/setup-terraform@dfe3c3f87815947d99a8997f908cb6525fc44e9e",
    "v4.0.1",
);
/// The Terraform that the workflows install; the modules need 1.11 for write-only arguments.
const TERRAFORM_VERSION: &str = "1.11.4";
/// Installs Trivy. Source: <https://github.com/aquasecurity/setup-trivy>.
const TRIVY: YamlNode = YamlNode::Action(
    "aquasecurity/setup-trivy@81e514348e19b6112ce2a7e3ecbafe19c1e1f567",
    "v0.3.1",
);
/// The trivy that the workflows install: the one that the action's own documents name.
const TRIVY_VERSION: &str = "v0.68.2";

/// The runner of every job but builds.
pub(super) const RUNNER: &str = "ubuntu-24.04";
/// The runner of builds for ARM64.
pub(super) const RUNNER_ARM: &str = "ubuntu-24.04-arm";

/// A step that calls a script.
pub(super) fn run(name: &str, command: &str) -> YamlNode {
    map([("name", text(name)), ("run", script(command))])
}

/// The sources, without the token in `.git/config`.
pub(super) fn checkout() -> YamlNode {
    let with = map([("persist-credentials", YamlNode::Flag(false))]);
    map([("uses", CHECKOUT), ("with", with)])
}

/// `neargate` on the PATH.
pub(super) fn install(app: &PipelineApp) -> YamlNode {
    let written = app.last().and_then(|last| last.pipeline.install.as_deref());
    run("Install neargate", written.unwrap_or(NOT_WRITTEN))
}

/// Step of a manifest without `pipeline.install`.
const NOT_WRITTEN: &str = "\
if ! command -v neargate; then
  echo '::error::neargate is not on this runner: write how it gets there as pipeline.install'
  exit 1
fi";

/// Terraform, without the wrapper that would keep its exit codes.
pub(super) fn terraform() -> YamlNode {
    let with = map([
        ("terraform_version", text(TERRAFORM_VERSION)),
        ("terraform_wrapper", YamlNode::Flag(false)),
    ]);
    map([("uses", TERRAFORM), ("with", with)])
}

/// The step that installs Trivy, which scans images.
pub(super) fn trivy() -> YamlNode {
    map([
        ("uses", TRIVY),
        ("with", map([("version", text(TRIVY_VERSION))])),
    ])
}

/// Credentials of one of the environment's roles, for as long as the job.
pub(super) fn credentials(manifest: &Manifest, role: &str) -> YamlNode {
    let region = names::region(manifest).unwrap_or_default();
    let with = map([
        ("role-to-assume", text(names::role(manifest, region, role))),
        ("aws-region", text(region)),
    ]);
    map([("uses", CREDENTIALS), ("with", with)])
}

/// `neargate` with the manifest's name where it is not the usual one.
pub(super) fn neargate(app: &PipelineApp, command: &str) -> String {
    if app.file == "neargate.toml" {
        format!("neargate {command}")
    } else {
        // Before the verb: after `--` it would be the command's.
        format!("neargate -f {} {command}", app.file)
    }
}

/// The keys that every workflow begins with: no permission unless a job names it, and one run
/// after another in each `group`.
pub(super) fn head(
    app: &PipelineApp,
    what: &str,
    on: YamlNode,
    group: &str,
) -> Vec<(String, YamlNode)> {
    let shell = map([("shell", text("bash"))]);
    let run = if app.folder.is_empty() {
        shell
    } else {
        shell.with("working-directory", text(&app.folder))
    };
    let pairs = [
        ("name", text(format!("{}: {what}", app.name()))),
        ("on", on),
        ("permissions", YamlNode::Map(Vec::new())),
        ("defaults", map([("run", run)])),
        ("concurrency", queued(&format!("{}-{group}", app.name()))),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Jobs that read the sources and nothing else.
pub(super) fn reads() -> YamlNode {
    map([("contents", text("read"))])
}

/// Jobs that read the sources and take a role by OIDC.
pub(super) fn reads_and_takes_roles() -> YamlNode {
    let token = YamlNode::Because("write", "for the role, by OIDC: there is no key");
    map([("contents", text("read")), ("id-token", token)])
}

/// One after another, never cancelled: half an apply or release is worse than a late one.
pub(super) fn queued(group: &str) -> YamlNode {
    map([
        ("group", text(group)),
        ("cancel-in-progress", YamlNode::Flag(false)),
    ])
}

/// Only commits of the released branch change anything.
pub(super) fn on_branch(app: &PipelineApp) -> String {
    let branch = app.last().map_or("main", |last| &last.pipeline.branch);
    format!("github.ref == 'refs/heads/{branch}'")
}
