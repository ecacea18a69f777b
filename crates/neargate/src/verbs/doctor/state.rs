//! The state directory, the engine and the router of it, the edge's port.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use neargate_core::model::Manifest;
use neargate_core::status::Status;
use neargate_near::paths::StateDir;

use super::{DoctorFinding, FindingLevel};

/// With less room than this, data services and logs soon stop.
const LITTLE: u64 = 512 << 20;

/// Looks at the directory itself.
pub(super) fn findings(state: &StateDir) -> Vec<DoctorFinding> {
    let path = state.path();
    let path = path.display();
    let Ok(metadata) = std::fs::metadata(state.path()) else {
        return vec![DoctorFinding::ok(
            "state",
            format!("{path} does not exist yet"),
        )];
    };
    let mode = metadata.permissions().mode() & 0o777;
    let directory = if metadata.uid() != rustix::process::geteuid().as_raw() {
        let words = format!("{path} belongs to another user (uid {})", metadata.uid());
        DoctorFinding::missing(
            "state",
            words,
            "run as that user, or choose another --state-dir",
        )
    } else if mode & 0o077 != 0 {
        let words = format!("{path} is open to others (mode {mode:o})");
        DoctorFinding::warning("state", words, format!("chmod 700 {path}"))
    } else {
        DoctorFinding::ok("state", format!("{path}, the owner's alone"))
    };
    let mut findings = vec![directory];
    findings.extend(room(state));
    findings
}

fn room(state: &StateDir) -> Option<DoctorFinding> {
    let system = rustix::fs::statvfs(state.path()).ok()?;
    let free = system.f_bavail * system.f_frsize;
    let words = format!("{} MiB free for the state directory", free >> 20);
    Some(if free < LITTLE {
        DoctorFinding::warning("disk", words, "make room; PostgreSQL stops on a full disk")
    } else {
        DoctorFinding::ok("disk", words)
    })
}

/// The engine and the router.
pub(super) fn processes(status: Option<&Status>) -> Vec<DoctorFinding> {
    let Some(status) = status else {
        return vec![DoctorFinding::ok(
            "engine",
            "none runs for this state directory",
        )];
    };
    let engine = format!(
        "pid {} serves {} at {}",
        status.engine.pid, status.app, status.endpoint
    );
    let router = match &status.router {
        Some(router) => DoctorFinding::ok("router", format!("pid {}", router.pid)),
        None => DoctorFinding::warning("router", "is being replaced", "neargate status --watch"),
    };
    let mut findings = vec![DoctorFinding::ok("engine", engine), router];
    let notes = status.notes.iter();
    findings.extend(notes.map(|note| DoctorFinding {
        verdict: FindingLevel::Warning,
        ..DoctorFinding::ok("note", note)
    }));
    findings
}

/// The port that the edge would have, unless our own engine has it.
pub(super) fn port(manifest: &Manifest, endpoint: Option<&str>) -> DoctorFinding {
    let (address, port) = (&manifest.edge.address, manifest.edge.port);
    if endpoint.is_some_and(|endpoint| endpoint.ends_with(&format!(":{port}"))) {
        return DoctorFinding::ok("port", format!("{port} is this app's own"));
    }
    let ip = if address == "localhost" {
        "127.0.0.1"
    } else {
        address
    };
    let Ok(ip) = ip.parse::<IpAddr>() else {
        return DoctorFinding::warning(
            "port",
            format!("{address} is not an IP address"),
            "write for example 127.0.0.1",
        );
    };
    match TcpListener::bind(SocketAddr::new(ip, port)) {
        Ok(_) => DoctorFinding::ok("port", format!("{port} is free")),
        Err(error) => {
            let words = format!("cannot listen at {address}:{port}: {error}");
            DoctorFinding::warning("port", words, "neargate up --port N")
        }
    }
}
