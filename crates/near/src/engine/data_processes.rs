//! Data services run under the supervisor, like tasks.

use std::time::Duration;

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::ProcessExit;

use crate::data::{NotStarted, ServerProcess, ServerProcesses, ServerStopSignal};
use crate::identity::UserIdentity;
use crate::logs;
use crate::paths::StateDir;
use crate::shim_role::ShimRole;
use crate::supervisor::{
    self, LogTarget, OrphanPolicy, StopPolicy, Supervisor, TaskSpec, WorkingDirectory,
};

/// The supervisor as data services see it.
pub(super) struct DataProcesses {
    pub supervisor: Supervisor,
    /// Where their logs are.
    pub state: StateDir,
}

impl ServerProcesses for DataProcesses {
    async fn start(&self, process: &ServerProcess) -> Result<u32, NotStarted> {
        let spec = TaskSpec {
            id: process.id.clone(),
            role: Some(ShimRole::DataServer(process.id.clone())),
            log: LogTarget {
                service: process.id.clone(),
                revision: RevisionNumber::NONE,
            },
            argv: process.argv.clone(),
            env: std::collections::BTreeMap::from([("LC_ALL".to_owned(), "C.UTF-8".to_owned())]),
            place: WorkingDirectory::Directory(process.directory.clone()),
            identity: process
                .owner
                .ids()
                .map(|(uid, gid)| UserIdentity { uid, gid }),
            limits: None,
            port: None,
            stop: StopPolicy {
                signal: signal(process.stop),
                timeout: process.stop_timeout,
                children: OrphanPolicy::Killed,
            },
        };
        let running = self
            .supervisor
            .start(&spec)
            .await
            .map_err(|error| NotStarted(error.to_string()))?;
        Ok(running.task.pid)
    }

    async fn running(&self, id: &str) -> Option<u32> {
        self.supervisor.running(id).map(|running| running.task.pid)
    }

    async fn ended(&self, id: &str) -> String {
        match self.supervisor.server_exited(id).await {
            ProcessExit::Unknown => "ended unseen".to_owned(),
            exit => exit.to_string(),
        }
    }

    async fn stop(&self, id: &str) {
        self.supervisor.stop(id);
    }

    async fn kill(&self, id: &str) {
        self.supervisor.kill(id);
    }

    async fn last_lines(&self, id: &str, count: usize) -> Vec<String> {
        logs::last_lines(&self.state, id, id, count)
    }
}

fn signal(signal: ServerStopSignal) -> supervisor::StopSignal {
    match signal {
        ServerStopSignal::Interrupt => supervisor::StopSignal::Interrupt,
        ServerStopSignal::Terminate => supervisor::StopSignal::Terminate,
    }
}

/// How long a task may wait for a data service that it uses.
pub(super) const AVAILABLE_WITHIN: Duration = Duration::from_secs(100);
