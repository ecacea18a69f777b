//! Sticky sessions of the requests that pass: the core's rules beside heads and the clock.
//!
//! Invariant: what a client comes with is looked at only in services that are sticky; the one
//! thing that is allocated for a request is the text of its `set-cookie` lines.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use neargate_core::ids::RevisionNumber;
use neargate_core::routing::sticky::{GroupStickiness, Sealer, ServedBy, StickyToken};
use neargate_core::routing::table::TargetGroup;

pub(crate) use neargate_core::routing::sticky::Sessions;

use crate::request::RequestHead;
use crate::response;

/// Choice of a request's target group: by weight or by cookie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum GroupChoice {
    /// The weights of the rule, or there is one group only.
    #[default]
    ByWeight,
    /// The client's cookie.
    ByCookie,
}

/// Cookies that a client is told to come back with.
#[derive(Debug)]
pub(crate) struct StickyCookies {
    sessions: Rc<Sessions>,
    given: ServedBy,
}

impl StickyCookies {
    pub(crate) fn of(sessions: Option<&Rc<Sessions>>, given: Option<ServedBy>) -> Option<Self> {
        Some(Self {
            sessions: sessions?.clone(),
            given: given?,
        })
    }

    /// Whole `set-cookie` lines for the response to this request.
    pub(crate) fn answer(
        &self,
        request: &RequestHead,
        response: &response::ResponseHead,
    ) -> String {
        let set = response.values("set-cookie");
        self.sessions
            .answer(self.given, request.values("cookie"), set, now())
    }
}

/// How clients stay with one of a rule's groups.
#[derive(Debug)]
pub(crate) struct RuleStickiness {
    sessions: Rc<Sessions>,
    revisions: Vec<StickyToken>,
}

impl RuleStickiness {
    /// The revisions of the groups, in the rule's order.
    pub(crate) fn new(sessions: Rc<Sessions>, revisions: &[RevisionNumber]) -> Self {
        let revisions = revisions.iter().map(|r| sessions.revision(*r)).collect();
        Self {
            sessions,
            revisions,
        }
    }

    /// Index of the group that the client stays with.
    pub(crate) fn stuck_group(&self, head: &RequestHead) -> Option<usize> {
        let wanted = self
            .sessions
            .revision_wanted(head.values("cookie"), now())?;
        self.revisions.iter().position(|token| *token == wanted)
    }
}

/// Sessions of a group, when it is sticky.
pub(crate) fn of_group(group: &TargetGroup, sealer: Option<&Sealer>) -> Option<Rc<Sessions>> {
    let groups = match group.revision {
        Some(_) => GroupStickiness::Sticky,
        None => GroupStickiness::Single,
    };
    let sticky = group.sticky.as_ref()?;
    let sessions = Sessions::new(sealer?, &group.service, sticky, groups);
    Some(Rc::new(sessions))
}

/// The task that the client stays with.
pub(crate) fn target_wanted(sessions: &Sessions, head: &RequestHead) -> Option<StickyToken> {
    sessions.target_wanted(head.values("cookie"), now())
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
