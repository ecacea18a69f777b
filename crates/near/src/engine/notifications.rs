//! Hands what was decided to the webhooks of the manifest.
//!
//! Invariant: what it tells was persisted before; nothing waits for a webhook. News of an engine that died before they were posted are not told again, but a
//! release that waits for a person is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use neargate_core::error_chain::error_chain;
use neargate_core::ids::{ReleaseId, ServiceName};
use neargate_core::machine::{JournalEntry, approval_wanted};
use neargate_core::model::{Notify, WebhookAddress, WebhookFormat};
use neargate_core::notify::{Notification, NotificationOrigin, body};

use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::{Engine, log};
use crate::locked::locked;
use crate::notify::{
    DeliveryTiming, Notifier, OutgoingNotification, QUEUE, Roots, UrlError, WebhookUrl,
};
use crate::secrets::{Secrets, SecretsError, VersionSelector};

/// To whom news goes.
pub(super) struct Notifications {
    letters: mpsc::Sender<UnaddressedNotification>,
    /// Release and step that people were asked to approve, by service; `None`: this engine has not
    /// looked yet.
    asked: Option<BTreeMap<ServiceName, (ReleaseId, u32)>>,
    /// Position of the journal at the last look.
    looked: u64,
}

/// A letter whose address may be a secret.
struct UnaddressedNotification {
    webhook: Notify,
    body: bytes::Bytes,
}

impl Notifications {
    /// Begins to post; addresses that are secrets are read of these.
    pub(super) fn with(secrets: Arc<Mutex<Secrets>>) -> Self {
        let (letters, unaddressed) = mpsc::channel(QUEUE);
        tokio::spawn(address(unaddressed, secrets));
        Self {
            letters,
            asked: None,
            looked: 0,
        }
    }
}

impl Engine {
    /// Tells the webhooks what was persisted.
    pub(super) fn notify_entries(&self, entries: &[JournalEntry]) {
        let Some(origin) = self.origin() else {
            return;
        };
        for entry in entries {
            if let Some(mut news) = Notification::of_entry(&origin, entry) {
                news.at = self.wall_time(news.at);
                self.notify(&news);
            }
        }
    }

    /// Hands one piece of news to the webhooks that asked for it.
    pub(super) fn notify(&self, news: &Notification) {
        let Some(definition) = &self.definition else {
            return;
        };
        let mut bodies: BTreeMap<WebhookFormat, bytes::Bytes> = BTreeMap::new();
        for webhook in definition.manifest.notify.values() {
            if !news.is_for(webhook) {
                continue;
            }
            let body = bodies
                .entry(webhook.format)
                .or_insert_with(|| body(webhook.format, news).to_string().into());
            let (webhook, body) = (webhook.clone(), body.clone());
            let letter = UnaddressedNotification { webhook, body };
            if let Err(refused) = self.notifications.letters.try_send(letter) {
                let name = &refused.into_inner().webhook.name;
                log(&format!(
                    "notify.{name}: a notification was dropped: {QUEUE} others wait already"
                ));
            }
        }
    }

    /// Whose news it is; `None`: no webhook asks for any.
    pub(super) fn origin(&self) -> Option<NotificationOrigin> {
        let manifest = &self.definition.as_ref()?.manifest;
        (!manifest.notify.is_empty()).then(|| NotificationOrigin {
            app: manifest.app.clone(),
            env: manifest.env.clone(),
        })
    }

    /// Tells once of each step that waits for a person.
    pub(super) fn ask_for_approval(&mut self) {
        let last = self.ledger.last();
        let seen = self.notifications.asked.is_some() && self.notifications.looked == last;
        let Some(origin) = self.origin().filter(|_| !seen) else {
            return;
        };
        self.notifications.looked = last;
        let mut asked = BTreeMap::new();
        for service in self.ledger.state().services.values() {
            let Some(wanted) = approval_wanted(service) else {
                continue;
            };
            let step = (wanted.release, wanted.step);
            let before = self.notifications.asked.as_ref();
            if before.and_then(|asked| asked.get(&service.name)) != Some(&step) {
                let news = Notification::of_approval(
                    &origin,
                    self.wall_time(self.now()),
                    &service.name,
                    wanted,
                );
                self.notify(&news);
            }
            asked.insert(service.name.clone(), step);
        }
        self.notifications.asked = Some(asked);
    }
}

/// Writes addresses on letters, in order, and posts them.
async fn address(
    mut letters: mpsc::Receiver<UnaddressedNotification>,
    secrets: Arc<Mutex<Secrets>>,
) {
    let notifier = Notifier::start(Roots::Machine, DeliveryTiming::default(), Arc::new(log));
    while let Some(UnaddressedNotification { webhook, body }) = letters.recv().await {
        let (name, secrets) = (webhook.name.clone(), secrets.clone());
        let url = tokio::task::spawn_blocking(move || webhook_url(&webhook, &secrets)).await;
        match url.unwrap_or_else(|error| Err(error.into())) {
            Ok(url) => notifier.send(OutgoingNotification {
                webhook: name,
                url,
                body,
            }),
            Err(error) => {
                let why = error_chain(&error);
                log(&format!("notify.{name}: nothing can be posted: {why}"));
            }
        }
    }
}

/// Why it is not known where a webhook is. Without the URL, which may be a secret.
#[derive(Debug, thiserror::Error)]
enum WebhookAddressError {
    /// The URL in the manifest is wrong.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The secret that holds the URL cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretsError),
    /// The secret holds bytes that are no text.
    #[error("the value of secret {secret}: it is not text")]
    NotText { secret: String },
    /// The secret holds a URL that is wrong.
    #[error("the value of secret {secret}: {source}")]
    SecretUrl { secret: String, source: UrlError },
    /// The thread that read it panicked.
    #[error(transparent)]
    Thread(#[from] JoinError),
}

/// Where a webhook is. Blocks.
fn webhook_url(
    webhook: &Notify,
    secrets: &Mutex<Secrets>,
) -> Result<WebhookUrl, WebhookAddressError> {
    let name = match &webhook.to {
        WebhookAddress::Url(url) => return Ok(WebhookUrl::parse(url)?),
        WebhookAddress::Secret(name) => name,
    };
    let secrets = locked(secrets);
    let (_, value) = secrets.get(name, VersionSelector::Current)?;
    let secret = || name.clone();
    let text = value
        .expose_text()
        .map_err(|_| WebhookAddressError::NotText { secret: secret() })?;
    WebhookUrl::parse(text).map_err(|source| WebhookAddressError::SecretUrl {
        secret: secret(),
        source,
    })
}
