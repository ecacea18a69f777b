//! Sessions with tasks: commands by ECS Exec, ports by SSM.

use super::{AwsClients, trouble};
use crate::error::DriverError;
use crate::session_manager_plugin::{FORWARD, SessionTarget, SsmSession};

impl AwsClients {
    /// Opens a session that runs a command in a task.
    ///
    /// # Errors
    /// The call failed.
    pub async fn execute(
        &self,
        cluster: &str,
        task: &str,
        container: &str,
        command: &str,
    ) -> Result<SsmSession, DriverError> {
        let call = self.ecs.execute_command().cluster(cluster).task(task);
        // ECS runs interactive commands only (ECS API reference, ExecuteCommand).
        let call = call.container(container).interactive(true).command(command);
        let answer = call.send().await;
        let answer = answer.map_err(trouble("run the command", "ecs:ExecuteCommand"))?;
        let session = answer.session();
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Ok(SsmSession {
            id: text(session.and_then(|it| it.session_id())),
            url: text(session.and_then(|it| it.stream_url())),
            token: text(session.and_then(|it| it.token_value())),
        })
    }

    /// Opens a session that forwards a port.
    ///
    /// # Errors
    /// The call failed.
    pub async fn forward(&self, asked: &SessionTarget) -> Result<SsmSession, DriverError> {
        let call = self.parameters.start_session().target(&asked.target);
        let call = match &asked.forward {
            None => call,
            Some(forward) => call
                .document_name(FORWARD)
                .parameters("host", vec![forward.host.clone()])
                .parameters("portNumber", vec![forward.port.to_string()])
                .parameters("localPortNumber", vec![forward.local.to_string()]),
        };
        let answer = call.send().await;
        let answer = answer.map_err(trouble("open the session", "ssm:StartSession"))?;
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Ok(SsmSession {
            id: text(answer.session_id()),
            url: text(answer.stream_url()),
            token: text(answer.token_value()),
        })
    }

    /// Closes a session.
    ///
    /// # Errors
    /// The call failed.
    pub async fn close_session(&self, id: &str) -> Result<(), DriverError> {
        let answer = self.parameters.terminate_session().session_id(id).send();
        answer
            .await
            .map_err(trouble("close the session", "ssm:TerminateSession"))?;
        Ok(())
    }
}
