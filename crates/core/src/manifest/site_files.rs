//! Files that the manifest says are in a static site's folder.
//!
//! Invariant: nothing here looks at a disk; whoever does says what it found, and gets the problem in
//! the manifest's own words and place.

use super::diagnostic::{Diagnostic, SourceSpan};
use super::toml_tree::{self, TomlTable};
use super::{Diagnostics, LoadedManifest};
use crate::model::{Manifest, Workload};

/// A file that a site sends for paths that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitePage {
    /// Name of the site's service.
    pub service: String,
    /// The site's folder, from the manifest's.
    pub root: String,
    /// The file, from the site's folder.
    pub file: String,
    /// `fallback` or `not-found`.
    key: &'static str,
    /// Whether a build step may make it.
    built: bool,
    at: SourceSpan,
}

/// Kind of thing on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The file is there.
    File,
    /// The site's folder, and no such file in it.
    Folder,
    /// Not even the folder.
    Nothing,
}

impl SitePage {
    /// The problem; a build that may mend it makes a warning of it. A folder that nobody here
    /// builds may come from anywhere: the release that takes it says when it is not there.
    fn problem(&self, found: Found) -> Option<Diagnostic> {
        let Self {
            service,
            root,
            file,
            key,
            ..
        } = self;
        let message = match found {
            Found::File => return None,
            Found::Nothing if !self.built => return None,
            Found::Folder => format!("there is no file {file} in {root}"),
            Found::Nothing => format!("the folder {root} is not there yet, nor is {file} in it"),
        };
        let path = format!("service.{service}.static.{key}");
        Some(if self.built {
            let help = format!("the build of `service.{service}` must make it, or remove `{path}`");
            Diagnostic::warning("missing-file", self.at, message).help(help)
        } else {
            let help = format!("write the path of a file from {root}, or remove `{path}`");
            Diagnostic::error("missing-file", self.at, message).help(help)
        })
    }
}

/// All of a manifest.
pub(super) fn list(manifest: &Manifest, tree: &TomlTable) -> Vec<SitePage> {
    let mut all = Vec::new();
    for (name, service) in &manifest.services {
        let Workload::Static(site) = &service.runs else {
            continue;
        };
        let named = [("fallback", &site.fallback), ("not-found", &site.not_found)];
        for (key, file) in named {
            all.extend(file.as_ref().map(|file| SitePage {
                service: name.clone(),
                root: site.root.clone(),
                file: file.clone(),
                key,
                built: service.build.is_some(),
                at: toml_tree::place_of(tree, &["service", name, "static", key]),
            }));
        }
    }
    all
}

impl LoadedManifest {
    /// Judges the files of sites by what is on the disk.
    ///
    /// # Errors
    /// A file is missing that no build makes; the warnings are among the problems.
    pub fn with_site_files(
        mut self,
        find: impl Fn(&SitePage) -> Found,
    ) -> Result<Self, Box<Diagnostics>> {
        for file in &self.site_files {
            if let Some(problem) = file.problem(find(file)) {
                self.warnings.push(problem);
            }
        }
        self.warnings.sort();
        if self.warnings.has_errors() {
            return Err(Box::new(self.warnings));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ManifestSource, Severity, load};
    use super::*;

    /// Severity, line and message of what is said of a manifest.
    fn said(build: &str, found: Found) -> Option<(Severity, usize, String)> {
        let text = format!(
            "app = \"shop\"\n[service.web]\n{build}\nroute = \"/*\"\n[service.web.static]\nroot = \"public\"\nnot-found = \"404.html\"\n"
        );
        let source = ManifestSource {
            name: "neargate.toml".into(),
            text,
        };
        let loaded = load(&source, "local", &[]).expect("it is right");
        let judged = loaded.with_site_files(|file| {
            assert_eq!(
                (file.root.as_str(), file.file.as_str()),
                ("public", "404.html")
            );
            found
        });
        let problems = judged.map_or_else(|wrong| *wrong, |loaded| loaded.warnings);
        let found = problems.iter().find(|found| found.code == "missing-file");
        found.map(|found| {
            (
                found.severity,
                problems.line(found.at),
                found.message.clone(),
            )
        })
    }

    #[test]
    fn a_file_of_a_site_that_is_not_in_its_folder_is_a_problem_and_a_warning_before_a_build() {
        let built = "build = \"make site\"";
        let in_folder = "there is no file 404.html in public".to_owned();
        let no_folder = "the folder public is not there yet, nor is 404.html in it".to_owned();
        for (build, found, expected) in [
            ("", Found::File, None),
            (
                "",
                Found::Folder,
                Some((Severity::Error, 7, in_folder.clone())),
            ),
            ("", Found::Nothing, None),
            (built, Found::File, None),
            (
                built,
                Found::Folder,
                Some((Severity::Warning, 7, in_folder)),
            ),
            (
                built,
                Found::Nothing,
                Some((Severity::Warning, 7, no_folder)),
            ),
        ] {
            assert_eq!(said(build, found), expected, "{build:?} {found:?}");
        }
    }
}
