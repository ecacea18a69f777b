//! `neargate status`: what runs.

use std::process::ExitCode;

use neargate_core::status::{DataStatus, ServiceStatus, Status};

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::{environment, output};

/// Shows the status once, or until Ctrl-C.
pub(crate) async fn run(flags: &GlobalFlags, watch: bool) -> Result<ExitCode, Failure> {
    let environment = environment::open(flags)?;
    loop {
        let status = environment.status().await?;
        show(flags, watch, &status);
        if !watch {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(environment.status_pace()) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Shows a status.
fn show(flags: &GlobalFlags, watch: bool, status: &Status) {
    if flags.json {
        output::json(status);
        return;
    }
    if watch {
        // Nothing is cleared first: the terminal does not flicker.
        output::clear_screen();
    }
    output::line(table(status).trim_end());
}

fn table(status: &Status) -> String {
    let mut text = format!("{} ({}) at {}\n", status.app, status.env, status.endpoint);
    for service in &status.services {
        text.push_str(&service_lines(service));
    }
    for (kind, data) in [("database", &status.databases), ("cache", &status.caches)] {
        for one in data {
            text.push_str(&data_line(kind, one));
        }
    }
    let router = status
        .router
        .as_ref()
        .map_or("being replaced".to_owned(), |router| {
            format!("pid {}", router.pid)
        });
    // Far there is no engine.
    if status.engine.pid > 0 {
        text.push_str(&format!(
            "engine pid {} · router {router}\n",
            status.engine.pid
        ));
    }
    for note in &status.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn service_lines(service: &ServiceStatus) -> String {
    let mut text = format!(
        "service {:<12} revision {:<4} {}",
        service.name,
        service.revision,
        service.healthy_words()
    );
    match &service.release {
        Some(release) => {
            let share = match release.shifts() {
                true => format!(" ({:.0} % of the traffic)", release.weight),
                false => String::new(),
            };
            text.push_str(&format!(
                " · release {}, {}{share}: waits for {}\n",
                release.id,
                release.stage.describe(),
                release.waiting_for
            ));
        }
        None => text.push('\n'),
    }
    for task in &service.tasks {
        let pid = task.pid.map_or("-".to_owned(), |pid| pid.to_string());
        let port = task.port.map_or("-".to_owned(), |port| port.to_string());
        text.push_str(&format!(
            "  {:<16} {} {} pid {pid} port {port}\n",
            task.id,
            output::state(task.state.as_str()),
            output::health(task)
        ));
    }
    if let Some(trouble) = &service.trouble {
        text.push_str(&format!("  {trouble}\n"));
    }
    text
}

fn data_line(kind: &str, data: &DataStatus) -> String {
    let trouble = data
        .trouble
        .as_ref()
        .map(|words| format!(" · {words}"))
        .unwrap_or_default();
    format!(
        "{kind} {} {} {} {}{trouble}\n",
        data.name,
        data.engine,
        output::state(data.state.as_str()),
        data.url_redacted
    )
}
