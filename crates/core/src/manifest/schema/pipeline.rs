//! How a pipeline tests, builds and releases the app.
//!
//! Invariant: one pipeline for all environments, so nothing of it stands in `[env.NAME]`.

use super::text_formats::NAME;
use super::text_rules::{TextRuleViolation, longest, only};
use super::{KeySchema, TableSchema, TextFormat, ValueKind};

pub(super) static PIPELINE: TableSchema = TableSchema {
    title: "[pipeline]",
    doc: "How `neargate pipeline` tests, builds and releases the app, here and in workflows.",
    also: None,
    fields: &[
        KeySchema::new(
            "test",
            ValueKind::Text,
            "Run by `sh -c` in the manifest's folder before anything is built.",
        )
        .same(),
        KeySchema::new(
            "scan",
            ValueKind::Text,
            "Run by `sh -c` for each image, whose name is in `IMAGE`; a non-zero exit code is a \
             finding. Default: trivy or grype, which fail on HIGH and CRITICAL.",
        )
        .same(),
        KeySchema::new(
            "base",
            ValueKind::Form(&IMAGE),
            "The image that an `artifact` is copied onto, for a service without image and Dockerfile.",
        )
        .same()
        .or("\"ubuntu:24.04\""),
        KeySchema::new(
            "install",
            ValueKind::Text,
            "Run in a workflow to install `neargate` on its PATH. Without it, the workflow fails \
             unless it is there.",
        )
        .same(),
        KeySchema::new(
            "branch",
            ValueKind::Form(&BRANCH),
            "The branch whose commits are released.",
        )
        .same()
        .or("\"main\""),
        KeySchema::new(
            "environments",
            ValueKind::List(&ValueKind::Form(&NAME), 0, 10),
            "The environments on AWS in the order of release. Default: all by name, `prod` and \
             `production` last.",
        )
        .same()
        .or("[]"),
    ],
};

/// Of git's rules (git-check-ref-format) the part that needs no quoting anywhere.
pub(super) static BRANCH: TextFormat = TextFormat {
    what: "the name of a branch",
    example: "main",
    pattern: "^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$",
    check: |text| {
        longest(text, 100)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
        only(text, allowed, "letters, digits, `.`, `_`, `/` and `-`")?;
        if text.starts_with(['.', '_', '/', '-']) || text.contains("..") || text.ends_with('/') {
            return Err(TextRuleViolation::Form(
                "it starts with a letter or a digit and has no `..`",
            ));
        }
        Ok(())
    },
};

/// Of the distribution specification's references the characters.
pub(super) static IMAGE: TextFormat = TextFormat {
    what: "the name of an image",
    example: "ubuntu:24.04",
    pattern: "^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$",
    check: |text| {
        longest(text, 255)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:/@-".contains(c);
        only(
            text,
            allowed,
            "letters, digits, `.`, `_`, `:`, `/`, `@` and `-`",
        )?;
        if text.starts_with(|c: char| !c.is_ascii_alphanumeric()) {
            return Err(TextRuleViolation::Form(
                "it starts with a letter or a digit",
            ));
        }
        Ok(())
    },
};
