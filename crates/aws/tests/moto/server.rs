//! moto's server with the additions of `launch.py`, as a process of the test.
//!
//! It ends when its standard input closes: when it is dropped, or with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A server of its own.
pub(crate) struct Moto {
    child: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Moto {
    /// `None`, said on standard output: there is no moto here.
    pub(crate) fn start() -> Option<Self> {
        let found = Self::launch();
        if found.is_none() {
            println!("skipped: python3 cannot import moto (pip install 'moto[server]==5.2.1')");
        }
        found
    }

    fn launch() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../aws/tests/moto/launch.py");
        let mut child = Command::new("python3")
            .arg(script)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let Some(port) = line.trim().strip_prefix("ready ") else {
            let _ = child.wait();
            return None;
        };
        let port = port.parse().expect("a port");
        Some(Self { child, port })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Tells the launcher something: one of `controlled` in `launch.py`.
    pub(crate) fn control(&self, name: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let size = body.len();
        let head = format!("POST /control/{name} HTTP/1.0\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, text) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(text).unwrap_or_else(|_| panic!("{name}: {answer}"))
    }
}
