//! Identifiers: each names one thing and carries no other meaning.
//!
//! Invariant: nobody takes an identifier apart. What it was made of stands in fields beside it. On the wire and in files an
//! identifier is its bare text or number.

use std::borrow::Borrow;
use std::fmt;
use std::num::ParseIntError;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Defines an identifier that is a text: cheap to clone, ordered as its text, serialised as its text.
macro_rules! text_id {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text, for names of files and lines for people.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, out)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                *self.0 == *other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                *self.0 == **other
            }
        }
    };
}

/// Defines an identifier that is a number: 1 is the first, and 0 stands for none where a stored or printed form has
/// no other word for it.
macro_rules! number_id {
    ($(#[$attribute:meta])* $name:ident($number:ty)) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $number);

        impl $name {
            /// No such thing, as a number.
            pub const NONE: Self = Self(0);
            /// The first one.
            pub const FIRST: Self = Self(1);

            /// `None` for the number that stands for none.
            #[must_use]
            pub fn unless_none(self) -> Option<Self> {
                (self != Self::NONE).then_some(self)
            }

            /// The one made after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, out)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }
    };
}

text_id! {
    /// A service of the manifest, in the release machine's state, events, actions and journal. An empty one stands
    /// for the environment itself. Functions that only read a name take `&str`.
    ServiceName
}

impl Default for ServiceName {
    fn default() -> Self {
        Self::from("")
    }
}

impl Deref for ServiceName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

text_id! {
    /// Names a task, once in the life of an environment: `api-r3-7`.
    TaskId
}

impl TaskId {
    /// The identifier of a service's task with this ordinal, which no other task of the service ever had.
    #[must_use]
    pub fn of(service: &str, revision: RevisionNumber, ordinal: u64) -> Self {
        format!("{service}-r{revision}-{ordinal}").into()
    }
}

number_id! {
    /// Numbers a release: once in the life of an environment near, of a service far.
    ReleaseId(u64)
}

number_id! {
    /// Numbers a revision of a service. Far, a revision has the number of its task definition.
    RevisionNumber(u32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn in_json_an_identifier_is_its_bare_text_or_number_as_a_key_too() {
        let both = BTreeMap::from([(ReleaseId(7), TaskId::from("api-r3-7"))]);
        let text = r#"{"7":"api-r3-7"}"#;
        assert_eq!(serde_json::to_string(&both).ok(), Some(text.to_owned()));
        assert_eq!(
            serde_json::from_str::<BTreeMap<_, _>>(text).ok(),
            Some(both)
        );
        assert_eq!(
            serde_json::to_string(&RevisionNumber(7)).ok(),
            Some("7".to_owned())
        );
    }

    #[test]
    fn zero_stands_for_none() {
        assert_eq!(RevisionNumber::default(), RevisionNumber::NONE);
        assert_eq!(RevisionNumber::NONE.unless_none(), None);
        let first = RevisionNumber::NONE.next();
        assert_eq!(first.unless_none(), Some(RevisionNumber::FIRST));
    }
}
