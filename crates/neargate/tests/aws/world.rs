//! A moto server, an app on it, and a folder with its manifest and the stand-ins.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::moto::{self, Moto};

/// An app in a folder of its own, and the AWS that moto plays.
pub(crate) struct World {
    app: &'static str,
    moto: Moto,
    folder: TempDir,
}

/// Writes its arguments, and the session that it was handed, and opens the port it was asked for.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import json, os, socket, sys
if sys.argv[1:] == ["--version"]:
    print("1.2.707.0")
    sys.exit()
folder = os.environ["STAND_INS"]
with open(folder + "/plugin.json", "w") as file:
    session = os.environ["AWS_SSM_START_SESSION_RESPONSE"]
    json.dump({"arguments": sys.argv[1:], "session": json.loads(session)}, file)
asked = json.loads(sys.argv[5])
if "Parameters" in asked:
    server = socket.create_server(("127.0.0.1", int(asked["Parameters"]["localPortNumber"][0])))
    while True:
        server.accept()
sys.exit(7)
"#;

const PSQL: &str = r#"#!/bin/sh
{ printf '%s\n' "$@"; env | grep ^PG | sort; } > "$STAND_INS/psql.txt"
exit 3
"#;

/// `None`: there is no moto here.
pub(crate) fn world(app: &'static str, manifest: &str) -> Option<World> {
    let world = World {
        app,
        moto: Moto::start()?,
        folder: tempfile::tempdir().expect("a folder"),
    };
    fs::write(world.file("neargate.toml"), manifest).expect("the manifest");
    for (name, text) in [("session-manager-plugin", PLUGIN), ("psql", PSQL)] {
        fs::write(world.file(name), text).expect("a stand-in");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(world.file(name), mode).expect("a mode");
    }
    world.control("world", &json!({ "app": app }));
    Some(world)
}

impl World {
    /// A file of the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Tells the launcher something.
    pub(crate) fn control(&self, name: &str, body: &Value) -> Value {
        self.moto.control(name, body)
    }

    /// Starts a task of the service, with ECS Exec or without.
    pub(crate) fn task(&self, id: &str, exec: bool) {
        let service = format!("{}-api", self.app);
        let task = json!({ "service": service, "cluster": self.app, "id": id, "exec": exec });
        self.control("task", &task);
    }

    /// Calls of AWS's so far, by name.
    pub(crate) fn calls(&self, action: &str) -> usize {
        let all = self.control("calls", &json!({ "holds": "" }));
        let all = all.as_array().cloned().unwrap_or_default();
        let own = |call: &&Value| call.as_str().is_some_and(|it| it.starts_with(action));
        all.iter().filter(own).count()
    }

    /// Runs `neargate … -e prod` with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let own = self.folder.path().display();
        let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
        let mut child = moto::reach(&mut command, &self.moto)
            .args(["-e", "prod"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("STAND_INS", self.folder.path())
            .env("PATH", format!("{own}:{path}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("neargate runs");
        let mut to = child.stdin.take().expect("a pipe");
        to.write_all(input.as_bytes()).expect("sent");
        drop(to);
        child.wait_with_output().expect("it ends")
    }

    /// Runs `neargate … -e prod`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }
}

/// Standard output as text.
pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
