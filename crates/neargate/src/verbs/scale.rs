//! `neargate scale`: change the number of tasks.

use std::process::ExitCode;

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::{environment, output};

/// Asks for the counts; returns when they are accepted.
pub(crate) async fn run(flags: &GlobalFlags, counts: &[String]) -> Result<ExitCode, Failure> {
    let wanted = counts
        .iter()
        .map(|text| parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    for (at, (service, _)) in wanted.iter().enumerate() {
        if wanted[..at].iter().any(|(other, _)| other == service) {
            let words = format!("`{service}` is named twice: give it one count");
            return Err(Failure::Usage(words));
        }
    }
    let environment = environment::open(flags)?;
    // Nothing is changed when one of the names is wrong.
    for (service, _) in &wanted {
        environment.require_scalable(service).await?;
    }
    for (service, tasks) in wanted {
        let accepted = environment.scale(service, tasks).await?;
        if flags.json {
            output::json(&accepted);
        }
        output::progress(service, &format!("the desired count is {tasks}"));
        accepted.notes.iter().for_each(|note| output::note(note));
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(text: &str) -> Result<(&str, u32), Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "`{text}` is not SERVICE=TASKS; write for example api=4"
        ))
    };
    let (service, count) = text.split_once('=').ok_or_else(wrong)?;
    Ok((service, count.parse().map_err(|_| wrong())?))
}
