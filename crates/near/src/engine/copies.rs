//! The copies of artifacts that go on now, for those who wait for them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use neargate_core::status::Copying;

use crate::snapshot::Progress;

type Open = Arc<Mutex<Vec<Arc<Request>>>>;

/// What all requests copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies(Open);

/// The copies of one request, one after another; its end ends their showing.
#[derive(Debug)]
pub(super) struct Copy {
    open: Open,
    request: Arc<Request>,
}

#[derive(Debug, Default)]
pub(super) struct Request {
    given_up: AtomicBool,
    now: Mutex<Option<(String, Arc<Progress>)>>,
}

impl Copies {
    /// A request begins to copy.
    pub(super) fn begin(&self) -> Copy {
        let request = Arc::new(Request::default());
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(request.clone());
        Copy {
            open: self.0.clone(),
            request,
        }
    }

    /// How far they are.
    pub(super) fn read(&self) -> Vec<Copying> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = open.iter().filter_map(|request| {
            let now = request.lock();
            now.as_ref().map(|(name, progress)| progress.read(name))
        });
        now.collect()
    }
}

impl Copy {
    /// Who can give it up.
    pub(super) fn giver_up(&self) -> Arc<Request> {
        self.request.clone()
    }

    /// The next service's artifact is copied.
    pub(super) fn of(&self, service: &str) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        let mut now = self.request.lock();
        *now = Some((service.to_owned(), progress.clone()));
        if self.request.given_up.load(Relaxed) {
            progress.give_up();
        }
        progress
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|request| !Arc::ptr_eq(request, &self.request));
    }
}

impl Request {
    /// Nobody waits for the copies any more.
    pub(super) fn give_up(&self) {
        let now = self.lock();
        self.given_up.store(true, Relaxed);
        if let Some((_, progress)) = now.as_ref() {
            progress.give_up();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(String, Arc<Progress>)>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
