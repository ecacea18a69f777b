//! The workflows of the blueprints, word for word, and what holds for every workflow.
//!
//! `INSTA_UPDATE=always` rewrites `workflows/BLUEPRINT/*.yml`.

#[path = "../../core/tests/generated_file.rs"]
mod generated_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use generated_file::assert_generated;
use neargate_core::manifest::{ManifestSource, load};
use neargate_far::pipeline::stage::{From, PipelineStage, Processor, StageAction, acts, runs_on};
use neargate_far::pipeline::{PipelineApp, PipelineError, workflows};
use yaml_rust2::{Yaml, YamlLoader};

const BLUEPRINTS: [&str; 3] = ["1-shibakita", "2-cloud-native-notes", "4-canary"];

/// For blueprints that run near only.
const ON_AWS: &str = "\n[env.prod]\ntarget = \"aws\"\nregion = \"eu-central-1\"\n";

/// Features that the blueprints do not use: webhooks, a scanner and a branch of its own, three
/// environments.
const EVERYTHING: &str = "
app = 'everything'
service.api = { artifact = 'notes', command = ['notes', 'serve'] }
job.report = { service = 'api', command = ['report', \"it's\", '$HOME'] }
secret.chat-url = {}
notify.chat = { secret = 'chat-url', format = 'slack', on = ['release-failed'] }
notify.office = { secret = 'chat-url', format = 'teams' }
notify.own = { url = 'https://example.com/hook?a=1&b=%20', on = ['release-finished', 'release-failed'] }
pipeline = { scan = 'look \"$IMAGE\"', branch = 'release/v1', install = 'pip install neargate==0.1.0', environments = ['staging', 'eu', 'us'] }
env.staging = { target = 'aws', region = 'eu-central-1' }
env.eu = { target = 'aws', region = 'eu-west-1' }
env.us = { target = 'aws', region = 'us-gov-west-1' }
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn source(text: &str) -> ManifestSource {
    ManifestSource {
        name: "neargate.toml".to_owned(),
        text: text.to_owned(),
    }
}

fn app(text: &str, folder: &str, file: &str) -> Result<PipelineApp, PipelineError> {
    let base = load(&source(text), "local", &[]).expect("a manifest that is right");
    let order = base.manifest.pipeline.order(&base.on_aws);
    let each = order.iter().map(|env| {
        let loaded = load(&source(text), env, &[]).expect("an environment that is right");
        loaded.manifest
    });
    PipelineApp::new(each.collect(), folder, file)
}

fn blueprint(name: &str) -> BTreeMap<String, String> {
    if name == "everything" {
        let app = app(EVERYTHING, "", "neargate.toml").expect("a pipeline");
        let made = workflows(&app).into_iter();
        return made
            .filter_map(|(name, text)| Some((name, text?)))
            .collect();
    }
    let folder = format!("blueprints/{name}");
    let path = root().join(&folder).join("neargate.toml");
    let mut text = std::fs::read_to_string(path).expect("the blueprint's manifest");
    if !text.contains("[env.prod]") {
        text.push_str(ON_AWS);
    }
    let app = app(&text, &folder, "neargate.toml").expect("a pipeline");
    let made = workflows(&app).into_iter();
    made.filter_map(|(name, text)| Some((name, text?)))
        .collect()
}

#[test]
fn workflows_of_blueprints_are_as_written_down() {
    for name in BLUEPRINTS.into_iter().chain(["everything"]) {
        let made = blueprint(name);
        assert_eq!(made.len(), 4, "{name}: {:?}", made.keys());
        assert_eq!(made, blueprint(name), "{name}: twice the same");
        for (file, text) in made {
            assert_generated(&format!("crates/far/tests/workflows/{name}/{file}"), &text);
        }
    }
}

/// Another program's reader finds what was meant, in the order of GitHub's documents.
#[test]
fn workflows_are_yaml_with_the_jobs_that_were_meant() {
    for (file, text) in BLUEPRINTS
        .iter()
        .chain(&["everything"])
        .flat_map(|name| blueprint(name))
    {
        let documents = YamlLoader::load_from_str(&text).expect("YAML");
        let [document] = documents.as_slice() else {
            panic!("{file}: one document");
        };
        let keys: Vec<&str> = document
            .as_hash()
            .expect("a map")
            .keys()
            .filter_map(Yaml::as_str)
            .collect();
        assert_eq!(
            keys,
            [
                "name",
                "on",
                "permissions",
                "defaults",
                "concurrency",
                "jobs"
            ],
            "{file}"
        );
        assert!(
            document["permissions"]
                .as_hash()
                .is_some_and(|map| map.is_empty()),
            "{file}"
        );
        for (name, job) in document["jobs"].as_hash().expect("jobs") {
            let steps = job["steps"].as_vec().expect("steps");
            let right =
                |step: &Yaml| step["uses"].as_str().is_some() != step["run"].as_str().is_some();
            assert!(
                !steps.is_empty() && steps.iter().all(right),
                "{file}: {name:?}"
            );
        }
    }
}

#[test]
fn texts_come_back_as_they_were_written() {
    let install = "  set -x # no comment\n- \"a\": 'b' \\ \t é\n";
    let text = format!("{APP}\npipeline.install = {}", serde_json::json!(install));
    let app = app(&text, "", "neargate.toml").expect("a pipeline");
    let made = workflows(&app);
    let drift = made["neargate-drift.yml"].as_deref().unwrap_or_default();
    let document = YamlLoader::load_from_str(drift).expect("YAML").remove(0);
    let step = &document["jobs"]["drift-prod"]["steps"][1];
    assert_eq!(step["run"].as_str(), Some(install));
}

/// GitHub's own rules, by linters where there are any.
#[test]
fn linters_find_nothing_in_the_workflows() {
    let script = root().join("scripts/check-workflows");
    let output = std::process::Command::new(script)
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // It says itself what it skipped.
    println!("{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
}

#[test]
fn every_action_is_pinned_and_every_workflow_begins_without_permissions() {
    for (file, text) in BLUEPRINTS.iter().flat_map(|name| blueprint(name)) {
        assert!(text.contains("\npermissions: {}\n"), "{file}");
        assert!(!text.contains("persist-credentials: true"), "{file}");
        let checkouts = text.matches("actions/checkout@").count();
        assert_eq!(
            checkouts,
            text.matches("persist-credentials: false").count(),
            "{file}"
        );
        for line in text.lines().filter(|line| line.contains("uses:")) {
            let pin = line.split_once('@').map_or("", |(_, pin)| pin);
            let (commit, version) = pin.split_once(" # v").unwrap_or_default();
            let hex = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(hex && !version.is_empty(), "{file}: {line}");
        }
        let jobs = text.matches("    runs-on:").count();
        assert_eq!(jobs, text.matches("    timeout-minutes:").count(), "{file}");
        assert_eq!(jobs, text.matches("    permissions:").count(), "{file}");
    }
}

#[test]
fn no_workflow_holds_a_key_and_only_jobs_that_take_a_role_ask_for_a_token() {
    for (file, text) in BLUEPRINTS.iter().flat_map(|name| blueprint(name)) {
        for word in [
            "aws-access-key",
            "aws-secret",
            "AKIA",
            "GITHUB_TOKEN",
            "secrets.",
        ] {
            assert!(!text.contains(word), "{file}: {word}");
        }
        let jobs = text.split("\njobs:\n").nth(1).unwrap_or_default();
        for job in jobs.split("\n    name: ").skip(1) {
            let takes = job.contains("role-to-assume");
            assert_eq!(takes, job.contains("id-token: write"), "{file}: {job}");
        }
    }
}

/// The expressions of `run:` would be text of a script; ours reach it as variables.
#[test]
fn no_script_holds_an_expression() {
    for (file, text) in BLUEPRINTS.iter().flat_map(|name| blueprint(name)) {
        let mut depth = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            if depth.is_some_and(|depth| indent <= depth && !line.trim().is_empty()) {
                depth = None;
            }
            if line.contains("run: ") || line.trim() == "run: |" {
                depth = Some(indent);
            }
            assert!(depth.is_none() || !line.contains("${{"), "{file}: {line}");
        }
    }
}

const APP: &str = "
app = 'notes'
service.api = { artifact = 'notes', command = ['notes', 'serve'], build = 'make' }
service.old = { artifact = 'notes', command = ['notes', 'old'], build = 'make' }
service.web = { static = 'front', route = '/*' }
service.extern = { image = 'example/notes:1', command = ['x'] }
env.prod = { target = 'aws', region = 'eu-central-1' }
";

fn manifest(text: &str, env: &str) -> neargate_core::model::Manifest {
    load(&source(text), env, &[])
        .expect("a manifest that is right")
        .manifest
}

#[test]
fn stages_do_on_aws_what_the_manifest_says() {
    let manifest = manifest(&format!("{APP}\npipeline.test = 'make test'"), "prod");
    let shell = |script: &str| StageAction::Shell {
        script: script.to_owned(),
        variables: Vec::new(),
    };
    assert_eq!(
        acts(PipelineStage::Test, &manifest),
        Ok(vec![shell("make test")])
    );
    let build = acts(PipelineStage::Build, &manifest).expect("something to build");
    assert_eq!(build.len(), 3, "one make and two images: {build:?}");
    assert_eq!(build[0], shell("make"));
    let StageAction::Image {
        name,
        from: From::Artifact { dockerfile, .. },
    } = &build[1]
    else {
        panic!("{build:?}");
    };
    assert_eq!(name, "neargate.local/notes/api:built");
    let expected = "FROM ubuntu:24.04\nCOPY artifact/ /app/\nENV PATH=/app:$PATH\nWORKDIR /app\nUSER 65532:65532\nCMD [\"notes\",\"serve\"]\n";
    assert_eq!(dockerfile, expected);
    assert_eq!(
        acts(PipelineStage::Scan, &manifest).map(|acts| acts.len()),
        Ok(3)
    );
    assert_eq!(
        acts(PipelineStage::Push, &manifest).map(|acts| acts.len()),
        Ok(2)
    );
    let release = acts(PipelineStage::Release, &manifest).expect("something to release");
    let last = StageAction::Neargate(vec!["deploy".into(), "web".into()]);
    assert_eq!(release.last(), Some(&last), "files after what they ask");
    let own = format!("{APP}\npipeline.scan = 'look $IMAGE'");
    let scan = acts(PipelineStage::Scan, &self::manifest(&own, "prod")).expect("something to scan");
    let StageAction::Shell { script, variables } = &scan[0] else {
        panic!("{scan:?}");
    };
    assert_eq!(script, "look $IMAGE");
    assert_eq!(variables[0].0, "IMAGE");
}

#[test]
fn stages_near_need_no_image_and_no_registry() {
    let manifest = manifest(APP, "local");
    assert_eq!(
        acts(PipelineStage::Build, &manifest).map(|acts| acts.len()),
        Ok(1)
    );
    assert_eq!(
        acts(PipelineStage::Scan, &manifest),
        Err("near runs no images")
    );
    assert_eq!(
        acts(PipelineStage::Push, &manifest),
        Err("near runs no images")
    );
    assert_eq!(
        acts(PipelineStage::Release, &manifest).map(|acts| acts.len()),
        Ok(4)
    );
    assert!(acts(PipelineStage::Test, &manifest).is_err());
}

#[test]
fn what_a_workflow_cannot_say_is_refused() {
    let near = "app = 'a'\nservice.api = { command = ['x'] }";
    assert_eq!(
        app(near, "", "neargate.toml"),
        Err(PipelineError::NoEnvironment)
    );
    let install = format!("{APP}\npipeline.install = 'echo ${{{{ github.token }}}}'");
    let found = app(&install, "", "neargate.toml");
    assert!(
        matches!(found, Err(PipelineError::Expression { .. })),
        "{found:?}"
    );
    let job = format!("{APP}\njob.a = {{ service = 'api', command = ['a', '${{{{ x }}}}'] }}");
    let found = app(&job, "", "neargate.toml");
    assert!(
        matches!(found, Err(PipelineError::Expression { .. })),
        "{found:?}"
    );
    let found = app(APP, "a folder", "neargate.toml");
    assert!(
        matches!(found, Err(PipelineError::Path { .. })),
        "{found:?}"
    );
    let differs = format!(
        "{APP}\n[env.dev]\ntarget = 'aws'\nregion = 'eu-west-1'\nservice.api.artifact = 'other'"
    );
    let found = app(&differs, "", "neargate.toml");
    assert!(
        matches!(found, Err(PipelineError::Differs { .. })),
        "{found:?}"
    );
}

#[test]
fn what_people_wrote_stays_text() {
    let text = format!(
        "{APP}\npipeline.install = '''\necho \"a\": b # c\n- x\n'''\n[notify.ops]\nurl = 'https://x.example/a?b=1'\non = ['release-failed']"
    );
    let app = app(&text, "", "other.toml").expect("a pipeline");
    let made = workflows(&app);
    let deploy = made["neargate-deploy.yml"].as_deref().unwrap_or_default();
    let block = "        run: |\n          echo \"a\": b # c\n          - x\n";
    assert!(deploy.contains(block), "{deploy}");
    assert!(
        deploy.contains("URL: \"https://x.example/a?b=1\""),
        "{deploy}"
    );
    assert!(
        deploy.contains("neargate -f other.toml pipeline run push -e prod"),
        "{deploy}"
    );
    assert_eq!(made["neargate-migrate.yml"], None, "there is no job");
}

#[test]
fn a_webhook_that_is_a_secret_is_named_and_never_shown() {
    let text = format!(
        "{APP}\nsecret.chat-url = {{}}\nnotify.ops-chat = {{ secret = 'chat-url', format = 'slack' }}"
    );
    let app = app(&text, "", "neargate.toml").expect("a pipeline");
    let made = workflows(&app);
    let deploy = made["neargate-deploy.yml"].as_deref().unwrap_or_default();
    assert_eq!(deploy.matches("secrets.").count(), 1, "{deploy}");
    assert!(
        deploy.contains("${{ secrets.NEARGATE_NOTIFY_OPS_CHAT }}"),
        "{deploy}"
    );
}

#[test]
fn programs_say_what_they_are_made_for() {
    let elf = |machine: u8| {
        let mut head = [0_u8; 20];
        head[..4].copy_from_slice(b"\x7fELF");
        head[18] = machine;
        head
    };
    let (arm, intel) = (Processor::Arm64, Processor::X86_64);
    assert_eq!(runs_on(&elf(183), arm), Ok(()));
    assert_eq!(runs_on(&elf(62), arm), Err("x86-64"));
    assert_eq!(runs_on(&elf(62), intel), Ok(()));
    assert_eq!(runs_on(&elf(8), arm), Err("another processor"));
    assert_eq!(runs_on(b"#!/bin/sh\nexec python3", arm), Ok(()));
    assert_eq!(runs_on(b"", arm), Ok(()));
}
