//! Sticky sessions as ALB's: which task and which revision a client stays with, and the cookies
//! that say so. Times are passed in.
//!
//! Source of the rules: Elastic Load Balancing guide, "Sticky sessions" and "Listener rules,
//! forward actions".
//!
//! Invariant: a cookie only ever chooses among the targets that the request may reach anyway;
//! one that is forged, of another service or older than the duration is as none. At most
//! [`MOST_TRIED`] cookies of one name are looked at.

mod cookie;
mod seal;
#[cfg(test)]
mod tests;

use cookie::{Travel, end, pair, pairs};
pub use seal::{CookieKey, KEY_BYTES, Sealer, StickyToken};
use seal::{CookieKind, ENTRY_TEXT, MOST_ENTRIES, Scope, SealedEntry};

use crate::ids::RevisionNumber;
use crate::model::Sticky;

/// Names the task (duration-based stickiness).
pub const BALANCER: &str = "AWSALB";
/// The same with `SameSite=None; Secure`, for requests from other sites.
pub const BALANCER_CORS: &str = "AWSALBCORS";
/// Names the task; counts only together with the application's own cookie.
pub const APPLICATION: &str = "AWSALBAPP";
/// Names the target group: here the revision.
pub const GROUP: &str = "AWSALBTG";
/// The same with `SameSite=None; Secure`.
pub const GROUP_CORS: &str = "AWSALBTGCORS";
/// Longest duration. Also the expiry of [`APPLICATION`] at the client, and of a cookie that has
/// entries of other services; each entry's duration is judged by the balancer.
const LONGEST: u64 = 7 * 86_400;
/// Room for one line with one entry.
const LINE: usize = 160;
/// Cookies of one name that are looked at.
const MOST_TRIED: usize = 4;

/// Whether clients also stay with a target group, here a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupStickiness {
    /// Releases of the service move weights: clients stay with their revision.
    Sticky,
    /// There is only ever one group.
    Single,
}

/// Sticky sessions of one service.
#[derive(Debug, Clone)]
pub struct Sessions {
    sealer: Sealer,
    service: String,
    scope: Scope,
    /// Seconds that a client stays with its task.
    duration: u64,
    /// The application's own cookie; `None`: duration-based.
    application: Option<String>,
    groups: GroupStickiness,
}

/// The task and revision that served a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedBy {
    /// Token that stands for the task.
    pub target: StickyToken,
    /// Token that stands for the revision.
    pub revision: StickyToken,
}

impl Sessions {
    /// Sessions of a service as its manifest wants them.
    #[must_use]
    pub fn new(sealer: &Sealer, service: &str, sticky: &Sticky, groups: GroupStickiness) -> Self {
        Self {
            sealer: sealer.clone(),
            service: service.to_owned(),
            scope: sealer.scope(service),
            duration: sticky.duration.as_secs(),
            application: sticky.cookie.clone(),
            groups,
        }
    }

    /// Names of a task and its revision in cookies.
    #[must_use]
    pub fn served_by(&self, task: &str, revision: RevisionNumber) -> ServedBy {
        ServedBy {
            target: self.sealer.target(&self.service, task),
            revision: self.revision(revision),
        }
    }

    /// Name of a revision in cookies.
    #[must_use]
    pub fn revision(&self, revision: RevisionNumber) -> StickyToken {
        self.sealer.revision(&self.service, revision)
    }

    /// The task that a request's cookies ask for. `cookies` are the values of its `Cookie`
    /// headers, `now` seconds since the Unix epoch.
    pub fn target_wanted<'a>(
        &self,
        cookies: impl Iterator<Item = &'a [u8]> + Clone,
        now: u64,
    ) -> Option<StickyToken> {
        match &self.application {
            None => self
                .read(CookieKind::Balancer, BALANCER, cookies.clone(), now)
                .or_else(|| self.read(CookieKind::Balancer, BALANCER_CORS, cookies, now)),
            Some(name) if comes(cookies.clone(), name) => {
                self.read(CookieKind::Application, APPLICATION, cookies, now)
            }
            Some(_) => None,
        }
    }

    /// The revision that a request's cookies ask for.
    pub fn revision_wanted<'a>(
        &self,
        cookies: impl Iterator<Item = &'a [u8]> + Clone,
        now: u64,
    ) -> Option<StickyToken> {
        if self.groups == GroupStickiness::Single {
            return None;
        }
        self.read(CookieKind::Group, GROUP, cookies.clone(), now)
            .or_else(|| self.read(CookieKind::Group, GROUP_CORS, cookies, now))
    }

    /// The `set-cookie` lines of a response, each with its end of line; empty when there are
    /// none. `cookies` as in [`Self::target_wanted`]; `set` are the values of the `Set-Cookie`
    /// headers that the target sent.
    ///
    /// Every response renews the expiry. The application's kind begins when the target sets its
    /// own cookie, and is renewed when both cookies came.
    pub fn answer<'a>(
        &self,
        given: ServedBy,
        cookies: impl Iterator<Item = &'a [u8]> + Clone,
        set: impl Iterator<Item = &'a [u8]>,
        now: u64,
    ) -> String {
        let mut out = String::with_capacity(match (self.groups, &self.application) {
            (GroupStickiness::Sticky, _) => 4 * LINE,
            (GroupStickiness::Single, None) => 2 * LINE,
            (GroupStickiness::Single, Some(_)) => 0,
        });
        let mut both = |kind, [plain, cross]: [&str; 2], token| {
            for (name, travel) in [(plain, Travel::Plain), (cross, Travel::CrossSite)] {
                let others = self.write(kind, name, token, cookies.clone(), now, &mut out);
                let expires = if others > 0 { LONGEST } else { self.duration };
                end(&mut out, now.saturating_add(expires), travel);
            }
        };
        if self.groups == GroupStickiness::Sticky {
            both(CookieKind::Group, [GROUP, GROUP_CORS], given.revision);
        }
        match &self.application {
            None => both(
                CookieKind::Balancer,
                [BALANCER, BALANCER_CORS],
                given.target,
            ),
            Some(name) if self.follows(name, cookies.clone(), set) => {
                let token = given.target;
                self.write(
                    CookieKind::Application,
                    APPLICATION,
                    token,
                    cookies,
                    now,
                    &mut out,
                );
                end(&mut out, now.saturating_add(LONGEST), Travel::Plain);
            }
            Some(_) => {}
        }
        out
    }

    fn follows<'a>(
        &self,
        name: &str,
        cookies: impl Iterator<Item = &'a [u8]> + Clone,
        mut set: impl Iterator<Item = &'a [u8]>,
    ) -> bool {
        let sets = set.any(|value| pair(value).is_some_and(|(n, _)| n == name.as_bytes()));
        sets || comes(cookies.clone(), name) && comes(cookies, APPLICATION)
    }

    fn read<'a>(
        &self,
        kind: CookieKind,
        name: &str,
        cookies: impl Iterator<Item = &'a [u8]>,
        now: u64,
    ) -> Option<StickyToken> {
        values(cookies, name)
            .flat_map(entries)
            .filter_map(|text| self.sealer.read(kind, self.scope, text))
            .find(|entry| now < entry.issued.saturating_add(self.duration))
            .map(|entry| entry.token)
    }

    /// Begins a `set-cookie` line: the name, this service's entry, and those of other services
    /// that the client came with (one cookie of a name serves all target groups). How many
    /// those are.
    fn write<'a>(
        &self,
        kind: CookieKind,
        name: &str,
        token: StickyToken,
        cookies: impl Iterator<Item = &'a [u8]>,
        now: u64,
        out: &mut String,
    ) -> usize {
        out.push_str("set-cookie: ");
        out.push_str(name);
        out.push('=');
        let entry = SealedEntry { token, issued: now };
        self.sealer.write(kind, self.scope, entry, out);
        let others = values(cookies, name)
            .take(1)
            .flat_map(entries)
            .filter(|text| seal::is_of(self.scope, text) == Some(false));
        let mut count = 0;
        for other in others.take(MOST_ENTRIES - 1) {
            out.extend(other.iter().map(|byte| char::from(*byte)));
            count += 1;
        }
        count
    }
}

fn comes<'a>(cookies: impl Iterator<Item = &'a [u8]>, name: &str) -> bool {
    pairs(cookies).any(|(found, _)| found == name.as_bytes())
}

fn values<'a>(
    cookies: impl Iterator<Item = &'a [u8]>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    pairs(cookies)
        .filter(move |(found, _)| *found == name.as_bytes())
        .map(|(_, value)| value)
        .take(MOST_TRIED)
}

/// The entries of a cookie's value; none of a value of another length.
fn entries(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = value.len().is_multiple_of(ENTRY_TEXT);
    let value = if whole { value } else { &[] };
    value.chunks_exact(ENTRY_TEXT).take(MOST_ENTRIES)
}
