//! A target's health counts only while the sockets at its address are the task's.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::support;
use crate::support::backend::Backend;
use crate::support::{Router, get, health, table, target, until};
use neargate_core::health_reason::HealthFinding;
use neargate_core::routing::control::FromRouter;
use neargate_core::routing::listening::ListenerOwner;
use neargate_core::routing::table::{RoutingTable, Target, TargetHealth};
use socket2::{Domain, Socket, Type};

/// A server below a shell, as a task is below its shim. It says `up` when it listens.
const SERVER: &str = r#"
import http.server, socket, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

struct Task {
    shim: Child,
    address: SocketAddr,
}

impl Task {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let shim = Command::new("sh")
            .args(["-c", "python3 -c \"$0\" \"$1\"; sleep 1000", SERVER])
            .arg(address.port().to_string())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell");
        until("the server", || std::net::TcpStream::connect(address).ok());
        Self { shim, address }
    }

    fn target(&self) -> Target {
        Target {
            owner: Some(ListenerOwner::DescendantOf(self.shim.id())),
            health: TargetHealth::Initial,
            ..target("api-r1-1", 1, self.address)
        }
    }

    fn kill_server(&self) {
        let children = format!("/proc/{0}/task/{0}/children", self.shim.id());
        let pid = std::fs::read_to_string(children).expect("children");
        let pid: i32 = pid.trim().parse().expect("one child");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let group = i32::try_from(self.shim.id()).ok();
        if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.shim.wait();
    }
}

fn checked(target: Target) -> RoutingTable {
    let mut table = table(vec![target]);
    let group = table.groups.get_mut("api").expect("the group");
    group.health = Some(health());
    table
}

fn unhealthy_because(router: &mut Router) -> String {
    let said = router.engine.wait(|message| {
        matches!(message, FromRouter::HealthChanged { health, .. } if *health == TargetHealth::Unhealthy)
    });
    match said {
        FromRouter::HealthChanged { reason, .. } => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

fn listen_beside(address: SocketAddr) -> Option<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.set_reuse_port(true).ok()?;
    socket.set_reuse_address(true).ok()?;
    socket.bind(&address.into()).ok()?;
    socket.listen(16).ok()?;
    Some(socket)
}

#[test]
fn a_stranger_at_the_port_of_a_task_makes_it_unhealthy_at_once_and_is_named() {
    let task = Task::start();
    task.kill_server();
    let stranger = until("the port", || listen_beside(task.address));
    let mut router = Router::start();
    router.engine.publish(&checked(task.target()));
    let reason = unhealthy_because(&mut router);
    let port = task.address.port().to_string();
    assert!(reason.starts_with("Target.PortTaken: port "), "{reason}");
    assert!(
        reason.contains(&port) && reason.contains("not by this task"),
        "{reason}"
    );
    drop(stranger);
}

#[test]
fn a_listener_that_is_replaced_later_is_noticed() {
    let task = Task::start();
    let mut router = Router::start();
    router.engine.publish(&checked(task.target()));
    router.engine.wait_health("api-r1-1", TargetHealth::Healthy);
    task.kill_server();
    let _stranger = until("the port", || listen_beside(task.address));
    let reason = unhealthy_because(&mut router);
    assert!(reason.contains("Target."), "{reason}");
}

#[test]
fn a_stranger_that_shares_the_port_is_noticed_while_the_task_listens_too() {
    let task = Task::start();
    let mut router = Router::start();
    router.engine.publish(&checked(task.target()));
    router.engine.wait_health("api-r1-1", TargetHealth::Healthy);
    let _stranger = listen_beside(task.address).expect("shared");
    let reason = unhealthy_because(&mut router);
    assert!(reason.starts_with("Target.PortTaken"), "{reason}");
}

#[test]
fn a_listener_of_the_service_user_is_the_tasks_and_one_of_another_user_is_not() {
    let task = Task::start();
    let user = rustix::process::geteuid().as_raw();
    for (owner, expected) in [
        (user, TargetHealth::Healthy),
        (user + 1, TargetHealth::Unhealthy),
    ] {
        let mut router = Router::start();
        let owner = Some(ListenerOwner::User(owner));
        let target = Target {
            owner,
            ..task.target()
        };
        router.engine.publish(&checked(target));
        router.engine.wait_health("api-r1-1", expected);
    }
}

/// A target that is another user's, as the kernel tells it of whoever is at its address.
fn of_user(task: &str, address: SocketAddr, user: u32) -> Target {
    let owner = Some(ListenerOwner::User(user));
    Target {
        owner,
        ..target(task, 1, address)
    }
}

#[test]
fn a_stranger_gets_no_byte_of_a_request_that_another_task_answers_instead() {
    let (task, stranger) = (Backend::start("api-r1-1"), Backend::start("stranger"));
    let user = rustix::process::geteuid().as_raw();
    let mut router = Router::start();
    let targets = vec![
        of_user("api-r1-1", task.address, user),
        of_user("api-r1-2", stranger.address, user + 1),
    ];
    // Before any check: the health is the engine's word.
    router.engine.publish(&table(targets));
    for _ in 0..20 {
        let (status, _, body) = get(router.address, "/echo");
        assert_eq!(status, 200, "{body}");
    }
    assert_eq!(task.requests(), 20);
    assert_eq!(stranger.requests(), 0);
}

#[test]
fn a_request_for_which_there_is_only_a_stranger_is_502_and_the_log_says_why() {
    let stranger = Backend::start("stranger");
    let user = rustix::process::geteuid().as_raw();
    let mut router = Router::start();
    let target = of_user("api-r1-1", stranger.address, user + 1);
    router.engine.publish(&table(vec![target]));
    // Also when it is the last one and unhealthy: then the group fails open.
    for _ in 0..5 {
        assert_eq!(get(router.address, "/echo").0, 502);
    }
    unhealthy_because(&mut router);
    assert_eq!(get(router.address, "/echo").0, 502);
    assert_eq!(stranger.requests(), 0);
    for line in router.log_lines(6) {
        assert_eq!(line["error"], "PortTaken", "{line}");
    }
}

#[test]
fn a_listener_for_ipv6_alone_beside_a_task_changes_nothing() {
    let task = Task::start();
    let mut router = Router::start();
    router.engine.publish(&checked(task.target()));
    router.engine.wait_health("api-r1-1", TargetHealth::Healthy);
    let bystander = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
    bystander.set_only_v6(true).expect("IPv6 alone");
    let wildcard = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, task.address.port()));
    bystander.bind(&wildcard.into()).expect("bound");
    bystander.listen(1).expect("listens");
    // Who listens is looked at once a second.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    task.kill_server();
    let reason = unhealthy_because(&mut router);
    assert!(!reason.contains("PortTaken"), "{reason}");
}

#[test]
fn each_new_finding_of_the_checks_is_told_before_the_health_changes_and_to_the_next_engine() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = Target {
        health: TargetHealth::Initial,
        ..target("api-r1-1", 1, free.local_addr().expect("an address"))
    };
    let mut table = checked(target);
    let group = table.groups.get_mut("api").expect("the group");
    let rule = group.health.as_mut().expect("its check");
    (rule.interval, rule.unhealthy) = (std::time::Duration::from_secs(60), 3);
    std::thread::spawn(move || {
        for stream in free.incoming() {
            let mut stream = stream.expect("a check");
            let _ = std::io::Read::read(&mut stream, &mut [0; 512]);
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
            );
        }
    });
    let mut router = Router::start();
    router.engine.publish(&table);
    let told = |message: &FromRouter| matches!(message, FromRouter::HealthChanged { health: TargetHealth::Initial, reason, failures: 1, threshold: 3, .. } if reason.finding == HealthFinding::Status(500));
    router.engine.wait(told);
    let mut next = support::Engine::connect(&router.control);
    next.wait(told);
}
