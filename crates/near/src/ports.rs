//! Loopback ports for tasks and internal listeners.
//!
//! They come from 20000..=29999, below the range that the kernel takes client ports from, so a
//! port that was chosen here is not taken by an outgoing connection before the task listens.
//! Each state directory begins somewhere else, so two engines rarely try the same one.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use sha2::{Digest, Sha256};

use crate::descriptors::is_shortage;
use crate::paths::StateDir;

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// Hands out ports that nobody has.
#[derive(Debug)]
pub struct PortAllocator {
    next: u16,
}

impl PortAllocator {
    /// Ports for a state directory.
    #[must_use]
    pub fn of(state: &StateDir) -> Self {
        let digest = Sha256::digest(state.path().as_os_str().as_encoded_bytes());
        Self {
            next: u16::from_be_bytes([digest[0], digest[1]]) % COUNT,
        }
    }

    /// A free port that is not in `taken`.
    ///
    /// # Errors
    /// All 10,000 are taken, or no socket can be opened, in words.
    pub fn assign(&mut self, taken: &BTreeSet<u16>) -> Result<u16, String> {
        for _ in 0..COUNT {
            let port = FIRST + self.next;
            self.next = (self.next + 1) % COUNT;
            // Binding tells; nothing waits in the queue of a socket that never listened long.
            if taken.contains(&port) {
                continue;
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(_) => return Ok(port),
                Err(error) if is_shortage(&error) => {
                    return Err(format!("no port can be tried: {error}"));
                }
                Err(_) => {}
            }
        }
        let last = FIRST + COUNT - 1;
        Err(format!("no port is free between {FIRST} and {last}"))
    }
}

/// Whether nobody listens at a loopback port.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_out_that_is_taken_or_listened_on() {
        let mut ports = PortAllocator::of(&StateDir::at("/tmp/ports-test"));
        let first = ports.assign(&BTreeSet::new()).unwrap();
        let mut again = PortAllocator::of(&StateDir::at("/tmp/ports-test"));
        assert_ne!(again.assign(&BTreeSet::from([first])), Ok(first));
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert_ne!(
            PortAllocator::of(&StateDir::at("/tmp/ports-test")).assign(&BTreeSet::new()),
            Ok(first)
        );
    }
}
