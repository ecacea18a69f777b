//! Routes beside one another: conflicts, routes that nothing reaches, the balancer's limits.

use super::CheckContext;
use crate::manifest::diagnostic::{Diagnostic, SourceSpan};
use crate::manifest::toml_tree::{TomlValue, find};
use crate::model::Route;

/// The values and the wildcards that one rule of the load balancer may hold.
const MOST: usize = 5;

struct PlacedRoute<'a> {
    service: &'a str,
    route: &'a Route,
    at: SourceSpan,
    written_priority: bool,
}

pub(super) fn check(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    let mut all = Vec::new();
    for (name, service) in &manifest.services {
        let places = places(case, name);
        for (route, i) in service.routes.iter().zip(places) {
            let Some(i) = i.map(|i| i.to_string()) else {
                continue;
            };
            all.push(PlacedRoute {
                service: name,
                route,
                at: case.at(&["service", name, "route", &i]),
                written_priority: case.has(&["service", name, "route", &i, "priority"]),
            });
        }
    }
    for placed in &all {
        limits(case, placed);
    }
    all.sort_by_key(|placed| placed.route.priority);
    for (i, later) in all.iter().enumerate() {
        if let Some(found) = all[..i].iter().find_map(|earlier| clash(earlier, later)) {
            case.out.push(found);
        }
    }
}

/// The positions of the routes that the model holds; none for one with something wrong in it,
/// of which nothing more is said.
fn places(case: &CheckContext<'_>, service: &str) -> Vec<Option<usize>> {
    let path = ["service", service, "route"];
    let Some(TomlValue::List(items)) = find(case.tree, &path).map(|node| &node.value) else {
        return Vec::new();
    };
    let tables = items.iter().enumerate();
    tables
        .filter(|(_, item)| matches!(item.value, TomlValue::Table(_)))
        .map(|(i, item)| right(&item.value).then_some(i))
        .collect()
}

fn right(value: &TomlValue) -> bool {
    match value {
        TomlValue::Wrong => false,
        TomlValue::List(items) => items.iter().all(|item| right(&item.value)),
        TomlValue::Table(table) => table.values().all(|entry| right(&entry.node.value)),
        _ => true,
    }
}

fn limits(case: &mut CheckContext<'_>, placed: &PlacedRoute<'_>) {
    let route = placed.route;
    let patterns = || {
        let headers = route.header.values().flatten();
        let query = route.query.iter().map(|(_, value)| value);
        route
            .host
            .iter()
            .chain(&route.path)
            .chain(headers)
            .chain(query)
    };
    let values = patterns().count() + route.method.len() + route.source.len();
    let wildcards: usize = patterns().map(|p| p.matches(['*', '?']).count()).sum();
    let mut report = |code, message: String, help: &str| {
        case.out
            .push(Diagnostic::error(code, placed.at, message).help(help));
    };
    if values == 0 {
        report(
            "empty-route",
            "this route has no condition".into(),
            "write for example path = \"/*\"",
        );
    }
    if values > MOST {
        report(
            "route-limit",
            format!("this route has {values} values, a load balancer's rule at most {MOST}"),
            "split it into several routes",
        );
    }
    if wildcards > MOST {
        report(
            "route-limit",
            format!("this route has {wildcards} wildcards, a load balancer's rule at most {MOST}"),
            "split it, or write fewer `*` and `?`",
        );
    }
}

fn clash(earlier: &PlacedRoute<'_>, later: &PlacedRoute<'_>) -> Option<Diagnostic> {
    let same = Route {
        priority: 0,
        ..earlier.route.clone()
    } == Route {
        priority: 0,
        ..later.route.clone()
    };
    let (first, second) = if earlier.at <= later.at {
        (earlier, later)
    } else {
        (later, earlier)
    };
    if earlier.route.priority == later.route.priority
        && earlier.written_priority
        && later.written_priority
    {
        let message = format!("two routes have the priority {}", later.route.priority);
        return Some(
            Diagnostic::error("route-conflict", second.at, message)
                .related(first.at, format!("the other, of `{}`", first.service))
                .help("give every route its own priority, or none"),
        );
    }
    if same {
        let message = if first.service == second.service {
            format!("`{}` has this route twice", first.service)
        } else {
            format!(
                "`{}` and `{}` have the same route",
                first.service, second.service
            )
        };
        return Some(
            Diagnostic::error("route-conflict", second.at, message)
                .related(first.at, "the same requests")
                .help("make one more exact, or remove it"),
        );
    }
    if covers(earlier.route, later.route) {
        let message = format!("no request reaches this route of `{}`", later.service);
        return Some(
            Diagnostic::warning("unreachable-route", later.at, message)
                .related(
                    earlier.at,
                    format!("`{}` takes them all first", earlier.service),
                )
                .help("give it a smaller priority, or remove it"),
        );
    }
    None
}

/// Whether every request of `b` is one of `a` (sometimes true is missed, never claimed wrongly).
fn covers(a: &Route, b: &Route) -> bool {
    let plain = |wide: &[String], narrow: &[String]| {
        wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|n| wide.contains(n)))
    };
    let pattern = |wide: &[String], narrow: &[String], fold: bool| {
        let case = |text: &String| {
            if fold {
                text.to_lowercase()
            } else {
                text.clone()
            }
        };
        let holds = |n: &String| wide.iter().any(|w| contains(&case(w), &case(n)));
        wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(holds))
    };
    let headers = a
        .header
        .iter()
        .all(|(name, wide)| b.header.get(name).is_some_and(|narrow| plain(wide, narrow)));
    headers
        && pattern(&a.path, &b.path, false)
        && pattern(&a.host, &b.host, true)
        && plain(&a.method, &b.method)
        && plain(&a.source, &b.source)
        && (a.query.is_empty() || a.query == b.query)
}

/// Whether the pattern `wide` matches all that the pattern `narrow` matches: `narrow` read as a
/// text, where `*` of `wide` takes anything and `?` any one character but `*`.
fn contains(wide: &str, narrow: &str) -> bool {
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    let mut reach = vec![false; narrow.len() + 1];
    reach[0] = true;
    for w in wide {
        let mut next = vec![false; narrow.len() + 1];
        for i in 0..=narrow.len() {
            let one =
                i > 0 && reach[i - 1] && (w == narrow[i - 1] || (w == '?' && narrow[i - 1] != '*'));
            let any = w == '*' && (reach[i] || (i > 0 && next[i - 1]));
            next[i] = any || (w != '*' && one);
        }
        reach = next;
    }
    reach[narrow.len()]
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn a_pattern_contains_what_it_matches_and_nothing_more() {
        for (wide, narrow, expected) in [
            ("/*", "/api/*", true),
            ("/api/*", "/*", false),
            ("/api/*", "/api/v2/*", true),
            ("/api", "/api", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/a*c", false),
            ("/a*c", "/a?c", true),
            ("*", "", true),
            ("/img/*/pics", "/img/a/b/pics", true),
        ] {
            assert_eq!(contains(wide, narrow), expected, "{wide} {narrow}");
        }
    }
}
