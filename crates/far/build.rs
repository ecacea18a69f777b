//! Lists the Terraform modules, so that the binary carries them.
//!
//! Invariant: sorted by path, so that two builds are the same. Tests and overrides stay out.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders of a module that an environment does not need.
const LEFT_OUT: [&str; 2] = ["tests", "native"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let modules = here.join("../../terraform/modules").canonicalize()?;
    println!("cargo::rerun-if-changed={}", modules.display());
    let mut files = Vec::new();
    collect(&modules, &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&modules).unwrap_or(file);
        println!("cargo::rerun-if-changed={}", file.display());
        let _ = writeln!(list, "    ({name:?}, include_str!({file:?})),");
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("modules.rs"), list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !LEFT_OUT.contains(&&*name) && !name.starts_with('.') {
            collect(&path, files)?;
        } else if path.is_file() && !name.starts_with('.') {
            files.push(path);
        }
    }
    Ok(())
}
