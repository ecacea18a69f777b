//! What a worker remembers of the files that it served: what is known of each, and the bytes of
//! small ones.
//!
//! A snapshot never changes, so nothing here grows old: what nobody asks for is forgotten. Two
//! generations: a new one begins when the young one is full, and what is asked for moves into it.
//!
//! Invariant: at most twice [`MOST_ENTRIES`] entries and twice [`MOST_BYTES`] bytes per worker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::entity::Entity;

/// Entries of one generation.
const MOST_ENTRIES: usize = 2048;
/// Bytes of files and names in one generation.
const MOST_BYTES: usize = 8 << 20;

#[derive(Debug, Default)]
struct CacheGeneration {
    entries: HashMap<Box<str>, Rc<Entity>>,
    bytes: usize,
}

/// One worker's files.
#[derive(Debug, Default)]
pub(crate) struct FileCache(RefCell<(CacheGeneration, CacheGeneration)>);

impl FileCache {
    pub(crate) fn get(&self, key: &str) -> Option<Rc<Entity>> {
        let mut both = self.0.borrow_mut();
        if let Some(found) = both.0.entries.get(key) {
            return Some(found.clone());
        }
        let found = both.1.entries.remove(key)?;
        insert(&mut both, key, &found);
        Some(found)
    }

    pub(crate) fn put(&self, key: &str, entity: Entity) -> Rc<Entity> {
        let entity = Rc::new(entity);
        insert(&mut self.0.borrow_mut(), key, &entity);
        entity
    }
}

fn insert(both: &mut (CacheGeneration, CacheGeneration), key: &str, entity: &Rc<Entity>) {
    let weight = key.len() + entity.weight();
    let (young, old) = both;
    if young.entries.len() >= MOST_ENTRIES || young.bytes + weight > MOST_BYTES {
        *old = std::mem::take(young);
    }
    young.bytes += weight;
    young.entries.insert(key.into(), entity.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_gives_way() {
        let cache = FileCache::default();
        cache.put("kept", Entity::of_bytes(vec![1; 100]));
        for round in 0..5 * MOST_ENTRIES {
            cache.put(&format!("other-{round}"), Entity::of_bytes(vec![2; 4096]));
            assert!(cache.get("kept").is_some(), "{round}");
            let both = cache.0.borrow();
            assert!(both.0.entries.len() <= MOST_ENTRIES && both.0.bytes <= MOST_BYTES);
        }
        assert!(cache.get("other-0").is_none());
    }
}
