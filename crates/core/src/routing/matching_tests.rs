//! Vectors of the ALB reference (listener rules), and the edges of conditions.

use super::*;
use crate::routing::table::RuleAction;

#[derive(Default)]
struct TestRequest {
    host: String,
    path: String,
    method: String,
    query: String,
    source: Option<IpAddr>,
    headers: Vec<(String, String)>,
}

impl RequestFacts for TestRequest {
    fn host(&self) -> &str {
        &self.host
    }
    fn path(&self) -> &str {
        &self.path
    }
    fn method(&self) -> &str {
        &self.method
    }
    fn query(&self) -> &str {
        &self.query
    }
    fn source(&self) -> IpAddr {
        self.source.unwrap_or_else(|| IpAddr::from([127, 0, 0, 1]))
    }
    fn header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.headers.iter().any(|(n, v)| n == name && test(v))
    }
}

fn matches(route: Route, asked: &TestRequest) -> bool {
    let rule = ListenerRule {
        route,
        action: RuleAction::Forward(Vec::new()),
    };
    Matcher::new(&[rule]).find(asked).is_some()
}

#[test]
fn conditions_match_as_the_reference_says() {
    for (condition, pattern, input, expected) in [
        ("host", "*.example.com", "test.example.com", true),
        ("host", "*.example.com", "example.com", false),
        ("host", "*.example.com", "TEST.Example.com", true),
        ("path", "/img/*", "/img/picture.jpg", true),
        ("path", "/img/*", "/img", false),
        ("path", "/img/*", "/IMG/a.jpg", false),
        ("path", "/img/*/pics", "/img/a/b/pics", true),
        ("path", "/api", "/api/", false),
        ("path", "/a?c", "/abc", true),
        ("path", "/a?c", "/ac", false),
        ("path", "/a\\*c", "/a*c", true),
        ("path", "/a\\*c", "/abc", false),
        ("path", "*", "/anything", true),
        ("path", "/*/*/z", "/a/b/c/z", true),
        ("method", "GET", "HEAD", false),
        ("method", "GET", "GET", true),
        ("query", "value=*example*", "x=MyExampleZ", true),
        ("query", "version=v1", "VERSION=V1", true),
        ("query", "version=v1", "a=b&version=v1", true),
        ("query", "version=v1", "version=v2", false),
        ("source", "10.0.0.0/8", "10.1.2.3", true),
        ("source", "10.0.0.0/8", "11.1.2.3", false),
        ("source", "0.0.0.0/0", "11.1.2.3", true),
        ("source", "::/0", "::1", true),
        ("source", "2001:db8::/32", "2001:db8::7", true),
        ("source", "not-a-block", "127.0.0.1", false),
        ("header", "*Chrome*", "Mozilla chrome/1", true),
        ("header", "*Chrome*", "curl", false),
    ] {
        let mut route = Route::default();
        let mut asked = TestRequest::default();
        let (pattern_owned, input_owned) = (pattern.to_owned(), input.to_owned());
        match condition {
            "host" => (route.host, asked.host) = (vec![pattern_owned], input_owned),
            "path" => (route.path, asked.path) = (vec![pattern_owned], input_owned),
            "method" => (route.method, asked.method) = (vec![pattern_owned], input_owned),
            "source" => {
                route.source = vec![pattern_owned];
                asked.source = Some(input.parse().expect("an address"));
            }
            "header" => {
                route
                    .header
                    .insert("User-Agent".into(), vec![pattern_owned]);
                asked.headers.push(("user-agent".into(), input_owned));
            }
            _ => {
                // The reference writes "any key" as `value=`.
                route.query = vec![match pattern.split_once('=') {
                    Some(("value", value)) => (None, value.to_owned()),
                    Some((key, value)) => (Some(key.to_owned()), value.to_owned()),
                    None => (None, pattern_owned),
                }];
                asked.query = input_owned;
            }
        }
        assert_eq!(
            matches(route, &asked),
            expected,
            "{condition} {pattern} {input}"
        );
    }
}

#[test]
fn the_lowest_priority_number_wins_and_all_conditions_hold() {
    let rule = |priority, path: &str, method: &[&str]| ListenerRule {
        route: Route {
            priority,
            path: vec![path.to_owned()],
            method: method.iter().map(|m| (*m).to_owned()).collect(),
            ..Route::default()
        },
        action: RuleAction::Forward(Vec::new()),
    };
    let matcher = Matcher::new(&[
        rule(30, "*", &[]),
        rule(10, "/api/*", &["POST"]),
        rule(20, "/api/*", &["GET", "POST"]),
    ]);
    for (method, path, expected) in [
        ("POST", "/api/x", 1),
        ("GET", "/api/x", 2),
        ("PUT", "/api/x", 0),
    ] {
        let asked = TestRequest {
            method: method.into(),
            path: path.into(),
            ..TestRequest::default()
        };
        assert_eq!(matcher.find(&asked), Some(expected), "{method} {path}");
    }
    assert_eq!(Matcher::default().find(&TestRequest::default()), None);
}

#[test]
fn a_hostile_pattern_stays_linear() {
    let pattern = Pattern::new(&"*a".repeat(60), LetterCase::Sensitive);
    assert!(!pattern.matches(&"a".repeat(59)));
    assert!(!pattern.matches(&format!("{}b", "a".repeat(10_000))));
}
