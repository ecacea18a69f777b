//! Properties of every text.

use neargate_core::manifest::{ManifestSource, load};
use neargate_core::model::Manifest;
use proptest::prelude::*;

use super::example::EXAMPLE;

/// Loads, renders, and holds an accepted manifest to its own JSON.
fn survives(text: String, env: &str, overrides: &[String]) {
    let name = "neargate.toml".to_owned();
    match load(&ManifestSource { name, text }, env, overrides) {
        Ok(loaded) => {
            let json = serde_json::to_string(&loaded.manifest).expect("serialises");
            let again: Manifest = serde_json::from_str(&json).expect("deserialises");
            assert_eq!(again, loaded.manifest);
            let _ = loaded.warnings.render(true);
        }
        Err(problems) => {
            assert!(problems.has_errors());
            let _ = (
                problems.render(true),
                problems.render(false),
                problems.to_json(),
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(String::from_utf8_lossy(&bytes).into_owned(), "local", &[]);
    }

    #[test]
    fn no_broken_example_makes_it_panic(
        at in 0..EXAMPLE.len(),
        cut in 0usize..40,
        put in "[\\[\\]{}=\"'.,#a-z0-9é \n-]{0,12}",
        env in "(local|prod|nowhere)",
    ) {
        let end = (at + cut).min(EXAMPLE.len());
        let text = format!("{}{put}{}", &EXAMPLE[..at], &EXAMPLE[end..]);
        survives(text, &env, &[]);
    }

    #[test]
    fn no_override_makes_it_panic(path in "[a-z.\"é-]{0,30}", value in "[\\[\\]{}=\"'.,a-z0-9é -]{0,12}") {
        survives(EXAMPLE.to_owned(), "prod", &[format!("{path}={value}"), path]);
    }

    #[test]
    fn every_size_is_accepted_or_refused_and_reads_back(cpu in 0u32..20_000, memory in 0u32..130_000) {
        let set = format!("service.api.size={{ cpu = {cpu}, memory = {memory} }}");
        survives(EXAMPLE.to_owned(), "local", &[set]);
    }
}
