//! Shows how far the copies of artifacts are while the answer to `up` or `deploy` is waited for.

use std::time::Duration;

use neargate_core::status::Status;

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::progress::ProgressScreen;
use crate::waiting;

/// Nobody is told about a copy that takes no longer.
const AT_ONCE: Duration = Duration::from_millis(400);

/// The answer; until it comes, the copies are shown.
pub(crate) async fn with_progress<T>(
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
