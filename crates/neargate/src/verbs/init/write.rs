//! The commented manifest of what was found.

use std::path::Path;

use super::survey::{DetectedProgram, Language, Program, ProjectSurvey};

/// Longest name of an app.
const LONGEST_NAME: usize = 32;
/// Column at which comments begin.
const COMMENTS: usize = 44;

/// Further keys, as comments: the manifest is right as it stands.
const MORE: &str = r#"[service.web.scale]
min = 2                                     # tasks

[service.web.release]
before = ["migrate"]                        # jobs in the new revision, before any traffic

[job.migrate]
service = "web"
command = ["./migrate"]

[secret.session]
generate = "base64:32"                      # add "secret.session" to `uses`: SESSION

[env.prod]
target = "aws"                              # far: needs a region
region = "eu-central-1"
"#;

/// An interpreter below /root is there for root alone, whose engine runs tasks as others.
const VIRTUAL_ENVIRONMENT: &str = "\
# /usr/bin/python3 -m venv .venv, .venv/bin/pip install what it needs, and let the command begin with
# .venv/bin/python3: a python3 below /root, such as pyenv's, is closed to the tasks of root's engine
";

/// The manifest's text.
pub(super) fn manifest(folder: &Path, found: &ProjectSurvey) -> String {
    let because = found.because.join("; ");
    let mut text = format!(
        "# What runs, near and far: `neargate check` says what is wrong with it, `neargate up` runs it here.\n\
         # Written by `neargate init` ({because}).\n\
         app = {}\n\n[service.web]\n",
        quoted(&app_name(folder))
    );
    match &found.runs {
        DetectedProgram::Files { build, root } => {
            if let Some(build) = build {
                text.push_str(&line("build", &quoted(build), "before each release"));
            }
            text.push_str(&line("static", &quoted(root), "files, served by the edge"));
            text.push_str(&line("route", "\"/*\"", "every request"));
        }
        DetectedProgram::Program(program) => service(program, found, &mut text),
    }
    if found.postgres {
        text.push_str("\n[database.main]\n");
        text.push_str(&line(
            "engine",
            "\"postgres\"",
            "near: this machine's PostgreSQL, its data beside this file",
        ));
    }
    if found.redis {
        text.push_str("\n[cache.main]\n");
        text.push_str(&line(
            "engine",
            "\"redis\"",
            "near: this machine's Redis or Valkey",
        ));
    }
    text.push_str("\n# More keys (`neargate schema` has all of them):\n");
    for line in MORE.lines() {
        text.push_str(format!("# {line}").trim_end());
        text.push('\n');
    }
    text
}

fn service(program: &Program, found: &ProjectSurvey, text: &mut String) {
    if let Some(doubt) = program.doubt {
        text.push_str(&format!("# {doubt}\n"));
    }
    let has_own = program.command.iter().any(|word| word.contains(".venv/"));
    if program.language == Some(Language::Python) && !has_own {
        text.push_str(VIRTUAL_ENVIRONMENT);
    }
    if let Some(build) = &program.build {
        text.push_str(&line(
            "build",
            &quoted(build),
            "runs before a revision is cut",
        ));
    }
    match &program.artifact {
        Some(artifact) => {
            text.push_str(&line(
                "artifact",
                &quoted(artifact),
                "snapshotted: a rollback runs these bytes",
            ));
        }
        None => text.push_str(
            "# artifact = \"FILE OR FOLDER\"               # makes revisions immutable\n",
        ),
    }
    let words: Vec<String> = program.command.iter().map(|word| quoted(word)).collect();
    text.push_str(&line(
        "command",
        &format!("[{}]", words.join(", ")),
        "listens on $PORT",
    ));
    text.push_str(&line(
        "port",
        &program.port.to_string(),
        "far; near gives each task a PORT of its own",
    ));
    text.push_str(&line("route", "\"/*\"", "every request"));
    text.push_str(&line(
        "health",
        "\"/\"",
        "answers 200 when a task is fit for requests",
    ));
    let uses = [
        (found.postgres, "\"database.main\"", "DATABASE_URL"),
        (found.redis, "\"cache.main\"", "REDIS_URL"),
    ];
    let uses: Vec<_> = uses.iter().filter(|(used, ..)| *used).collect();
    if !uses.is_empty() {
        let names: Vec<&str> = uses.iter().map(|(_, name, _)| *name).collect();
        let variables: Vec<&str> = uses.iter().map(|(.., variable)| *variable).collect();
        text.push_str(&line(
            "uses",
            &format!("[{}]", names.join(", ")),
            &variables.join(", "),
        ));
    }
    text.push_str("# env = { LOG = \"info\" }\n");
}

/// `key = value`, with its comment in a column of its own.
fn line(key: &str, value: &str, comment: &str) -> String {
    let left = format!("{key} = {value}");
    format!(
        "{left:<width$}# {comment}\n",
        width = COMMENTS.max(left.len() + 1)
    )
}

/// A TOML basic string; JSON's escapes are among its own.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The folder's name as a name of ours.
fn app_name(folder: &Path) -> String {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let mut clean = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => clean.push(c),
            _ if clean.ends_with('-') => {}
            _ => clean.push('-'),
        }
    }
    let clean = clean.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let clean: String = clean.chars().take(LONGEST_NAME).collect();
    match clean.trim_end_matches('-') {
        "" => "app".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use neargate_core::manifest::{ManifestSource, load};

    use super::*;

    #[test]
    fn what_is_offered_as_comments_is_right_when_it_is_taken() {
        let found = ProjectSurvey {
            because: vec!["a test".into()],
            runs: DetectedProgram::Program(Program {
                command: vec!["./start".into()],
                port: 3000,
                ..Program::default()
            }),
            postgres: true,
            redis: true,
        };
        let text = manifest(Path::new("/srv/shop"), &found);
        let (written, _) = text.split_once("\n# More").expect("the comments are there");
        for env in ["local", "prod"] {
            let source = ManifestSource {
                name: "neargate.toml".into(),
                text: format!("{written}\n{MORE}"),
            };
            if let Err(diagnostics) = load(&source, env, &[]) {
                panic!("{}", diagnostics.render(false));
            }
        }
    }

    #[test]
    fn names_of_folders_become_names_of_apps() {
        for (folder, name) in [
            ("/srv/shop", "shop"),
            ("/srv/My Shop_2", "my-shop-2"),
            ("/srv/2024-report", "report"),
            ("/srv/---", "app"),
            ("/srv/Größe", "gr-e"),
            ("/", "app"),
            (
                "/srv/a-name-that-is-longer-than-thirty-two",
                "a-name-that-is-longer-than-thirt",
            ),
        ] {
            assert_eq!(app_name(Path::new(folder)), name, "{folder}");
        }
    }
}
