//! `neargate infra` with the real binary; with Terraform where there is one that needs no account.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

mod project;

use project::{exit_and_output, folder};

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        Self { folder: folder() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
        command
            .current_dir(self.folder.path())
            .arg("infra")
            .args(arguments);
        command
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        exit_and_output(&self.command(arguments).output().expect("it runs"))
    }

    /// With a provider that needs no account.
    fn dry(&self, plugins: &str, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command(arguments);
        command
            .env("TF_CLI_ARGS_init", format!("-plugin-dir={plugins}"))
            .env("TF_CLI_CONFIG_FILE", "/dev/null");
        exit_and_output(&command.output().expect("it runs"))
    }

    fn infra(&self, path: &str) -> PathBuf {
        self.folder.path().join("infra").join(path)
    }
}

#[test]
fn render_writes_the_environment_once_and_keeps_what_people_changed() {
    let project = Project::new();
    let (code, out, err) = project.run(&["render", "-e", "prod", "--json"]);
    assert_eq!(code, 0, "{err}");
    let first: Value = serde_json::from_str(&out).expect("one document");
    assert_eq!(first["kept"], 0);
    assert!(project.infra("prod/main.tf").exists());
    let (_, out, _) = project.run(&["render", "-e", "prod", "--json"]);
    let again: Value = serde_json::from_str(&out).expect("one document");
    assert_eq!(again["written"], serde_json::json!([]));
    fs::write(project.infra("prod/backend.tf"), "# mine\n").expect("it is changed");
    let (code, _, err) = project.run(&["render", "-e", "prod"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("backend.tf") && err.contains("--force"),
        "{err}"
    );
    assert_eq!(project.run(&["render", "-e", "prod", "--force"]).0, 0);
}

#[test]
fn a_near_environment_is_a_usage_error() {
    let (code, _, err) = Project::new().run(&["render"]);
    assert_eq!(code, 2);
    assert!(err.contains("near"), "{err}");
}

#[test]
fn without_terraform_plan_is_exit_3_and_says_what_to_install() {
    let project = Project::new();
    let empty = tempfile::tempdir().expect("a folder");
    let output = project
        .command(&["plan", "-e", "dev"])
        .env("PATH", empty.path())
        .output();
    let (code, out, err) = exit_and_output(&output.expect("it runs"));
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("install Terraform 1.11"), "{err}");
}

#[test]
fn an_ejected_folder_keeps_its_changes_and_is_not_rendered_again() {
    let project = Project::new();
    assert_eq!(project.run(&["render", "-e", "dev"]).0, 0);
    fs::write(project.infra("dev/backend.tf"), "# mine\n").expect("it is changed");
    assert_eq!(project.run(&["eject", "-e", "dev"]).0, 0);
    let (code, _, err) = project.run(&["render", "-e", "dev", "--force"]);
    assert_eq!(code, 1);
    assert!(err.contains("yours"), "{err}");
    let kept = fs::read_to_string(project.infra("dev/backend.tf")).expect("the file");
    assert_eq!(kept, "# mine\n");
}

#[test]
fn production_is_not_destroyed() {
    let (code, _, err) = Project::new().run(&["destroy", "-e", "prod", "--app", "notes"]);
    assert_eq!(code, 1);
    assert!(err.contains("protected"), "{err}");
}

/// A provider that plans and applies without an account: NEARGATE_TERRAFORM_DRY names its
/// directory, in the layout of `terraform init -plugin-dir`.
fn plugins() -> Option<String> {
    let plugins = std::env::var("NEARGATE_TERRAFORM_DRY").ok();
    if plugins.is_none() {
        println!("skipped: NEARGATE_TERRAFORM_DRY names no provider that works without an account");
    }
    plugins
}

#[test]
fn a_url_that_an_interrupted_apply_left_out_is_written_with_a_new_password_only() {
    let Some(plugins) = plugins() else { return };
    let project = Project::new();
    let run = |arguments: &[&str]| project.dry(&plugins, arguments);
    let (code, out, err) = run(&["apply", "-e", "dev", "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    let lost = Command::new("terraform")
        .args([
            "state",
            "rm",
            "module.database_main.aws_ssm_parameter.url[0]",
        ])
        .current_dir(project.infra("dev"))
        .output();
    assert!(lost.expect("it runs").status.success());
    let (code, out, err) = run(&["apply", "-e", "dev", "--yes"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("another password: database.main"), "{err}");
    assert!(err.contains("password_version"), "{err}");
    let own = project.infra("dev/own.auto.tfvars.json");
    fs::write(own, "{ \"password_version\": 2 }").expect("it is written");
    let (code, out, err) = run(&["apply", "-e", "dev", "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, _) = run(&["plan", "-e", "dev", "--exit-code"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn an_environment_is_planned_applied_and_destroyed() {
    let Some(plugins) = plugins() else { return };
    let project = Project::new();
    let run = |arguments: &[&str]| project.dry(&plugins, arguments);
    let (code, out, err) = run(&["plan", "-e", "dev", "--exit-code", "--json"]);
    assert_eq!(code, 10, "{out}{err}");
    let plan: Value = serde_json::from_str(&out).expect("one document");
    assert_eq!(plan["plan"]["risks"], serde_json::json!([]));
    let after = plan["plan"]["monthly"]["after"].as_f64();
    assert!(after.is_some_and(|dollars| dollars > 10.0), "{plan}");
    assert!(
        !project.infra("dev/neargate.tfplan").exists(),
        "a plan holds values"
    );
    assert_eq!(run(&["apply", "-e", "dev"]).0, 2, "nobody can be asked");
    let (code, out, err) = run(&["apply", "-e", "dev", "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, _) = run(&["plan", "-e", "dev", "--exit-code"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("nothing to do"), "{out}");
    let (code, _, err) = run(&["destroy", "-e", "dev", "--app", "other"]);
    assert_eq!(code, 2, "{err}");
    let (code, out, err) = run(&["destroy", "-e", "dev", "--app", "notes"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("data at risk: database.main"), "{err}");
}
