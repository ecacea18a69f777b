//! Who talks to the watchdog: the engine, shims, commands.
//!
//! Invariant: nobody is waited for. At most [`MOST`] connections are held; the engine's is the
//! newest one that said it was an engine.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use super::line::{self, ALIVE, ASK, ENGINE, EngineReport, LOOP, QUIT, SHIM, TRY, WATCHDOG};
use super::sockets::{EngineMessage, LineBuffer, NamedSockets};
use crate::process_identity::ProcessIdentity;

/// Connections at one time; further ones wait in the kernel's queue.
const MOST: usize = 64;

/// One thing that came in on a connection.
#[derive(Debug)]
pub(super) enum ConnectionEvent {
    /// An engine has connected.
    Engine(ProcessIdentity),
    /// Its loop went round.
    Turned,
    /// The engine's sign of life between two rounds.
    Lives,
    /// All its listening sockets.
    Sockets(NamedSockets),
    /// Everything is stopped.
    Quit,
    /// A command asks; `now`: for a start at once.
    Asked {
        /// Where the answer goes.
        guest: UnixStream,
        /// A start is asked for.
        now: bool,
    },
}

/// The engine's connection, and those that have not said yet whose they are.
#[derive(Debug)]
pub(super) struct EngineConnections {
    listener: UnixListener,
    engine: Option<(UnixStream, LineBuffer)>,
    strangers: Vec<UnixStream>,
}

impl EngineConnections {
    /// Those who will connect here.
    #[must_use]
    pub(super) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            engine: None,
            strangers: Vec::new(),
        }
    }

    /// Descriptors to wait for.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listener = (self.strangers.len() < MOST).then(|| self.listener.as_fd());
        let strangers = self.strangers.iter().map(AsFd::as_fd);
        let engine = self.engine.iter().map(|(line, _)| line.as_fd());
        listener.into_iter().chain(strangers).chain(engine)
    }

    /// Everything that was said since.
    pub(super) fn hear(&mut self) -> Vec<ConnectionEvent> {
        while self.strangers.len() < MOST
            && let Ok((guest, _)) = self.listener.accept()
        {
            if guest.set_nonblocking(true).is_ok() {
                self.strangers.push(guest);
            }
        }
        let mut words = Vec::new();
        for mut guest in std::mem::take(&mut self.strangers) {
            let mut first = [0];
            match guest.read(&mut first) {
                Ok(1) => self.greet(first[0], guest, &mut words),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.strangers.push(guest);
                }
                _ => {}
            }
        }
        self.hear_engine(&mut words);
        words
    }

    fn greet(&mut self, first: u8, guest: UnixStream, words: &mut Vec<ConnectionEvent>) {
        match first {
            ENGINE => {
                if let Some(process) = line::peer(&guest) {
                    self.engine = Some((guest, LineBuffer::default()));
                    words.push(ConnectionEvent::Engine(process));
                }
            }
            SHIM => {
                let _ = line::send(&guest, &[WATCHDOG]);
            }
            ASK | TRY => words.push(ConnectionEvent::Asked {
                guest,
                now: first == TRY,
            }),
            _ => {}
        }
    }

    fn hear_engine(&mut self, words: &mut Vec<ConnectionEvent>) {
        let Some((line, inbox)) = &mut self.engine else {
            return;
        };
        match inbox.read(line) {
            Ok(0) => self.engine = None,
            Ok(_) => {
                let word = |said| match said {
                    EngineMessage::Byte(LOOP) => Some(ConnectionEvent::Turned),
                    EngineMessage::Byte(ALIVE) => Some(ConnectionEvent::Lives),
                    EngineMessage::Byte(QUIT) => Some(ConnectionEvent::Quit),
                    EngineMessage::Byte(_) => None,
                    EngineMessage::Sockets(sockets) => Some(ConnectionEvent::Sockets(sockets)),
                };
                words.extend(inbox.take_messages().into_iter().filter_map(word));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.engine = None,
        }
    }

    /// Says one byte to the engine.
    pub(super) fn tell_engine(&mut self, byte: u8) {
        if let Some((engine, _)) = &self.engine
            && line::send(engine, &[byte]).is_err()
        {
            self.engine = None;
        }
    }

    /// Answers a command.
    pub(super) fn answer(&self, mut guest: UnixStream, report: &EngineReport) {
        if let Ok(mut text) = serde_json::to_vec(report) {
            text.push(b'\n');
            // It fits into the socket's buffer, or nobody reads it.
            let _ = guest.write_all(&text);
        }
    }
}
