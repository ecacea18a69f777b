//! Blueprint 4 from its manifest to releases on it: rendered, applied by Terraform with the real AWS
//! provider, released to by the driver, destroyed; all against a model of AWS (moto's server).
//!
//! Needs `moto[server]==5.2.1` and NEARGATE_TERRAFORM_REAL: a directory with hashicorp/aws 5.x in the
//! layout of `terraform init -plugin-dir`. Without them it says so, and shows nothing. About 8
//! minutes, most of them the provider's own waits.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

mod moto;

use moto::Moto;

const BUCKET: &str = "canary-dev-state";
/// Shorter than a person would have it, and without the guard, which takes two minutes a step.
const SETTINGS: [&str; 3] = [
    "aws.state-bucket=canary-dev-state",
    "service.api.release.bake=0s",
    "service.api.release.guard=[]",
];

/// Attributes that moto forgets; so a second plan would set them again. Nothing else may differ,
/// neither after apply nor after releases.
const FORGOTTEN: [&str; 10] = [
    "aws_db_instance.performance_insights_enabled",
    "aws_db_instance.performance_insights_retention_period",
    "aws_db_parameter_group.parameter",
    "aws_ecs_service.availability_zone_rebalancing",
    "aws_ecs_service.enable_ecs_managed_tags",
    "aws_ecs_service.health_check_grace_period_seconds",
    "aws_ecs_service.network_configuration",
    "aws_elasticache_replication_group.log_delivery_configuration",
    "aws_vpc_security_group_egress_rule.description",
    "aws_vpc_security_group_ingress_rule.description",
];

struct Project {
    moto: Moto,
    folder: tempfile::TempDir,
}

impl Project {
    fn new(moto: Moto, plugins: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../blueprints/4-canary/neargate.toml"
        );
        fs::copy(manifest, folder.path().join("neargate.toml")).expect("the manifest");
        let mirror = format!(
            "disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path = {plugins:?}\n  }}\n}}\n"
        );
        fs::write(folder.path().join("terraformrc"), mirror).expect("Terraform's settings");
        moto.control("bucket", &serde_json::json!({ "name": BUCKET }));
        Self { moto, folder }
    }

    fn infra(&self) -> PathBuf {
        self.folder.path().join("infra/dev")
    }

    fn here(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        moto::reach(&mut command, &self.moto)
            .current_dir(folder)
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("terraformrc"))
            .stdin(Stdio::null());
        command
    }

    /// Runs `neargate ARGUMENTS -e dev`: exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.here(env!("CARGO_BIN_EXE_neargate"), self.folder.path());
        let (own, after) = match arguments.iter().position(|it| *it == "--") {
            Some(at) => arguments.split_at(at),
            None => (arguments, [].as_slice()),
        };
        command.args(own).args(["-e", "dev"]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        let output = command.args(after).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("an exit code");
        println!("neargate {}: {code}", arguments.join(" "));
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn done(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}\n{err}");
        out + &err
    }

    fn document(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}\n{err}");
        serde_json::from_str(&out).expect("one document")
    }

    /// One server has no host name for each bucket.
    fn name_buckets_by_path(&self) {
        let text = format!(
            r#"provider "aws" {{
  s3_use_path_style = true
}}

terraform {{
  backend "s3" {{
    bucket         = "{BUCKET}"
    key            = "canary/dev/terraform.tfstate"
    region         = "eu-central-1"
    use_path_style = true
  }}
}}
"#
        );
        fs::write(self.infra().join("moto_override.tf"), text).expect("written");
    }

    /// The attributes that a plan would change now: "type.attribute".
    fn planned(&self) -> BTreeSet<String> {
        let terraform = |arguments: &[&str]| {
            let mut command = self.here("terraform", &self.infra());
            let output = command.args(arguments).output().expect("it runs");
            let err = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {err}");
            output.stdout
        };
        terraform(&["plan", "-input=false", "-no-color", "-out=again.tfplan"]);
        let plan = terraform(&["show", "-json", "again.tfplan"]);
        let plan: Value = serde_json::from_slice(&plan).expect("JSON");
        let changes = plan["resource_changes"].as_array().expect("changes");
        let mut found = BTreeSet::new();
        for change in changes {
            let what = &change["change"];
            if what["actions"] == serde_json::json!(["no-op"])
                || what["actions"] == serde_json::json!(["read"])
            {
                continue;
            }
            let kind = change["type"].as_str().unwrap_or_default();
            assert_eq!(
                what["actions"],
                serde_json::json!(["update"]),
                "{}",
                change["address"]
            );
            let (before, after) = (&what["before"], &what["after"]);
            let keys = after.as_object().expect("attributes").keys();
            let differ = keys.filter(|key| before[*key] != after[*key]);
            found.extend(differ.map(|key| format!("{kind}.{key}")));
        }
        found
    }

    fn assert_nothing_to_change(&self, when: &str) {
        let known: BTreeSet<String> = FORGOTTEN.iter().map(|it| (*it).to_owned()).collect();
        let found = self.planned();
        let more: Vec<&String> = found.difference(&known).collect();
        assert!(more.is_empty(), "{when}, a plan would change {more:?}");
    }
}

#[test]
fn a_blueprint_is_applied_released_to_and_destroyed() {
    let Some(plugins) = std::env::var_os("NEARGATE_TERRAFORM_REAL") else {
        println!("skipped: NEARGATE_TERRAFORM_REAL names no directory with a real AWS provider");
        return;
    };
    let Some(moto) = Moto::start() else { return };
    let project = Project::new(moto, Path::new(&plugins));
    project.done(&["infra", "render"]);
    project.name_buckets_by_path();
    project.done(&["infra", "apply", "--yes"]);
    project.assert_nothing_to_change("after apply");
    releases(&project);
    project.assert_nothing_to_change("after releases");
    let (code, out, err) = project.run(&["infra", "destroy", "--app", "canary"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(err.contains("data at risk: database.main"), "{err}");
}

/// The driver on what Terraform made.
fn releases(project: &Project) {
    project.done(&["verify"]);
    let deploy = |image: &str| project.done(&["deploy", "api", "--image", image]);
    let first = deploy("registry.example/notes:1");
    assert!(first.contains("job migrate"), "{first}");
    let again = deploy("registry.example/notes:1");
    assert!(again.contains("nothing to release"), "{again}");
    let second = deploy("registry.example/notes:2");
    assert!(second.contains("moves the listener's weights"), "{second}");
    assert!(second.contains("baking step 5: 100 %"), "{second}");
    assert!(second.contains("done: revision 3 serves"), "{second}");
    let status = project.document(&["status", "--json"]);
    let serving = status["services"][0]["revision"].clone();
    project.done(&["drift"]);
    project.done(&["scale", "api=2"]);
    let said = project.done(&["run", "api", "--", "notes", "version"]);
    assert!(said.contains("it ran"), "{said}");
    project.done(&["rollback", "api"]);
    let status = project.document(&["status", "--json"]);
    assert_ne!(status["services"][0]["revision"], serving);
    let releases = project.document(&["releases", "--json"]);
    let outcomes: Vec<&Value> = releases
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["outcome"])
        .collect();
    assert_eq!(outcomes, ["done", "done", "done"]);
}
