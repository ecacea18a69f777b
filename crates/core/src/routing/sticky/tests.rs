//! The guide's rules of sticky sessions, one test each; "Sticky sessions" and "Listener rules" of
//! the Elastic Load Balancing guide.

use std::time::Duration;

use super::*;
use crate::ids::RevisionNumber;

const NOW: u64 = 1_798_761_599;
const DAY: u64 = 86_400;

fn sealer() -> Sealer {
    Sealer::new(&CookieKey([7; KEY_BYTES]))
}

fn sticky(seconds: u64, cookie: Option<&str>) -> Sticky {
    Sticky {
        duration: Duration::from_secs(seconds),
        cookie: cookie.map(str::to_owned),
    }
}

fn sessions(service: &str, cookie: Option<&str>, groups: GroupStickiness) -> Sessions {
    Sessions::new(&sealer(), service, &sticky(DAY, cookie), groups)
}

fn answer(sessions: &Sessions, task: &str, cookies: &[&str], set: &[&str], now: u64) -> String {
    sessions.answer(
        sessions.served_by(task, RevisionNumber(1)),
        cookies.iter().map(|text| text.as_bytes()),
        set.iter().map(|text| text.as_bytes()),
        now,
    )
}

fn wanted(sessions: &Sessions, cookies: &[&str], now: u64) -> Option<StickyToken> {
    sessions.target_wanted(cookies.iter().map(|text| text.as_bytes()), now)
}

fn revision_wanted(sessions: &Sessions, cookies: &[&str], now: u64) -> Option<StickyToken> {
    sessions.revision_wanted(cookies.iter().map(|text| text.as_bytes()), now)
}

/// `name=value` of each line.
fn given_back(lines: &str) -> Vec<String> {
    let cookie = |line: &str| {
        let value = line
            .strip_prefix("set-cookie: ")
            .expect("a set-cookie line");
        value.split(';').next().expect("a cookie").to_owned()
    };
    lines.lines().map(cookie).collect()
}

fn only(cookies: &[String], name: &str) -> String {
    let mut found = cookies
        .iter()
        .filter(|cookie| cookie.split('=').next() == Some(name));
    found.next().expect("the cookie").clone()
}

#[test]
fn cookies_have_albs_names_and_attributes() {
    let expires = "Expires=Fri, 01 Jan 2027 23:59:59 GMT; Path=/";
    for (cookie, groups, set, expected) in [
        (
            None,
            GroupStickiness::Single,
            "",
            vec!["AWSALB", "AWSALBCORS"],
        ),
        (
            None,
            GroupStickiness::Sticky,
            "",
            vec!["AWSALBTG", "AWSALBTGCORS", "AWSALB", "AWSALBCORS"],
        ),
        (Some("SID"), GroupStickiness::Single, "", vec![]),
        (
            Some("SID"),
            GroupStickiness::Single,
            "SID=1; Path=/",
            vec!["AWSALBAPP"],
        ),
        (Some("SID"), GroupStickiness::Single, "sid=1", vec![]),
        (
            Some("SID"),
            GroupStickiness::Sticky,
            "",
            vec!["AWSALBTG", "AWSALBTGCORS"],
        ),
    ] {
        let lines = answer(&sessions("api", cookie, groups), "a", &[], &[set], NOW);
        let names: Vec<&str> = lines
            .lines()
            .map(|line| {
                line["set-cookie: ".len()..]
                    .split('=')
                    .next()
                    .expect("a name")
            })
            .collect();
        assert_eq!(names, expected, "{cookie:?} {groups:?} {set:?}");
        for line in lines.lines() {
            let attributes = line.split_once("; ").expect("attributes").1;
            let wanted = match line {
                _ if line.contains("CORS=") => format!("{expires}; SameSite=None; Secure"),
                _ if line.contains("AWSALBAPP=") => {
                    "Expires=Thu, 07 Jan 2027 23:59:59 GMT; Path=/".to_owned()
                }
                _ => expires.to_owned(),
            };
            assert_eq!(attributes, wanted);
        }
        assert!(lines.is_empty() || lines.ends_with("\r\n"));
    }
}

#[test]
fn a_client_is_known_by_any_of_its_cookies() {
    let api = sessions("api", None, GroupStickiness::Sticky);
    let cookies = given_back(&answer(&api, "a", &[], &[], NOW));
    let given = api.served_by("a", RevisionNumber(1));
    let (own, cross) = (only(&cookies, BALANCER), only(&cookies, BALANCER_CORS));
    for header in [
        own.clone(),
        cross.clone(),
        format!("x=1; {own}; y"),
        format!("AWSALB=broken; {cross}"),
        format!("AWSALB=broken;AWSALB=;{own}"),
        format!("\"q=;;= ; {own} "),
    ] {
        assert_eq!(
            wanted(&api, &[&header], NOW),
            Some(given.target),
            "{header}"
        );
    }
    assert_eq!(wanted(&api, &["x=1", &own], NOW), Some(given.target));
    for name in [GROUP, GROUP_CORS] {
        let cookie = only(&cookies, name);
        assert_eq!(revision_wanted(&api, &[&cookie], NOW), Some(given.revision));
    }
    assert_ne!(given.target, api.served_by("b", RevisionNumber(1)).target);
    assert_ne!(given.revision, api.revision(RevisionNumber(2)));
    let single = sessions("api", None, GroupStickiness::Single);
    let cookie = only(&cookies, GROUP);
    assert_eq!(revision_wanted(&single, &[&cookie], NOW), None);
}

#[test]
fn a_cookie_counts_for_its_duration_and_every_response_renews_it() {
    let api = sessions("api", None, GroupStickiness::Single);
    let first = only(&given_back(&answer(&api, "a", &[], &[], NOW)), BALANCER);
    for (later, known) in [(0, true), (DAY - 1, true), (DAY, false), (10 * DAY, false)] {
        assert_eq!(
            wanted(&api, &[&first], NOW + later).is_some(),
            known,
            "{later}"
        );
    }
    let lines = answer(&api, "a", &[&first], &[], NOW + DAY - 1);
    let renewed = only(&given_back(&lines), BALANCER);
    assert!(wanted(&api, &[&renewed], NOW + DAY).is_some());
    // A shorter duration counts for cookies that were given before.
    let short = Sessions::new(&sealer(), "api", &sticky(1, None), GroupStickiness::Single);
    assert!(wanted(&short, &[&first], NOW).is_some());
    assert_eq!(wanted(&short, &[&first], NOW + 1), None);
    // A clock that was set back ends no session.
    assert!(wanted(&api, &[&first], NOW - 100).is_some());
}

#[test]
fn a_forged_cookie_is_as_none() {
    let api = sessions("api", None, GroupStickiness::Sticky);
    let cookies = given_back(&answer(&api, "a", &[], &[], NOW));
    let own = only(&cookies, BALANCER);
    let (_, value) = own.split_once('=').expect("a value");
    assert_eq!(value.len(), 48);
    for at in 0..value.len() {
        let mut changed = value.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let forged = format!("AWSALB={}", String::from_utf8_lossy(&changed));
        assert_eq!(wanted(&api, &[&forged], NOW), None, "character {at}");
    }
    let (_, of_group) = cookies[0].split_once('=').expect("a value");
    let other_key = Sealer::new(&CookieKey([8; KEY_BYTES]));
    let elsewhere = Sessions::new(
        &other_key,
        "api",
        &sticky(DAY, None),
        GroupStickiness::Sticky,
    );
    let foreign = given_back(&answer(&elsewhere, "a", &[], &[], NOW)).remove(2);
    for forged in [
        foreign.as_str(),
        &format!("AWSALB={of_group}"),
        &format!("AWSALB={}", &value[1..]),
        &format!("AWSALB={value}A"),
        &format!("AWSALBAPP={value}"),
        &format!("awsalb={value}"),
        "AWSALB=",
        "AWSALB",
        "AWSALB=_remove_",
    ] {
        assert_eq!(wanted(&api, &[forged], NOW), None, "{forged}");
    }
    let many = format!("{}; {own}", ["AWSALB=x"; 4].join("; "));
    assert_eq!(
        wanted(&api, &[&many], NOW),
        None,
        "a bounded number is tried"
    );
}

#[test]
fn the_applications_cookie_counts_only_beside_the_balancers() {
    let api = sessions("api", Some("SID"), GroupStickiness::Single);
    let given = api.served_by("a", RevisionNumber(1));
    let set = answer(&api, "a", &[], &["x=1", "SID=42; HttpOnly"], NOW);
    let cookie = only(&given_back(&set), APPLICATION);
    let both = format!("SID=42; {cookie}");
    for (header, expected) in [
        (both.as_str(), Some(given.target)),
        // The balancer passes the application's cookie on and does not look into it.
        (&format!("{cookie}; SID=other"), Some(given.target)),
        (&cookie, None),
        ("SID=42", None),
        ("SID=42; AWSALBAPP=broken", None),
    ] {
        assert_eq!(wanted(&api, &[header], NOW), expected, "{header}");
    }
    assert_eq!(
        wanted(&api, &[&both], NOW + DAY),
        None,
        "the duration counts"
    );
    for (header, renewed) in [
        (both.as_str(), true),
        ("SID=42; AWSALBAPP=broken", true),
        ("SID=42", false),
        (&cookie, false),
    ] {
        let lines = answer(&api, "b", &[header], &[], NOW);
        assert_eq!(!lines.is_empty(), renewed, "{header}");
        if renewed {
            let next = format!("SID=42; {}", only(&given_back(&lines), APPLICATION));
            let other = api.served_by("b", RevisionNumber(1)).target;
            assert_eq!(
                wanted(&api, &[&next], NOW),
                Some(other),
                "stuck to the new target"
            );
        }
    }
}

#[test]
fn one_cookie_serves_several_services() {
    let mut cookie = String::new();
    let named = |number: usize| sessions(&format!("s{number}"), None, GroupStickiness::Single);
    for number in 0..8 {
        let lines = answer(&named(number), "a", &[&cookie], &[], NOW);
        cookie = only(&given_back(&lines), BALANCER);
        assert_eq!(cookie.len(), "AWSALB=".len() + 48 * (number + 1));
        let week = lines.contains("Expires=Thu, 07 Jan 2027 23:59:59 GMT");
        assert_eq!(week, number > 0, "others' durations are not known");
    }
    for number in 0..8 {
        let given = named(number).served_by("a", RevisionNumber(1));
        assert_eq!(wanted(&named(number), &[&cookie], NOW), Some(given.target));
    }
    let lines = answer(&named(3), "b", &[&cookie], &[], NOW);
    let moved = only(&given_back(&lines), BALANCER);
    assert_eq!(moved.len(), cookie.len(), "its own entry was replaced");
    assert_eq!(
        wanted(&named(3), &[&moved], NOW),
        Some(named(3).served_by("b", RevisionNumber(1)).target)
    );
    let lines = answer(&named(9), "a", &[&cookie], &[], NOW);
    let full = only(&given_back(&lines), BALANCER);
    assert_eq!(full.len(), cookie.len(), "the oldest fell out");
    assert_eq!(wanted(&named(0), &[&full], NOW), None);
}

#[test]
fn a_key_survives_the_wire_and_is_never_shown() {
    let key = CookieKey(std::array::from_fn(|at| at as u8));
    let text = serde_json::to_string(&key).expect("JSON");
    assert_eq!(serde_json::from_str::<CookieKey>(&text).expect("back"), key);
    assert_eq!(format!("{key:?} {:?}", sealer()), "CookieKey(…) Sealer(…)");
    for wrong in ["", "00", &"zz".repeat(32), &"é".repeat(32), &"0".repeat(63)] {
        assert_eq!(CookieKey::from_hex(wrong), None, "{wrong}");
    }
}
