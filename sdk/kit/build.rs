//! Puts the SDKs, their templates and the contract into the library, so that the `trunkline` program can start and
//! build a plugin where the repository is not at hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Files and folders of the repository that go in.
const SOURCES: [&str; 8] = [
    "wit",
    "sdk/rust",
    "sdk/python",
    "sdk/javascript",
    "sdk/c",
    "sdk/template",
    "plugins/Cargo.toml",
    "plugins/Cargo.lock",
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here.ancestors().nth(2).expect("the kit lies in sdk/kit").to_owned();
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
        collect(&root.join(source), &mut files);
    }
    files.sort();
    let mut table = "pub(crate) static FILES: &[(&str, &[u8])] = &[\n".to_owned();
    for file in files {
        let name = file.strip_prefix(&root).expect("it was found below the root").display().to_string();
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", file.display().to_string())
            .expect("a String takes all");
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("files.rs"), table).expect("the folder for build scripts can be written");
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).expect("a folder of the repository") {
        let entry = entry.expect("a folder of the repository");
        let name = entry.file_name().to_string_lossy().into_owned();
        // What tools leave behind when someone works on an SDK in place.
        if !["target", "node_modules", "__pycache__"].contains(&name.as_str()) && !name.starts_with('.') {
            collect(&entry.path(), files);
        }
    }
}
