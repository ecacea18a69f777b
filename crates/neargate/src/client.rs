//! Talks to the engine over its API socket.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use neargate_core::status::Status;
use neargate_near::api::wire::{Problem, Progress};
use neargate_near::paths::StateDir;
use neargate_near::socket::ShortName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::failure::Failure;

/// An engine that answers.
pub struct Client {
    state: StateDir,
}

/// Events as they come.
pub struct Events {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Client {
    /// The engine of a state directory.
    ///
    /// # Errors
    /// Exit 3 when none runs.
    pub async fn connect(state: &StateDir) -> Result<Self, Failure> {
        let client = Self {
            state: state.clone(),
        };
        client.sender().await?;
        Ok(client)
    }

    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let path = self.state.api_socket();
        let connect = async {
            let name = ShortName::of(&path)?;
            UnixStream::connect(name.path()).await
        };
        let stream = connect.await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                Failure::Environment(format!(
                    "no engine runs for this state directory ({}): start it with `neargate up`",
                    self.state.path().display()
                ))
            }
            _ => Failure::Environment(format!(
                "cannot reach the engine at {}: {error}",
                path.display()
            )),
        })?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::of("cannot talk to the engine", &error))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "engine")
            .header("content-type", "application/json")
            .body(Full::from(body))
            .map_err(|error| Failure::of("cannot ask the engine", &error))?;
        let mut sender = self.sender().await?;
        sender
            .send_request(request)
            .await
            .map_err(|error| Failure::of("the engine did not answer", &error))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let response = self.send(method, path, body).await?;
        let good = response.status().is_success();
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|error| Failure::of("the engine did not answer", &error))?;
        let bytes = bytes.to_bytes();
        if !good {
            let other = || Problem {
                error: String::from_utf8_lossy(&bytes).into_owned(),
                help: None,
                exit: 1,
            };
            return Err(Failure::Engine(
                serde_json::from_slice(&bytes).unwrap_or_else(|_| other()),
            ));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::of("the engine's answer cannot be read", &error))
    }

    /// GET
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, Vec::new()).await
    }

    /// POST
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Failure::of("cannot write the request", &error))?;
        self.call(Method::POST, path, body).await
    }

    /// `GET /v1/status`
    pub async fn status(&self) -> Result<Status, Failure> {
        self.get("/v1/status").await
    }

    /// `GET /v1/events?after=SEQ`; `None`: from now on.
    pub async fn events(&self, after: Option<u64>) -> Result<Events, Failure> {
        let query = after
            .map(|after| format!("?after={after}"))
            .unwrap_or_default();
        let response = self
            .send(Method::GET, &format!("/v1/events{query}"), Vec::new())
            .await?;
        Ok(Events {
            body: response.into_body(),
            buffer: Vec::new(),
        })
    }
}

impl Events {
    /// The next event; `None` when the engine has ended.
    pub async fn next(&mut self) -> Option<Progress> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).ok();
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(frame.data_ref()?);
        }
    }
}
