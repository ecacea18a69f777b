//! The JSON Schema against right and wrong manifests.
