//! The live tree: data services, services, their releases, their tasks, and what they wait for.
//!
//! Invariant: it never has more lines than the terminal; tasks are the first to be left out.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use neargate_core::status::{DataStatus, ServiceKind, ServiceStatus, Status};
use neargate_core::status_words::DataStateName;

use crate::output;

/// Lines of a terminal that does not say how many it has.
const ROWS: usize = 24;

/// The place above a tree, where lines stay.
#[derive(Clone)]
pub(crate) struct LinesAbove(MultiProgress);

impl LinesAbove {
    /// Prints a line.
    pub(crate) fn line(&self, line: &str) {
        if self.0.println(output::for_terminal(line)).is_err() {
            output::progress("", line);
        }
    }
}

/// A drawing on standard error.
pub(crate) struct LiveTree {
    drawing: MultiProgress,
    bars: Vec<ProgressBar>,
}

/// One line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TreeLine {
    busy: bool,
    text: String,
}

impl LiveTree {
    /// Nothing is drawn yet.
    pub(crate) fn new() -> Self {
        Self {
            drawing: MultiProgress::new(),
            bars: Vec::new(),
        }
    }

    /// Draws where everything stands.
    pub(crate) fn draw(&mut self, status: &Status) {
        self.draw_lines(lines(status, rows().saturating_sub(2)));
    }

    /// Draws what is waited for, in the tree's place.
    pub(crate) fn wait(&mut self, words: &str) {
        let text = words.to_owned();
        self.draw_lines(vec![TreeLine { busy: true, text }]);
    }

    fn draw_lines(&mut self, lines: Vec<TreeLine>) {
        while self.bars.len() > lines.len() {
            if let Some(bar) = self.bars.pop() {
                bar.finish_and_clear();
                self.drawing.remove(&bar);
            }
        }
        while self.bars.len() < lines.len() {
            self.bars.push(self.drawing.add(ProgressBar::new_spinner()));
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_style(style(line.busy));
            bar.set_message(output::for_terminal(&line.text));
            bar.tick();
        }
    }

    /// Prints a line above the tree; it stays.
    pub(crate) fn above(&self, line: &str) {
        self.place_above().line(line);
    }

    /// The place above, for whoever prints there meanwhile.
    pub(crate) fn place_above(&self) -> LinesAbove {
        LinesAbove(self.drawing.clone())
    }

    /// Takes the tree away.
    pub(crate) fn clear(&mut self) {
        for bar in self.bars.drain(..) {
            bar.finish_and_clear();
            self.drawing.remove(&bar);
        }
    }
}

fn style(busy: bool) -> ProgressStyle {
    let template = if busy {
        "{spinner} {wide_msg}"
    } else {
        "  {wide_msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn rows() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(ROWS, |size| usize::from(size.ws_row)).max(4)
}

/// The tree, in at most this many lines.
fn lines(status: &Status, room: usize) -> Vec<TreeLine> {
    let mut heads: Vec<(TreeLine, Vec<TreeLine>)> = Vec::new();
    for (kind, data) in [("database", &status.databases), ("cache", &status.caches)] {
        heads.extend(data.iter().map(|one| (data_line(kind, one), Vec::new())));
    }
    heads.extend(status.copying.iter().map(|one| {
        let text = format!("service {} {}", one.service, one.describe());
        (TreeLine { busy: true, text }, Vec::new())
    }));
    heads.extend(
        status
            .services
            .iter()
            .map(|one| (service_line(one), task_lines(one))),
    );
    let left_out = heads.len().saturating_sub(room);
    heads.truncate(room);
    let mut spare = room - heads.len();
    let mut lines = Vec::new();
    for (head, mut tasks) in heads {
        if tasks.len() > spare {
            tasks.clear();
        }
        spare -= tasks.len();
        lines.push(head);
        lines.append(&mut tasks);
    }
    if let (true, Some(last)) = (left_out > 0, lines.last_mut()) {
        last.text = format!("… and {} more", left_out + 1);
    }
    lines
}

fn data_line(kind: &str, data: &DataStatus) -> TreeLine {
    let words = data.trouble.as_ref().map(|words| format!(" · {words}"));
    let state = output::state(data.state.as_str());
    TreeLine {
        busy: !matches!(
            data.state,
            DataStateName::Available | DataStateName::External
        ),
        text: format!(
            "{kind} {} · {} · {state}{}",
            data.name,
            data.engine,
            words.unwrap_or_default()
        ),
    }
}

fn service_line(service: &ServiceStatus) -> TreeLine {
    let (name, revision) = (&service.name, service.revision);
    let mut text = format!("service {name} · revision {revision}");
    if service.kind == ServiceKind::Tasks {
        text.push_str(&format!(" · {}", service.healthy_words()));
    }
    if let Some(release) = &service.release {
        let (id, waiting) = (release.id, &release.waiting_for);
        let doing = release.stage.describe();
        text.push_str(&format!(" · release {id}, {doing}: waits for {waiting}"));
    } else if let Some(trouble) = &service.trouble {
        text.push_str(&format!(" · {trouble}"));
    }
    TreeLine {
        busy: service.release.is_some() || service.healthy < service.desired,
        text,
    }
}

/// Tasks of a service in which something happens.
fn task_lines(service: &ServiceStatus) -> Vec<TreeLine> {
    if !service_line(service).busy {
        return Vec::new();
    }
    let tasks = service.tasks.iter().map(|task| TreeLine {
        busy: false,
        text: format!(
            "  {} {} {}",
            task.id,
            output::state(task.state.as_str()),
            output::health(task)
        ),
    });
    tasks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_core::ids::{ReleaseId, RevisionNumber};
    use neargate_core::status::{ProcessStatus, ReleaseStatus, TaskStatus};
    use neargate_core::time::Timestamp;

    fn service(name: &str, tasks: u32, waiting_for: Option<&str>) -> ServiceStatus {
        let task = |number| TaskStatus {
            id: format!("{name}-{number}").into(),
            pid: None,
            port: None,
            revision: RevisionNumber(2),
            state: "running".into(),
            health: "unknown".into(),
            last_check: (number == 1).then(|| "500 (1 of 2)".into()),
            started_at: None,
            leaves_by: None,
        };
        ServiceStatus {
            name: name.into(),
            kind: ServiceKind::Tasks,
            desired: tasks,
            running: tasks,
            healthy: tasks,
            needed: tasks,
            revision: RevisionNumber(2),
            stable_revision: Some(RevisionNumber(1)),
            release: waiting_for.map(|what| ReleaseStatus {
                id: ReleaseId(3),
                strategy: "rolling".into(),
                stage: "scale-up".into(),
                step: 0,
                weight: 0.0,
                held: false,
                paused: false,
                waiting_for: what.into(),
                started_at: Timestamp(0),
            }),
            tasks: (0..tasks).map(task).collect(),
            trouble: None,
            failing: false,
        }
    }

    fn status(services: Vec<ServiceStatus>) -> Status {
        Status {
            app: "a".into(),
            env: "local".into(),
            endpoint: "http://127.0.0.1:8080".into(),
            services,
            databases: Vec::new(),
            caches: Vec::new(),
            engine: ProcessStatus {
                pid: 1,
                started_at: Timestamp(0),
            },
            router: None,
            notes: Vec::new(),
            engine_version: None,
            router_load: None,
            engine_loop: None,
            copying: Vec::new(),
        }
    }

    #[test]
    fn a_release_says_what_it_waits_for_and_shows_its_tasks() {
        let drawn = lines(&status(vec![service("api", 2, Some("a healthy task"))]), 20);
        assert!(drawn[0].busy);
        assert!(
            drawn[0]
                .text
                .ends_with("release 3, starting the new tasks: waits for a healthy task")
        );
        assert_eq!(drawn.len(), 3);
        let check = "unknown (last check: 500 (1 of 2))";
        assert!(drawn[2].text.ends_with(check), "{}", drawn[2].text);
    }

    #[test]
    fn a_service_at_rest_is_one_line() {
        let drawn = lines(&status(vec![service("api", 2, None)]), 20);
        assert_eq!((drawn.len(), drawn[0].busy), (1, false));
    }

    #[test]
    fn a_small_terminal_loses_tasks_first_and_then_services() {
        let many = |count: u32| {
            (0..count)
                .map(|n| service(&format!("s{n}"), 9, Some("x")))
                .collect()
        };
        assert_eq!(lines(&status(many(3)), 5).len(), 3);
        let drawn = lines(&status(many(9)), 5);
        assert_eq!(drawn.len(), 5);
        assert_eq!(drawn[4].text, "… and 5 more");
    }
}
