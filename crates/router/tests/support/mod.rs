//! What the router's tests share: a router in a thread, an engine's side of the control
//! socket, backends that speak raw HTTP, and a client that sees every byte.
#![allow(dead_code)]

pub(crate) mod backend;
pub(crate) mod frames;
pub(crate) mod http2;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use neargate_core::ids::RevisionNumber;
use neargate_core::model::{Balance, HealthCheck, Probe, Route};
use neargate_core::routing::control::{FromRouter, RequestCount, SecondCount, ToRouter};
use neargate_core::routing::table::{
    Admission, Listener, ListenerRule, RoutingTable, RuleAction, Target, TargetGroup, TargetHealth,
    WeightedGroup,
};
use neargate_router::{Confinement, RouterConfig, RouterError, RouterLimits, SignalHandling};
use rustix::process::{Resource, Rlimit};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Two sockets that share one port.
pub(crate) fn listeners() -> (SocketAddr, Vec<(String, OwnedFd)>) {
    let first = listener("127.0.0.1:0".parse().expect("an address"));
    let address = first.local_addr().expect("bound").as_socket().expect("tcp");
    let sockets = [first, listener(address)];
    (
        address,
        sockets.map(|s| ("edge".to_owned(), s.into())).into(),
    )
}

fn listener(address: SocketAddr) -> socket2::Socket {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_reuse_port(true).expect("reuse");
    socket.bind(&address.into()).expect("bound");
    socket.listen(1024).expect("listening");
    socket
}

pub(crate) fn again(sockets: &[(String, OwnedFd)]) -> Vec<(String, OwnedFd)> {
    let copy = |(name, fd): &(String, OwnedFd)| (name.clone(), fd.try_clone().expect("a copy"));
    sockets.iter().map(copy).collect()
}

/// A router that runs in a thread of the test.
pub(crate) struct Router {
    pub address: SocketAddr,
    pub sockets: Vec<(String, OwnedFd)>,
    pub engine: Engine,
    pub thread: std::thread::JoinHandle<Result<(), RouterError>>,
    pub log: PathBuf,
    pub control: PathBuf,
    pub directory: tempfile::TempDir,
}

impl Router {
    pub(crate) fn start() -> Self {
        let (address, sockets) = listeners();
        Self::on(address, sockets, RouterLimits::default())
    }

    pub(crate) fn with(limits: RouterLimits) -> Self {
        let (address, sockets) = listeners();
        Self::on(address, sockets, limits)
    }

    /// All connections are of one worker, and share what it has.
    pub(crate) fn with_one_worker(limits: RouterLimits) -> Self {
        let (address, sockets) = listeners();
        Self::of_workers(1, address, sockets, limits)
    }

    pub(crate) fn on(
        address: SocketAddr,
        sockets: Vec<(String, OwnedFd)>,
        limits: RouterLimits,
    ) -> Self {
        Self::of_workers(2, address, sockets, limits)
    }

    fn of_workers(
        workers: usize,
        address: SocketAddr,
        sockets: Vec<(String, OwnedFd)>,
        limits: RouterLimits,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (control, log) = (
            directory.path().join("c"),
            directory.path().join("access.log"),
        );
        let config = RouterConfig {
            sockets: again(&sockets),
            control: control.clone(),
            access_log: Some(log.clone()),
            workers,
            limits,
            signals: SignalHandling::Leave,
            confinement: Confinement::default(),
        };
        let thread = std::thread::spawn(move || neargate_router::run(config));
        Self {
            engine: Engine::connect(&control),
            address,
            sockets,
            thread,
            log,
            control,
            directory,
        }
    }

    /// Lines of the access log, when there are this many.
    pub(crate) fn log_lines(&self, count: usize) -> Vec<serde_json::Value> {
        until("log lines", || {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = text
                .lines()
                .map(|l| serde_json::from_str(l).expect("JSON"))
                .collect();
            (lines.len() >= count).then_some(lines)
        })
    }
}

/// A router in a process of its own, which may open this many files.
pub(crate) fn process(
    directory: &Path,
    sockets: &[(String, OwnedFd)],
    files: Option<u64>,
) -> Child {
    let tests = std::env::current_exe().expect("a path");
    let program = tests
        .parent()
        .and_then(|p| p.parent())
        .expect("target")
        .join("examples/router");
    let fds: Vec<i32> = sockets.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
    let mut command = Command::new(program);
    command.arg(directory.join("c")).arg(directory.join("log"));
    command.args(fds.iter().map(|fd| format!("edge={fd}")));
    // SAFETY: only system calls between fork and exec, on descriptors that the test keeps open.
    unsafe {
        command.pre_exec(move || {
            for fd in &fds {
                let fd = rustix::fd::BorrowedFd::borrow_raw(*fd);
                rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
            }
            if let Some(files) = files {
                rustix::process::setrlimit(Resource::Nofile, both(files))?;
            }
            Ok(())
        });
    }
    command.spawn().expect("started")
}

/// A limit of which the soft and the hard one are equal.
fn both(limit: u64) -> Rlimit {
    Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    }
}

/// Polls until there is something.
pub(crate) fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "no {what} in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The engine's side.
pub(crate) struct Engine {
    reader: BufReader<UnixStream>,
    version: u64,
    /// Those that came while something else was waited for.
    unread_counts: Vec<SecondCount>,
}

impl Engine {
    pub(crate) fn connect(control: &Path) -> Self {
        let stream = until("control socket", || UnixStream::connect(control).ok());
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut engine = Self {
            reader: BufReader::new(stream),
            version: 0,
            unread_counts: Vec::new(),
        };
        match engine.read() {
            FromRouter::Hello { version, .. } => engine.version = version,
            other => panic!("{other:?} before the hello"),
        }
        engine
    }

    pub(crate) fn read(&mut self) -> FromRouter {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a message");
        let message = serde_json::from_str(&line).expect("a message of the contract");
        if let FromRouter::Counted { through, .. } = message {
            self.order(&ToRouter::Taken { through });
        }
        message
    }

    /// The next seconds in which something was counted.
    pub(crate) fn counted(&mut self) -> Vec<SecondCount> {
        if !self.unread_counts.is_empty() {
            return std::mem::take(&mut self.unread_counts);
        }
        let something = |m: &FromRouter| matches!(m, FromRouter::Counted { seconds, .. } if !seconds.is_empty());
        match self.wait(something) {
            FromRouter::Counted { seconds, .. } => seconds,
            other => panic!("{other:?}"),
        }
    }

    /// The same, whatever the second.
    pub(crate) fn requests(&mut self) -> Vec<RequestCount> {
        let seconds = self.counted().into_iter();
        seconds.flat_map(|second| second.requests).collect()
    }

    pub(crate) fn order(&mut self, order: &ToRouter) {
        let mut line = serde_json::to_vec(order).expect("JSON");
        line.push(b'\n');
        self.reader.get_mut().write_all(&line).expect("sent");
    }

    /// Publishes with the next version, and reads nothing.
    pub(crate) fn publish_unread(&mut self, table: &RoutingTable) {
        self.version += 1;
        let mut table = Box::new(table.clone());
        table.version = self.version;
        self.order(&ToRouter::Publish { table });
    }

    /// Publishes with the next version and waits until it is in force.
    pub(crate) fn publish(&mut self, table: &RoutingTable) {
        self.publish_unread(table);
        let wanted = self.version;
        self.wait(|m| matches!(m, FromRouter::Published { version } if *version == wanted));
    }

    pub(crate) fn wait(&mut self, wanted: impl Fn(&FromRouter) -> bool) -> FromRouter {
        let begun = Instant::now();
        loop {
            let message = self.read();
            if wanted(&message) {
                return message;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "not said: the last was {message:?}"
            );
            if let FromRouter::Counted { seconds, .. } = message {
                self.unread_counts.extend(seconds);
            }
        }
    }

    pub(crate) fn wait_health(&mut self, task: &str, wanted: TargetHealth) {
        self.wait(|m| {
            matches!(m, FromRouter::HealthChanged { task: t, health, .. } if *t == task && *health == wanted)
        });
    }
}

pub(crate) fn target(task: &str, revision: u32, address: SocketAddr) -> Target {
    Target {
        task: task.into(),
        revision: RevisionNumber(revision),
        address,
        owner: None,
        admission: Admission::Admitted,
        health: TargetHealth::Healthy,
    }
}

pub(crate) fn group(targets: Vec<Target>) -> TargetGroup {
    TargetGroup {
        service: "api".into(),
        balance: Balance::RoundRobin,
        health: None,
        slow_start: Duration::ZERO,
        sticky: None,
        revision: None,
        idle_timeout: Duration::from_secs(20),
        targets,
    }
}

/// One rule for everything, to one group.
pub(crate) fn table(targets: Vec<Target>) -> RoutingTable {
    let action = RuleAction::Forward(vec![WeightedGroup {
        group: "api".into(),
        weight: 1,
    }]);
    let rule = ListenerRule {
        route: Route {
            priority: 1,
            ..Route::default()
        },
        action,
    };
    RoutingTable {
        version: 0,
        expose: true,
        trusted: Vec::new(),
        listeners: BTreeMap::from([("edge".to_owned(), Listener { rules: vec![rule] })]),
        groups: BTreeMap::from([("api".to_owned(), group(targets))]),
        cookie_key: None,
    }
}

pub(crate) fn health() -> HealthCheck {
    HealthCheck {
        probe: Probe::Http {
            path: "/healthz".into(),
            matcher: vec![(200, 200)],
        },
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        healthy: 2,
        unhealthy: 2,
        grace: Duration::ZERO,
    }
}

/// A raw connection to the router.
pub(crate) struct Wire(pub TcpStream);

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self(stream)
    }

    pub(crate) fn send(&mut self, text: &str) -> &mut Self {
        self.0.write_all(text.as_bytes()).expect("sent");
        self
    }

    /// Reads up to and with this text.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let mut byte = [0];
        while !all.ends_with(end.as_bytes()) {
            match self.0.read(&mut byte) {
                Ok(1) => all.push(byte[0]),
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Everything until the connection ends.
    pub(crate) fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let _ = self.0.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// One response with a Content-Length (or none): head and body.
    pub(crate) fn response(&mut self) -> Result<(u16, String, String), String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                other => return Err(format!("{other:?} after {} bytes", head.len())),
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head[9..12].parse().map_err(|e| format!("{e}"))?;
        let length = header(&head, "content-length").map_or(0, |v| v.parse().expect("a length"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).map_err(|e| e.to_string())?;
        Ok((status, head, String::from_utf8_lossy(&body).into_owned()))
    }
}

pub(crate) fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (n, value) = line.split_once(": ")?;
        n.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

/// GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut wire = Wire::open(address);
    wire.send(&format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    wire.response().expect("a response")
}
