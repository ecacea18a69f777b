//! Webhooks are told of releases by the real engine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};

use serde_json::Value;

use crate::app::{App, PATIENCE};
use crate::releases::ECHO;

/// A posted notification: the path, and the body.
type Posted = (String, Value);

/// Answers every request with 200 and hands its path and body on.
fn receiver() -> (SocketAddr, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (posted, all) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Some(found) = request(stream) {
                let _ = posted.send(found);
            }
        }
    });
    (address, all)
}

fn request(mut stream: TcpStream) -> Option<Posted> {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&piece[..read]);
        let whole = String::from_utf8_lossy(&text);
        let Some((head, body)) = whole.split_once("\r\n\r\n") else {
            continue;
        };
        let Ok(body) = serde_json::from_str(body) else {
            continue;
        };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        return Some((path, body));
    }
}

#[test]
fn webhooks_are_told_of_a_release_that_is_done_and_of_one_that_is_rolled_back() {
    let (address, posted) = receiver();
    let manifest = format!(
        "{ECHO}
[secret.chat-url]

[notify.log]
url = \"http://{address}/log?key=word\"
on = [\"release-started\", \"release-finished\", \"release-failed\"]

[notify.chat]
secret = \"chat-url\"
format = \"slack\"
on = [\"release-failed\"]
services = [\"api\"]

[notify.nobody]
url = \"http://127.0.0.1:1/word\"
"
    );
    let app = App::new(&manifest);
    let file = app.folder().join("chat-url");
    std::fs::write(&file, format!("http://{address}/chat")).expect("the URL");
    app.ok(&[
        "secret",
        "set",
        "chat-url",
        "--from",
        &file.to_string_lossy(),
    ]);
    app.up();
    let next = || posted.recv_timeout(PATIENCE).expect("a notification");
    for occasion in ["release-started", "release-finished"] {
        let (path, body) = next();
        assert_eq!(path, "/log?key=word");
        assert_eq!(body["occasion"], occasion, "{body}");
        assert_eq!(
            (&body["app"], &body["service"]),
            (&"echo".into(), &"api".into())
        );
    }
    let fault = "service.api.env.ECHO_FAULT=bad-health";
    let output = app.run(&["deploy", "api", "--set", fault]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(next().1["occasion"], "release-started");
    let mut ends = [next(), next()];
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    let [(_, chat), (_, log)] = ends;
    assert_eq!(log["occasion"], "release-failed", "{log}");
    assert_eq!(log["release"]["outcome"], "rolled-back", "{log}");
    assert_eq!(log["release"]["serving"], 1, "{log}");
    assert_eq!(
        chat["text"],
        "api: release 2 was rolled back; revision 1 serves"
    );
    assert!(!app.engine_log().contains("word"), "no path is logged");
}
