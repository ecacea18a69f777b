//! A backend that speaks raw HTTP/1.1, one thread per connection; the path says what it does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A running backend.
pub(crate) struct Backend {
    pub address: SocketAddr,
    pub state: Arc<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub name: String,
    pub seen: AtomicUsize,
    pub sick: AtomicBool,
    stopped: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Backend {
    pub(crate) fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            name: name.into(),
            ..State::default()
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let _ = stream.set_nodelay(true);
                shared
                    .connections
                    .lock()
                    .expect("not poisoned")
                    .push(stream.try_clone().expect("a copy"));
                let shared = shared.clone();
                std::thread::spawn(move || serve(&shared, &stream));
            }
        });
        Self { address, state }
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.seen.load(Ordering::SeqCst)
    }

    /// As a process that was killed: every connection and the listener are gone.
    pub(crate) fn kill(&self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Each connection wakes the listener; one that is refused shows that it is gone.
        let begun = std::time::Instant::now();
        while TcpStream::connect(self.address).is_ok() {
            assert!(begun.elapsed().as_secs() < 20, "the listener stays");
        }
        self.hang_up();
    }

    /// Closes every connection.
    pub(crate) fn hang_up(&self) {
        for stream in self
            .state
            .connections
            .lock()
            .expect("not poisoned")
            .drain(..)
        {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn serve(state: &State, stream: &TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    while let Some((head, body)) = request(&mut reader) {
        if answer(state, &head, &body, stream, &mut reader).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    if head.contains(" /die-after-100 ") {
        let _ = reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        return None;
    }
    if super::header(&head, "expect").is_some() {
        reader
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .ok()?;
    }
    let mut body = Vec::new();
    if let Some(length) = super::header(&head, "content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if super::header(&head, "transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                // What the router lets through after the body would be seen here.
                assert_eq!(chunk, b"\r\n", "trailers reach no target");
                break;
            }
            assert!(line.len() <= 10, "an extension reached a target: {line}");
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Some((head, body))
}

fn answer(
    state: &State,
    head: &str,
    body: &[u8],
    mut stream: &TcpStream,
    reader: &mut BufReader<TcpStream>,
) -> std::io::Result<()> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if path == "/healthz" {
        let sick = state.sick.load(Ordering::SeqCst);
        let text = format!(
            "HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n",
            if sick { 503 } else { 200 }
        );
        return stream.write_all(text.as_bytes());
    }
    state.seen.fetch_add(1, Ordering::SeqCst);
    let out = match path {
        "/head" => plain(head),
        "/echo" => plain(&String::from_utf8_lossy(body)),
        "/slow" => {
            std::thread::sleep(Duration::from_millis(300));
            plain(&state.name)
        }
        "/never" => {
            let mut rest = Vec::new();
            let _ = reader.read_to_end(&mut rest);
            return closed();
        }
        "/login" => b"HTTP/1.1 200 OK\r\nSet-Cookie: SID=1; HttpOnly\r\nContent-Length: 1\r\n\r\n"
            .iter()
            .chain(state.name.as_bytes())
            .copied()
            .collect(),
        "/close" => return closed(),
        "/huge-head" => {
            format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(40_000)).into_bytes()
        }
        "/103" => [
            &b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"[..],
            &plain("hinted"),
        ]
        .concat(),
        "/die-after-103" => {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")?;
            return closed();
        }
        "/until-close" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end")?;
            return closed();
        }
        "/short" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")?;
            return closed();
        }
        "/ws" => {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")?;
            let mut part = [0; 64];
            loop {
                let read = reader.read(&mut part)?;
                if read == 0 {
                    return closed();
                }
                stream.write_all(&part[..read])?;
            }
        }
        _ => fixed(path).map_or_else(|| plain(&state.name), <[u8]>::to_vec),
    };
    stream.write_all(&out)
}

fn closed() -> std::io::Result<()> {
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

fn plain(text: &str) -> Vec<u8> {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}").into_bytes()
}

/// Answers that are the same bytes for whoever asks.
fn fixed(path: &str) -> Option<&'static [u8]> {
    Some(match path {
        "/garbage" => b"nonsense\r\n\r\n",
        "/both" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        "/status-099" => b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
        "/status-000" => b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
        "/101" => b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "/204" => b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        "/204-chunked" => b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n",
        "/lengths-equal" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        "/lengths-differ" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        "/length-list" => b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
        "/chunked-1.0" => b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "/gzip-chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "/folded" => b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "/bare-cr" => b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n",
        "/nul" => b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "/space-colon" => b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
        "/odd-chunks" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0002;a=b\r\nhi\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\n\r\n",
        "/bad-trailer" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n",
        "/trailers" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
        "/hop" => b"HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
        _ => return None,
    })
}
