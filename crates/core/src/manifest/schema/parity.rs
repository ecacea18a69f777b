//! What near does with each key and what AWS does, made from the shape.
//!
//! `INSTA_UPDATE=always cargo test -p neargate-core` rewrites the page; the tests refuse one that is
//! not what the shape says, and a key that does not say what becomes of it on AWS.

use std::fmt::Write;

use super::generated_file::assert_generated;
use super::{FILE, FarEffect, KeySchema, TableSchema, ValueKind};
use crate::manifest::unsupported::near_gap;

const HEAD: &str = "# Near and far, key by key

One manifest, two targets: this machine, and AWS. This page is generated from the description that the
checker and [the reference](reference/manifest.md) read too. `neargate check` lists the keys of a manifest
that its environment does not act on.

- **near**: *yes*, or what near leaves out; *only far* for keys that near has nothing like.
- **far**: the key's effect on AWS, through the Terraform modules, the release driver or the
  pipeline; *same* if near and far are alike, *no* if AWS has nothing like it.
- **difference**: how the two behave differently.

A value that AWS would refuse is an error near too, so this page does not list values.
[ARCHITECTURE.md](../ARCHITECTURE.md) describes the parts of far that this version has.
";

/// A key's path with `*` for names, and its description.
type SchemaLeaf = (String, &'static KeySchema);

fn sections(
    shape: &'static TableSchema,
    place: &str,
    all: &mut Vec<(&'static TableSchema, Vec<SchemaLeaf>)>,
) {
    let here: Vec<SchemaLeaf> = shape
        .fields
        .iter()
        .map(|field| (format!("{place}{}", field.name), field))
        .collect();
    all.push((shape, here.clone()));
    if let Some(also) = shape.also {
        sections(also, place, all);
    }
    // An environment's keys are the file's; a table that AWS has not needs no rows for its keys.
    let far = |field: &KeySchema| !matches!(field.far, FarEffect::Nothing(_));
    for (path, field) in here
        .iter()
        .filter(|(path, field)| path != "env" && far(field))
    {
        if let Some((stars, below)) = table_of(&field.kind) {
            sections(below, &format!("{path}{stars}."), all);
        }
    }
}

/// The table below a key, and what stands between for names of people's own.
fn table_of(kind: &ValueKind) -> Option<(String, &'static TableSchema)> {
    match kind {
        ValueKind::Table(shape) | ValueKind::Short(_, shape) => Some((String::new(), shape)),
        ValueKind::Named(_, of) => table_of(of).map(|(stars, shape)| (format!(".*{stars}"), shape)),
        ValueKind::Many(of, _) | ValueKind::List(of, ..) => table_of(of),
        _ => None,
    }
}

fn all() -> Vec<(&'static TableSchema, Vec<SchemaLeaf>)> {
    let mut all = Vec::new();
    sections(&FILE, "", &mut all);
    all
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (shape, keys) in all() {
        let rows: Vec<String> = keys.iter().filter_map(row).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## `{}`\n\n", shape.title);
        page.push_str("| key | near | far | difference |\n|---|---|---|---|\n");
        rows.iter().for_each(|row| page.push_str(row));
    }
    page
}

/// Nothing for a table: its keys have rows of their own.
fn row((path, field): &SchemaLeaf) -> Option<String> {
    let near = match near_gap(path) {
        _ if path.starts_with("aws.") => "only far".to_owned(),
        Some(gap) => format!("no: {gap}"),
        None => "yes".to_owned(),
    };
    let far = match field.far {
        FarEffect::Below => return None,
        FarEffect::Same => "same".to_owned(),
        FarEffect::Becomes(text) => text.to_owned(),
        FarEffect::Nothing(why) => format!("no: {why}"),
    };
    let cells = [
        format!("`{}`", field.name),
        near,
        far,
        field.differs.unwrap_or_default().to_owned(),
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    Some(format!("| {} |\n", cells.join(" | ")))
}

#[test]
fn the_parity_page_is_what_the_shape_says() {
    assert_generated("docs/parity.md", &page());
}

#[test]
fn every_key_says_what_becomes_of_it_on_aws() {
    for (path, field) in all().into_iter().flat_map(|(_, keys)| keys) {
        let said = field.far != FarEffect::Below || table_of(&field.kind).is_some();
        assert!(
            said,
            "{path}: say .far(…), .same() or .only_near(…) in the shape"
        );
    }
}

#[test]
fn a_key_that_neither_place_acts_on_would_be_of_no_use() {
    // Both say how often a secret should change, and do not change it. Windows come to both.
    let known = ["secret.*.rotate", "slo.*.window"];
    for (path, field) in all().into_iter().flat_map(|(_, keys)| keys) {
        let neither = near_gap(&path).is_some() && matches!(field.far, FarEffect::Nothing(_));
        assert_eq!(neither, known.contains(&path.as_str()), "{path}");
    }
}
