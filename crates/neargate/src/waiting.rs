//! What is shown while the engine's answer is waited for.

use std::convert::Infallible;
use std::time::Duration;

use neargate_core::status::Status;
use tokio::time::{Instant, MissedTickBehavior};

use crate::client::EngineClient;
use crate::failure::Failure;
use crate::progress::ProgressScreen;

/// The answer; when it takes longer than `patience`, `show` is given the status at the screen's
/// pace until it comes.
pub(crate) async fn for_answer<T>(
    client: &EngineClient,
    screen: &mut ProgressScreen,
    patience: Duration,
    show: impl FnMut(&mut ProgressScreen, &Status),
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let answer = tokio::select! {
        answer = answer => answer,
        never = show_status(client, screen, patience, show) => match never {},
    };
    screen.clear();
    answer
}

async fn show_status(
    client: &EngineClient,
    screen: &mut ProgressScreen,
    patience: Duration,
    mut show: impl FnMut(&mut ProgressScreen, &Status),
) -> Infallible {
    let mut looks = tokio::time::interval_at(Instant::now() + patience, screen.pace());
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        // Who waits for the answer says what is wrong with the engine.
        if let Ok(status) = client.status().await {
            show(screen, &status);
        }
    }
}
