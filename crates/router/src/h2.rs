//! HTTP/2 in clear (prior knowledge): each stream becomes a request on the HTTP/1.1 path.
//!
//! Invariant: there is one path that routes, retries, counts and logs; a stream meets it over
//! an in-memory connection of its own.

use std::convert::Infallible;
use std::rc::Rc;

use bytes::BytesMut;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, join};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::answer;
use crate::connection::{self, Client};
use crate::worker::Worker;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Parallel streams per connection, as ALB's.
const MOST_STREAMS: u32 = 128;
/// Bytes between a stream and its in-memory connection, each way.
const PIPE: usize = 64 * 1024;

/// What a client speaks.
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// It went away, or said nothing.
    Nothing,
}

/// Reads until it is clear which protocol the client speaks.
pub(crate) async fn sniff(
    worker: &Worker,
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
) -> Protocol {
    loop {
        let read = timeout(
            worker.limits.client_idle,
            worker.scratch.read(reader, buffer),
        );
        let read = tokio::select! {
            read = read => read,
            () = worker.drained_idle() => return Protocol::Nothing,
        };
        if !matches!(read, Ok(Ok(n)) if n > 0) {
            return Protocol::Nothing;
        }
        let both = buffer.len().min(PREFACE.len());
        if buffer[..both] != PREFACE[..both] {
            return Protocol::Http1;
        }
        if both == PREFACE.len() {
            return Protocol::Http2;
        }
    }
}

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Serves a connection; a drain ends it with GOAWAY.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    client: Client,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    buffer: BytesMut,
) {
    let client = Rc::new(Client {
        protocol: "h2",
        ..client
    });
    let io = TokioIo::new(join(std::io::Cursor::new(buffer).chain(reader), writer));
    let (for_streams, limits) = (worker.clone(), worker.limits);
    let service = service_fn(move |request| stream(for_streams.clone(), client.clone(), request));
    let connection = hyper::server::conn::http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(limits.client_idle)
        .serve_connection(io, service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = worker.drain_began() => {}
        () = tokio::time::sleep(limits.keep_alive) => {}
    }
    connection.as_mut().graceful_shutdown();
    // What is wrong with a client's connection is nobody's concern but its own.
    let _ = connection.await;
}

async fn stream(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let Some(request) = to_http1(request) else {
        return Ok(refuse(StatusCode::BAD_REQUEST));
    };
    let (ours, theirs) = tokio::io::duplex(PIPE);
    tokio::task::spawn_local(async move {
        let (mut reader, mut writer) = tokio::io::split(theirs);
        let buffer = BytesMut::new();
        connection::serve(&worker, &client, &mut reader, &mut writer, buffer).await;
    });
    let handshake = hyper::client::conn::http1::Builder::new().handshake(TokioIo::new(ours));
    let Ok((mut sender, connection)) = handshake.await else {
        return Ok(refuse(StatusCode::BAD_GATEWAY));
    };
    tokio::task::spawn_local(connection);
    Ok(match sender.send_request(request).await {
        Ok(response) => from_http1(response),
        Err(_) => refuse(StatusCode::BAD_GATEWAY),
    })
}

fn refuse(status: StatusCode) -> Response<Body> {
    let text = format!("{} {}\n", status.as_u16(), answer::phrase(status.as_u16()));
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::SERVER, HeaderValue::from_static("neargate"));
    response
}

/// `:authority` becomes `Host`, cookie crumbs one header.
fn to_http1(request: Request<Incoming>) -> Option<Request<Incoming>> {
    let (mut parts, body) = request.into_parts();
    if let Some(authority) = parts.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        parts.headers.insert(header::HOST, host);
    }
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    parts.uri = path.parse::<Uri>().ok()?;
    parts.version = Version::HTTP_11;
    let crumbs: Vec<&[u8]> = parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() > 1 {
        let whole = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).ok()?;
        parts.headers.insert(header::COOKIE, whole);
    }
    Some(Request::from_parts(parts, body))
}

fn from_http1(response: Response<Incoming>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_2;
    remove_connection_headers(&mut parts.headers);
    Response::from_parts(parts, body.boxed_unsync())
}

fn remove_connection_headers(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
    headers.remove(HeaderName::from_static("keep-alive"));
}
