//! Talks to the engine over its API socket.
//!
//! Invariant: every call ends. While an answer is waited for, the engine is asked for a sign of
//! life; one that gives none is told as such. An engine that is being replaced is waited for, and
//! what only reads is asked again.

mod reach;

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use neargate_core::status::{ServiceStatus, Status};
use neargate_near::api::wire::{Problem, ReleaseProgress};
use neargate_near::paths::StateDir;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{self, Failure};
pub(crate) use reach::{start_now, stays_down};

/// Between two signs of life while an answer is waited for.
const SIGNS: Duration = Duration::from_secs(2);
/// An engine that gives no sign of life for this long does not answer.
const SILENCE: Duration = Duration::from_secs(8);
/// How often what only reads is asked again of the next engine.
const AGAIN: u32 = 5;
/// The engine writes to a stream at least every two seconds.
const STREAM_SILENCE: Duration = Duration::from_secs(10);

/// A stream is asked for again for this long while one engine follows another.
const SUCCESSION: Duration = Duration::from_secs(20);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// An engine that answers.
pub(crate) struct EngineClient {
    state: StateDir,
}

/// Events as they come, of one engine after another.
pub(crate) struct EventStream<'a> {
    client: &'a EngineClient,
    body: Option<Incoming>,
    buffer: Vec<u8>,
    /// The last one that came; `None`: from now on.
    after: Option<u64>,
}

/// Why there is no answer.
enum CallError {
    /// The engine ended while it was asked.
    Lost(Failure),
    /// Any other failure.
    Failed(Failure),
}

impl EngineClient {
    /// The engine of a state directory; one that is being replaced is waited for.
    ///
    /// # Errors
    /// Exit 3 when none runs, or none stays up.
    pub(crate) async fn connect(state: &StateDir) -> Result<Self, Failure> {
        let client = Self {
            state: state.clone(),
        };
        client.sender().await?;
        Ok(client)
    }

    /// The engine that answers now. One that is just dying may still take a connection.
    pub(crate) async fn answering(state: &StateDir) -> Option<Self> {
        let client = Self {
            state: state.clone(),
        };
        let sign = tokio::time::timeout(SIGNS, client.sign_of_life());
        matches!(sign.await, Ok(true)).then_some(client)
    }

    /// Its state directory.
    pub(crate) fn state(&self) -> &StateDir {
        &self.state
    }

    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        reach::sender(&self.state).await
    }

    /// Whether the engine's loop answers.
    async fn sign_of_life(&self) -> bool {
        let asked = async {
            let sender = reach::sender_now(&self.state).await.ok()?;
            let response = exchange(sender, Method::GET, "/v1/status", Vec::new());
            let good = response.await.ok()?.status().is_success();
            Some(good)
        };
        asked.await == Some(true)
    }

    /// Returns when the engine gives no sign of life any more. One that is gone is no matter of
    /// this: its connections end.
    async fn silence(&self) {
        loop {
            tokio::time::sleep(SIGNS).await;
            if tokio::time::timeout(SILENCE, self.sign_of_life())
                .await
                .is_err()
            {
                return;
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(bool, Bytes), CallError> {
        let sender = self.sender().await.map_err(CallError::Failed)?;
        let lost = |error: &hyper::Error| {
            let text = "the engine ended before it answered";
            CallError::Lost(Failure::of(text, error))
        };
        let answer = async {
            let response = exchange(sender, method, path, body);
            let response = response.await.map_err(|error| lost(&error))?;
            let good = response.status().is_success();
            let collected = response.into_body().collect().await;
            let bytes = collected.map_err(|error| lost(&error))?.to_bytes();
            Ok((good, bytes))
        };
        tokio::select! {
            answer = answer => answer,
            () = self.silence() => Err(CallError::Failed(reach::silent(&self.state).await)),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        again: u32,
    ) -> Result<T, Failure> {
        let mut left = again;
        let (good, bytes) = loop {
            match self.once(method.clone(), path, body.clone()).await {
                Ok(answer) => break answer,
                Err(CallError::Lost(_)) if left > 0 => left -= 1,
                Err(CallError::Lost(failure) | CallError::Failed(failure)) => {
                    return Err(failure);
                }
            }
        };
        if !good {
            let other = || Problem::failed(String::from_utf8_lossy(&bytes));
            return Err(Failure::Engine(
                serde_json::from_slice(&bytes).unwrap_or_else(|_| other()),
            ));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::of("the engine's answer cannot be read", &error))
    }

    /// Sends a GET; an engine that dies before it answers is asked again.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, Vec::new(), AGAIN).await
    }

    /// POST; when the engine dies before it answers, nobody knows whether it was done.
    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        self.call(Method::POST, path, json(body)?, 0).await
    }

    /// POST of what may be done twice: the next engine is asked again.
    pub(crate) async fn post_again<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        self.call(Method::POST, path, json(body)?, AGAIN).await
    }

    /// Asks for `GET /v1/status`.
    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        self.get("/v1/status").await
    }

    /// The service of this name.
    ///
    /// # Errors
    /// Exit 2 with the names that there are.
    pub(crate) async fn known_service(&self, name: &str) -> Result<ServiceStatus, Failure> {
        let services = self.status().await?.services;
        let names: Vec<String> = services.iter().map(|one| one.name.clone()).collect();
        let mut found = services.into_iter().filter(|one| one.name == name);
        found
            .next()
            .ok_or_else(|| failure::unknown("service", name, names))
    }

    /// `GET /v1/events?after=SEQ`; `None`: from now on.
    pub(crate) async fn events(&self, after: Option<u64>) -> Result<EventStream<'_>, Failure> {
        let mut events = EventStream {
            client: self,
            body: None,
            buffer: Vec::new(),
            after,
        };
        events.open().await?;
        Ok(events)
    }
}

impl EventStream<'_> {
    async fn open(&mut self) -> Result<(), Failure> {
        let query = self
            .after
            .map(|after| format!("?after={after}"))
            .unwrap_or_default();
        let path = format!("/v1/events{query}");
        let deadline = Instant::now() + SUCCESSION;
        loop {
            let sender = self.client.sender().await?;
            match exchange(sender, Method::GET, &path, Vec::new()).await {
                Ok(response) => {
                    self.buffer.clear();
                    self.body = Some(response.into_body());
                    return Ok(());
                }
                // An engine that is dying still takes a connection: the next one answers.
                Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(Failure::of("the engine did not answer", &error)),
            }
        }
    }

    /// The next event; `None` when the engine has ended and no other one comes. Nothing is lost
    /// when it is dropped.
    pub(crate) async fn next(&mut self) -> Option<ReleaseProgress> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                // An empty line is a sign of life.
                if line.len() > 1 {
                    let progress: ReleaseProgress = serde_json::from_slice(&line).ok()?;
                    self.after = Some(progress.seq);
                    return Some(progress);
                }
                continue;
            }
            let Some(body) = &mut self.body else {
                self.open().await.ok()?;
                continue;
            };
            match tokio::time::timeout(STREAM_SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => self.buffer.extend(frame.data_ref().into_iter().flatten()),
                // The next engine goes on where this one was.
                _ => self.body = None,
            }
        }
    }
}

fn json<B: Serialize>(body: &B) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::of("cannot write the request", &error))
}

async fn exchange(
    mut sender: SendRequest<Full<Bytes>>,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> hyper::Result<Response<Incoming>> {
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    let fixed = hyper::header::HeaderValue::from_static;
    headers.insert("host", fixed("engine"));
    headers.insert("content-type", fixed("application/json"));
    sender.send_request(request).await
}
