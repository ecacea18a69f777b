//! `neargate secret`: set, list, read. It works with and without an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use neargate_core::model::{Manifest, UsedResource};
use neargate_core::time::Timestamp;
use neargate_near::api::wire::Problem;
use neargate_near::audit_log::{AuditLog, AuditRecord, PeerUser};
use neargate_near::clock::now;
use neargate_near::paths::StateDir;
use neargate_near::secrets::{
    self, SecretValue, SecretVersion, Secrets, VersionSelector, VersionStage,
};
use rustix::termios::{LocalModes, OptionalActions};

use crate::arguments::{GlobalFlags, SecretArguments};
use crate::failure::{self, Failure};
use crate::{output, project};

/// Runs a verb of secrets.
pub(crate) fn run(flags: &GlobalFlags, verb: SecretArguments) -> Result<ExitCode, Failure> {
    let state = project::state(flags)?;
    let mut secrets =
        Secrets::open(&state).map_err(|error| Failure::of("cannot open the secrets", &error))?;
    let failed =
        |error: &dyn std::error::Error| Failure::of("the secret was not read or written", error);
    match verb {
        SecretArguments::Set { name, from } => {
            let replaces = declared(flags, &name)?;
            let value = value(&name, from.as_deref())?;
            let version = secrets
                .set(now(), &name, &SecretValue::new(value))
                .map_err(|error| failed(&error))?;
            note(&state, "secret-set", &name, format!("version {version}"));
            let words = format!(
                "version {version} is set{}; the next `up`, or a deploy of its users, takes it",
                replaces.words(),
            );
            output::progress(&name, &words);
        }
        SecretArguments::List => list(flags, &secrets)?,
        SecretArguments::Get { name, reveal } => {
            known(flags, &secrets, &name)?;
            let (version, value) = secrets
                .get(&name, VersionSelector::Current)
                .map_err(|error| failed(&error))?;
            if reveal {
                note(&state, "secret-get", &name, format!("version {version}"));
            }
            let value = reveal.then_some(&value);
            show(&name, &version.to_string(), value, flags.json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose place a value takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplacedValue {
    /// One that people set, or none.
    Set,
    /// The one that the engine makes.
    Generated,
}

impl ReplacedValue {
    fn words(self) -> &'static str {
        match self {
            Self::Set => "",
            Self::Generated => ", and replaces the generated value",
        }
    }
}

/// A secret that the manifest does not have is set for nobody, and one that cannot be read tells
/// nothing of it. Without a manifest any name may be.
fn declared(flags: &GlobalFlags, name: &str) -> Result<ReplacedValue, Failure> {
    if project::find(flags).is_err() {
        return Ok(ReplacedValue::Set);
    }
    let (_, loaded) = project::load(flags)?;
    let secrets = &loaded.manifest.secrets;
    match secrets.get(name) {
        Some(secret) if secret.generate.is_some() => Ok(ReplacedValue::Generated),
        Some(_) => Ok(ReplacedValue::Set),
        None => Err(failure::not_in_manifest("secret", name, secrets.keys())),
    }
}

fn known(flags: &GlobalFlags, secrets: &Secrets, name: &str) -> Result<(), Failure> {
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

/// Advice before `up` about secrets that services use, that nobody has set, and that the engine
/// does not make. Nothing when the secrets are not this user's to read.
pub(crate) fn to_set(state: &StateDir, manifest: &Manifest) -> Vec<String> {
    let readable = std::fs::read_dir(state.path());
    if readable.is_err_and(|error| error.kind() != ErrorKind::NotFound) {
        return Vec::new();
    }
    let Ok(set) = secrets::names(state) else {
        return Vec::new();
    };
    let unset = manifest.secrets.values();
    let unset = unset.filter(|one| one.generate.is_none() && !set.contains(&one.name));
    let notes = unset.filter_map(|secret| {
        let used = UsedResource::Secret(secret.name.clone());
        let mut users = manifest.services.values();
        let user = users.find(|service| service.uses.contains(&used))?;
        let (name, user) = (&secret.name, &user.name);
        Some(format!(
            "secret.{name}, which `{user}` uses, has no value yet: neargate secret set {name}"
        ))
    });
    notes.collect()
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
fn note(state: &StateDir, what: &str, name: &str, detail: String) {
    let record = AuditRecord::accepted(PeerUser::own(), what, name).with(detail);
    if let Err(error) = AuditLog::of(state).write(record) {
        output::note(&format!("the audit log has no line of this: {error}"));
    }
}

fn list(flags: &GlobalFlags, secrets: &Secrets) -> Result<(), Failure> {
    let versions = stored(secrets)?;
    let mut unset = declarations(flags);
    for version in versions.iter().filter(|one| is_of_manifest(&one.name)) {
        unset.remove(&version.name);
        let stage = match version.stage {
            VersionStage::Current => "current",
            VersionStage::Previous => "previous",
            VersionStage::Older => "older",
        };
        let row = SecretVersionRow {
            name: &version.name,
            version: &version.version.to_string(),
            stage,
            at: version.at,
        };
        row.print(flags.json);
    }
    for (name, generated) in unset {
        print_unset(&name, generated, flags.json);
    }
    Ok(())
}

/// A secret of the manifest that has no value.
fn print_unset(name: &str, generated: bool, json: bool) {
    if json {
        output::json(&serde_json::json!({
            "name": name, "version": null, "stage": null, "at": null,
        }));
        return;
    }
    let words = match generated {
        true => "no value: the next `up` makes it".to_owned(),
        false => format!("no value: neargate secret set {name}"),
    };
    output::line(&format!("{name:<24} {words}"));
}

/// Shows a version of a secret, and its value when it is to be seen: byte for byte, with a line
/// end behind it on a terminal alone.
pub(crate) fn show(
    name: &str,
    version: &str,
    value: Option<&SecretValue>,
    json: bool,
) -> Result<(), Failure> {
    if json {
        let mut shown = serde_json::json!({ "name": name, "version": number(version) });
        if let Some(value) = value {
            let unread = |_| Failure::Failed(format!("secret {name} is not UTF-8"));
            shown["value"] = value.expose_text().map_err(unread)?.into();
        }
        output::json(&shown);
        return Ok(());
    }
    match value {
        None => output::line(&format!("{name} version {version} (its value: --reveal)")),
        Some(value) => output::exact(value.expose()),
    }
    Ok(())
}

/// A version that is a number is one in JSON too.
fn number(version: &str) -> serde_json::Value {
    let number = version.parse::<u64>().ok();
    number.map_or_else(|| version.into(), serde_json::Value::from)
}

/// One version of a secret, as it is listed.
pub(crate) struct SecretVersionRow<'a> {
    pub name: &'a str,
    /// A number near and in Parameter Store; an id in Secrets Manager.
    pub version: &'a str,
    /// `current`, `previous` or `older`.
    pub stage: &'a str,
    /// When it was written.
    pub at: Timestamp,
}

impl SecretVersionRow<'_> {
    /// Prints the version as a line, or as JSON.
    pub(crate) fn print(&self, json: bool) {
        if json {
            output::json(&serde_json::json!({
                "name": self.name, "version": number(self.version), "stage": self.stage, "at": self.at,
            }));
        } else {
            output::line(&format!(
                "{:<24} version {:<4} {}",
                self.name, self.version, self.stage
            ));
        }
    }
}

/// The value, if an environment variable can hold it: that is how tasks get it. Exit 2 if not.
pub(crate) fn value(name: &str, from: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let bytes = read(name, from)?;
    match unfit(&bytes) {
        Some(why) => Err(Failure::Usage(format!(
            "the value of {name} {why}, and no environment variable can hold that; \
             a value of any bytes can be set as base64"
        ))),
        None => Ok(bytes),
    }
}

/// Why no task could get a value.
fn unfit(bytes: &[u8]) -> Option<String> {
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Some(format!("has a zero byte (byte {})", at + 1));
    }
    let wrong = std::str::from_utf8(bytes).err()?;
    Some(format!(
        "is not UTF-8 (at byte {})",
        wrong.valid_up_to() + 1
    ))
}

/// Byte for byte from a file; from a pipe or a prompt that does not show it, without the line end
/// that `echo` and the return key add. What is cut off is said.
fn read(name: &str, from: Option<&Path>) -> Result<Vec<u8>, Failure> {
    if let Some(path) = from {
        let unread = |error| Failure::Usage(format!("cannot read {}: {error}", path.display()));
        return std::fs::read(path).map_err(unread);
    }
    if std::io::stdin().is_terminal() {
        let mut typed = prompt(name)?;
        cut_line_end(&mut typed);
        return Ok(typed);
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::of("cannot read the value", &error))?;
    if cut_line_end(&mut bytes) {
        output::note(&format!(
            "the line end of the value of {name} is left out; --from FILE keeps every byte"
        ));
    }
    Ok(bytes)
}

/// Cuts one line end off; whether there was one.
fn cut_line_end(bytes: &mut Vec<u8>) -> bool {
    let ended = bytes.pop_if(|last| *last == b'\n').is_some();
    if ended {
        bytes.pop_if(|last| *last == b'\r');
    }
    ended
}

fn prompt(name: &str) -> Result<Vec<u8>, Failure> {
    let terminal = std::io::stdin();
    let failed = |error: rustix::io::Errno| Failure::of("cannot hide what is typed", &error);
    let before = rustix::termios::tcgetattr(&terminal).map_err(failed)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &hidden).map_err(failed)?;
    output::question(&format!("value of {name}: "));
    let mut text = String::new();
    let read = terminal.read_line(&mut text);
    let restored = rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &before);
    output::question("\n");
    read.map_err(|error| Failure::of("cannot read the value", &error))?;
    restored.map_err(failed)?;
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_cut_off_and_nothing_else() {
        for (text, expected, cut) in [
            ("s3cret\n", "s3cret", true),
            ("s3cret\r\n", "s3cret", true),
            ("s3cret", "s3cret", false),
            ("s3cret\r", "s3cret\r", false),
            ("two\n\n", "two\n", true),
            ("", "", false),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            assert_eq!(cut_line_end(&mut bytes), cut, "{text:?}");
            assert_eq!(bytes, expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn what_no_task_could_get_is_no_value() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("value");
        for (bytes, why) in [
            (&b"ab\0c"[..], "has a zero byte (byte 3)"),
            (&b"ab\xff"[..], "is not UTF-8 (at byte 3)"),
        ] {
            std::fs::write(&path, bytes).expect("written");
            let said = match value("key", Some(&path)) {
                Err(Failure::Usage(said)) => said,
                other => panic!("{other:?}"),
            };
            assert!(
                said.starts_with(&format!("the value of key {why}, and")),
                "{said}"
            );
        }
    }

    #[test]
    fn a_file_is_taken_byte_for_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pem");
        std::fs::write(&path, "-----END KEY-----\n").expect("written");
        let value = value("pem", Some(&path)).expect("read");
        assert_eq!(value, b"-----END KEY-----\n");
    }
}
