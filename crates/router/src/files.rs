//! Static sites.
//!
//! Invariant: nothing outside the site's directory and no dot file is ever served, whatever
//! the path encodes or links point to; memory per response is bounded.

mod reply;
mod resolve;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use neargate_core::routing::head::Framing;
use neargate_core::routing::table::StaticSite;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::access_log::Entry;
use crate::connection::Sides;
use crate::exchange::{End, Job};
use crate::request::KeepAlive;

/// Bytes of a file in memory at once.
const BLOCK: usize = 64 * 1024;

/// What is sent: a head, then a part of a file.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Option<(File, u64, u64)>,
    length: u64,
}

/// Serves one request from a site.
pub(crate) async fn serve<R, W>(
    job: &Job<'_>,
    site: &StaticSite,
    expose: bool,
    sides: &mut Sides<'_, R, W>,
    entry: &mut Entry,
) -> End
where
    W: AsyncWrite + Unpin,
{
    if job.head.method != "GET" && job.head.method != "HEAD" {
        return refuse_method(job, sides, entry).await;
    }
    let asked = reply::Asked::new(job.head);
    let site = site.clone();
    let revision = site.revision.to_string();
    let made = tokio::task::spawn_blocking(move || reply::make(&site, &asked)).await;
    let Ok(reply) = made else {
        return End::Refuse(500, "StaticFailed");
    };
    let keep = keep(job);
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        reply.status,
        crate::answer::phrase(reply.status)
    )
    .into_bytes();
    let mut added = vec![("server", "neargate"), ("x-request-id", job.request_id)];
    if expose {
        added.push(("x-neargate-revision", &revision));
    }
    if keep == KeepAlive::Close {
        added.push(("connection", "close"));
    }
    let length = reply.length.to_string();
    if reply.status != 304 {
        added.push(("content-length", &length));
    }
    let own = reply.headers.iter().map(|(n, v)| (*n, v.as_str()));
    for (name, value) in added.into_iter().chain(own) {
        crate::request::line(&mut head, name, value.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    entry.status = reply.status;
    let body = reply.body.filter(|_| job.head.method != "HEAD");
    match send(job, head, body, sides, entry).await {
        Some(()) => End::Answered(keep),
        None => End::Abort(460, "ClientClosed"),
    }
}

fn keep(job: &Job<'_>) -> KeepAlive {
    let close = job.keep == KeepAlive::Close
        || job.worker.is_draining()
        || job.head.framing != Framing::Empty
        || job.head.version == neargate_core::routing::head::Version::Http10;
    if close {
        KeepAlive::Close
    } else {
        KeepAlive::Keep
    }
}

async fn refuse_method<R, W>(job: &Job<'_>, sides: &mut Sides<'_, R, W>, entry: &mut Entry) -> End
where
    W: AsyncWrite + Unpin,
{
    let added = [
        ("allow", "GET, HEAD"),
        ("x-request-id", job.request_id),
        ("connection", "close"),
    ];
    let out = crate::answer::plain(405, &job.head.method, &added);
    entry.status = 405;
    match send(job, out, None, sides, entry).await {
        Some(()) => End::Answered(KeepAlive::Close),
        None => End::Abort(460, "ClientClosed"),
    }
}

async fn send<R, W>(
    job: &Job<'_>,
    mut out: Vec<u8>,
    body: Option<(File, u64, u64)>,
    sides: &mut Sides<'_, R, W>,
    entry: &mut Entry,
) -> Option<()>
where
    W: AsyncWrite + Unpin,
{
    let (mut file, mut left) = match body {
        Some((file, from, length)) => (Some((file, Some(from))), length),
        None => (None, 0),
    };
    loop {
        if let Some((open, from)) = file.take().filter(|_| left > 0) {
            let take = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            let read = tokio::task::spawn_blocking(move || block(open, from, take, out));
            let (open, filled) = read.await.ok()?.ok()?;
            out = filled;
            left -= take as u64;
            file = Some((open, None));
        }
        let written = timeout(job.worker.limits.client_idle, sides.writer.write_all(&out));
        written.await.ok()?.ok()?;
        entry.bytes_out += out.len() as u64;
        out.clear();
        if left == 0 {
            return Some(());
        }
    }
}

fn block(
    mut file: File,
    from: Option<u64>,
    take: usize,
    mut out: Vec<u8>,
) -> std::io::Result<(File, Vec<u8>)> {
    if let Some(from) = from {
        file.seek(SeekFrom::Start(from))?;
    }
    let begin = out.len();
    out.resize(begin + take, 0);
    file.read_exact(&mut out[begin..])?;
    Ok((file, out))
}
