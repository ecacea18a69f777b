//! The conversation with one engine after another.
//!
//! Invariant: the latest engine that connects is the one that is heard; an earlier connection
//! is dropped. Lines are bounded; a line that is not understood ends the connection.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use neargate_core::routing::control::{FromRouter, ToRouter};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncRead, AsyncReadExt, Interest};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::engine_writer::{EngineWriter, PATIENCE};
use super::target_registry::TargetRegistry;
use crate::count_history::WorkerReport;

/// Most bytes of one message: a table of thousands of targets.
const MOST_LINE: usize = 16 * 1024 * 1024;
/// Sockets that one message can carry (`SCM_MAX_FD`).
const MOST_SOCKETS: usize = 253;
/// Between two looks at what the fleet has to tell.
const TURN: Duration = Duration::from_millis(100);

/// Speaks with engines until one of them orders a drain; how long that may take.
pub(super) async fn converse(
    control: &UnixListener,
    names: &[String],
    sockets: &[(String, OwnedFd)],
    fleet: &mut TargetRegistry,
    counts: &mut mpsc::Receiver<WorkerReport>,
) -> Duration {
    let mut hearing: Option<EngineReader> = None;
    loop {
        tokio::select! {
            accepted = control.accept() => {
                if let Ok((stream, _)) = accepted {
                    hearing = welcome(stream, names, sockets, fleet).await;
                }
            }
            order = hear(&mut hearing) => match order {
                Some(ToRouter::Publish { table }) => fleet.publish(*table).await,
                Some(ToRouter::Taken { through }) => fleet.counts_acknowledged(through).await,
                Some(ToRouter::Drain { timeout_ms }) => return Duration::from_millis(timeout_ms),
                None => {
                    hearing = None;
                    fleet.forget_engine();
                }
            },
            Some(taken) = counts.recv() => fleet.counted(taken).await,
            woken = fleet.wait(TURN) => fleet.apply(woken).await,
        }
    }
}

#[derive(Debug)]
struct EngineReader {
    reader: OwnedReadHalf,
    buffer: Vec<u8>,
}

/// The next order; `None` when the engine is gone. Waits forever without an engine. Nothing
/// is lost when it is dropped.
async fn hear(hearing: &mut Option<EngineReader>) -> Option<ToRouter> {
    let Some(hearing) = hearing else {
        return std::future::pending().await;
    };
    let mut looked = 0;
    loop {
        if let Some(end) = hearing.buffer[looked..].iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = hearing.buffer.drain(..=looked + end).collect();
            return serde_json::from_slice(&line).ok();
        }
        looked = hearing.buffer.len();
        if looked > MOST_LINE || read_some(&mut hearing.reader, &mut hearing.buffer).await == 0 {
            return None;
        }
    }
}

async fn read_some(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> usize {
    reader.read_buf(buffer).await.unwrap_or(0)
}

async fn welcome(
    stream: UnixStream,
    names: &[String],
    sockets: &[(String, OwnedFd)],
    fleet: &mut TargetRegistry,
) -> Option<EngineReader> {
    let hello = FromRouter::Hello {
        pid: std::process::id(),
        version: fleet.version(),
        listeners: names.to_vec(),
        beats: true,
    };
    let said = tokio::time::timeout(PATIENCE, say_hello(&stream, &hello, sockets)).await;
    if !matches!(said, Ok(Ok(()))) {
        return None;
    }
    let (reader, writer) = stream.into_split();
    fleet.meet_engine(EngineWriter::new(writer)).await;
    Some(EngineReader {
        reader,
        buffer: Vec::new(),
    })
}

/// The first byte carries the sockets, the rest follows.
async fn say_hello(
    stream: &UnixStream,
    hello: &FromRouter,
    sockets: &[(String, OwnedFd)],
) -> io::Result<()> {
    let mut line = serde_json::to_vec(hello)?;
    line.push(b'\n');
    let fds: Vec<_> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let fds = &fds[..fds.len().min(MOST_SOCKETS)];
    let mut done = 0;
    while done < line.len() {
        stream.writable().await?;
        let attached = if done == 0 { fds } else { &[] };
        let sent = stream.try_io(Interest::WRITABLE, || {
            let mut space =
                vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !attached.is_empty() && !control.push(SendAncillaryMessage::ScmRights(attached)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let parts = [IoSlice::new(&line[done..])];
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            Ok(rustix::net::sendmsg(stream, &parts, &mut control, flags)?)
        });
        match sent {
            Ok(sent) => done += sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
