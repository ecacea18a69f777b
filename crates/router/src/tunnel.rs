//! An upgraded connection: bytes both ways until one side ends or both are silent.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const BUFFER: usize = 8 * 1024;

/// Copies both ways; ends when both directions have ended, or nothing moved for `idle`.
pub(crate) async fn run(
    client: (
        &mut (impl AsyncRead + Unpin),
        &mut (impl AsyncWrite + Unpin),
    ),
    target: (
        &mut (impl AsyncRead + Unpin),
        &mut (impl AsyncWrite + Unpin),
    ),
    idle: Duration,
) -> (u64, u64) {
    let (up, down) = (Cell::new(0), Cell::new(0));
    let moved = Cell::new(Instant::now());
    let both = async {
        tokio::join!(
            copy(client.0, target.1, &up, &moved),
            copy(target.0, client.1, &down, &moved)
        )
    };
    let silence = async {
        loop {
            let left = idle.saturating_sub(moved.get().elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    };
    tokio::select! {
        _ = both => {}
        () = silence => {}
    }
    (up.get(), down.get())
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    count: &Cell<u64>,
    moved: &Cell<Instant>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return to.shutdown().await;
        }
        moved.set(Instant::now());
        to.write_all(&buffer[..read]).await?;
        count.set(count.get() + read as u64);
    }
}
