//! One HTTP/1.1 request over a stream of its own, and its answer.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sends a request and reads its answer. Dropping it leaves nothing of the exchange behind.
///
/// # Errors
/// The exchange broke.
pub(crate) async fn exchange<T, F: Future<Output = Result<T, hyper::Error>>>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    read: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answering = async { read(sender.send_request(request).await?).await };
    let mut answering = std::pin::pin!(answering);
    tokio::select! {
        biased;
        answer = &mut answering => answer,
        // The connection may end in the very poll that hands the answer over, or says what broke.
        ended = connection => {
            let answer = answering.await;
            answer.map_err(|error| ended.err().unwrap_or(error))
        }
    }
}
