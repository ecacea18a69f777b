//! `neargate secret`: set, list, read.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use neargate_core::secret::SecretValue;
use rustix::termios::{LocalModes, OptionalActions};

use crate::arguments::{GlobalFlags, SecretArguments};
use crate::environment::{self, ListedSecret};
use crate::failure::{self, Failure};
use crate::{output, project};

/// Runs a verb of secrets.
pub(crate) async fn run(flags: &GlobalFlags, verb: &SecretArguments) -> Result<ExitCode, Failure> {
    let environment = environment::open(flags)?;
    match verb {
        SecretArguments::Set { name, from } => {
            let replaces = replaced_value(flags, name)?;
            let value = SecretValue::new(value(name, from.as_deref())?);
            let written = environment.set_secret(name, &value).await?;
            let (version, taken_by) = (written.version, written.taken_by);
            output::progress(
                name,
                &format!("version {version} is set{replaces}; {taken_by}"),
            );
        }
        SecretArguments::List => {
            for listed in environment.secrets().await? {
                print(&listed, flags.json);
            }
        }
        SecretArguments::Get { name, reveal } => {
            let (version, value) = environment.secret(name, *reveal).await?;
            print_value(name, &version, reveal.then_some(&value), flags.json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says when a value takes the place of a generated one. A secret that the manifest does not have is
/// set for nobody, and a manifest that cannot be read tells nothing of it; without a manifest any
/// name may be.
fn replaced_value(flags: &GlobalFlags, name: &str) -> Result<&'static str, Failure> {
    if project::find(flags).is_err() {
        return Ok("");
    }
    let (_, loaded) = project::load(flags)?;
    let secrets = &loaded.manifest.secrets;
    match secrets.get(name) {
        Some(secret) if secret.generate.is_some() => Ok(", and replaces the generated value"),
        Some(_) => Ok(""),
        None => Err(failure::not_in_manifest("secret", name, secrets.keys())),
    }
}

fn print(listed: &ListedSecret, json: bool) {
    match listed {
        ListedSecret::Version {
            name,
            version,
            stage,
            at,
        } if json => output::json(&serde_json::json!({
            "name": name, "version": number(version), "stage": stage, "at": at,
        })),
        ListedSecret::Version {
            name,
            version,
            stage,
            ..
        } => output::line(&format!("{name:<24} version {version:<4} {stage}")),
        ListedSecret::Unset { name, .. } if json => output::json(&serde_json::json!({
            "name": name, "version": null, "stage": null, "at": null,
        })),
        ListedSecret::Unset { name, remedy } => {
            output::line(&format!("{name:<24} no value: {remedy}"));
        }
    }
}

/// Prints a version of a secret, and its value when it is to be seen: byte for byte, with a line
/// end behind it on a terminal alone.
fn print_value(
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

/// The value, if an environment variable can hold it: that is how tasks get it. Exit 2 if not.
fn value(name: &str, from: Option<&Path>) -> Result<Vec<u8>, Failure> {
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
