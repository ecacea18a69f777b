//! `neargate init`: a commented manifest for the folder at hand.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use neargate_core::manifest::{self, Source};

use crate::arguments::Flags;
use crate::failure::Failure;
use crate::{output, project};

/// What a folder looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Why this was chosen, for the first comment.
    because: String,
    build: Option<String>,
    artifact: Option<String>,
    command: Vec<String>,
    web: Web,
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Web {
    /// A program that listens on this port.
    Port(u16),
    /// Files in this folder.
    Files(String),
}

/// Looks and writes.
pub fn run(flags: &Flags, force: bool) -> Result<ExitCode, Failure> {
    let folder = std::env::current_dir()
        .map_err(|error| Failure::of("cannot tell the present folder", &error))?;
    let path = flags
        .file
        .clone()
        .unwrap_or_else(|| folder.join(project::NAME));
    if path.exists() && !force {
        return Err(Failure::Usage(format!(
            "{} exists; replace it with --force",
            path.display()
        )));
    }
    let found = look(&folder);
    let text = write(&folder, &found);
    // What is written is right, or this is a bug.
    let source = Source {
        name: project::NAME.to_owned(),
        text: text.clone(),
    };
    manifest::load(&source, "local", &[])
        .map_err(|diagnostics| Failure::Manifest(Box::new(diagnostics)))?;
    fs::write(&path, text)
        .map_err(|error| Failure::of(&format!("cannot write {}", path.display()), &error))?;
    output::line(&format!(
        "{} is written ({})",
        path.display(),
        found.because
    ));
    output::line("next: neargate check, then neargate up");
    Ok(ExitCode::SUCCESS)
}

fn look(folder: &Path) -> Found {
    let has = |name: &str| folder.join(name).exists();
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    if has("Cargo.toml") {
        let name = package_name(&text("Cargo.toml")).unwrap_or_else(|| "app".to_owned());
        return Found {
            because: "Cargo.toml: a Rust program".into(),
            build: Some("cargo build --release".into()),
            artifact: Some(format!("target/release/{name}")),
            command: vec![name],
            web: Web::Port(3000),
        };
    }
    if has("manage.py") {
        return program(
            "manage.py: a Django project",
            &["python3", "manage.py", "runserver", "--noreload"],
            8000,
        );
    }
    if has("requirements.txt") || has("pyproject.toml") {
        return program("a Python project", &["python3", "-m", "app"], 8000);
    }
    if has("package.json") {
        return program("package.json: a Node.js project", &["node", "."], 3000);
    }
    for root in [".", "public", "dist", "static"] {
        if has(&format!("{root}/index.html")) {
            return Found {
                because: "index.html: a static site".into(),
                build: None,
                artifact: None,
                command: Vec::new(),
                web: Web::Files(root.to_owned()),
            };
        }
    }
    program(
        "nothing that it knows: change the command",
        &["./start"],
        3000,
    )
}

fn program(because: &str, command: &[&str], port: u16) -> Found {
    Found {
        because: because.to_owned(),
        build: None,
        artifact: None,
        command: command.iter().map(|&word| word.to_owned()).collect(),
        web: Web::Port(port),
    }
}

fn package_name(text: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("name"))?;
    Some(line.split_once('=')?.1.trim().trim_matches('"').to_owned())
}

/// Names of images in a Compose file mean data services.
fn compose(folder: &Path) -> (bool, bool) {
    let text: String = [
        "docker-compose.yml",
        "docker-compose.yaml",
        "compose.yml",
        "compose.yaml",
    ]
    .iter()
    .filter_map(|name| fs::read_to_string(folder.join(name)).ok())
    .collect();
    (
        text.contains("postgres"),
        text.contains("redis") || text.contains("valkey"),
    )
}

fn app_name(folder: &Path) -> String {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("app")
        .to_lowercase();
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(32)
        .collect();
    let clean = clean
        .trim_matches(|c: char| c == '-' || c.is_ascii_digit())
        .to_owned();
    if clean.is_empty() {
        "app".to_owned()
    } else {
        clean
    }
}

fn write(folder: &Path, found: &Found) -> String {
    let (postgres, redis) = compose(folder);
    let mut text = format!(
        "# What this app is. `neargate check` says what is wrong with it, `neargate up` runs it here.\n\
         # Written by `neargate init` ({}).\napp = \"{}\"\n\n[service.web]\n",
        found.because,
        app_name(folder)
    );
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    match &found.web {
        Web::Files(root) => add(format!(
            "static = \"{root}\"                 # served by the edge"
        )),
        Web::Port(port) => {
            if let Some(build) = &found.build {
                add(format!(
                    "build = \"{build}\"    # run before a revision is cut"
                ));
            }
            if let Some(artifact) = &found.artifact {
                add(format!(
                    "artifact = \"{artifact}\"    # snapshotted: a rollback runs these bytes"
                ));
            }
            let command: Vec<String> = found
                .command
                .iter()
                .map(|word| format!("\"{word}\""))
                .collect();
            add(format!(
                "command = [{}]    # it must listen on $PORT",
                command.join(", ")
            ));
            add(format!(
                "port = {port}                  # far; near gives each task a PORT of its own"
            ));
            add("health = \"/\"                 # a path that answers 200 when a task is fit for requests".into());
            let uses: Vec<&str> = [(postgres, "\"database.main\""), (redis, "\"cache.main\"")]
                .iter()
                .filter(|u| u.0)
                .map(|u| u.1)
                .collect();
            if !uses.is_empty() {
                add(format!(
                    "uses = [{}]    # DATABASE_URL, REDIS_URL",
                    uses.join(", ")
                ));
            }
        }
    }
    add("route = \"/*\"".into());
    if matches!(found.web, Web::Port(_)) {
        if postgres {
            add("\n[database.main]\nengine = \"postgres\"".into());
        }
        if redis {
            add("\n[cache.main]\nengine = \"redis\"".into());
        }
    }
    text
}
