//! What the kernel or near cannot start is said before anything is started.

use neargate_core::manifest::{LoadedManifest, ManifestSource, load};

fn checked(text: String, env: &str) -> Result<LoadedManifest, String> {
    let name = "neargate.toml".to_owned();
    load(&ManifestSource { name, text }, env, &[]).map_err(|problems| problems.render(false))
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

#[test]
fn a_site_that_holds_its_manifest_is_warned_of_and_refused_when_the_manifest_would_be_served() {
    let loaded = |name: &str, root: &str| {
        let text = format!("app = \"a\"\n[service.web]\nstatic = \"{root}\"\nroute = \"/*\"\n");
        let name = name.to_owned();
        load(&ManifestSource { name, text }, "local", &[])
    };
    for (root, holds) in [
        (".", true),
        ("./", true),
        ("site/..", true),
        ("..", true),
        ("../..", true),
        ("site", false),
        ("../site", false),
        ("./site/", false),
    ] {
        let own = loaded("folder/neargate.toml", root);
        let own = own.unwrap_or_else(|said| panic!("{root}: {}", said.render(false)));
        let warned = own.warnings.iter().any(|one| one.code == "public-folder");
        assert_eq!(warned, holds, "{root}");
        let other = loaded("folder/prod.toml", root);
        assert_eq!(other.is_err(), holds, "{root}");
    }
}
