//! `down`: tasks first, then the routers, then the data services, then the engine.

use std::time::Duration;

use neargate_core::error_chain::error_chain;
use neargate_core::machine::Event;

use super::follow_up::FollowUp;
use super::{Engine, EngineInput, log, reply};
use crate::api::server::CallReply;
use crate::api::wire::{Accepted, Problem};
use crate::watchdog::sentinel::Sentinel;

/// Requests in flight have this long when the routers go.
const ROUTER_DRAIN: Duration = Duration::from_secs(1);

/// An engine that goes down.
#[derive(Default)]
pub(super) struct EngineShutdown {
    /// Whether that is written; before, nothing new is begun.
    decided: bool,
    replies: Vec<CallReply<Accepted>>,
    routers_closed: bool,
    data: DataServices,
}

/// How far the stop of the data services is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum DataServices {
    #[default]
    Running,
    Stopping,
    Stopped,
}

impl Engine {
    pub(super) fn down(&mut self, to: CallReply<Accepted>) {
        self.leaving.get_or_insert_default();
        self.ask(vec![Event::DownRequested], FollowUp::Down(to));
    }

    /// The app goes down, or does not.
    pub(super) fn down_decided(
        &mut self,
        accepted: Result<Accepted, Problem>,
        to: CallReply<Accepted>,
    ) {
        if let Err(refusal) = accepted {
            self.leaving.take_if(|leaving| !leaving.decided);
            return reply(to, Err(refusal));
        }
        let leaving = self.leaving.get_or_insert_default();
        leaving.decided = true;
        leaving.replies.push(to);
        self.publish_last();
    }

    /// Goes on with the stop that the engine before this one decided.
    pub(super) fn go_on_leaving(&mut self) {
        self.leaving.get_or_insert_default().decided = true;
        self.publish_last();
    }

    /// Whether the app goes down.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.decided)
    }

    fn publish_last(&mut self) {
        // Draining tasks must be seen as such by the router before it goes.
        let table = self.table();
        self.routers.publish(table);
    }

    fn tasks_left(&self) -> bool {
        let mut services = self.ledger.state().services.values();
        services.any(|service| !service.tasks.is_empty())
    }

    /// When no task and no preparation is left, the routers go; after them the data services.
    pub(super) fn go_down(&mut self) {
        if !self.is_leaving() || self.tasks_left() || self.preparing > 0 {
            return;
        }
        let Some(leaving) = &mut self.leaving else {
            return;
        };
        if !leaving.routers_closed {
            leaving.routers_closed = true;
            self.routers.close(ROUTER_DRAIN);
        }
        if self.routers.is_gone() && leaving.data == DataServices::Running {
            leaving.data = DataServices::Stopping;
            let (surroundings, inputs) = (self.surroundings.clone(), self.inputs.clone());
            tokio::spawn(async move {
                surroundings.data.stop_all().await;
                let _ = inputs.send(EngineInput::DataStopped).await;
            });
        }
    }

    pub(super) fn data_stopped(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            leaving.data = DataServices::Stopped;
        }
    }

    /// Whether `down` is done.
    pub(super) fn finished(&self) -> bool {
        let stopped = |leaving: &EngineShutdown| leaving.data == DataServices::Stopped;
        self.leaving.as_ref().is_some_and(stopped)
    }

    /// Closes the journal after `down` and answers those who asked for it.
    pub(super) fn end(self, sentinel: &Sentinel) {
        let Some(leaving) = self.leaving else { return };
        if let Err(error) = self.ledger.close() {
            let why = error_chain(&error);
            log(&format!("the journal was not closed cleanly: {why}"));
        }
        sentinel.leave();
        for to in leaving.replies {
            reply(to, Ok(Accepted::default()));
        }
    }
}
