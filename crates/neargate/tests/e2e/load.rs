//! A paced HTTP/1.1 load with keep-alive that counts every request that was not answered well.
//!
//! Strict on purpose: a connection that the server closes without having said so
//! (`Connection: close`) loses the next request, and that counts.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Result of a load.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub sent: u64,
    /// Answered with 200, by revision (`X-Neargate-Revision`).
    pub by_revision: BTreeMap<String, u64>,
    /// Not answered with 200: why, and how often.
    pub failed: BTreeMap<String, u64>,
}

impl Tally {
    /// Requests that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        for (key, count) in other.by_revision {
            *self.by_revision.entry(key).or_default() += count;
        }
        for (key, count) in other.failed {
            *self.failed.entry(key).or_default() += count;
        }
    }
}

/// A running load; at most ten minutes long.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Tally>>,
}

const LONGEST: Duration = Duration::from_secs(600);

/// A slow answer holds its connection: at a high rate the rest must still suffice.
fn connections(rate: u32) -> u32 {
    if rate > 2_000 { 160 } else { 16 }
}

impl Load {
    /// Starts `rate` GET requests a second.
    pub(crate) fn start(address: SocketAddr, path: &str, rate: u32) -> Self {
        let connections = connections(rate);
        let stop = Arc::new(AtomicBool::new(false));
        let gap = Duration::from_secs(1) * connections / rate;
        let workers = (0..connections)
            .map(|_| {
                let (stop, path) = (stop.clone(), path.to_owned());
                std::thread::spawn(move || work(address, &path, gap, &stop))
            })
            .collect();
        Self { stop, workers }
    }

    /// Ends the load and says what it saw.
    pub(crate) fn finish(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        for worker in self.workers {
            tally.add(worker.join().expect("a load worker panicked"));
        }
        tally
    }
}

fn work(address: SocketAddr, path: &str, gap: Duration, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    let began = Instant::now();
    let mut next = began;
    while !stop.load(Ordering::Relaxed) && began.elapsed() < LONGEST {
        let now = Instant::now();
        if now < next {
            std::thread::sleep(next - now);
        }
        // A slow answer delays the next request, and the ones after it catch up.
        next += gap;
        tally.sent += 1;
        match request(address, path, "", &mut connection) {
            Ok(Answer {
                status: 200,
                revision,
                ..
            }) => *tally.by_revision.entry(revision).or_default() += 1,
            Ok(Answer {
                status, revision, ..
            }) => {
                let key = format!("status {status} of revision {revision}");
                *tally.failed.entry(key).or_default() += 1;
            }
            Err(error) => {
                connection = None;
                *tally.failed.entry(error).or_default() += 1;
            }
        }
    }
    tally
}

/// A connection that is kept.
pub(crate) type Connection = BufReader<TcpStream>;

/// An answer to a request.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub status: u16,
    /// Value of `X-Neargate-Revision`; empty: there was none.
    pub revision: String,
    /// Values of `Set-Cookie`.
    pub set_cookies: Vec<String>,
    close: bool,
}

/// One GET request with these cookies (none when empty), on a kept connection if there is one.
pub(crate) fn request(
    address: SocketAddr,
    path: &str,
    cookies: &str,
    kept: &mut Option<Connection>,
) -> Result<Answer, String> {
    let reused = if kept.is_some() { "reused" } else { "fresh" };
    let connection = match kept {
        Some(connection) => connection,
        None => {
            kept.insert(connect(address).map_err(|error| format!("connect: {}", error.kind()))?)
        }
    };
    let cookie = match cookies {
        "" => String::new(),
        cookies => format!("Cookie: {cookies}\r\n"),
    };
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load\r\n{cookie}\r\n");
    connection
        .get_mut()
        .write_all(head.as_bytes())
        .map_err(|error| format!("write on a {reused} connection: {}", error.kind()))?;
    let answer = response(connection)
        .map_err(|error| format!("read on a {reused} connection: {}", error.kind()))?;
    if answer.close {
        *kept = None;
    }
    Ok(answer)
}

fn connect(address: SocketAddr) -> std::io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    Ok(BufReader::new(stream))
}

fn response(connection: &mut Connection) -> std::io::Result<Answer> {
    let (mut answer, mut length) = (Answer::default(), 0);
    let mut line = String::new();
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        if let Some(rest) = text.strip_prefix("HTTP/1.1 ") {
            answer.status = rest
                .split(' ')
                .next()
                .and_then(|code| code.parse().ok())
                .unwrap_or(0);
        } else if let Some((name, value)) = text.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "connection" => answer.close = value.trim().eq_ignore_ascii_case("close"),
                "x-neargate-revision" => value.trim().clone_into(&mut answer.revision),
                "set-cookie" => answer.set_cookies.push(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(answer)
}
