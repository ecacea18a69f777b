//! Answers a request from a static site: the head, then the file block by block.
//!
//! Invariant: memory per response is bounded; an open file takes the place of a connection to a
//! target.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use neargate_core::ids::RevisionNumber;
use neargate_core::routing::head::RequestFraming;
use neargate_core::routing::site::ASK_AGAIN;
use neargate_core::routing::table::StaticSite;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::access_log::AccessLogEntry;
use crate::request::{self, KeepAlive};
use crate::request_context::{ClientStreams, RequestContext, RequestEnd};
use crate::scratch::ResponseWriter;
use crate::static_files::{self, ContentPart, Entity, FileLookup, FileRequest};

/// An answer: a head, then a part of a file.
struct FileReply {
    status: u16,
    /// Whole lines of the head.
    lines: Vec<u8>,
    /// `None`: there is no body and no length of one (304).
    length: Option<u64>,
    body: Option<(PathBuf, Range<u64>)>,
    /// A body that is in memory.
    content: bytes::Bytes,
    revision: RevisionNumber,
}

/// Serves one request from a site.
pub(crate) async fn serve<R, W>(
    job: &RequestContext<'_>,
    site: &StaticSite,
    expose: bool,
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> RequestEnd
where
    W: ResponseWriter,
{
    if job.head.method != "GET" && job.head.method != "HEAD" {
        return refuse_method(job, sides, entry).await;
    }
    let reply = match find(job, site).await {
        Ok(reply) => reply,
        Err(end) => return end,
    };
    // An open file takes the place of a connection to a target.
    let place = match reply.body {
        Some(_) => job.worker.pool.permit(job.worker.limits.connect).await,
        None => None,
    };
    if reply.body.is_some() && place.is_none() {
        let words = "too many connections to targets and open files";
        job.worker.pressure.request_not_made(words);
        return RequestEnd::Refuse(503, "RouterShortage");
    }
    let keep = keep(job);
    let phrase = crate::error_response::phrase(reply.status);
    let mut head = Vec::with_capacity(512 + reply.content.len());
    head.extend_from_slice(format!("HTTP/1.1 {} {phrase}\r\n", reply.status).as_bytes());
    let mut line = |name: &str, value: &str| request::line(&mut head, name, value.as_bytes());
    line("server", "neargate");
    line("x-request-id", job.request_id);
    if expose {
        line("x-neargate-revision", &reply.revision.to_string());
    }
    if keep == KeepAlive::Close {
        line("connection", "close");
    }
    if let Some(length) = reply.length {
        line("content-length", &length.to_string());
    }
    head.extend_from_slice(&reply.lines);
    head.extend_from_slice(b"\r\n");
    entry.status = reply.status;
    let mut body = FileBody::None;
    if job.head.method != "HEAD" {
        body = reply.body.map_or(FileBody::None, FileBody::File);
        if reply.content.len() <= W::BLOCK / 4 {
            head.extend_from_slice(&reply.content);
        } else {
            body = FileBody::Memory(reply.content);
        }
    }
    match send(job, head, body, sides, entry).await {
        Some(()) => RequestEnd::Answered(keep),
        None => RequestEnd::Abort(460, "ClientClosed"),
    }
}

/// The answer: from what the worker remembers, or from the disk, in a thread that may wait.
async fn find(job: &RequestContext<'_>, site: &StaticSite) -> Result<FileReply, RequestEnd> {
    let asked = FileRequest::new(job.head);
    let key = asked.key(site);
    let files = &job.worker.files;
    if let Some(entity) = files.get(&key) {
        return Ok(of_file(&entity, job.head));
    }
    let revision = site.revision;
    let site = site.clone();
    let found = tokio::task::spawn_blocking(move || static_files::make(&site, &asked)).await;
    let found = found.map_err(|_| RequestEnd::Refuse(500, "StaticFailed"))?;
    Ok(match found {
        FileLookup::Own(entity) => of_file(&files.put(&key, entity), job.head),
        // Not remembered by the path: there are as many of these as anybody likes to ask for.
        FileLookup::Other(entity) => of_file(&Rc::new(entity), job.head),
        FileLookup::Redirect(to) => bare(301, "location", &to, revision),
        FileLookup::Nothing => bare(404, "cache-control", ASK_AGAIN, revision),
        FileLookup::Shortage(words) => {
            job.worker.pressure.request_not_made(&words);
            return Err(RequestEnd::Refuse(503, "RouterShortage"));
        }
    })
}

fn bare(status: u16, name: &str, value: &str, revision: RevisionNumber) -> FileReply {
    let mut lines = Vec::new();
    request::line(&mut lines, name, value.as_bytes());
    FileReply {
        status,
        lines,
        length: Some(0),
        body: None,
        content: bytes::Bytes::new(),
        revision,
    }
}

fn of_file(entity: &Rc<Entity>, head: &request::RequestHead) -> FileReply {
    let mut lines = Vec::with_capacity(entity.lines.len() + 64);
    let (status, bytes) = match static_files::part(entity, head) {
        ContentPart::Whole => (entity.status, 0..entity.length),
        ContentPart::Some(bytes) => {
            let (first, last) = (bytes.start, bytes.end - 1);
            let value = format!("bytes {first}-{last}/{}", entity.length);
            request::line(&mut lines, "content-range", value.as_bytes());
            (206, bytes)
        }
        ContentPart::Outside => {
            let value = format!("bytes */{}", entity.length);
            return bare(416, "content-range", &value, entity.revision);
        }
        ContentPart::Failed => return bare(412, "etag", &entity.etag, entity.revision),
        ContentPart::Unchanged => {
            lines.extend_from_slice(&entity.lines);
            return FileReply {
                status: 304,
                lines,
                length: None,
                body: None,
                content: bytes::Bytes::new(),
                revision: entity.revision,
            };
        }
    };
    lines.extend_from_slice(&entity.lines);
    request::line(&mut lines, "accept-ranges", b"bytes");
    let length = Some(bytes.end - bytes.start);
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let (content, body) = match &entity.content {
        Some(all) => (all.slice(place(bytes.start)..place(bytes.end)), None),
        None => (bytes::Bytes::new(), Some((entity.path.clone(), bytes))),
    };
    FileReply {
        status,
        lines,
        length,
        body,
        content,
        revision: entity.revision,
    }
}

fn keep(job: &RequestContext<'_>) -> KeepAlive {
    let close = job.keep == KeepAlive::Close
        || job.worker.is_draining()
        || job.head.framing != RequestFraming::Empty
        || job.head.version == neargate_core::routing::head::HttpVersion::Http10;
    if close {
        KeepAlive::Close
    } else {
        KeepAlive::Keep
    }
}

async fn refuse_method<R, W>(
    job: &RequestContext<'_>,
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> RequestEnd
where
    W: ResponseWriter,
{
    let added = [
        ("allow", "GET, HEAD"),
        ("x-request-id", job.request_id),
        ("connection", "close"),
    ];
    let out = crate::error_response::plain(405, None, &job.head.method, &added);
    entry.status = 405;
    match send(job, out, FileBody::None, sides, entry).await {
        Some(()) => RequestEnd::Answered(KeepAlive::Close),
        None => RequestEnd::Abort(460, "ClientClosed"),
    }
}

/// Body after a head.
enum FileBody {
    None,
    Memory(bytes::Bytes),
    File((PathBuf, Range<u64>)),
}

async fn send<R, W>(
    job: &RequestContext<'_>,
    mut out: Vec<u8>,
    body: FileBody,
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> Option<()>
where
    W: ResponseWriter,
{
    write(job, &out, sides, entry).await?;
    match body {
        FileBody::None => {}
        FileBody::Memory(content) => {
            // It is not of this response alone: what waits takes no memory of its own.
            for part in content.chunks(W::BLOCK) {
                write(job, part, sides, entry).await?;
            }
        }
        FileBody::File((path, bytes)) => {
            let mut left = bytes.end - bytes.start;
            let mut from = BodySource::At(path, bytes.start);
            while left > 0 {
                let most = wanted(job, sides.writer).await?;
                let take = usize::try_from(left).map_or(most, |left| left.min(most));
                sides.writer.reserve(take).await.ok()?;
                out.clear();
                let read = tokio::task::spawn_blocking(move || block(from, take, out));
                let (open, filled) = read.await.ok()?.ok()?;
                out = filled;
                left -= take as u64;
                from = BodySource::Open(open);
                write(job, &out, sides, entry).await?;
                out = Vec::new();
            }
        }
    }
    Some(())
}

async fn wanted(job: &RequestContext<'_>, writer: &mut impl ResponseWriter) -> Option<usize> {
    let wanted = timeout(job.worker.limits.client_idle, writer.wanted());
    wanted.await.ok()?.ok()
}

async fn write<R, W>(
    job: &RequestContext<'_>,
    bytes: &[u8],
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> Option<()>
where
    W: ResponseWriter,
{
    let written = timeout(job.worker.limits.client_idle, sides.writer.write_all(bytes));
    written.await.ok()?.ok()?;
    entry.bytes_out += bytes.len() as u64;
    Some(())
}

/// Where the next bytes come from.
enum BodySource {
    At(PathBuf, u64),
    Open(File),
}

fn block(source: BodySource, take: usize, mut out: Vec<u8>) -> std::io::Result<(File, Vec<u8>)> {
    let mut file = match source {
        BodySource::Open(file) => file,
        BodySource::At(path, from) => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(from))?;
            file
        }
    };
    let begin = out.len();
    out.resize(begin + take, 0);
    file.read_exact(&mut out[begin..])?;
    Ok((file, out))
}
