//! The parts of a database's or cache's URL.

/// Parts of `scheme://user:password@host:port/path`, as they are written; a missing part is empty.
pub(super) struct Url<'a> {
    pub user: &'a str,
    pub password: &'a str,
    pub host: &'a str,
    pub port: &'a str,
    /// Path after the address, without its slash.
    pub path: &'a str,
}

impl<'a> Url<'a> {
    /// The parts of a URL; `None`: it is none.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (_, rest) = text.split_once("://")?;
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        Some(Self {
            user,
            password,
            host,
            port,
            path,
        })
    }
}
