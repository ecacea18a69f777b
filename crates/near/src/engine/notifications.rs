//! Hands what was decided to the webhooks of the manifest.
//!
//! Reads the journal behind the loop: what it tells was persisted before. Invariant: nothing waits
//! for a webhook. News of an engine that died before they were posted are not told again, but a
//! release that waits for a person is.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use neargate_core::machine::approval_wanted;
use neargate_core::manifest::model::{Format, Notify, Receiver};
use neargate_core::notify::{Notification, Origin, body};

use super::tasks::chain;
use super::{Engine, log};
use crate::notify::{Letter, Notifier, Roots, Timing, WebhookUrl};
use crate::secrets::Which;

/// Journal entries that are read at once.
const READ: u64 = 1_000;

/// What was told already, and to whom the rest goes.
pub(super) struct Notifications {
    notifier: Notifier,
    told: u64,
    /// Release and step that people were asked to approve, by service; `None`: this engine has not
    /// looked yet.
    asked: Option<BTreeMap<String, (u64, u32)>>,
}

impl Notifications {
    /// Tells what comes after a position of the journal.
    pub(super) fn after(told: u64) -> Self {
        Self {
            notifier: Notifier::start(Roots::Machine, Timing::default(), Arc::new(log)),
            told,
            asked: None,
        }
    }
}

impl Engine {
    /// Tells the webhooks what was persisted since the last time.
    pub(super) fn tell(&mut self) {
        let last = self.ledger.last();
        if self.notifications.told == last && self.notifications.asked.is_some() {
            return;
        }
        let Some(origin) = self.origin() else {
            self.notifications.told = last;
            return;
        };
        while self.notifications.told < last {
            let stored = match self.ledger.read(self.notifications.told, READ) {
                Ok(stored) => stored,
                // Whoever waits for the journal says so already; it is read the next time.
                Err(_) => return,
            };
            self.notifications.told = stored.last().map_or(last, |newest| newest.seq);
            let news = stored
                .iter()
                .filter_map(|found| Notification::of_entry(&origin, &found.entry));
            for mut news in news.collect::<Vec<_>>() {
                news.at = self.shown(news.at);
                self.notify(&news);
            }
        }
        self.ask_for_approval(&origin);
    }

    /// Hands one piece of news to the webhooks that asked for it.
    pub(super) fn notify(&self, news: &Notification) {
        let Some(definition) = &self.definition else {
            return;
        };
        let mut bodies: BTreeMap<Format, bytes::Bytes> = BTreeMap::new();
        for webhook in definition.manifest.notify.values() {
            if !news.is_for(webhook) {
                continue;
            }
            let Some(url) = self.webhook_url(webhook) else {
                continue;
            };
            let body = bodies
                .entry(webhook.format)
                .or_insert_with(|| body(webhook.format, news).to_string().into());
            self.notifications.notifier.send(Letter {
                webhook: webhook.name.clone(),
                url,
                body: body.clone(),
            });
        }
    }

    /// Whose news it is; `None`: no webhook asks for any.
    pub(super) fn origin(&self) -> Option<Origin> {
        let manifest = &self.definition.as_ref()?.manifest;
        (!manifest.notify.is_empty()).then(|| Origin {
            app: manifest.app.clone(),
            env: manifest.env.clone(),
        })
    }

    /// Tells once of each step that waits for a person.
    fn ask_for_approval(&mut self, origin: &Origin) {
        let mut asked = BTreeMap::new();
        for service in self.ledger.state().services.values() {
            let Some(wanted) = approval_wanted(service) else {
                continue;
            };
            let step = (wanted.release, wanted.step);
            let before = self.notifications.asked.as_ref();
            if before.and_then(|asked| asked.get(&service.name)) != Some(&step) {
                let news = Notification::of_approval(
                    origin,
                    self.shown(self.now()),
                    &service.name,
                    wanted,
                );
                self.notify(&news);
            }
            asked.insert(service.name.clone(), step);
        }
        self.notifications.asked = Some(asked);
    }

    /// Where a webhook is; what is wrong with it is logged, without the URL.
    fn webhook_url(&self, webhook: &Notify) -> Option<WebhookUrl> {
        let found = match &webhook.to {
            Receiver::Url(url) => WebhookUrl::parse(url).map_err(|error| chain(&error)),
            Receiver::Secret(name) => self.webhook_secret(name),
        };
        let name = &webhook.name;
        found
            .map_err(|why| log(&format!("notify.{name}: nothing can be posted: {why}")))
            .ok()
    }

    fn webhook_secret(&self, name: &str) -> Result<WebhookUrl, String> {
        let secrets = &self.surroundings.secrets;
        let secrets = secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let found = secrets.get(name, Which::Current);
        let (_, value) = found.map_err(|error| chain(&error))?;
        let wrong = |why: &dyn std::fmt::Display| format!("the value of secret {name}: {why}");
        let text = value.expose_text().map_err(|_| wrong(&"it is not text"))?;
        WebhookUrl::parse(text).map_err(|error| wrong(&error))
    }
}
