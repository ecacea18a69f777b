//! The URL of a webhook, taken apart.
//!
//! Invariant: path and query are the receiver's password, so nothing here formats them: `Debug`
//! and errors show scheme and host at most. Refuses what is not `http` or `https`, a user in the
//! URL, and whatever has no host.

use std::fmt;

use hyper::Uri;

/// Why a text is no URL of a webhook. Never the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("it is not a URL")]
    Form,
    /// Another scheme, or none.
    #[error("it does not begin with https:// or http://")]
    Scheme,
    #[error("it has no host")]
    Host,
    /// It has `user:password@` before the host.
    #[error("a user in it is not sent")]
    User,
}

/// In clear or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlScheme {
    Clear,
    Tls,
}

/// Where a webhook is.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    scheme: UrlScheme,
    host: String,
    port: u16,
    authority: String,
    target: String,
}

impl WebhookUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`UrlError`], which does not hold the text.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.trim().parse().map_err(|_| UrlError::Form)?;
        let (scheme, usual) = match uri.scheme_str() {
            Some("https") => (UrlScheme::Tls, 443),
            Some("http") => (UrlScheme::Clear, 80),
            _ => return Err(UrlError::Scheme),
        };
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::User);
        }
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() {
            return Err(UrlError::Host);
        }
        let target = uri.path_and_query().map_or("/", |found| found.as_str());
        Ok(Self {
            scheme,
            host: bare.to_owned(),
            port: authority.port_u16().unwrap_or(usual),
            authority: authority.as_str().to_owned(),
            target: target.to_owned(),
        })
    }

    /// In clear or not.
    #[must_use]
    pub fn scheme(&self) -> UrlScheme {
        self.scheme
    }

    /// Host name or address, an IPv6 address without its brackets. May be logged.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port of the URL; without one, 443 for `https` and 80 for `http`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query. A secret: only the request line may hold it.
    pub(super) fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WebhookUrl({}, …)", self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, scheme, host, port, authority, target) in [
            (
                "https://hooks.example.com/services/T0/x?k=1",
                UrlScheme::Tls,
                "hooks.example.com",
                443,
                "hooks.example.com",
                "/services/T0/x?k=1",
            ),
            (
                "http://127.0.0.1:9000",
                UrlScheme::Clear,
                "127.0.0.1",
                9000,
                "127.0.0.1:9000",
                "/",
            ),
            (
                "http://[::1]/x\n",
                UrlScheme::Clear,
                "::1",
                80,
                "[::1]",
                "/x",
            ),
        ] {
            let url = WebhookUrl::parse(text).unwrap();
            assert_eq!((url.scheme(), url.port()), (scheme, port), "{text}");
            assert_eq!(
                (url.host(), url.authority(), url.target()),
                (host, authority, target)
            );
        }
    }

    #[test]
    fn what_is_no_webhook_is_refused_and_not_repeated() {
        for (text, wanted) in [
            ("", UrlError::Form),
            ("hooks.example.com", UrlError::Scheme),
            ("/services/secret", UrlError::Scheme),
            ("ftp://hooks.example.com/secret", UrlError::Scheme),
            ("https://user:secret@hooks.example.com/", UrlError::User),
            ("https:///secret", UrlError::Form),
        ] {
            assert_eq!(WebhookUrl::parse(text), Err(wanted), "{text}");
        }
    }

    #[test]
    fn path_and_query_are_never_formatted() {
        let url = WebhookUrl::parse("https://hooks.example.com/secret?key=secret").unwrap();
        assert_eq!(format!("{url:?}"), "WebhookUrl(hooks.example.com, …)");
    }
}
