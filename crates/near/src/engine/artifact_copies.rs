//! The copies of artifacts that go on now, for those who wait for them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use neargate_core::status::Copying;

use crate::locked::locked;
use crate::snapshot::SnapshotProgress;

type OpenCopies = Arc<Mutex<Vec<Arc<CopyRequest>>>>;

/// Copies under way, of all requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies(OpenCopies);

/// The copies of one request, one after another; its end ends their showing.
#[derive(Debug)]
pub(super) struct ArtifactCopies {
    open: OpenCopies,
    request: Arc<CopyRequest>,
}

#[derive(Debug, Default)]
pub(super) struct CopyRequest {
    given_up: AtomicBool,
    now: Mutex<Option<(String, Arc<SnapshotProgress>)>>,
}

impl Copies {
    /// A request begins to copy.
    pub(super) fn begin(&self) -> ArtifactCopies {
        let request = Arc::new(CopyRequest::default());
        let mut open = locked(&self.0);
        open.push(request.clone());
        ArtifactCopies {
            open: self.0.clone(),
            request,
        }
    }

    /// How far they are.
    pub(super) fn read(&self) -> Vec<Copying> {
        let open = locked(&self.0);
        let now = open.iter().filter_map(|request| {
            let now = request.lock();
            now.as_ref().map(|(name, progress)| progress.read(name))
        });
        now.collect()
    }
}

impl ArtifactCopies {
    /// The handle by which the request can be given up.
    pub(super) fn giver_up(&self) -> Arc<CopyRequest> {
        self.request.clone()
    }

    /// The next service's artifact is copied.
    pub(super) fn of(&self, service: &str) -> Arc<SnapshotProgress> {
        let progress = Arc::new(SnapshotProgress::default());
        let mut now = self.request.lock();
        *now = Some((service.to_owned(), progress.clone()));
        if self.request.given_up.load(Relaxed) {
            progress.give_up();
        }
        progress
    }
}

impl Drop for ArtifactCopies {
    fn drop(&mut self) {
        let mut open = locked(&self.open);
        open.retain(|request| !Arc::ptr_eq(request, &self.request));
    }
}

impl CopyRequest {
    /// Nobody waits for the copies any more.
    pub(super) fn give_up(&self) {
        let now = self.lock();
        self.given_up.store(true, Relaxed);
        if let Some((_, progress)) = now.as_ref() {
            progress.give_up();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(String, Arc<SnapshotProgress>)>> {
        locked(&self.now)
    }
}
