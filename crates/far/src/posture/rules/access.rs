//! Who may do what, and who would know.

use neargate_core::model::{Manifest, Service, UsedResource};

use super::super::{KeyEdit, Pillar, PostureRule, RuleCheck, RuleHit, quoted, write};
use super::{HIGH, LOW, MEDIUM, tasks};
use crate::stack::Stack;

/// Parts of the names of variables that hold secrets.
const NAMES: [&str; 9] = [
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
];
/// How secrets of well-known kinds begin: AWS access keys (IAM identifiers, unique id prefixes),
/// private keys (RFC 7468), and tokens of GitHub, Slack and Stripe, by their own documentation.
const BEGINNINGS: [&str; 8] = [
    "AKIA",
    "ASIA",
    "-----BEGIN",
    "ghp_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "sk_live_",
];
/// A shorter value is a switch or a limit, not a secret.
const SHORTEST: usize = 8;
/// The longest name of a secret.
const LONGEST: usize = 32;

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "secret-in-env",
        pillar: Pillar::Access,
        weights: [HIGH, HIGH, MEDIUM],
        why: "Anyone who can read the repository, the plan or the task definition has the secret.",
        change: "remove service.NAME.env.KEY; secret.KEY.required = true; service.NAME.uses = [\"secret.KEY\"]",
        find: RuleCheck::Anywhere(secret_in_env),
    },
    PostureRule {
        id: "password-in-url",
        pillar: Pillar::Access,
        weights: [HIGH, HIGH, MEDIUM],
        why: "Anyone who can read the repository, the plan or the task definition has the password.",
        change: "remove database.NAME; secret.database-url.required = true; service.NAME.uses = [\"secret.database-url\"]",
        find: RuleCheck::Anywhere(password_in_url),
    },
    PostureRule {
        id: "secret-never-rotated",
        pillar: Pillar::Access,
        weights: [LOW, None, None],
        why: "A leaked secret stays valid for ever. With `rotate`, each plan says how often to set a new one, and how.",
        change: "secret.NAME.rotate = \"30d\"",
        find: RuleCheck::Anywhere(never_rotated),
    },
    PostureRule {
        id: "no-trail",
        pillar: Pillar::Access,
        weights: [MEDIUM, None, None],
        why: "After 90 days nobody can find out who did what in the account.",
        change: "aws.trail = \"365d\"",
        find: RuleCheck::Far(no_trail),
    },
    PostureRule {
        id: "image-by-tag",
        pillar: Pillar::Access,
        weights: [MEDIUM, LOW, None],
        why: "Anyone who can push to that registry decides what the next task runs.",
        change: "service.NAME.image = \"IMAGE@sha256:DIGEST\"",
        find: RuleCheck::Far(image_by_tag),
    },
];

fn is_secret(key: &str, value: &str) -> bool {
    let key = key.to_uppercase();
    let plain = value.chars().all(|c| c.is_ascii_digit() || c == '.');
    let named = NAMES.iter().any(|part| key.contains(part));
    let begins = BEGINNINGS.iter().any(|start| value.starts_with(start));
    begins || (named && value.len() >= SHORTEST && !plain) || has_password(value)
}

/// Whether a URL has a password before its host (`SCHEME://USER:PASSWORD@…`).
fn has_password(url: &str) -> bool {
    let authority = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    let user = authority.and_then(|authority| authority.rsplit_once('@'));
    let password = user.and_then(|(user, _)| user.split_once(':'));
    password.is_some_and(|(_, password)| !password.is_empty())
}

/// The name of the secret that is injected as this variable.
fn secret_name(key: &str) -> String {
    let name = key.to_lowercase().replace('_', "-");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    name.chars().take(LONGEST).collect()
}

fn secret_in_env(manifest: &Manifest) -> Vec<RuleHit> {
    let found = tasks(manifest).filter_map(|service| {
        let env = service.env.iter();
        let keys: Vec<&str> = env
            .filter(|(key, value)| is_secret(key, value))
            .map(|(key, _)| key.as_str())
            .collect();
        if keys.is_empty() {
            return None;
        }
        let name = &service.name;
        let secrets: Vec<String> = keys.iter().map(|key| secret_name(key)).collect();
        let gone = keys
            .iter()
            .map(|key| KeyEdit::Remove(format!("service.{name}.env.{key}")));
        let made = secrets
            .iter()
            .map(|secret| write(format!("secret.{secret}.required"), "true"));
        let kept = service.uses.iter().map(used);
        let all = kept.chain(secrets.iter().map(|secret| format!("secret.{secret}")));
        let edits = gone.chain(made).chain([uses(service, all)]).collect();
        let what = format!("{} looks like a secret, in plain text.", keys.join(", "));
        Some(RuleHit::new(format!("service.{name}"), what, edits))
    });
    found.collect()
}

fn used(used: &UsedResource) -> String {
    match used {
        UsedResource::Database(name) => format!("database.{name}"),
        UsedResource::Cache(name) => format!("cache.{name}"),
        UsedResource::Secret(name) => format!("secret.{name}"),
    }
}

fn uses(service: &Service, all: impl Iterator<Item = String>) -> KeyEdit {
    let all: Vec<String> = all.map(|one| quoted(&one)).collect();
    let path = format!("service.{}.uses", service.name);
    write(path, format!("[{}]", all.join(", ")))
}

/// The URL becomes a secret that is injected under the same variable.
fn password_in_url(manifest: &Manifest) -> Vec<RuleHit> {
    let databases = manifest.databases.values();
    let databases = databases.map(|d| (UsedResource::Database(d.name.clone()), &d.url, "database"));
    let caches = manifest.caches.values();
    let caches = caches.map(|c| (UsedResource::Cache(c.name.clone()), &c.url, "redis"));
    let all = databases.chain(caches);
    let open = all.filter(|(_, url, _)| url.as_deref().is_some_and(has_password));
    let hit = |(what, _, kind): (UsedResource, &Option<String>, &str)| {
        let subject = used(&what);
        let others = manifest.databases.len().max(manifest.caches.len()) > 1;
        let name = subject.split_once('.').map_or("", |(_, name)| name);
        let secret = if others {
            format!("{kind}-{name}-url")
        } else {
            format!("{kind}-url")
        };
        let edits = [
            KeyEdit::Remove(subject.clone()),
            write(format!("secret.{secret}.required"), "true"),
        ];
        let users = tasks(manifest).filter(|service| service.uses.contains(&what));
        let users = users.map(|service| {
            let swap = |one: &UsedResource| match *one == what {
                true => format!("secret.{secret}"),
                false => used(one),
            };
            uses(service, service.uses.iter().map(swap))
        });
        let edits = edits.into_iter().chain(users).collect();
        RuleHit::new(
            &*subject,
            format!("The URL of {subject} holds a password."),
            edits,
        )
    };
    open.map(hit).collect()
}

/// Only what Neargate makes can be made again.
fn never_rotated(manifest: &Manifest) -> Vec<RuleHit> {
    let all = manifest.secrets.values();
    let fixed = all.filter(|s| s.generate.is_some() && s.rotate_seconds.is_none());
    let hit = |name: &String| {
        let subject = format!("secret.{name}");
        let edits = vec![write(format!("{subject}.rotate"), "\"30d\"")];
        RuleHit::new(
            &*subject,
            format!("{subject} keeps its first value, and has no rotation period."),
            edits,
        )
    };
    fixed.map(|secret| hit(&secret.name)).collect()
}

/// CloudTrail's event history has 90 days and management events only (CloudTrail, "Event history").
fn no_trail(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.trail_days > 0 {
        return Vec::new();
    }
    let what = "No CloudTrail record is kept.";
    let edits = vec![write("aws.trail", "\"365d\"")];
    vec![RuleHit::new("aws.trail", what, edits)]
}

/// Images that releases build and push have immutable tags.
fn image_by_tag(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let hits = stack.services.iter().filter_map(|service| {
        let image = service.image.as_ref()?;
        if image.contains("@sha256:") {
            return None;
        }
        let subject = format!("service.{}", service.name);
        let what = format!(
            "{image} is named by a tag, which can be moved; `docker buildx imagetools inspect {image}` shows its digest."
        );
        let value = quoted(&format!("{image}@sha256:{}", "0".repeat(64)));
        let edits = vec![write(format!("{subject}.image"), value)];
        Some(RuleHit::new(&*subject, what, edits))
    });
    hits.collect()
}
