//! Shows how far the copies of artifacts are while the answer to `up` or `deploy` is waited for.

use std::time::Duration;

use neargate_core::status::{Copying, Status};

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::progress::ProgressScreen;
use crate::waiting;

/// Nobody is told about a copy that takes no longer.
const AT_ONCE: Duration = Duration::from_millis(400);

/// The answer; until it comes, the copies are shown.
pub async fn with_progress<T>(
    client: &EngineClient,
    flags: &GlobalFlags,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let show = |screen: &mut ProgressScreen, status: &Status| {
        if !status.copying.is_empty() {
            screen.status(status);
        }
    };
    waiting::for_answer(
        client,
        &mut ProgressScreen::of(flags),
        AT_ONCE,
        show,
        answer,
    )
    .await
}

/// How far a copy is.
pub fn describe(copying: &Copying) -> String {
    let (files, bytes) = (copying.all_files, megabytes(copying.all_bytes));
    let mut words = if files == 0 {
        "looks through the artifact".to_owned()
    } else if copying.files == 0 && copying.bytes == 0 {
        format!("reads the artifact: {files} files, {bytes} MB")
    } else if copying.files < files {
        let (done, done_bytes) = (copying.files, megabytes(copying.bytes));
        format!("copies the artifact: {done} of {files} files, {done_bytes} of {bytes} MB")
    } else {
        let shared = copying.shared_files;
        format!("writes the artifact to the disk: {files} files, {shared} of them unchanged")
    };
    if copying.left_out > 0 {
        words.push_str(&format!("; {} left out", copying.left_out));
    }
    words
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_says_how_far_it_is_and_what_is_left_out() {
        let copying = |files, all_files, bytes, left_out| Copying {
            service: "web".into(),
            files,
            all_files,
            bytes,
            all_bytes: 117_400_000,
            shared_files: 6499,
            left_out,
        };
        for (copying, expected) in [
            (copying(0, 0, 0, 0), "looks through the artifact"),
            (
                copying(0, 6500, 0, 0),
                "reads the artifact: 6500 files, 118 MB",
            ),
            (
                copying(0, 6500, 11_600_000, 0),
                "copies the artifact: 0 of 6500 files, 12 of 118 MB",
            ),
            (
                copying(3210, 6500, 11_600_000, 24),
                "copies the artifact: 3210 of 6500 files, 12 of 118 MB; 24 left out",
            ),
            (
                copying(6500, 6500, 117_400_000, 0),
                "writes the artifact to the disk: 6500 files, 6499 of them unchanged",
            ),
        ] {
            assert_eq!(describe(&copying), expected);
        }
    }
}
