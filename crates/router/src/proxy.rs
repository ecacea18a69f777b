//! One request to one target, and its response back.
//!
//! Invariant: a request is tried again only when no byte of it reached a target's connection,
//! or when it is replayable and a kept connection died before any byte of the response.
//! Two halves run at once: the uplink sends the request's body and then watches the client,
//! the downlink brings the response.

mod body;
mod relay;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use neargate_core::ids::RevisionNumber;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::relay::{Relay, RelayOutcome};
use crate::access_log::AccessLogEntry;
use crate::compiled_table::SelectedTarget;
use crate::request::KeepAlive;
use crate::request_context::{ClientStreams, RequestContext, RequestEnd};
use crate::scratch::ResponseWriter;
use crate::tunnel;
use crate::upstream::{self, NotConnected, Upstream};

/// Most targets that are tried for one request.
const MOST_TRIES: usize = 4;

enum AttemptOutcome {
    End(RequestEnd),
    /// Nothing reached the target.
    Unsent(u16, &'static str),
    /// A kept connection was dead.
    Stale,
    /// The router lacks something: no target is at fault.
    Shortage,
}

/// Forwards a request to a group.
pub(crate) async fn forward<R, W>(
    job: &RequestContext<'_>,
    group: &str,
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> RequestEnd
where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut last = (503, "NoTarget");
    let mut fresh = false;
    while tried.len() < MOST_TRIES {
        let table = job.worker.table();
        let Some(chosen) = table.choose(group, &tried, job.worker.random(), job.head) else {
            break;
        };
        entry.revision = chosen.revision;
        entry.task = chosen.task().to_string();
        entry.target = chosen.address.to_string();
        match attempt(job, &chosen, fresh, table.expose, sides, entry).await {
            AttemptOutcome::End(end) => return end,
            AttemptOutcome::Unsent(status, reason) => {
                last = (status, reason);
                tried.push(chosen.address);
            }
            AttemptOutcome::Stale => fresh = true,
            AttemptOutcome::Shortage => {
                // Neither the target's nor its revision's.
                entry.revision = RevisionNumber::NONE;
                entry.task.clear();
                entry.target.clear();
                return RequestEnd::Refuse(503, "RouterShortage");
            }
        }
    }
    RequestEnd::Refuse(last.0, last.1)
}

async fn attempt<R, W>(
    job: &RequestContext<'_>,
    chosen: &SelectedTarget,
    fresh: bool,
    expose: bool,
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> AttemptOutcome
where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    let care = match job.head.is_replayable() {
        true => upstream::ReuseCheck::Heard,
        false => upstream::ReuseCheck::Asked,
    };
    let kept = if fresh {
        None
    } else {
        job.worker.pool.reuse(chosen.task(), care)
    };
    let reused = kept.is_some();
    let mut upstream = match kept {
        Some(upstream) => upstream,
        None => match connect(job, chosen).await {
            Ok(upstream) => upstream,
            Err(unsent) => return unsent,
        },
    };
    let mut out = Vec::with_capacity(1024);
    write_head(job, &mut out);
    match write_first(&mut upstream.stream, &out, chosen.idle_timeout).await {
        WriteProgress::All => {}
        WriteProgress::Nothing if reused => return AttemptOutcome::Stale,
        WriteProgress::Nothing => return AttemptOutcome::Unsent(502, "TargetClosed"),
        WriteProgress::Part => return AttemptOutcome::End(RequestEnd::Refuse(502, "TargetClosed")),
    }
    drop(out);
    let run = Relay::new(job, chosen, expose);
    let result = run.both(&mut upstream.stream, sides).await;
    let outcome = run.outcome(result, reused);
    run.note(entry);
    match outcome {
        RelayOutcome::Attempt(attempt) => attempt,
        RelayOutcome::Done(keep, reusable) => {
            if reusable && job.worker.table().keeps(chosen.task()) {
                let most = job.worker.limits.idle_per_target;
                job.worker.pool.put(chosen.task(), upstream, most);
            }
            AttemptOutcome::End(RequestEnd::Answered(keep))
        }
        RelayOutcome::Tunnel(ahead) => {
            let (up, down) = switched(chosen, upstream, ahead, sides).await;
            entry.bytes_in += up;
            entry.bytes_out += down;
            AttemptOutcome::End(RequestEnd::Answered(KeepAlive::Close))
        }
    }
}

async fn connect(
    job: &RequestContext<'_>,
    chosen: &SelectedTarget,
) -> Result<Upstream, AttemptOutcome> {
    let worker = job.worker;
    tokio::select! {
        connected = worker.pool.connect(chosen.address, chosen.user, worker.limits.connect) => {
            connected.map_err(|why| match why {
                NotConnected::NoPlace => {
                    worker.pressure.request_not_made("too many connections to targets");
                    AttemptOutcome::Shortage
                }
                NotConnected::Shortage(error) => {
                    worker.pressure.request_not_made(&error.to_string());
                    AttemptOutcome::Shortage
                }
                NotConnected::ByStranger => AttemptOutcome::Unsent(502, "PortTaken"),
                NotConnected::ByTarget(error) => match error.kind() {
                    std::io::ErrorKind::TimedOut => AttemptOutcome::Unsent(504, "ConnectTimeout"),
                    _ => AttemptOutcome::Unsent(502, "ConnectFailed"),
                },
            })
        }
        () = chosen.in_flight.0.cut() => Err(AttemptOutcome::Unsent(502, "Drained")),
    }
}

enum WriteProgress {
    All,
    Part,
    Nothing,
}

async fn write_first(stream: &mut TcpStream, bytes: &[u8], within: Duration) -> WriteProgress {
    let mut done = 0;
    while done < bytes.len() {
        match timeout(within, stream.write(&bytes[done..])).await {
            Ok(Ok(n)) if n > 0 => done += n,
            _ if done == 0 => return WriteProgress::Nothing,
            _ => return WriteProgress::Part,
        }
    }
    WriteProgress::All
}

fn write_head(job: &RequestContext<'_>, out: &mut Vec<u8>) {
    let (head, client) = (job.head, job.client);
    let forwarded = neargate_core::routing::forwarded::append(
        head.joined("x-forwarded-for").as_deref(),
        client.peer.ip().to_canonical(),
    );
    let trace = neargate_core::routing::forwarded::traceparent(
        head.text("traceparent"),
        [
            job.worker.random(),
            job.worker.random(),
            job.worker.random(),
        ],
    );
    let said = head.forwarded.as_ref();
    let port = said.and_then(|said| said.port).map(|port| port.to_string());
    let added = [
        ("x-forwarded-for", forwarded.as_str()),
        (
            "x-forwarded-proto",
            said.and_then(|said| said.proto).unwrap_or("http"),
        ),
        ("x-forwarded-port", port.as_deref().unwrap_or(&client.port)),
        ("x-request-id", job.request_id),
        ("traceparent", &trace),
    ];
    head.write(&added, out);
}

async fn switched<R, W>(
    chosen: &SelectedTarget,
    mut upstream: Upstream,
    ahead: BytesMut,
    sides: &mut ClientStreams<'_, R, W>,
) -> (u64, u64)
where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    let (from, mut to) = upstream.stream.split();
    let early = sides.buffer.split();
    if to.write_all(&early).await.is_err() {
        return (0, 0);
    }
    let mut from = tokio::io::AsyncReadExt::chain(&ahead[..], from);
    tokio::select! {
        moved = tunnel::run(
            (&mut *sides.reader, &mut *sides.writer),
            (&mut from, &mut to),
            chosen.idle_timeout,
        ) => (moved.0 + early.len() as u64, moved.1),
        () = chosen.in_flight.0.cut() => (0, 0),
    }
}
