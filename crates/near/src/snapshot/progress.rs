//! How far a snapshot is, for those who wait for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use neargate_core::status::Copying;

/// Counters of one snapshot; read while it is taken.
#[derive(Debug, Default)]
pub struct SnapshotProgress {
    given_up: AtomicBool,
    files: AtomicU64,
    all_files: AtomicU64,
    bytes: AtomicU64,
    all_bytes: AtomicU64,
    shared: AtomicU64,
    left_out: AtomicU64,
}

impl SnapshotProgress {
    /// Nobody waits for it any more: it ends at the next file.
    pub fn give_up(&self) {
        self.given_up.store(true, Relaxed);
    }

    /// How far it is.
    #[must_use]
    pub fn read(&self, service: &str) -> Copying {
        Copying {
            service: service.to_owned(),
            files: self.files.load(Relaxed),
            all_files: self.all_files.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            all_bytes: self.all_bytes.load(Relaxed),
            shared_files: self.shared.load(Relaxed),
            left_out: self.left_out.load(Relaxed),
        }
    }

    pub(super) fn given_up(&self) -> bool {
        self.given_up.load(Relaxed)
    }

    /// An attempt begins: nothing is done yet.
    pub(super) fn begin(&self) {
        for counter in [&self.files, &self.bytes, &self.shared, &self.left_out] {
            counter.store(0, Relaxed);
        }
    }

    pub(super) fn found(&self, files: u64, bytes: u64) {
        self.all_files.store(files, Relaxed);
        self.all_bytes.store(bytes, Relaxed);
    }

    pub(super) fn left_out(&self) {
        self.left_out.fetch_add(1, Relaxed);
    }

    pub(super) fn copied(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn file_done(&self) {
        self.files.fetch_add(1, Relaxed);
    }

    pub(super) fn shared(&self, bytes: u64) {
        self.shared.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.file_done();
    }
}
