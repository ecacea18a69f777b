//! A mutex that no panic closes.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for a mutex; one whose holder panicked is taken as it was left.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
