//! Static sites over real sockets.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Router, Wire, header};
use neargate_core::ids::RevisionNumber;
use neargate_core::model::{Route, Static};
use neargate_core::routing::table::{
    EarlierFiles, Listener, ListenerRule, RoutingTable, RuleAction, StaticSite,
};

fn site(directory: &Path, fallback: Option<&str>, not_found: Option<&str>) -> RoutingTable {
    let site = StaticSite {
        service: "web".into(),
        revision: RevisionNumber(3),
        directory: directory.display().to_string(),
        site: Static {
            root: String::new(),
            index: "index.html".into(),
            fallback: fallback.map(str::to_owned),
            not_found: not_found.map(str::to_owned),
            cache: vec![("/assets/*".into(), "max-age=60".into())],
            keep: std::time::Duration::ZERO,
        },
        earlier: Vec::new(),
    };
    let route = Route {
        priority: 1,
        ..Route::default()
    };
    let rules = vec![ListenerRule {
        route,
        action: RuleAction::Static(site),
    }];
    RoutingTable {
        version: 0,
        expose: true,
        trusted: Vec::new(),
        listeners: BTreeMap::from([("edge".to_owned(), Listener { rules })]),
        groups: BTreeMap::new(),
        cookie_key: None,
    }
}

fn site_of(table: &mut RoutingTable) -> &mut StaticSite {
    let edge = table.listeners.get_mut("edge").expect("an edge");
    match &mut edge.rules[0].action {
        RuleAction::Static(site) => site,
        RuleAction::Forward(_) => panic!("a site"),
    }
}

fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("assets")).expect("made");
    std::fs::create_dir_all(dir.path().join("docs")).expect("made");
    std::fs::create_dir_all(dir.path().join(".well-known")).expect("made");
    for (name, text) in [
        ("index.html", "home"),
        ("404.html", "lost"),
        (".env", "secret"),
        (".well-known/assetlinks.json", "[]"),
        ("docs/index.html", "docs"),
        ("assets/app.js", "0123456789"),
        ("assets/app.js.gz", "zipped"),
        ("assets/app.js.br", "brotli"),
    ] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    std::fs::write(dir.path().join("big.bin"), vec![b'x'; 1_000_000]).expect("written");
    dir
}

fn ask(router: &Router, method: &str, path: &str, more: &str) -> (u16, String, String) {
    let mut wire = Wire::open(router.address);
    wire.send(&format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n"
    ));
    let all = wire.rest();
    let (head, body) = all.split_once("\r\n\r\n").expect("a response");
    (
        head[9..12].parse().expect("a status"),
        head.to_owned(),
        body.to_owned(),
    )
}

#[test]
fn a_site_is_served_by_its_table() {
    let dir = files();
    let mut router = Router::start();
    router
        .engine
        .publish(&site(dir.path(), None, Some("404.html")));
    for (method, path, more, status, body) in [
        ("GET", "/", "", 200, "home"),
        ("GET", "/docs/", "", 200, "docs"),
        ("GET", "/docs?a=1", "", 301, ""),
        ("GET", "/assets/app.js", "", 200, "0123456789"),
        ("GET", "/assets/app.js", "Range: bytes=2-4\r\n", 206, "234"),
        ("GET", "/assets/app.js", "Range: bytes=-2\r\n", 206, "89"),
        ("GET", "/assets/app.js", "Range: bytes=10-\r\n", 416, ""),
        (
            "GET",
            "/assets/app.js",
            "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n",
            200,
            "0123456789",
        ),
        (
            "GET",
            "/assets/app.js",
            "Accept-Encoding: gzip\r\n",
            200,
            "zipped",
        ),
        (
            "GET",
            "/assets/app.js",
            "Accept-Encoding: gzip, br\r\n",
            200,
            "brotli",
        ),
        ("HEAD", "/assets/app.js", "", 200, ""),
        ("GET", "/missing", "", 404, "lost"),
        ("GET", "/.env", "", 404, "lost"),
        ("GET", "/%2e%2e/etc/passwd", "", 404, "lost"),
        ("POST", "/", "", 405, "405 Method Not Allowed\n"),
    ] {
        let (got, head, text) = ask(&router, method, path, more);
        assert_eq!(
            (got, text.as_str()),
            (status, body),
            "{method} {path} {more}\n{head}"
        );
        match status {
            405 => assert_eq!(header(&head, "allow").as_deref(), Some("GET, HEAD")),
            301 => assert_eq!(header(&head, "location").as_deref(), Some("/docs/?a=1")),
            206 => assert!(header(&head, "content-range").is_some()),
            _ => {}
        }
    }
    assert_eq!(ask(&router, "GET", "/big.bin", "").2.len(), 1_000_000);
}

#[test]
fn validators_spare_the_body() {
    let dir = files();
    let mut router = Router::start();
    router.engine.publish(&site(dir.path(), None, None));
    let (_, head, _) = ask(&router, "GET", "/assets/app.js", "");
    assert_eq!(
        header(&head, "cache-control").as_deref(),
        Some("max-age=60")
    );
    assert_eq!(header(&head, "x-neargate-revision").as_deref(), Some("3"));
    let etag = header(&head, "etag").expect("an ETag");
    let modified = header(&head, "last-modified").expect("a date");
    for more in [
        format!("If-None-Match: \"a\", {etag}\r\n"),
        format!("If-Modified-Since: {modified}\r\n"),
    ] {
        let (status, head, body) = ask(&router, "GET", "/assets/app.js", &more);
        assert_eq!((status, body.as_str()), (304, ""), "{more}");
        assert_eq!(header(&head, "content-length"), None);
    }
    let (status, ..) = ask(&router, "GET", "/assets/app.js", "If-None-Match: \"a\"\r\n");
    assert_eq!(status, 200);
    assert_eq!(ask(&router, "GET", "/missing", "").0, 404);
}

#[test]
fn conditions_are_judged_in_the_order_of_the_rfc() {
    let dir = files();
    let mut router = Router::start();
    router.engine.publish(&site(dir.path(), None, None));
    let (_, head, _) = ask(&router, "GET", "/assets/app.js", "");
    let etag = header(&head, "etag").expect("an ETag");
    let modified = header(&head, "last-modified").expect("a date");
    let (old, late) = (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Fri, 31 Dec 2100 23:59:59 GMT",
    );
    let same = format!("If-Match: \"a\", {etag}\r\n");
    for (more, status) in [
        (same.clone(), 200),
        ("If-Match: *\r\n".to_owned(), 200),
        ("If-Match: \"a\"\r\n".to_owned(), 412),
        // Strongly: a weak tag is never the same.
        (format!("If-Match: W/{etag}\r\n"), 412),
        (format!("If-Unmodified-Since: {modified}\r\n"), 200),
        (format!("If-Unmodified-Since: {late}\r\n"), 200),
        (format!("If-Unmodified-Since: {old}\r\n"), 412),
        ("If-Unmodified-Since: yesterday\r\n".to_owned(), 200),
        // If-Match before If-Unmodified-Since, both before If-None-Match.
        (format!("{same}If-Unmodified-Since: {old}\r\n"), 200),
        (format!("{same}If-None-Match: {etag}\r\n"), 304),
        (format!("If-Match: \"a\"\r\nIf-None-Match: {etag}\r\n"), 412),
        ("If-Match: \"a\"\r\nRange: bytes=0-1\r\n".to_owned(), 412),
        (format!("If-Modified-Since: {late}\r\n"), 304),
        (format!("If-Modified-Since: {old}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".to_owned(), 200),
        // If-None-Match decides alone.
        (
            format!("If-None-Match: \"a\"\r\nIf-Modified-Since: {late}\r\n"),
            200,
        ),
    ] {
        for method in ["GET", "HEAD"] {
            let (got, head, body) = ask(&router, method, "/assets/app.js", &more);
            assert_eq!(got, status, "{method} {more}\n{head}");
            assert_eq!(body.is_empty(), method == "HEAD" || status != 200, "{more}");
        }
    }
    // There is nothing of which a condition could be true.
    assert_eq!(ask(&router, "GET", "/missing", "If-Match: *\r\n").0, 404);
}

#[test]
fn a_single_page_application_answers_what_may_be_its_page_and_nothing_else() {
    let dir = files();
    let mut router = Router::start();
    let mut table = site(dir.path(), Some("index.html"), None);
    let immutable = "public, max-age=31536000, immutable";
    site_of(&mut table).site.cache = vec![("/assets/*".into(), immutable.into())];
    router.engine.publish(&table);
    let (page, kept, missing) = ("home", Some(immutable), "");
    let goes = "Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\n";
    for (path, more, status, body, cache) in [
        ("/notes/17", "", 200, page, Some("no-cache")),
        ("/notes/", "", 200, page, Some("no-cache")),
        // Never the page under the name of an asset, nor kept like one.
        ("/assets/17", "", 200, page, Some("no-cache")),
        ("/assets/app.js", "", 200, "0123456789", kept),
        ("/assets/app.gone.js", "", 404, missing, Some("no-cache")),
        ("/assets/app.gone.js", goes, 404, missing, Some("no-cache")),
        ("/logo.PNG", "", 404, missing, Some("no-cache")),
        ("/users/j.doe", goes, 200, page, Some("no-cache")),
        (
            "/users/j.doe",
            "Accept: */*\r\n",
            404,
            missing,
            Some("no-cache"),
        ),
        ("/.well-known/assetlinks.json", "", 200, "[]", None),
        ("/.well-known/missing", "", 404, missing, Some("no-cache")),
        ("/.env", goes, 404, missing, Some("no-cache")),
        ("/%2eenv", goes, 404, missing, Some("no-cache")),
        ("/.well-known/../.env", "", 404, missing, Some("no-cache")),
    ] {
        // Twice: from the disk, and from what the worker remembers.
        for _ in 0..2 {
            let (got, head, text) = ask(&router, "GET", path, more);
            assert_eq!((got, text.as_str()), (status, body), "{path} {more}");
            assert_eq!(header(&head, "cache-control").as_deref(), cache, "{path}");
        }
    }
}

#[test]
fn files_of_revisions_before_are_found_for_a_while_but_not_their_pages() {
    let (before, present) = (files(), files());
    for (name, text) in [("assets/old.js", "old"), ("old.html", "an old page")] {
        std::fs::write(before.path().join(name), text).expect("written");
    }
    std::fs::write(before.path().join("assets/app.js"), "other").expect("written");
    let mut router = Router::start();
    let mut table = site(present.path(), Some("index.html"), None);
    let mut earlier = |router: &mut Router, until: u64| {
        site_of(&mut table).earlier = vec![EarlierFiles {
            revision: RevisionNumber(2),
            directory: before.path().display().to_string(),
            until,
        }];
        table.version += 1;
        router.engine.publish(&table);
    };
    earlier(&mut router, u64::MAX);
    let (status, head, body) = ask(&router, "GET", "/assets/old.js", "");
    assert_eq!((status, body.as_str()), (200, "old"));
    assert_eq!(header(&head, "x-neargate-revision").as_deref(), Some("2"));
    assert_eq!(ask(&router, "GET", "/assets/app.js", "").2, "0123456789");
    assert_eq!(ask(&router, "GET", "/old.html", "").0, 404);
    earlier(&mut router, 1);
    assert_eq!(ask(&router, "GET", "/assets/old.js", "").0, 404);
}

#[test]
fn an_unchanged_file_has_the_same_tag_in_the_next_revision() {
    let (before, present) = (files(), files());
    std::fs::write(present.path().join("index.html"), "home!").expect("written");
    let mut router = Router::start();
    let mut tags = Vec::new();
    for (version, directory) in [(1, &before), (2, &present)] {
        let mut table = site(directory.path(), None, None);
        site_of(&mut table).revision = RevisionNumber(version);
        table.version = u64::from(version);
        router.engine.publish(&table);
        let tag = |path| header(&ask(&router, "GET", path, "").1, "etag").expect("a tag");
        tags.push(["/assets/app.js", "/big.bin", "/"].map(tag));
    }
    let [a, b] = [&tags[0], &tags[1]];
    assert_eq!((&a[0], &a[1]), (&b[0], &b[1]));
    assert_ne!(a[2], b[2]);
    let known = format!("If-None-Match: W/{}\r\n", a[1]);
    assert_eq!(ask(&router, "GET", "/big.bin", &known).0, 304);
    let part = "Range: bytes=999990-\r\n";
    assert_eq!(ask(&router, "GET", "/big.bin", part).2, "x".repeat(10));
}
