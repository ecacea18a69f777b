//! The manifest: no text panics it, what is refused says why, and what is accepted reads back
//! from its own JSON. Lines after a zero byte are overrides; the first of them is the environment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neargate_core::manifest::{ManifestSource, load};
use neargate_core::model::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let input = String::from_utf8_lossy(bytes);
    let (text, rest) = input.split_once('\0').unwrap_or((&input, "local"));
    let mut lines = rest.lines().map(str::to_owned);
    let env = lines.next().unwrap_or_default();
    let overrides: Vec<String> = lines.collect();
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text: text.to_owned(),
    };
    match load(&source, &env, &overrides) {
        Ok(loaded) => {
            let json = serde_json::to_string(&loaded.manifest).expect("plain data serialises");
            let again: Manifest = serde_json::from_str(&json).expect("and reads back");
            assert_eq!(again, loaded.manifest);
            let _ = loaded.warnings.render(true);
        }
        Err(problems) => {
            assert!(problems.has_errors());
            let _ = (problems.render(true), problems.to_json());
        }
    }
});
