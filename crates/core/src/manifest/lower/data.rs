//! Databases, caches and secrets.

use crate::manifest::typed_table::TypedTable;
use crate::model::{Backup, Cache, CacheEngine, Database, DatabaseEngine, Secret, SecretGenerator};

pub(super) fn database(name: &str, view: TypedTable<'_>) -> Database {
    Database {
        name: name.to_owned(),
        engine: DatabaseEngine::Postgres,
        version: view.text("version"),
        url: view.text("url"),
        backup: view.table("backup").map(|backup| Backup {
            retention: backup.duration_or_zero("retention"),
            window: backup.text("window"),
        }),
        size: view.text("size"),
        multi_az: view.flag("multi-az").unwrap_or_default(),
        storage: view.whole("storage"),
        protect: view.flag("protect").unwrap_or_default(),
        maintenance: view.text("maintenance"),
    }
}

pub(super) fn cache(name: &str, view: TypedTable<'_>) -> Cache {
    Cache {
        name: name.to_owned(),
        engine: match view.text("engine").as_deref() {
            Some("valkey") => CacheEngine::Valkey,
            _ => CacheEngine::Redis,
        },
        version: view.text("version"),
        url: view.text("url"),
        eviction: view.text_or_empty("eviction"),
        memory: view.whole("memory").unwrap_or_default(),
        size: view.text("size"),
        replicas: view.whole("replicas").unwrap_or_default(),
        snapshots: view.duration_or_zero("snapshots"),
    }
}

pub(super) fn secret(name: &str, view: TypedTable<'_>) -> Secret {
    Secret {
        name: name.to_owned(),
        generate: view.text("generate").as_deref().and_then(generate),
        rotate_seconds: view.duration("rotate").map(|rotate| rotate.as_secs()),
        required: view.flag("required").unwrap_or(true),
    }
}

fn generate(text: &str) -> Option<SecretGenerator> {
    let (encoding, bytes) = text.split_once(':')?;
    let bytes = bytes.parse().ok()?;
    match encoding {
        "base64" => Some(SecretGenerator::Base64(bytes)),
        "hex" => Some(SecretGenerator::Hex(bytes)),
        _ => None,
    }
}
