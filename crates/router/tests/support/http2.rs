//! A client that speaks HTTP/2 in clear.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, Response, Version};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// Runs a client.
pub(crate) fn client<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { timeout(PATIENCE, work).await.expect("in time") })
}

pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("connected");
    let (send, connection) = h2::client::handshake(stream).await.expect("a handshake");
    tokio::spawn(connection);
    send
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("a method"))
        .uri(format!("http://a.test{path}"))
        .version(Version::HTTP_2)
}

pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

pub(crate) async fn whole(response: Response<h2::RecvStream>) -> Result<Answer, h2::Error> {
    let (parts, mut body) = response.into_parts();
    let mut all = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        all.extend_from_slice(&part);
    }
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&all).into_owned(),
        trailers: body.trailers().await?,
    })
}

/// Sends a request; `body` in pieces.
pub(crate) async fn ask(
    send: &SendRequest<Bytes>,
    request: http::request::Builder,
    body: &[&str],
) -> Result<Answer, h2::Error> {
    let mut send = send.clone().ready().await?;
    let request = request.body(()).expect("a request");
    let (response, mut stream) = send.send_request(request, body.is_empty())?;
    for (at, piece) in body.iter().enumerate() {
        let last = at + 1 == body.len();
        stream.send_data(Bytes::copy_from_slice(piece.as_bytes()), last)?;
    }
    whole(response.await?).await
}
