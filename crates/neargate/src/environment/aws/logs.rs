//! Logs on AWS: CloudWatch's events, asked for again and again while they are followed.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use async_trait::async_trait;
use neargate_aws::api::LogEvent;
use neargate_aws::environment::{Driver, PACE};
use neargate_core::ids::RevisionNumber;
use neargate_core::time::Timestamp;
use neargate_near::logs::{LogLine, OutputStream};

use crate::arguments::LogsArguments;
use crate::environment::LogSource;
use crate::failure::Failure;
use crate::moment;

/// The events of services' log groups.
pub(super) struct LogEvents {
    driver: Rc<Driver>,
    services: Vec<String>,
    wanted: WantedEvents,
    /// Events are asked for from here: CloudWatch's clock is to the millisecond, so those of the
    /// newest one come again, and `known` leaves them out.
    from: Timestamp,
    known: BTreeSet<String>,
    lines: VecDeque<LogLine>,
}

/// Which events are printed.
struct WantedEvents {
    until: Option<Timestamp>,
    task: Option<String>,
    grep: Option<String>,
}

impl LogEvents {
    /// The events that the options ask for, of all services or those that are named.
    pub(super) async fn open(driver: Rc<Driver>, options: &LogsArguments) -> Result<Self, Failure> {
        let services = match options.services.as_slice() {
            [] => driver.service_names(),
            named => named.to_vec(),
        };
        let mut events = Self {
            driver,
            services,
            wanted: WantedEvents {
                until: moment::ago(options.until.as_deref())?,
                task: options.task.clone(),
                grep: options.grep.clone(),
            },
            from: moment::ago(options.since.as_deref())?.unwrap_or(Timestamp(0)),
            known: BTreeSet::new(),
            lines: VecDeque::new(),
        };
        events.read().await?;
        if let Some(tail) = options.tail {
            let surplus = events.lines.len().saturating_sub(tail);
            events.lines.drain(..surplus);
        }
        Ok(events)
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let mut events = Vec::new();
        for service in &self.services {
            events.extend(self.driver.logs(service, self.from).await?);
        }
        events.retain(|event| self.wanted.has(event) && !self.known.contains(&event.id));
        events.sort_by_key(|event| event.at);
        for event in events {
            self.from = self.from.max(event.at);
            self.known.insert(event.id.clone());
            self.lines.push_back(line(event));
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl LogSource for LogEvents {
    async fn next_line(&mut self) -> Result<Option<LogLine>, Failure> {
        Ok(self.lines.pop_front())
    }

    async fn wait_for_more(&mut self) -> Result<(), Failure> {
        tokio::time::sleep(PACE).await;
        self.read().await
    }
}

impl WantedEvents {
    fn has(&self, event: &LogEvent) -> bool {
        let grep = self.grep.as_deref();
        self.until.is_none_or(|until| event.at <= until)
            && self
                .task
                .as_deref()
                .is_none_or(|wanted| wanted == task(event))
            && grep.is_none_or(|text| event.text.contains(text))
    }
}

/// ECS ends the name of a log stream with the task's id.
fn task(event: &LogEvent) -> &str {
    event.stream.rsplit('/').next().unwrap_or_default()
}

/// CloudWatch tells neither the stream nor the revision of a line.
fn line(event: LogEvent) -> LogLine {
    LogLine {
        at: event.at,
        stream: OutputStream::Out,
        revision: RevisionNumber::NONE,
        task: task(&event).to_owned(),
        continues: false,
        bytes: event.text.into_bytes(),
    }
}
