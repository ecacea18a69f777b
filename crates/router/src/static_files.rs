//! The files of static sites: which one a path means, and what is remembered of it.
//!
//! Invariant: nothing outside the site's directory, no dot file and no manifest is ever served,
//! whatever the path encodes or links point to; what a worker remembers of files is bounded.

mod cache;
mod entity;
mod reply;
mod resolve;

pub(crate) use self::cache::FileCache;
pub(crate) use self::entity::Entity;
pub(crate) use self::reply::{ContentPart, FileLookup, FileRequest, make, part};
