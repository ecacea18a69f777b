//! Secrets near: in the state directory's own store, with and without an engine.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::secret::SecretValue;
use neargate_near::api::wire::Problem;
use neargate_near::audit_log::{AuditLog, AuditRecord, PeerUser};
use neargate_near::clock::now;
use neargate_near::paths::StateDir;
use neargate_near::secrets::{SecretVersion, Secrets, SecretsError, VersionSelector, VersionStage};

use crate::arguments::GlobalFlags;
use crate::environment::{ListedSecret, SecretWritten};
use crate::failure::{self, Failure};
use crate::{output, project};

/// Writes a value.
pub(super) fn set(
    state: &StateDir,
    name: &str,
    value: &SecretValue,
) -> Result<SecretWritten, Failure> {
    let mut secrets = open(state)?;
    let version = secrets
        .set(now(), name, value)
        .map_err(|error| failed(&error))?;
    write_audit_line(state, "secret-set", name, format!("version {version}"));
    Ok(SecretWritten {
        version: version.to_string(),
        taken_by: "the next `up`, or a deploy of its users, takes it",
    })
}

/// The version in use and its value.
pub(super) fn get(
    flags: &GlobalFlags,
    state: &StateDir,
    name: &str,
    reveal: bool,
) -> Result<(String, SecretValue), Failure> {
    let secrets = open(state)?;
    require_value(flags, &secrets, name)?;
    let (version, value) = secrets
        .get(name, VersionSelector::Current)
        .map_err(|error| failed(&error))?;
    if reveal {
        write_audit_line(state, "secret-get", name, format!("version {version}"));
    }
    Ok((version.to_string(), value))
}

/// Every version of the manifest's secrets, and the secrets without one.
pub(super) fn list(flags: &GlobalFlags, state: &StateDir) -> Result<Vec<ListedSecret>, Failure> {
    let mut listed = Vec::new();
    let mut unset = declarations(flags);
    for version in stored(&open(state)?)? {
        if !is_of_manifest(&version.name) {
            continue;
        }
        unset.remove(&version.name);
        listed.push(ListedSecret::Version {
            version: version.version.to_string(),
            stage: match version.stage {
                VersionStage::Current => "current",
                VersionStage::Previous => "previous",
                VersionStage::Older => "older",
            },
            at: version.at,
            name: version.name,
        });
    }
    listed.extend(
        unset
            .into_iter()
            .map(|(name, generated)| ListedSecret::Unset {
                remedy: match generated {
                    true => "the next `up` makes it".to_owned(),
                    false => format!("neargate secret set {name}"),
                },
                name,
            }),
    );
    Ok(listed)
}

fn open(state: &StateDir) -> Result<Secrets, Failure> {
    Secrets::open(state).map_err(|error| Failure::of("cannot open the secrets", &error))
}

fn failed(error: &SecretsError) -> Failure {
    Failure::of("the secret was not read or written", error)
}

fn require_value(flags: &GlobalFlags, secrets: &Secrets, name: &str) -> Result<(), Failure> {
    let versions = stored(secrets)?;
    if versions.iter().any(|version| version.name == name) {
        return Ok(());
    }
    let declared = declarations(flags);
    if let Some(generated) = declared.get(name) {
        let help = match generated {
            true => "the next `up` makes it".to_owned(),
            false => format!("set it: neargate secret set {name}"),
        };
        let problem = Problem::failed(format!("secret.{name} has no value"));
        return Err(Failure::Engine(problem.with_help(help)));
    }
    let own = versions.iter().map(|version| version.name.clone());
    let names: BTreeSet<String> = own
        .filter(|name| is_of_manifest(name))
        .chain(declared.into_keys())
        .collect();
    Err(failure::unknown("secret", name, names))
}

/// The secrets of the manifest, and whether the engine makes them; none when it cannot be read.
fn declarations(flags: &GlobalFlags) -> BTreeMap<String, bool> {
    let Ok((_, loaded)) = project::load(flags) else {
        return BTreeMap::new();
    };
    let secrets = loaded.manifest.secrets.into_iter();
    let secrets = secrets.map(|(name, secret)| (name, secret.generate.is_some()));
    secrets.collect()
}

fn stored(secrets: &Secrets) -> Result<Vec<SecretVersion>, Failure> {
    let listed = secrets.list();
    listed.map_err(|error| Failure::of("cannot list the secrets", &error))
}

/// Names with a dot are Neargate's own: passwords of data services.
fn is_of_manifest(name: &str) -> bool {
    !name.contains('.')
}

/// A line in the audit log, by name only. A full disk takes none and stops nothing.
fn write_audit_line(state: &StateDir, what: &str, name: &str, detail: String) {
    let record = AuditRecord::accepted(PeerUser::own(), what, name).with(detail);
    if let Err(error) = AuditLog::of(state).write(record) {
        output::note(&format!("the audit log has no line of this: {error}"));
    }
}
