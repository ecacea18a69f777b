//! `neargate deploy -e prod`, with the real binary, against moto's server: from a folder to a
//! release by digest. Docker and the AWS CLI are stood in for by scripts that write down how they
//! were called. Without moto (see docs/far.md) each test says so and passes.
#![cfg(feature = "aws")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

mod moto;

use moto::Moto;

const MANIFEST: &str = "
app = 'shop'
[service.api]
build = 'printf \"#!/bin/sh\\n\" > notes'
artifact = 'notes'
command = ['notes', 'serve']
port = 3000
route = '/api/*'
[service.web]
build = 'mkdir -p front && echo page > front/index.html'
static = 'front'
route = '/*'
[env.prod]
target = 'aws'
region = 'eu-central-1'
";

/// Writes down each call in `$CALLS`. An image is known to the registry once it was pushed.
const STANDS_IN: &str = "#!/bin/sh
echo \"$(basename \"$0\") $*\" >> \"$CALLS\"
case \"$*\" in
  *get-login-password*) echo word ;;
  *describe-images*)
    if [ -e \"$CALLS.pushed\" ]; then
      echo sha256:00112233
    else
      echo 'An error occurred (ImageNotFoundException)' >&2
      exit 254
    fi ;;
  *manifest*inspect*) echo '[{\"Descriptor\":{\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}}]' ;;
  *inspect*Architecture*) echo \"${IMAGE_IS:-linux/arm64}\" ;;
  *inspect*) echo sha256:0123456789abcdef0123456789abcdef ;;
  build*) cat Dockerfile >> \"$CALLS\" ;;
  login*) cat > /dev/null ;;
  push*) touch \"$CALLS.pushed\" ;;
esac
";

/// A folder, and an app on moto's AWS.
struct World {
    folder: TempDir,
    moto: Moto,
}

/// `None`: there is no moto here.
fn world(programs: &[&str]) -> Option<World> {
    let world = World {
        moto: Moto::start()?,
        folder: tempfile::tempdir().expect("a folder"),
    };
    world.moto.control("world", &json!({ "app": "shop" }));
    fs::write(world.path("neargate.toml"), MANIFEST).expect("a manifest");
    fs::create_dir(world.path("bin")).expect("programs");
    for program in programs {
        let path = world.path("bin").join(program);
        fs::write(&path, STANDS_IN).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    Some(world)
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
        moto::reach(&mut command, &self.moto)
            .args(arguments)
            .args(["-e", "prod"])
            .current_dir(self.folder.path())
            .env_remove("NEARGATE_STATE_DIR")
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("CALLS", self.path("calls"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=ann", "-c", "user.email=ann@localhost"];
        let status = Command::new("git")
            .args(who)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("git runs");
        assert!(status.status.success(), "{status:?}");
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const REPOSITORY: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-prod/api";

#[test]
fn deploy_builds_looks_at_pushes_and_releases_an_image_by_its_digest() {
    let Some(world) = world(&["docker", "aws"]) else {
        return;
    };
    let output = world.run(&["deploy", "api", "--json"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let local = "neargate.local/shop/api:built";
    let reference = format!("{REPOSITORY}:0123456789abcdef01234567");
    let expected = [
        format!("docker build --platform linux/arm64 --tag {local} --file Dockerfile ."),
        "FROM ubuntu:24.04\n".to_owned(),
        "USER 65532:65532\n".to_owned(),
        format!("docker image inspect --format {{{{.Os}}}}/{{{{.Architecture}}}} {local}"),
        "aws ecr get-login-password --region eu-central-1".to_owned(),
        "docker login --username AWS --password-stdin 123456789012.dkr.ecr.".to_owned(),
        format!("docker tag {local} {reference}"),
        format!("docker push {reference}"),
    ];
    let calls = world.calls();
    let mut rest = calls.as_str();
    for line in expected {
        let at = rest
            .find(&line)
            .unwrap_or_else(|| panic!("{line} in {calls}"));
        rest = &rest[at..];
    }
    assert!(
        !calls.contains(" word"),
        "a password is no argument: {calls}"
    );
    assert!(
        said(&output).contains("has no Dockerfile"),
        "{}",
        said(&output)
    );
    let image = format!("{REPOSITORY}@sha256:00112233");
    let registered = world.moto.control("calls", &json!({ "holds": image }));
    let registered = registered.to_string();
    assert!(
        registered.contains("RegisterTaskDefinition"),
        "{registered}"
    );

    let again = world.run(&["deploy", "api"]);
    assert_eq!(code(&again), 0, "{}", said(&again));
    assert!(
        said(&again).contains("nothing to release"),
        "{}",
        said(&again)
    );
    assert_eq!(world.calls().matches("docker push").count(), 1);
}

#[test]
fn a_commit_that_was_pushed_is_not_built_again() {
    let Some(world) = world(&["docker", "aws"]) else {
        return;
    };
    fs::write(world.path(".gitignore"), "bin\ncalls*\nnotes\nfront\n").expect("written");
    world.git(&["init", "-q"]);
    world.git(&["add", "."]);
    world.git(&["commit", "-q", "-m", "first"]);
    let output = world.run(&["deploy", "api"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(
        world
            .calls()
            .contains(&format!("docker push {REPOSITORY}:git-"))
    );
    let again = world.run(&["deploy", "api"]);
    assert_eq!(code(&again), 0, "{}", said(&again));
    assert!(
        said(&again).contains("nothing is built"),
        "{}",
        said(&again)
    );
    assert_eq!(world.calls().matches("docker build").count(), 1);
    // A file that git does not know may be part of the image.
    fs::write(world.path("new.rs"), "").expect("written");
    world.run(&["deploy", "api"]);
    assert_eq!(world.calls().matches("docker build").count(), 2);
}

#[test]
fn an_image_of_another_processor_is_not_pushed() {
    let Some(world) = world(&["docker", "aws"]) else {
        return;
    };
    let mut command = world.command(&["deploy", "api", "--json"]);
    let output = command
        .env("IMAGE_IS", "linux/amd64")
        .output()
        .expect("it runs");
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("linux/amd64"), "{}", said(&output));
    assert!(!world.calls().contains("docker push"));
    let last: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(last["outcome"], "failed");
}

#[test]
fn without_a_builder_nothing_begins_and_the_program_is_named() {
    let Some(world) = world(&[]) else { return };
    if ["docker", "podman"]
        .iter()
        .any(|it| PathBuf::from("/usr/bin").join(it).exists())
    {
        println!("skipped: this machine has a builder in /usr/bin");
        return;
    }
    let output = world.run(&["deploy", "api"]);
    assert_eq!(code(&output), 3, "{}", said(&output));
    assert!(
        said(&output).contains("neither docker nor podman"),
        "{}",
        said(&output)
    );
    assert!(!world.path("notes").exists(), "nothing was built");
}

#[test]
fn a_site_is_built_and_released_from_its_folder() {
    let Some(world) = world(&[]) else { return };
    let output = world.run(&["deploy", "web"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let files = world
        .moto
        .control("files", &json!({ "bucket": "shop-static" }));
    assert_eq!(files[0]["key"], "index.html");
    assert_eq!(files[0]["body"], "page\n");
    let status = world.run(&["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("web"));
    let releases = world.run(&["releases"]);
    assert!(String::from_utf8_lossy(&releases.stdout).contains("files"));
}

#[test]
fn an_image_of_others_for_another_processor_is_refused_before_a_release_begins() {
    let Some(world) = world(&["docker"]) else {
        return;
    };
    let output = world.run(&["deploy", "api", "--image", "others:1"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(
        said(&output).contains("others:1 is for linux/amd64"),
        "{}",
        said(&output)
    );
    let calls = world
        .moto
        .control("calls", &json!({ "holds": "RegisterTaskDefinition" }));
    assert!(!calls.to_string().contains("others:1"));
}

#[test]
fn a_processor_that_the_infrastructure_was_not_applied_for_is_refused() {
    let Some(world) = world(&["docker", "aws"]) else {
        return;
    };
    let processor = "aws.architecture=x86-64";
    let output = world.run(&["deploy", "api", "--set", processor]);
    assert_eq!(code(&output), 3, "{}", said(&output));
    assert!(
        said(&output).contains("was applied for ARM64"),
        "{}",
        said(&output)
    );
    assert!(!world.calls().contains("docker build"), "nothing was built");
    let image = ["deploy", "api", "--image", "others:1", "--set", processor];
    let output = world.run(&image);
    assert_eq!(code(&output), 3, "the image fits, the tasks do not");
}
