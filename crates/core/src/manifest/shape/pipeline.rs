//! How a pipeline tests, builds and releases the app.
//!
//! Invariant: one pipeline for all environments, so nothing of it stands in `[env.NAME]`.

use super::forms::{BRANCH, IMAGE, NAME};
use super::{Field, Kind, Shape};

pub(super) static PIPELINE: Shape = Shape {
    title: "[pipeline]",
    doc: "How `neargate pipeline` tests, builds and releases the app, here and in workflows.",
    also: None,
    fields: &[
        Field::new(
            "test",
            Kind::Text,
            "Run by `sh -c` in the manifest's folder before anything is built.",
        ),
        Field::new(
            "scan",
            Kind::Text,
            "Run by `sh -c` for each image, whose name is in `IMAGE`; a finding is an exit code \
             that is not 0. When not written: trivy or grype, which fail on HIGH and CRITICAL.",
        ),
        Field::new(
            "base",
            Kind::Form(&IMAGE),
            "The image that an `artifact` is laid on, for a service without image and Dockerfile.",
        )
        .or("\"ubuntu:24.04\""),
        Field::new(
            "install",
            Kind::Text,
            "Run in a workflow to put `neargate` on its PATH. When not written, the workflow says \
             what is missing.",
        ),
        Field::new(
            "branch",
            Kind::Form(&BRANCH),
            "The branch whose commits are released.",
        )
        .or("\"main\""),
        Field::new(
            "environments",
            Kind::List(&Kind::Form(&NAME), 0, 10),
            "The environments on AWS in the order in which they are released. When empty: all of \
             them by name, `prod` and `production` last.",
        )
        .or("[]"),
    ],
};
