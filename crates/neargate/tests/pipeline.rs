//! `neargate pipeline`, with the real binary: what is written, what is refused, what runs.
//!
//! Docker, trivy and AWS are stood in for by scripts on a PATH of their own that write down how
//! they were called: what they would do is theirs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const MANIFEST: &str = "
app = 'notes'
[service.api]
build = 'printf \"#!/bin/sh\\n\" > notes'
artifact = 'notes'
command = ['notes', 'serve']
[service.web]
static = 'front'
route = '/*'
[job.migrate]
service = 'api'
command = ['notes', 'migrate']
[pipeline]
test = 'echo tested >> ran'
[env.dev]
target = 'aws'
region = 'eu-west-1'
[env.prod]
target = 'aws'
region = 'eu-central-1'
";

/// Writes down each call in `$CALLS`; answers what the pipeline asks.
const STANDS_IN: &str = "#!/bin/sh
echo \"$(basename \"$0\") $*\" >> \"$CALLS\"
case \"$*\" in
  *get-caller-identity*) echo 123456789012 ;;
  *get-login-password*) echo word ;;
  *describe-images*) exit 254 ;;
  *inspect*) echo sha256:0123456789abcdef0123456789abcdef ;;
  build*) cat Dockerfile >> \"$CALLS\"; ls artifact >> \"$CALLS\" ;;
  login*) cat > /dev/null ;;
esac
exit \"${FAILS_WITH:-0}\"
";

struct Project {
    folder: TempDir,
}

impl Project {
    fn new(manifest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(".git")).expect("a repository");
        fs::create_dir(folder.path().join("front")).expect("a front end");
        fs::create_dir(folder.path().join("bin")).expect("programs");
        fs::write(folder.path().join("neargate.toml"), manifest).expect("a manifest");
        Self { folder }
    }

    fn with(self, programs: &[&str]) -> Self {
        for program in programs {
            let path = self.path("bin").join(program);
            fs::write(&path, STANDS_IN).expect("a program");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command
            .arg("pipeline")
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("NEARGATE_STATE_DIR")
            .env("PATH", path)
            .env("CALLS", self.path("calls"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const DEPLOY: &str = ".github/workflows/neargate-deploy.yml";

#[test]
fn render_writes_once_and_check_tells_when_the_manifest_moved_on() {
    let project = Project::new(MANIFEST);
    assert_eq!(code(&project.run(&["render", "--check"])), 1);
    assert!(!project.path(".github").exists(), "a check writes nothing");
    let first = project.run(&["render"]);
    assert_eq!(code(&first), 0, "{}", said(&first));
    assert_eq!(code(&project.run(&["render", "--check"])), 0);
    let again = project.run(&["render", "--json"]);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).expect("one document");
    let outcomes = again["workflows"].as_array().expect("a list");
    assert_eq!(outcomes.len(), 4);
    assert!(
        outcomes.iter().all(|file| file["outcome"] == "unchanged"),
        "{again}"
    );
    let without = MANIFEST.replace(
        "[job.migrate]\nservice = 'api'\ncommand = ['notes', 'migrate']\n",
        "",
    );
    fs::write(project.path("neargate.toml"), without).expect("a manifest");
    let check = project.run(&["render", "--check"]);
    assert_eq!(code(&check), 1);
    assert!(
        said(&check).contains("neargate-migrate.yml"),
        "{}",
        said(&check)
    );
    assert_eq!(code(&project.run(&["render"])), 0);
    assert!(
        !project
            .path(".github/workflows/neargate-migrate.yml")
            .exists()
    );
}

#[test]
fn render_replaces_what_people_changed_only_when_they_say_so() {
    let project = Project::new(MANIFEST);
    assert_eq!(code(&project.run(&["render"])), 0);
    let whole = project.text(DEPLOY);
    let edited = whole.replace("timeout-minutes: 60", "timeout-minutes: 61");
    fs::write(project.path(DEPLOY), &edited).expect("a change");
    let migrate = ".github/workflows/neargate-migrate.yml";
    fs::remove_file(project.path(migrate)).expect("a file that is missing");
    let refused = project.run(&["render"]);
    assert_eq!(code(&refused), 1);
    assert!(said(&refused).contains(DEPLOY), "{}", said(&refused));
    assert_eq!(project.text(DEPLOY), edited);
    assert!(!project.path(migrate).exists(), "all or nothing");
    assert_eq!(code(&project.run(&["render", "--force"])), 0);
    assert_eq!(project.text(DEPLOY), whole);
}

#[test]
fn render_without_an_environment_on_aws_is_a_matter_of_the_manifest() {
    let near = MANIFEST.split("[env.dev]").next().unwrap_or_default();
    let project = Project::new(near);
    let output = project.run(&["render"]);
    assert_eq!(code(&output), 2);
    assert!(
        said(&output).contains("no environment"),
        "{}",
        said(&output)
    );
}

#[test]
fn manifests_below_the_repository_have_workflows_of_their_own_names() {
    let project = Project::new(MANIFEST);
    fs::create_dir_all(project.path("apps/notes/front")).expect("a folder");
    fs::write(project.path("apps/notes/neargate.toml"), MANIFEST).expect("a manifest");
    let output = project.run(&["render", "-f", "apps/notes/neargate.toml"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let deploy = project.text(".github/workflows/neargate-notes-deploy.yml");
    assert!(
        deploy.contains("working-directory: apps/notes\n"),
        "{deploy}"
    );
}

#[test]
fn stages_build_scan_and_push_an_image_by_its_own_digest() {
    let project = Project::new(MANIFEST).with(&["docker", "trivy", "aws"]);
    for stage in ["check", "test", "build", "scan", "push"] {
        let output = project.run(&["run", stage, "-e", "prod"]);
        assert_eq!(code(&output), 0, "{stage}: {}", said(&output));
    }
    assert_eq!(project.text("ran"), "tested\n");
    let calls = project.text("calls");
    let image = "neargate.local/notes/api:built";
    let registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    let reference = format!("{registry}/notes-prod/api:0123456789abcdef01234567");
    let expected = [
        format!("docker build --platform linux/arm64 --tag {image} --file Dockerfile ."),
        "FROM ubuntu:24.04".to_owned(),
        "CMD [\"notes\",\"serve\"]\nnotes\n".to_owned(),
        format!("trivy image --exit-code 1 --severity HIGH,CRITICAL --no-progress {image}"),
        format!("docker login --username AWS --password-stdin {registry}"),
        format!("docker tag {image} {reference}"),
        format!("docker push {reference}"),
    ];
    let mut rest = calls.as_str();
    for line in expected {
        let at = rest
            .find(&line)
            .unwrap_or_else(|| panic!("{line} in {calls}"));
        rest = &rest[at..];
    }
    assert!(
        !calls.contains("password-stdin word") && !calls.contains("-p word"),
        "{calls}"
    );
}

#[test]
fn a_stage_that_fails_is_named_and_the_next_ones_do_not_run() {
    let manifest = MANIFEST.replace("echo tested >> ran", "exit 7");
    let project = Project::new(&manifest).with(&["docker", "trivy", "aws"]);
    let output = project.run(&["run", "-e", "prod", "--json"]);
    assert_eq!(code(&output), 1);
    assert!(
        said(&output).contains("stage `test` failed"),
        "{}",
        said(&output)
    );
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(document["ok"], false);
    let stages = document["stages"].as_array().expect("a list");
    assert_eq!(stages.len(), 2, "{document}");
    assert_eq!(stages[1]["outcome"], "failed");
    assert!(!project.path("calls").exists(), "nothing was built");
}

#[test]
fn a_finding_of_the_scanner_fails_the_scan() {
    let project = Project::new(MANIFEST).with(&["trivy"]);
    let mut command = project.command(&["run", "scan", "-e", "prod"]);
    let output = command.env("FAILS_WITH", "1").output().expect("it runs");
    assert_eq!(code(&output), 1);
    assert!(
        said(&output).contains("stage `scan` failed"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_missing_program_is_named_and_left_out_only_when_asked() {
    if ["trivy", "grype"]
        .iter()
        .any(|name| Path::new("/usr/bin").join(name).exists())
    {
        println!("skipped: this machine has a scanner in /usr/bin");
        return;
    }
    let project = Project::new(MANIFEST);
    let output = project.run(&["run", "scan", "-e", "prod"]);
    assert_eq!(code(&output), 3);
    assert!(said(&output).contains("--skip scan"), "{}", said(&output));
    let output = project.run(&["run", "scan", "-e", "prod", "--skip", "scan"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[test]
fn a_program_of_another_processor_is_no_image_for_tasks() {
    let manifest = MANIFEST.replace("printf \"#!/bin/sh\\n\" > notes", "cp program notes");
    let project = Project::new(&manifest).with(&["docker"]);
    let mut elf = vec![0_u8; 64];
    elf[..4].copy_from_slice(b"\x7fELF");
    elf[18] = 62;
    fs::write(project.path("program"), elf).expect("a program");
    let output = project.run(&["run", "build", "-e", "prod"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("x86-64"), "{}", said(&output));
    assert!(!project.path("calls").exists(), "nothing was built");
}

#[test]
fn stages_near_say_why_there_is_nothing_to_do() {
    let project = Project::new(MANIFEST);
    let output = project.run(&["run", "push", "--json"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(document["stages"][0]["outcome"], "nothing-to-do");
}
