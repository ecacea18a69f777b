//! Calls of the modules that hold data.

use neargate_core::model::CacheEngine;

use super::hcl::{Block, is, table, text};
use super::{call, groups, module};
use crate::stack::{RdsInstance, ReplicationGroup, SecretStore, Stack, url_secret};

/// Letters and digits of a password: 40 of 62 have 238 bits.
const PASSWORD_LENGTH: u32 = 40;

/// A password that Terraform forgets; made anew by each run, used when the version is raised.
pub(super) fn password(database: &RdsInstance) -> Block {
    let head = format!("ephemeral \"{PASSWORD}\" \"{}\"", call_of(database));
    Block::new(head)
        .comment("Made anew by each run and kept nowhere; the database takes it when password_version is raised.")
        .with("password_length", is(PASSWORD_LENGTH.to_string()))
        .with("exclude_punctuation", is("true"))
}

const PASSWORD: &str = "aws_secretsmanager_random_password";

fn call_of(database: &RdsInstance) -> String {
    module("database", &database.name)
}

pub(super) fn database(stack: &Stack, database: &RdsInstance) -> Block {
    let name = &database.name;
    let place = url_secret(name);
    let url = match stack.secret_store {
        SecretStore::SecretsManager => table([
            ("store", text("secret")),
            (
                "secret_arn",
                is(format!("module.secrets.secret_arns[\"{place}\"]")),
            ),
        ]),
        SecretStore::Parameters => table([
            ("store", text("parameter")),
            ("parameter", is(format!("\"/${{local.name}}/{place}\""))),
        ]),
    };
    let password = format!("ephemeral.{PASSWORD}.{}.random_password", call_of(database));
    let tuned = |key: &str| is(format!("var.databases[\"{name}\"].{key}"));
    // In a trial the manifest's own word protects one database, and `protect` the others not.
    let protect = match (stack.is_protected(), database.protect) {
        (true, _) => "var.protect",
        (false, true) => "true",
        (false, false) => "false",
    };
    call(&call_of(database), "database")
        .with("name", is(format!("\"${{local.name}}-{name}\"")))
        .with("vpc_id", is("module.network.vpc_id"))
        .with("subnet_ids", is("module.network.isolated_subnet_ids"))
        .with("client_security_group_ids", groups(&database.clients))
        .gap()
        .with("password", is(password))
        .with("password_version", is("var.password_version"))
        .with("url", url)
        .gap()
        .with("engine_version", text(&database.version))
        .with("instance_class", tuned("instance_class"))
        .with("storage", tuned("storage"))
        .with("availability", tuned("availability"))
        .with("backup", tuned("backup"))
        .with("maintenance_window", tuned("maintenance_window"))
        .with(
            "monitoring_seconds",
            is(database.monitoring_seconds.to_string()),
        )
        .with("protect", is(protect))
        .with("log_retention_days", is("var.log_retention_days"))
        .with("kms_key_arn", is("module.secrets.kms_key_arn"))
        .with("tags", is("local.tags"))
}

pub(super) fn cache(cache: &ReplicationGroup) -> Block {
    let name = &cache.name;
    let tuned = |key: &str| is(format!("var.caches[\"{name}\"].{key}"));
    let engine = match cache.engine {
        CacheEngine::Redis => "redis",
        CacheEngine::Valkey => "valkey",
    };
    call(&module("cache", name), "cache")
        .with("name", is(format!("\"${{local.name}}-{name}\"")))
        .with("vpc_id", is("module.network.vpc_id"))
        .with("subnet_ids", is("module.network.isolated_subnet_ids"))
        .with("client_security_group_ids", groups(&cache.clients))
        .with("engine", text(engine))
        .with("engine_version", text(&cache.version))
        .with("node_type", tuned("node_type"))
        .with("replicas", tuned("replicas"))
        .with("eviction", text(&cache.eviction))
        .with("snapshot_days", tuned("snapshot_days"))
        .with("log_retention_days", is("var.log_retention_days"))
        .with("kms_key_arn", is("module.secrets.kms_key_arn"))
        .with("tags", is("local.tags"))
}
