//! The pipeline's stages against a running engine: the rehearsal of what a workflow does.

use serde_json::Value;

use crate::app::App;
use crate::releases::ECHO;

#[test]
fn the_pipeline_near_tests_releases_and_verifies() {
    let app = App::new(&format!(
        "{ECHO}\n[pipeline]\ntest = \"echo tested >> tested\"\n"
    ));
    let alone = app.run(&["pipeline", "run", "release"]);
    assert_eq!(alone.status.code(), Some(3), "there is no engine");
    app.up();
    let change = "service.api.env.PIPELINE=ran";
    let said = app.ok(&["pipeline", "run", "--json", "--set", change]);
    let document: Value = serde_json::from_str(&said).expect("one document");
    let outcomes: Vec<(&str, &str)> = document["stages"]
        .as_array()
        .expect("stages")
        .iter()
        .filter_map(|stage| Some((stage["stage"].as_str()?, stage["outcome"].as_str()?)))
        .collect();
    let expected = [
        ("check", "done"),
        ("test", "done"),
        ("build", "nothing-to-do"),
        ("scan", "nothing-to-do"),
        ("push", "nothing-to-do"),
        ("release", "done"),
        ("verify", "done"),
    ];
    assert_eq!(outcomes, expected, "{document}");
    assert_eq!(app.status()["services"][0]["revision"], 2);
    let tested = std::fs::read_to_string(app.folder().join("tested")).expect("the test ran");
    assert_eq!(tested, "tested\n");
    let again = app.ok(&["pipeline", "run", "release", "--set", change]);
    assert!(again.is_empty(), "{again}");
    assert_eq!(
        app.status()["services"][0]["revision"],
        2,
        "nothing to release"
    );
}
