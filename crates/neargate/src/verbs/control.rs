//! `neargate promote`, `pause`, `resume`, `abort`: words about a release in progress.

use std::process::ExitCode;

use neargate_near::api::wire::ControlWord;

use crate::arguments::GlobalFlags;
use crate::environment::{self, ControlAnswer};
use crate::failure::Failure;
use crate::output;

/// Hands a word to the release of a service.
pub(crate) async fn run(
    flags: &GlobalFlags,
    service: &str,
    word: ControlWord,
) -> Result<ExitCode, Failure> {
    match environment::open(flags)?.control(service, word).await? {
        ControlAnswer::Accepted(accepted, words) => {
            if flags.json {
                output::json(&accepted);
            }
            output::progress(service, &words);
        }
        #[cfg(feature = "aws")]
        ControlAnswer::Ended(result) => {
            if flags.json {
                output::json(&result);
            }
            crate::follow::judge(&[result])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
