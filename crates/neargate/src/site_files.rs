//! Whether the files that a static site is said to have are in its folder.

use std::path::Path;

use neargate_core::manifest::LoadedManifest;
use neargate_core::manifest::site_files::Found;
use neargate_core::model::{Service, Workload};

use crate::failure::Failure;

/// Looks before a build: for one service, or for all.
pub(crate) fn missing_pages(
    root: &Path,
    service: Option<&str>,
    loaded: LoadedManifest,
) -> Result<LoadedManifest, Failure> {
    let judged = loaded.with_site_files(|file| {
        if service.is_some_and(|service| service != file.service) {
            return Found::File;
        }
        let folder = root.join(&file.root);
        match (folder.join(&file.file).is_file(), folder.is_dir()) {
            (true, _) => Found::File,
            (false, true) => Found::Folder,
            (false, false) => Found::Nothing,
        }
    });
    judged.map_err(Failure::Manifest)
}

/// A build that has ended and left one out.
pub(crate) fn require_built<'a>(
    root: &Path,
    services: impl Iterator<Item = &'a Service>,
) -> Result<(), Failure> {
    for service in services.filter(|service| service.build.is_some()) {
        let Workload::Static(site) = &service.runs else {
            continue;
        };
        let files = [("fallback", &site.fallback), ("not-found", &site.not_found)];
        for (key, file) in files {
            let missing = |file: &&String| !root.join(&site.root).join(file).is_file();
            if let Some(file) = file.as_ref().filter(missing) {
                let name = &service.name;
                return Err(Failure::Failed(format!(
                    "the build of `{name}` left no file {file} in {}, which service.{name}.static.{key} names",
                    site.root
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use neargate_core::manifest::{ManifestSource, load};

    use super::*;

    #[test]
    fn a_fallback_that_is_not_in_the_folder_is_said_before_the_build_and_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let loaded = |build: &str| {
            let text = format!(
                "app = \"shop\"\n[service.web]\n{build}\nroute = \"/*\"\nstatic = {{ root = \"public\", fallback = \"app.html\" }}\n"
            );
            let name = "neargate.toml".to_owned();
            load(&ManifestSource { name, text }, "local", &[]).expect("it is right")
        };
        let look = |build: &str, service| missing_pages(folder.path(), service, loaded(build));
        let built = || {
            let loaded = loaded("build = \"true\"");
            require_built(folder.path(), loaded.manifest.services.values())
        };
        let warned = |build: &str| look(build, None).expect("it can be used").warnings.len();
        assert_eq!(warned(""), 0, "no folder");
        assert_eq!(warned("build = \"true\""), 1, "no folder yet");
        fs::create_dir(folder.path().join("public")).expect("a folder");
        assert!(matches!(look("", None), Err(Failure::Manifest(_))));
        assert!(look("", Some("api")).is_ok(), "another service's deploy");
        assert_eq!(warned("build = \"true\""), 1, "a build may make it");
        assert!(matches!(built(), Err(Failure::Failed(_))));
        fs::write(folder.path().join("public/app.html"), "<p>").expect("a file");
        assert_eq!(warned("") + warned("build = \"true\""), 0);
        assert!(built().is_ok());
    }
}
