//! Calls of the modules that hold data.

use neargate_core::manifest::model::CacheEngine;

use super::hcl::{Block, is, text};
use super::{call, groups, module};
use crate::stack::{Cache, Database};

pub(super) fn database(database: &Database) -> Block {
    let name = &database.name;
    let tuned = |key: &str| is(format!("var.databases[\"{name}\"].{key}"));
    let protect = if database.protect {
        "var.protect"
    } else {
        "false"
    };
    call(&module("database", name), "database")
        .with("name", is(format!("\"${{local.name}}-{name}\"")))
        .with("vpc_id", is("module.network.vpc_id"))
        .with("subnet_ids", is("module.network.isolated_subnet_ids"))
        .with("client_security_group_ids", groups(&database.clients))
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

pub(super) fn cache(cache: &Cache) -> Block {
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
