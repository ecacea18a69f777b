//! Sessions with running tasks: a command in one, or a way to a database through one.
//!
//! Invariant: a session is opened only when the task can take it: its services have ECS Exec, and
//! the plugin is there (whoever asks has found it). Refuses, in words, tasks that cannot.

use neargate_core::model::UsedResource;
use neargate_core::secret::SecretValue;

use super::api::EcsTask;
use super::environment::Driver;
use super::error::DriverError;
use super::secret_stores::SecretLocation as SecretPlace;
use super::session_manager_plugin::{Forward, SessionTarget, SsmEndpoint, SsmSession, one_text};
use super::terraform_outputs::ServiceFacts;

/// A session, what it was asked for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    pub session: SsmSession,
    /// Task of the session, and the port that it forwards.
    pub asked: SessionTarget,
    /// Where it is.
    pub place: SsmEndpoint,
}

/// A database that is reached through a task.
#[derive(Debug, Clone)]
pub struct ReachedDatabase {
    /// The way to it.
    pub opened: OpenSession,
    /// Its name inside the VPC.
    pub host: String,
    /// Its URL, with its password.
    pub url: SecretValue,
}

impl Driver {
    /// Opens a session that runs a command in a task; in any that runs when none is named.
    ///
    /// # Errors
    /// No task can take it, or a call failed.
    pub async fn exec(
        &self,
        service: &str,
        task: Option<&str>,
        command: &[String],
    ) -> Result<OpenSession, DriverError> {
        let (_, facts) = self.service(service)?;
        let task = self.open_task(service, facts, task).await?;
        let text = one_text(command);
        let session = self
            .aws
            .execute(&self.facts.cluster, &task.id, &facts.container, &text)
            .await?;
        Ok(OpenSession {
            session,
            asked: SessionTarget {
                target: self.target(facts, &task),
                forward: None,
            },
            place: self.aws.sessions(),
        })
    }

    /// Opens a way to a database, to a port of this machine, through a task that uses it.
    ///
    /// # Errors
    /// No task can take it, there is no URL yet, or a call failed.
    pub async fn reach(&self, database: &str, local: u16) -> Result<ReachedDatabase, DriverError> {
        let facts = self.facts.databases.get(database).ok_or_else(|| {
            let names: Vec<&str> = self.facts.databases.keys().map(String::as_str).collect();
            DriverError::Usage(format!(
                "there is no database `{database}` of ours on AWS; there is {}",
                names.join(", ")
            ))
        })?;
        let url = self.url(database, &facts.url_secret).await?;
        let (service, task) = self.client_of(database).await?;
        let asked = SessionTarget {
            target: self.target(service, &task),
            forward: Some(Forward {
                host: facts.address.clone(),
                port: facts.port,
                local,
            }),
        };
        let opened = OpenSession {
            session: self.aws.forward(&asked).await?,
            asked,
            place: self.aws.sessions(),
        };
        Ok(ReachedDatabase {
            opened,
            host: facts.address.clone(),
            url,
        })
    }

    /// Closes a session.
    ///
    /// # Errors
    /// The call failed: it ends by itself after SSM's idle time.
    pub async fn close_session(&self, opened: &OpenSession) -> Result<(), DriverError> {
        self.aws.close_session(&opened.session.id).await
    }

    /// Names of the databases that are ours.
    #[must_use]
    pub fn databases(&self) -> Vec<String> {
        self.facts.databases.keys().cloned().collect()
    }

    async fn url(&self, database: &str, secret: &str) -> Result<SecretValue, DriverError> {
        let place = self.facts.secrets.get(secret);
        let place = place.and_then(|arn| SecretPlace::of(arn));
        let found = match place {
            Some(place) => self.aws.value(&place).await?,
            None => None,
        };
        found
            .map(|(_, url)| url)
            .ok_or_else(|| DriverError::Missing {
                what: format!("database.{database} has no URL yet"),
                help: format!(
                    "Terraform writes it: neargate infra apply -e {}",
                    self.manifest.env
                ),
            })
    }

    /// A task that may talk to a database: one of a service that uses it.
    async fn client_of(&self, database: &str) -> Result<(&ServiceFacts, EcsTask), DriverError> {
        let wanted = UsedResource::Database(database.to_owned());
        let mut last = DriverError::Usage(format!("no service on AWS uses database.{database}"));
        for (name, service) in &self.manifest.services {
            if !service.uses.contains(&wanted) {
                continue;
            }
            let (_, facts) = self.service(name)?;
            match self.open_task(name, facts, None).await {
                Ok(task) => return Ok((facts, task)),
                Err(trouble @ (DriverError::Missing { .. } | DriverError::Refused { .. })) => {
                    last = trouble;
                }
                Err(other) => return Err(other),
            }
        }
        Err(last)
    }

    /// A running task that takes sessions.
    async fn open_task(
        &self,
        service: &str,
        facts: &ServiceFacts,
        named: Option<&str>,
    ) -> Result<EcsTask, DriverError> {
        let tasks = self.aws.tasks(&self.facts.cluster, &facts.name).await?;
        let running = tasks
            .into_iter()
            .filter(|task| task.status == "RUNNING" && named.is_none_or(|named| named == task.id));
        let running: Vec<EcsTask> = running.collect();
        let takes = |task: &&EcsTask| task.exec && task.runtimes.contains_key(&facts.container);
        if let Some(task) = running.iter().find(takes) {
            return Ok(task.clone());
        }
        let env = &self.manifest.env;
        Err(match running.first() {
            None => DriverError::Refused {
                what: match named {
                    Some(task) => format!("no task {task} of `{service}` runs"),
                    None => format!("no task of `{service}` runs"),
                },
                help: format!("see what runs: neargate status -e {env}"),
            },
            Some(_) => DriverError::Missing {
                what: format!("tasks of `{service}` take no sessions: they began without ECS Exec"),
                help: format!(
                    "write aws.exec = true, then: neargate infra render -e {env}, neargate infra \
                     apply -e {env}, neargate deploy {service} -e {env}"
                ),
            },
        })
    }

    /// As SSM names a container (ECS developer guide, ECS Exec).
    fn target(&self, facts: &ServiceFacts, task: &EcsTask) -> String {
        let runtime = task.runtimes.get(&facts.container);
        let runtime = runtime.map(String::as_str).unwrap_or_default();
        format!("ecs:{}_{}_{runtime}", self.facts.cluster, task.id)
    }
}
