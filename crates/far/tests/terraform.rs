//! The Terraform modules: formatted, valid, and right by their own tests, where there is a provider.

use std::path::Path;
use std::process::Command;

#[test]
fn terraform_modules_pass_their_own_checks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let script = root
        .expect("the repository")
        .join("scripts/check-terraform");
    let output = Command::new(script).output().expect("the script runs");
    // It says itself what it skipped: no terraform program, or no provider.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
}
