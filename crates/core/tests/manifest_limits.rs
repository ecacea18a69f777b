//! What the kernel or near cannot start is said before anything is started.

use neargate_core::manifest::{Loaded, Source, load};

fn checked(text: String, env: &str) -> Result<Loaded, String> {
    let name = "neargate.toml".to_owned();
    load(&Source { name, text }, env, &[]).map_err(|problems| problems.render(false))
}

fn with_variable(bytes: usize) -> String {
    format!(
        "app = \"a\"\n[service.web]\ncommand = [\"web\"]\nartifact = \"web\"\nenv = {{ BIG = \"{}\" }}\n",
        "x".repeat(bytes)
    )
}

#[test]
fn a_variable_that_linux_does_not_take_is_an_error() {
    // `BIG=`, the value, and its end are 131,072 bytes together.
    assert!(checked(with_variable(131_067), "local").is_ok());
    let said = checked(with_variable(131_068), "local").expect_err("it is too long");
    assert!(
        said.contains("error[too-long]: `BIG` has 131068 bytes"),
        "{said}"
    );
}

#[test]
fn a_service_that_is_only_an_image_is_said_near_and_not_on_aws() {
    let text = "app = \"a\"\n[service.web]\nimage = \"nginx\"\nport = 80\nroute = \"/*\"\n\
                [env.prod]\ntarget = \"aws\"\nregion = \"eu-central-1\"\n";
    let warned = |env: &str| {
        let loaded = checked(text.to_owned(), env).unwrap_or_else(|said| panic!("{said}"));
        loaded.warnings.iter().any(|one| one.code == "image-near")
    };
    assert_eq!((warned("local"), warned("prod")), (true, false));
}
