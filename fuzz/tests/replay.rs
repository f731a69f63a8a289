//! What the fuzzers have found and kept, and the torture messages of the RFCs, through every target.

use std::fs;
use std::path::{Path, PathBuf};

use trunkline_fuzz::TARGETS;

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
    paths.map(|path| (path.clone(), fs::read(path).expect("its bytes"))).collect()
}

/// Says which file it was.
struct Named<'a>(&'a Path, bool);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if !self.1 {
            eprintln!("failed with {}", self.0.display());
        }
    }
}

#[test]
fn what_was_kept_holds_in_every_target() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, run) in TARGETS {
        let kept = files(&here.join("corpus").join(name));
        assert!(kept.len() >= 5, "{name}: {} files", kept.len());
        for (path, bytes) in kept {
            let mut named = Named(&path, false);
            run(&bytes);
            named.1 = true;
        }
    }
}

#[test]
fn the_torture_messages_hold_in_every_target() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for rfc in ["rfc4475", "rfc5118"] {
        for (path, bytes) in files(&here.join("../tests/corpus").join(rfc)) {
            let mut named = Named(&path, false);
            for (_, run) in TARGETS {
                run(&bytes);
                // Behind the two bytes that are the framer's: small pieces, and no more than there is.
                run(&[&[3, 0], &bytes[..]].concat());
            }
            named.1 = true;
        }
    }
}
