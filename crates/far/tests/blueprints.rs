//! The blueprints through Terraform: formatted, valid, planned and judged, where there is a provider.

use std::path::Path;
use std::process::Command;

#[test]
fn blueprints_are_formatted_valid_and_isolated_on_aws() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let script = root
        .expect("the repository")
        .join("scripts/check-blueprints");
    let production = [
        "1-shibakita",
        "2-cloud-native-notes",
        "3-portfolio",
        "4-canary",
        "5-clinic",
    ];
    let production = production.map(|name| format!("{name}-prod"));
    let mut command = Command::new(script);
    command.args(production);
    // `cargo test` builds it; a run of this file alone does not.
    let render = std::env::current_exe().expect("the test's own path");
    let render = render
        .ancestors()
        .nth(2)
        .map(|it| it.join("examples/render"));
    if let Some(render) = render.filter(|path| path.exists()) {
        command.env("NEARGATE_RENDER", render);
    }
    let output = command.output().expect("the script runs");
    // It says itself what it skipped: no terraform program, or no provider.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
}
