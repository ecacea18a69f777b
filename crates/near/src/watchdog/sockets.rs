//! Copies of the listening sockets, so that they stay open when engine and router die together:
//! connections wait in their queues until the next engine has started the next router.
//!
//! The engine sends them on its line, a byte and one line of names with the sockets attached; the
//! watchdog hands them to the engine that it starts.
//!
//! Invariant: the copies are those of the engine's last message, and are dropped a minute after
//! the last sign of an engine's loop: nobody waits in a queue that nobody serves.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::FdFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::line::SOCKETS;

/// Most sockets that one message can carry (`SCM_MAX_FD` of the kernel).
pub const MOST: usize = 253;
/// Longest line of names, in bytes.
const LINE: usize = 64 * 1024;

/// Listening sockets with the names of their listeners.
pub type NamedSockets = Vec<(String, OwnedFd)>;

/// Sends all sockets; `false` when there is no room for the message now.
///
/// # Errors
/// The other end is gone, or has half of the message.
pub fn send(stream: &UnixStream, sockets: &NamedSockets) -> io::Result<bool> {
    let sockets = &sockets[..sockets.len().min(MOST)];
    let names: Vec<&String> = sockets.iter().map(|(name, _)| name).collect();
    let mut message = vec![SOCKETS];
    message.extend(serde_json::to_vec(&names)?);
    message.push(b'\n');
    let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::sendmsg(stream, &[IoSlice::new(&message)], &mut control, flags) {
        Ok(sent) if sent == message.len() => Ok(true),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(rustix::io::Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Bytes and sockets that came in on a line and are no whole message yet.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    sockets: Vec<OwnedFd>,
}

/// One thing that an engine said.
#[derive(Debug)]
pub enum EngineMessage {
    /// A word of one byte.
    Byte(u8),
    /// All its listening sockets.
    Sockets(NamedSockets),
}

impl LineBuffer {
    /// Reads what is there, without waiting; 0 at the end.
    ///
    /// # Errors
    /// Nothing is there (`WouldBlock`), or the line broke.
    pub fn read(&mut self, stream: &UnixStream) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = rustix::net::recvmsg(stream, &mut parts, &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                self.sockets.extend(rights);
            }
        }
        self.bytes.extend_from_slice(&buffer[..received.bytes]);
        if self.bytes.len() > LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(received.bytes)
    }

    /// Everything that is complete.
    pub fn take_messages(&mut self) -> Vec<EngineMessage> {
        let mut said = Vec::new();
        while let Some(&first) = self.bytes.first() {
            if first != SOCKETS {
                said.push(EngineMessage::Byte(first));
                self.bytes.remove(0);
                continue;
            }
            let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            let names: Vec<String> =
                serde_json::from_slice(&self.bytes[1..end]).unwrap_or_default();
            self.bytes.drain(..=end);
            let sockets = std::mem::take(&mut self.sockets);
            said.push(EngineMessage::Sockets(
                names.into_iter().zip(sockets).collect(),
            ));
        }
        said
    }
}

/// Hands sockets to a process that is started: it inherits them, and is told by `--listener`.
pub fn inherit(command: &mut Command, sockets: &NamedSockets) {
    for (name, socket) in sockets {
        command.arg("--listener");
        command.arg(format!("{name}={}", socket.as_raw_fd()));
    }
    let inherited: Vec<i32> = sockets.iter().map(|(_, one)| one.as_raw_fd()).collect();
    // SAFETY: between fork and exec only fcntl is called, on descriptors that the caller keeps
    // open; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            for fd in &inherited {
                let fd = BorrowedFd::borrow_raw(*fd);
                rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn words_and_sockets_arrive_in_their_order_and_the_sockets_listen() {
        let (here, there) = UnixStream::pair().expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        super::super::line::send(&here, b"el").expect("sent");
        let named = vec![("edge".to_owned(), listener.into())];
        assert!(send(&here, &named).expect("sent"));
        super::super::line::send(&here, b"l").expect("sent");
        assert!(send(&here, &Vec::new()).expect("sent"));
        drop(named);
        let mut inbox = LineBuffer::default();
        let mut said = Vec::new();
        while inbox.read(&there).is_ok() {
            said.extend(inbox.take_messages());
        }
        let words: Vec<String> = said
            .iter()
            .map(|one| match one {
                EngineMessage::Byte(byte) => char::from(*byte).to_string(),
                EngineMessage::Sockets(sockets) => {
                    sockets.iter().map(|(name, _)| name.as_str()).collect()
                }
            })
            .collect();
        assert_eq!(words, ["e", "l", "edge", "l", ""]);
        TcpStream::connect(address).expect("the copy listens");
        drop(said);
        TcpStream::connect(address).expect_err("nobody has it any more");
    }
}
