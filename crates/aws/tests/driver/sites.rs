//! Releases of a static site: what is in its bucket, in which order, and back.

use std::fs;
use std::path::Path;

use neargate_aws::environment::Driver;
use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::release_report::ReleaseResult;
use serde_json::{Value, json};

use crate::world::{World, run, until, world};

const ROLLING: &str = r#"strategy = "rolling""#;

fn write(world: &World, files: &[(&str, &str)]) {
    let root = world.folder.path().join("front");
    let _ = fs::remove_dir_all(&root);
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("made");
        fs::write(path, text).expect("written");
    }
}

async fn released(world: &World, files: &[(&str, &str)]) -> (Driver, ReleaseResult) {
    write(world, files);
    let driver = world.client("first", ROLLING).await;
    let ended = driver.deploy("web", None).await.expect("it goes");
    (driver, ended)
}

/// Path, text, media type and cache rule of every file in the site's bucket.
fn bucket(world: &World) -> Vec<(String, String, String, String)> {
    let name = format!("{}-static", world.app);
    let all = world.control("files", &json!({ "bucket": name }));
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let all = all.as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|it| {
            (
                text(it, "key"),
                text(it, "body"),
                text(it, "type"),
                text(it, "cache"),
            )
        })
        .collect()
}

fn paths(world: &World) -> Vec<String> {
    bucket(world).into_iter().map(|file| file.0).collect()
}

#[test]
fn a_site_is_released_with_its_headers_pages_last_and_nothing_when_unchanged() {
    let Some(world) = world("site") else { return };
    run(async {
        let files = [("index.html", "one"), ("assets/a.js", "a"), (".env", "x")];
        let (driver, ended) = released(&world, &files).await;
        assert_eq!(
            (ended.outcome.as_str(), ended.release, ended.revision),
            ("done", ReleaseId(1), RevisionNumber(1))
        );
        let file = |path: &str, text: &str, kind: &str, cache: &str| {
            (
                path.to_owned(),
                text.to_owned(),
                kind.to_owned(),
                cache.to_owned(),
            )
        };
        let immutable = "public, max-age=31536000, immutable";
        let expected = [
            file(
                "assets/a.js",
                "a",
                "text/javascript; charset=utf-8",
                immutable,
            ),
            file("index.html", "one", "text/html; charset=utf-8", "no-cache"),
        ];
        assert_eq!(bucket(&world), expected);
        let copies = world.writes("site-static");
        assert_eq!(
            copies,
            [
                "PUT /site-static/assets/a.js",
                "PUT /site-static/index.html"
            ]
        );

        let again = driver.deploy("web", None).await.expect("it goes");
        assert_eq!(
            (again.outcome.as_str(), again.release),
            ("done", ReleaseId::NONE)
        );
        assert_eq!(world.writes("site-static").len(), 2);
        assert_eq!(
            driver.drift("web").await.expect("drift"),
            Vec::<String>::new()
        );
        let status = driver.status().await.expect("status");
        let web = status
            .services
            .iter()
            .find(|it| it.name == "web")
            .expect("web");
        assert_eq!(
            (web.revision, web.stable_revision, web.desired),
            (RevisionNumber(1), Some(RevisionNumber(1)), 0)
        );
    });
}

#[test]
fn files_that_left_a_site_are_deleted_one_release_later_and_only_changes_are_copied() {
    let Some(world) = world("leaving") else {
        return;
    };
    run(async {
        released(
            &world,
            &[
                ("index.html", "one"),
                ("assets/1.js", "1"),
                ("logo.svg", "l"),
            ],
        )
        .await;
        let second = [
            ("index.html", "two"),
            ("assets/2.js", "2"),
            ("logo.svg", "l"),
        ];
        let (_, ended) = released(&world, &second).await;
        assert_eq!(ended.revision, RevisionNumber(2));
        assert!(ended.reason.contains("2 files were copied"), "{ended:?}");
        assert_eq!(
            paths(&world),
            ["assets/1.js", "assets/2.js", "index.html", "logo.svg"]
        );
        released(
            &world,
            &[
                ("index.html", "three"),
                ("assets/2.js", "2"),
                ("logo.svg", "l"),
            ],
        )
        .await;
        assert_eq!(paths(&world), ["assets/2.js", "index.html", "logo.svg"]);
    });
}

#[test]
fn a_rollback_of_a_site_serves_the_bytes_of_the_revision_before() {
    let Some(world) = world("siteback") else {
        return;
    };
    run(async {
        released(&world, &[("index.html", "one"), ("assets/1.js", "1")]).await;
        let (driver, _) = released(&world, &[("index.html", "two"), ("assets/2.js", "2")]).await;
        // What is in the folder now does not matter to it.
        write(&world, &[]);
        let ended = driver.rollback("web", None).await.expect("it goes");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("done", RevisionNumber(1)),
            "{ended:?}"
        );
        let page = bucket(&world)
            .into_iter()
            .find(|it| it.0 == "index.html")
            .expect("a page");
        assert_eq!(page.1, "one");
        let forward = driver
            .rollback("web", Some(RevisionNumber(2)))
            .await
            .expect("it goes");
        assert_eq!(forward.revision, RevisionNumber(2));
        let releases = driver.releases("web").await.expect("history");
        let to: Vec<RevisionNumber> = releases.iter().map(|it| it.to).collect();
        assert_eq!(to, [1, 2, 1, 2].map(RevisionNumber));
    });
}

#[test]
fn a_site_half_copied_by_a_lost_client_is_gone_on_with_or_rolled_back() {
    let Some(world) = world("halfway") else {
        return;
    };
    run(async {
        released(&world, &[("index.html", "one")]).await;
        for (end, page) in [("go on", "two"), ("back", "two")] {
            write(
                &world,
                &[
                    ("index.html", if end == "back" { "three" } else { page }),
                    ("b.js", end),
                ],
            );
            let lost = world.client("a", ROLLING).await;
            world.told.borrow_mut().clear();
            until(lost.deploy("web", None), async {
                while !world.heard("copies") {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            drop(lost);
            let other = world.client("b", ROLLING).await;
            let trouble = other.deploy("web", None).await.expect_err("refused");
            assert!(
                trouble.to_string().contains("a drives a release"),
                "{trouble}"
            );
            let again = world.client("a", ROLLING).await;
            let ended = match end {
                "go on" => again.deploy("web", None).await,
                _ => again.rollback("web", None).await,
            };
            let ended = ended.expect("it goes");
            let outcome = if end == "back" { "rolled-back" } else { "done" };
            assert_eq!(
                (ended.outcome.as_str(), ended.revision),
                (outcome, RevisionNumber(2)),
                "{ended:?}"
            );
            let found = bucket(&world);
            let found = found
                .iter()
                .find(|it| it.0 == "index.html")
                .expect("a page");
            assert_eq!(found.1, page);
        }
    });
}

#[test]
fn a_file_that_somebody_deleted_is_drift_and_the_next_deploy_brings_it_back() {
    let Some(world) = world("sitedrift") else {
        return;
    };
    run(async {
        let files = [("index.html", "one"), ("a.css", "a")];
        let (driver, _) = released(&world, &files).await;
        let gone = json!({ "bucket": "sitedrift-static", "key": "a.css" });
        world.control("delete", &gone);
        let lines = driver.drift("web").await.expect("drift");
        assert_eq!(lines, ["a.css is missing in the site's bucket, or another"]);
        let ended = driver.deploy("web", None).await.expect("it goes");
        assert_eq!(
            (ended.release, ended.revision),
            (ReleaseId(2), RevisionNumber(1))
        );
        assert_eq!(paths(&world), ["a.css", "index.html"]);
        // So does one that has something new.
        world.control("delete", &gone);
        let files = [("index.html", "two"), ("a.css", "a")];
        let (_, ended) = released(&world, &files).await;
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("done", RevisionNumber(2))
        );
        assert_eq!(paths(&world), ["a.css", "index.html"]);
    });
}

#[test]
fn revisions_that_no_release_names_are_deleted_with_the_bytes_that_only_they_name() {
    let Some(world) = world("keep") else { return };
    run(async {
        released(&world, &[("index.html", "one")]).await;
        let home = "sites/keep/prod/web";
        let kept = json!({ "bucket": "keep-state", "begins": home });
        let count = |world: &World| {
            let all = world.control("files", &kept);
            all.as_array().map_or(0, Vec::len)
        };
        // The list of the one revision, and the bytes of its one file.
        assert_eq!(count(&world), 2);
        let shared = world.control("files", &json!({ "bucket": "keep-state", "begins": home }));
        let shared = shared[0]["key"].as_str().expect("a key").to_owned();
        let shared = shared.rsplit('/').next().expect("a digest").to_owned();
        for number in 900..910 {
            let own = format!("{number:0>64}");
            let file = |digest: &str| {
                json!({
                    "sha256": digest, "size": 3, "content_type": "text/html",
                    "cache_control": "no-cache",
                })
            };
            let files = json!({ "a.html": file(&own), "b.html": file(&shared) });
            let list = json!({ "format": 1, "files": files }).to_string();
            for (key, body) in [
                (format!("{home}/revisions/{number}.json"), list.as_str()),
                (format!("{home}/files/{own}"), "old"),
            ] {
                let put = json!({ "bucket": "keep-state", "key": key, "body": body });
                world.control("put", &put);
            }
        }
        assert_eq!(count(&world), 22);
        let (driver, ended) = released(&world, &[("index.html", "two")]).await;
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("done", RevisionNumber(2))
        );
        assert_eq!(count(&world), 4);
        let back = driver.rollback("web", None).await.expect("it goes");
        assert_eq!(back.revision, RevisionNumber(1));
    });
}
