//! Takes clients from a listening socket of a worker.
//!
//! Invariant: a connection that was accepted is served or told why not. When all places are
//! taken, the client that has been idle longest leaves for the next one; while everybody's
//! request is being served the next one waits, and then gets 503. What the kernel refuses
//! (descriptors, memory) is tried again after a pause: nothing spins. A drain takes what
//! waits in the socket's queue first.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::time::Instant;

use bytes::BytesMut;
use neargate_core::ids::RevisionNumber;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, timeout};

use crate::access_log::{self, AccessLogEntry};
use crate::connection;
use crate::counters::StatusSource;
use crate::error_response;
use crate::http2;
use crate::pressure::is_shortage;
use crate::request_context::ClientConnection;
use crate::seats::{AwaitedInput, MadeRoom};
use crate::worker_context::WorkerContext;

/// After `accept` failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A router has its first table within moments. While there is none after this, because no
/// engine runs, requests are answered with 503.
const FIRST_TABLE: Duration = Duration::from_secs(3);

/// A client's place among those of its worker.
pub(crate) struct ClientSeat {
    worker: Rc<WorkerContext>,
    number: u32,
}

impl ClientSeat {
    fn take(worker: &Rc<WorkerContext>) -> Self {
        worker.pressure.connected();
        Self {
            worker: worker.clone(),
            number: worker.seats.acquire(),
        }
    }
}

impl Drop for ClientSeat {
    fn drop(&mut self) {
        self.worker.pressure.left();
        self.worker.seats.give_back(self.number);
    }
}

/// Accepts until the drain begins; then takes what waits in the queue, and closes the socket.
pub(crate) async fn accept(worker: Rc<WorkerContext>, name: Rc<str>, socket: TcpListener) {
    let Ok(bound) = socket.local_addr() else {
        return;
    };
    tokio::select! {
        biased;
        _ = timeout(FIRST_TABLE, worker.first_table()) => {}
        () = worker.drain_began() => return,
    }
    let mut door = Door {
        worker: worker.clone(),
        name,
        bound,
        full_since: None,
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.drain_began() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => door.admit(stream, peer).await,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if is_shortage(&error) {
                    worker.pressure.note(&error.to_string());
                    worker.pool.close_oldest();
                    worker.make_room();
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    if let Ok(socket) = socket.into_std() {
        door.empty(&socket);
    }
}

/// Where the clients of a listening socket come in.
struct Door {
    worker: Rc<WorkerContext>,
    name: Rc<str>,
    bound: SocketAddr,
    full_since: Option<Instant>,
}

impl Door {
    /// Serves a client, or tells it why not.
    async fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let worker = &self.worker;
        if seated(worker, &mut self.full_since).await {
            self.seat(stream, peer);
        } else if let Ok(permit) = worker.refusals.clone().acquire_owned().await {
            let (worker, name) = (worker.clone(), self.name.clone());
            tokio::task::spawn_local(async move {
                refuse(&worker, &name, stream, peer).await;
                drop(permit);
            });
        }
    }

    fn seat(&self, stream: TcpStream, peer: SocketAddr) {
        let client = client(&self.name, &stream, peer, self.bound);
        let seat = ClientSeat::take(&self.worker);
        tokio::task::spawn_local(talk(seat, client, stream));
    }

    /// Takes the connections that wait: whom a closed socket leaves in its queue, the kernel
    /// resets. The socket itself is asked, because the runtime may not have heard of them yet.
    /// Those without a place stay for a router that shares the queue.
    fn empty(&self, socket: &StdListener) {
        while !self.worker.seats.is_full() {
            match socket.accept() {
                Ok((stream, peer)) => {
                    let ready = stream.set_nonblocking(true);
                    if let Ok(stream) = ready.and_then(|()| TcpStream::from_std(stream)) {
                        self.seat(stream, peer);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionAborted | K::ConnectionReset | K::Interrupted
    )
}

/// Waits until there is a place for one more client. `false`: there was none for too long; that
/// is not waited for again until there is one.
async fn seated(worker: &WorkerContext, full_since: &mut Option<Instant>) -> bool {
    loop {
        let freed = worker.seats.freed();
        tokio::pin!(freed);
        if !worker.seats.is_full() {
            *full_since = None;
            return true;
        }
        let since = *full_since.get_or_insert_with(Instant::now);
        let left = worker.limits.place.saturating_sub(since.elapsed());
        let room = worker.make_room();
        if left.is_zero() && room != MadeRoom::Asked {
            return false;
        }
        let pause = match room {
            MadeRoom::In(soon) => soon.max(Duration::from_millis(1)).min(left),
            MadeRoom::Asked => ACCEPT_PAUSE,
            MadeRoom::Nobody => left,
        };
        let _ = timeout(pause, freed).await;
    }
}

fn client(
    name: &Rc<str>,
    stream: &TcpStream,
    peer: SocketAddr,
    bound: SocketAddr,
) -> ClientConnection {
    ClientConnection {
        listener: name.clone(),
        port: bound.port().to_string(),
        peer,
        local: stream.local_addr().unwrap_or(bound),
        protocol: "http/1.1",
    }
}

async fn talk(seat: ClientSeat, client: ClientConnection, stream: TcpStream) {
    let worker = seat.worker.clone();
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = BytesMut::new();
    let protocol = {
        let wait = worker.seats.wait(seat.number, AwaitedInput::Head);
        tokio::select! {
            biased;
            protocol = http2::sniff(&worker, &mut reader, &mut buffer) => protocol,
            () = wait.asked_to_leave() => http2::Protocol::Nothing,
        }
    };
    match protocol {
        http2::Protocol::Http1 => {
            let number = seat.number;
            connection::serve(&worker, &client, number, &mut reader, &mut writer, buffer).await;
        }
        http2::Protocol::Http2 => {
            Box::pin(http2::serve(worker, client, reader, writer, buffer)).await;
        }
        http2::Protocol::Nothing => {}
    }
    drop(seat);
}

/// Answers 503 to a client for whom there is no place, and lets it read that.
async fn refuse(worker: &WorkerContext, listener: &str, stream: TcpStream, peer: SocketAddr) {
    let mut entry = AccessLogEntry {
        time: access_log::now_text(),
        listener: listener.to_owned(),
        client: peer.to_string(),
        protocol: "http/1.1",
        status: 503,
        error: Some("NoPlace"),
        ..AccessLogEntry::default()
    };
    let out = error_response::plain(503, None, "GET", &[("connection", "close")]);
    entry.bytes_out = out.len() as u64;
    worker.pressure.refused();
    let who = ("", RevisionNumber::NONE, "");
    let answerer = (StatusSource::Router, entry.routed);
    let stamp = worker.stamp(Instant::now());
    worker
        .counters
        .borrow_mut()
        .count(stamp, who, answerer, 503, Duration::ZERO);
    worker.lines.push(&entry);
    let (mut reader, mut writer) = stream.into_split();
    let answered = async {
        writer.write_all(&out).await?;
        writer.shutdown().await?;
        // What the client has sent must be read, or the kernel resets the connection.
        let mut sink = [0; 4096];
        while reader.read(&mut sink).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    let _ = timeout(worker.limits.drain_idle, answered).await;
}
