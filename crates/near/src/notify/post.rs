//! One attempt to post one body.
//!
//! HTTP/1.1 on a connection of its own; TLS by rustls with the machine's own roots. The TLS crates
//! add 22 s of one core to a cold build (measured), less than would be worth running `curl` for.
//!
//! Invariant: no error holds the URL's path or query. A redirect is not followed: the receiver is
//! whom the manifest names. The answer's body is not read.

use std::future::ready;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::url::{UrlScheme, WebhookUrl};
use crate::http_exchange;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// No TCP connection to the receiver.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The receiver's certificate, or no TLS there.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// The machine trusts nobody, so no certificate can be checked.
    #[error("the machine has no root certificates: install ca-certificates")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("the exchange broke")]
    Exchange(#[source] hyper::Error),
    /// The request cannot be made.
    #[error("the request cannot be made")]
    Request,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// Not a success.
    #[error("status {0}")]
    Status(u16),
}

impl PostError {
    /// Whether it may go well another time: everything but a plain refusal.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 500 || [408, 425, 429].contains(status),
            Self::Request | Self::Setup(_) => false,
            _ => true,
        }
    }
}

/// Whose certificates are trusted.
#[derive(Debug, Clone)]
pub enum Roots {
    /// Those that the machine trusts (`SSL_CERT_FILE` is heeded).
    Machine,
    /// Only certificates that these roots signed.
    Only(Vec<CertificateDer<'static>>),
}

/// Posts the bodies of webhooks over HTTP/1.1.
pub struct WebhookPoster {
    roots: Roots,
    tls: OnceCell<TlsConnector>,
}

impl WebhookPoster {
    /// A poster that trusts these roots; they are read when they are needed first.
    #[must_use]
    pub fn new(roots: Roots) -> Self {
        Self {
            roots,
            tls: OnceCell::new(),
        }
    }

    /// Posts JSON once. The caller bounds the time.
    ///
    /// # Errors
    /// [`PostError`], also for every status but 2xx.
    pub async fn post(&self, url: &WebhookUrl, body: Bytes) -> Result<(), PostError> {
        let stream = TcpStream::connect((url.host(), url.port()))
            .await
            .map_err(PostError::Connect)?;
        let status = match url.scheme() {
            UrlScheme::Clear => exchange(stream, url, body).await?,
            UrlScheme::Tls => {
                let name = ServerName::try_from(url.host().to_owned())
                    .map_err(|error| PostError::Tls(io::Error::other(error)))?;
                let tls = self.tls().await?;
                let stream = tls.connect(name, stream).await.map_err(PostError::Tls)?;
                exchange(stream, url, body).await?
            }
        };
        if status.is_success() {
            Ok(())
        } else {
            Err(PostError::Status(status.as_u16()))
        }
    }

    async fn tls(&self) -> Result<&TlsConnector, PostError> {
        let make = || async {
            let roots = match &self.roots {
                Roots::Only(roots) => roots.clone(),
                Roots::Machine => tokio::task::spawn_blocking(machine_roots)
                    .await
                    .unwrap_or_default(),
            };
            connector(roots)
        };
        self.tls.get_or_try_init(make).await
    }
}

fn machine_roots() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

fn connector(certificates: Vec<CertificateDer<'static>>) -> Result<TlsConnector, PostError> {
    let mut roots = RootCertStore::empty();
    // A machine's store may hold old certificates that rustls does not take.
    let (taken, _) = roots.add_parsable_certificates(certificates);
    if taken == 0 {
        return Err(PostError::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(PostError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn exchange<S>(stream: S, url: &WebhookUrl, body: Bytes) -> Result<StatusCode, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.target())
        .header("host", url.authority())
        .header("content-type", "application/json")
        .header(
            "user-agent",
            concat!("neargate/", env!("CARGO_PKG_VERSION")),
        )
        .header("connection", "close")
        .body(Full::new(body))
        .map_err(|_| PostError::Request)?;
    http_exchange::exchange(stream, request, |answer| ready(Ok(answer.status())))
        .await
        .map_err(PostError::Exchange)
}
