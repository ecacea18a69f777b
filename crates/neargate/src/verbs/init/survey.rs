//! What a folder looks like: the program in it, and the data services it is used to.
//!
//! It reads, it never runs anything. A file that it cannot make sense of counts as absent.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

/// Result of a survey of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectSurvey {
    /// Reasons for the result, for people.
    pub because: Vec<String>,
    pub runs: DetectedProgram,
    /// A PostgreSQL belongs to it.
    pub postgres: bool,
    /// A Redis or Valkey belongs to it.
    pub redis: bool,
}

/// The program or the files that the folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DetectedProgram {
    /// A program that listens.
    Program(Program),
    /// Files that the edge serves.
    Files {
        /// How they are made.
        build: Option<String>,
        /// Where they lie.
        root: String,
    },
}

/// A program that listens on `$PORT`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// How it is built.
    pub build: Option<String>,
    /// Path of the build's result.
    pub artifact: Option<String>,
    /// How it starts.
    pub command: Vec<String>,
    /// The port that it is used to.
    pub port: u16,
    /// A doubt to look into before `up`.
    pub doubt: Option<&'static str>,
    /// Interpreter that runs the folder as it is; `None`: something else, or a file is built.
    pub language: Option<Language>,
}

/// Interpreter of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
}

/// Detected workload, and the reason for it.
type DetectedWorkload = (String, DetectedProgram);

/// Looks at a folder.
pub(super) fn survey(folder: &Path) -> ProjectSurvey {
    let kinds: [fn(&Path) -> Option<DetectedWorkload>; 7] =
        [rust, go, django, python, node, dockerfile, files];
    let (because, runs) = kinds
        .iter()
        .find_map(|kind| kind(folder))
        .unwrap_or_else(|| {
            let program = Program {
                command: vec!["./start".into()],
                port: 3000,
                doubt: Some("nothing here was recognised: say how your program starts"),
                ..Program::default()
            };
            (
                "nothing here was recognised".into(),
                DetectedProgram::Program(program),
            )
        });
    let mut found = ProjectSurvey {
        because: vec![because],
        runs,
        postgres: false,
        redis: false,
    };
    compose(folder, &mut found);
    found
}

fn text(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

/// `$PORT` is the shell's to fill in.
fn shell(command: &str) -> Vec<String> {
    vec!["sh".into(), "-c".into(), format!("exec {command}")]
}

fn rust(folder: &Path) -> Option<DetectedWorkload> {
    let manifest: toml::Table = text(folder, "Cargo.toml")?.parse().ok()?;
    let (because, name, build) = match binary(folder, &manifest) {
        Some(name) => {
            let because = format!("Cargo.toml: the Rust program {name}");
            (because, name, "cargo build --release".to_owned())
        }
        None => {
            let (package, name) = member(folder, &manifest)?;
            let because = format!("Cargo.toml: the workspace's program {name}");
            (because, name, format!("cargo build --release -p {package}"))
        }
    };
    let program = Program {
        build: Some(build),
        artifact: Some(format!("target/release/{name}")),
        command: vec![name],
        port: 3000,
        ..Program::default()
    };
    Some((because, DetectedProgram::Program(program)))
}

/// The first program of a package.
fn binary(folder: &Path, manifest: &toml::Table) -> Option<String> {
    let package = manifest.get("package")?.get("name")?.as_str()?;
    let bins = manifest.get("bin").and_then(toml::Value::as_array);
    let named = bins.and_then(|bins| bins.first()?.get("name")?.as_str());
    let implied = folder.join("src/main.rs").is_file().then_some(package);
    named.or(implied).map(str::to_owned)
}

/// The first member of a workspace that has a program: package and program.
fn member(folder: &Path, manifest: &toml::Table) -> Option<(String, String)> {
    let members = manifest.get("workspace")?.get("members")?.as_array()?;
    let folders = members.iter().filter_map(toml::Value::as_str);
    folders
        .flat_map(|member| expand(folder, member))
        .find_map(|folder| {
            let manifest: toml::Table = text(&folder, "Cargo.toml")?.parse().ok()?;
            let name = binary(&folder, &manifest)?;
            let package = manifest.get("package")?.get("name")?.as_str()?;
            Some((package.to_owned(), name))
        })
}

/// `crates/*` is every folder in `crates`, by name.
fn expand(folder: &Path, member: &str) -> Vec<PathBuf> {
    let Some(parent) = member.strip_suffix("/*") else {
        return vec![folder.join(member)];
    };
    let entries = fs::read_dir(folder.join(parent)).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn go(folder: &Path) -> Option<DetectedWorkload> {
    text(folder, "go.mod")?;
    let program = Program {
        build: Some("go build -o bin/server .".into()),
        artifact: Some("bin/server".into()),
        command: vec!["server".into()],
        port: 8080,
        ..Program::default()
    };
    Some((
        "go.mod: a Go program".into(),
        DetectedProgram::Program(program),
    ))
}

/// The project's own virtual environment, or what there is.
fn interpreter(folder: &Path) -> &'static str {
    const OWN: &str = ".venv/bin/python3";
    match folder.join(OWN).exists() {
        true => OWN,
        false => "python3",
    }
}

fn django(folder: &Path) -> Option<DetectedWorkload> {
    text(folder, "manage.py")?;
    let mut folders: Vec<PathBuf> = expand(folder, "./*");
    folders.retain(|path| path.join("wsgi.py").is_file());
    let name = folders.first()?.file_name()?.to_str()?;
    let command = format!(
        "{} -m gunicorn --bind 127.0.0.1:$PORT {name}.wsgi",
        interpreter(folder)
    );
    let program = Program {
        command: shell(&command),
        port: 8000,
        doubt: Some("needs gunicorn where python3 finds it"),
        language: Some(Language::Python),
        ..Program::default()
    };
    Some((
        format!("manage.py: the Django project {name}"),
        DetectedProgram::Program(program),
    ))
}

fn python(folder: &Path) -> Option<DetectedWorkload> {
    let requirements = text(folder, "requirements.txt");
    let project = text(folder, "pyproject.toml");
    let source = if requirements.is_some() {
        "requirements.txt"
    } else {
        "pyproject.toml"
    };
    let needs = requirements.or(project)?.to_lowercase();
    let module = ["app", "main", "wsgi", "asgi", "server"]
        .into_iter()
        .find(|module| folder.join(format!("{module}.py")).is_file())
        .unwrap_or("app");
    let asynchronous = ["fastapi", "starlette", "uvicorn"]
        .iter()
        .any(|name| needs.contains(name));
    let (server, doubt) = if asynchronous {
        (
            "uvicorn --host 127.0.0.1 --port $PORT",
            "needs uvicorn, and an `app` in the module",
        )
    } else {
        (
            "gunicorn --bind 127.0.0.1:$PORT",
            "needs gunicorn, and an `app` in the module",
        )
    };
    let program = Program {
        command: shell(&format!("{} -m {server} {module}:app", interpreter(folder))),
        port: 8000,
        doubt: Some(doubt),
        language: Some(Language::Python),
        ..Program::default()
    };
    Some((
        format!("{source}: a Python program"),
        DetectedProgram::Program(program),
    ))
}

fn node(folder: &Path) -> Option<DetectedWorkload> {
    let package: Json = serde_json::from_str(&text(folder, "package.json")?).ok()?;
    let script = |name: &str| package["scripts"][name].as_str().is_some();
    let main = package["main"].as_str().unwrap_or("index.js");
    let install = if folder.join("package-lock.json").is_file() {
        "npm ci"
    } else {
        "npm install"
    };
    // What a bundler makes is the site; the folder itself holds sources and node_modules.
    let makes_site = script("build") && folder.join("index.html").is_file()
        || !package["dependencies"]["react-scripts"].is_null();
    if makes_site && !folder.join(main).is_file() {
        let react_scripts = !package["dependencies"]["react-scripts"].is_null();
        let root = if react_scripts { "build" } else { "dist" };
        let build = Some(format!("{install} && npm run build"));
        let root = root.to_owned();
        let because = "package.json: a site that `npm run build` makes".to_owned();
        return Some((because, DetectedProgram::Files { build, root }));
    }
    if !script("start") && !folder.join(main).is_file() {
        return None;
    }
    let build = if script("build") {
        format!("{install} && npm run build")
    } else {
        install.to_owned()
    };
    let command = if script("start") {
        words("npm start")
    } else {
        vec!["node".into(), main.into()]
    };
    let program = Program {
        build: Some(build),
        command,
        port: 3000,
        doubt: Some("it must listen on process.env.PORT"),
        language: Some(Language::Node),
        ..Program::default()
    };
    Some((
        "package.json: a Node.js program".into(),
        DetectedProgram::Program(program),
    ))
}

/// Without anything else, a Dockerfile says at least how the program starts.
fn dockerfile(folder: &Path) -> Option<DetectedWorkload> {
    let text = text(folder, "Dockerfile")?;
    let last = |word: &str| {
        let lines = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(word));
        lines.map(str::trim).next_back()
    };
    let form = last("CMD ").or(last("ENTRYPOINT "))?;
    let command = serde_json::from_str(form).unwrap_or_else(|_| shell(form));
    let port = last("EXPOSE ").and_then(|text| text.split(['/', ' ']).next()?.parse().ok());
    let program = Program {
        command,
        port: port.unwrap_or(8080),
        doubt: Some(
            "from the Dockerfile: near runs it as a process on this machine, not in a container",
        ),
        ..Program::default()
    };
    Some((
        "Dockerfile: its command".into(),
        DetectedProgram::Program(program),
    ))
}

fn files(folder: &Path) -> Option<DetectedWorkload> {
    // A folder of its own holds nothing but the site.
    let root = ["public", "dist", "build", "site", "static", "."]
        .into_iter()
        .find(|root| folder.join(root).join("index.html").is_file())?;
    let because = format!(
        "{}: a static site",
        Path::new(root).join("index.html").display()
    );
    let root = root.to_owned();
    Some((because, DetectedProgram::Files { build: None, root }))
}

/// Images of a Compose file name the data services.
fn compose(folder: &Path, found: &mut ProjectSurvey) {
    if matches!(found.runs, DetectedProgram::Files { .. }) {
        return;
    }
    for name in [
        "docker-compose.yml",
        "docker-compose.yaml",
        "compose.yml",
        "compose.yaml",
    ] {
        let text = text(folder, name).unwrap_or_default();
        let images: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("image:"))
            .collect();
        let uses = |word: &str| images.iter().any(|image| image.contains(word));
        let postgres = uses("postgres") || uses("postgis");
        let redis = uses("redis") || uses("valkey");
        if postgres || redis {
            found.because.push(format!("{name}: its data services"));
        }
        found.postgres |= postgres;
        found.redis |= redis;
    }
}
