//! `neargate.toml`: text to a checked model, every problem reported at once.
//!
//! [`crate::model`] is what the rest of Neargate sees; it is immutable, complete (defaults are
//! filled in) and legal (every value is one that AWS would take too). The way there: parse the
//! layers (the file, one `[env.NAME]`, each `--set`), hold each against the shape, merge, fill
//! in the defaults, read the model, and check what depends on one another.

mod calendar;
mod check;
pub mod diagnostic;
pub mod edit_location;
mod environments;
mod fargate;
mod lower;
mod overrides;
mod schema;
pub mod site_files;
mod syntax;
mod toml_tree;
mod typed_table;
mod unsupported;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};

use crate::model::{Manifest, WrittenAddress};
use diagnostic::SourceSpan;
use site_files::SitePage;
use toml_tree::{TomlTable, TomlValue};

pub use crate::model::FILE_NAME;

/// The longest manifest that is read, bytes.
pub const LONGEST: usize = 1 << 20;

/// A manifest's text and what to call it in diagnostics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestSource {
    /// The file's name as the user knows it.
    pub name: String,
    pub text: String,
}

/// A manifest that is right.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedManifest {
    /// The checked model.
    pub manifest: Manifest,
    /// Problems that are probably not meant.
    pub warnings: Diagnostics,
    /// Wishes of the manifest that this environment does not fulfil, one sentence each.
    pub not_acted_on: Vec<String>,
    /// The environments of the file whose target is AWS, by name.
    pub on_aws: Vec<String>,
    /// Files that static sites are said to have; nobody has looked for them yet.
    pub site_files: Vec<SitePage>,
    /// Parts of the edge's address that are written.
    pub edge_address: WrittenAddress,
}

/// Reads an environment of a manifest, with `--set` overrides (`PATH=VALUE`) laid over it.
///
/// # Errors
/// All problems of the file and of the overrides, sorted by place; warnings among them.
pub fn load(
    source: &ManifestSource,
    env: &str,
    overrides: &[String],
) -> Result<LoadedManifest, Diagnostics> {
    let mut sources = vec![(source.name.clone(), source.text.clone())];
    sources.extend(
        overrides
            .iter()
            .map(|text| ("--set".to_owned(), text.clone())),
    );
    let mut out = Diagnostics::new(sources);
    if source.text.len() > LONGEST {
        let message = format!("the manifest is longer than {LONGEST} bytes");
        out.push(Diagnostic::error(
            "too-long",
            SourceSpan::default(),
            message,
        ));
        return Err(out);
    }
    let mut on_aws = Vec::new();
    let loaded = layers(source, env, overrides, &mut on_aws, &mut out)
        .and_then(|tree| finish(tree, env, &mut out));
    out.sort();
    match loaded {
        Some((manifest, not_acted_on, site_files, edge_address)) if !out.has_errors() => {
            Ok(LoadedManifest {
                manifest,
                warnings: out,
                not_acted_on,
                site_files,
                on_aws,
                edge_address,
            })
        }
        _ => Err(out),
    }
}

/// All layers merged; nothing when the text has syntax errors, because whatever else is wrong
/// may only follow from them.
fn layers(
    source: &ManifestSource,
    env: &str,
    overrides: &[String],
    on_aws: &mut Vec<String>,
    out: &mut Diagnostics,
) -> Option<TomlTable> {
    let mut file = toml_tree::parse(0, &source.text, out);
    syntax::mend(&source.text, out);
    let broken: Vec<usize> = out.iter().map(|d| out.line(d.at)).collect();
    schema::conform(&mut file, &schema::FILE, "", out);
    if !broken.is_empty() {
        let lines: Vec<usize> = out.iter().map(|d| out.line(d.at)).collect();
        let mut lines = lines.into_iter();
        out.retain(|d| {
            let line = lines.next();
            d.code == "syntax" || !line.is_some_and(|line| broken.contains(&line))
        });
        return None;
    }
    *on_aws = environments::on_aws(&file);
    environments::check(&file, on_aws, out);
    let mut environments = match file.remove("env").map(|entry| entry.node.value) {
        Some(TomlValue::Table(environments)) => environments,
        _ => TomlTable::new(),
    };
    let known: Vec<String> = environments.keys().cloned().collect();
    match environments.remove(env).map(|entry| entry.node.value) {
        Some(TomlValue::Table(overlay)) => toml_tree::merge(&mut file, overlay),
        Some(_) => {}
        None if env == "local" => {}
        None => out.push(no_environment(env, known)),
    }
    for (index, text) in overrides.iter().enumerate() {
        let mut layer = overrides::layer(index + 1, text, out);
        schema::conform(&mut layer, &schema::FILE, "", out);
        if let Some(entry) = layer.remove("env") {
            let message = "`--set` cannot change an `[env.NAME]`: it is laid over the chosen one";
            let found = Diagnostic::error("wrong-override", entry.key, message);
            out.push(found.help("choose the environment by --env, and leave `env.NAME.` out"));
        }
        toml_tree::merge(&mut file, layer);
    }
    Some(file)
}

/// The model, what is not acted on, the files of sites, and what is written of the edge's address.
type Finished = (Manifest, Vec<String>, Vec<SitePage>, WrittenAddress);

fn no_environment(env: &str, mut known: Vec<String>) -> Diagnostic {
    known.push("local".to_owned());
    known.sort();
    known.dedup();
    let message = format!("there is no environment `{}` here", env.escape_debug());
    let found = Diagnostic::error("unknown-environment", SourceSpan::default(), message);
    found.help(format!(
        "this file has the environments {}",
        known.join(", ")
    ))
}

fn finish(mut tree: TomlTable, env: &str, out: &mut Diagnostics) -> Option<Finished> {
    schema::require(&tree, &schema::FILE, ("", SourceSpan::default()), out);
    let written = tree.clone();
    schema::fill(&mut tree, &schema::FILE, SourceSpan::default());
    let mut manifest = lower::read(&tree, env);
    check::priority::assign(&mut manifest.services);
    version(&tree, out);
    check::check(&mut check::CheckContext {
        manifest: &manifest,
        tree: &tree,
        written: &written,
        out,
    });
    let left_out = unsupported::list(&written, &manifest.target);
    let site_files = site_files::list(&manifest, &tree);
    let edge = lower::written_address(&written);
    Some((manifest, left_out, site_files, edge))
}

/// Reports a file that is written for another version.
fn version(tree: &TomlTable, out: &mut Diagnostics) {
    let own = env!("CARGO_PKG_VERSION");
    let Some(TomlValue::Text(text)) = tree.get("requires").map(|entry| &entry.node.value) else {
        return;
    };
    let (Ok(wanted), Ok(version)) = (semver::VersionReq::parse(text), semver::Version::parse(own))
    else {
        return;
    };
    if !wanted.matches(&version) {
        let at = toml_tree::place_of(tree, &["requires"]);
        let message = format!("this is Neargate {own}, and the file requires {text}");
        out.push(Diagnostic::error("version", at, message).help("install a version that fits"));
    }
}

/// The JSON Schema (2020-12) of a manifest, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schema::json_schema::schema()
}
