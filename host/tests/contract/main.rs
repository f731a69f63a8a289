//! A component built against a published version of the contract runs on this host: `wit/` is compared, type by type,
//! with every version in `wit/published/`.

mod shape;

use std::fs;
use std::path::{Path, PathBuf};

use shape::Shape;

fn wit() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn published() -> Vec<PathBuf> {
    let folder = wit().join("published");
    fs::read_dir(folder).expect("wit/published").map(|entry| entry.expect("a folder").path()).collect()
}

#[test]
fn nothing_that_a_published_version_promises_has_changed() {
    let current = Shape::of(&wit());
    let versions = published();
    assert!(!versions.is_empty(), "no version is published");
    for version in versions {
        let broken = Shape::of(&version).broken_by(&current);
        assert!(broken.is_empty(), "breaks {}:\n{}", version.display(), broken.join("\n"));
    }
}

#[test]
fn the_host_says_the_version_that_it_is_built_with_and_that_one_is_published() {
    let version = trunkline::plugin::CONTRACT_VERSION;
    assert_eq!(Shape::of(&wit()).version, version);
    assert!(wit().join("published").join(version).is_dir(), "wit/published/{version} is missing");
}

/// The published contract with one text replaced in one file.
fn changed(file: &str, from: &str, to: &str) -> Shape {
    let folder = tempfile::tempdir().expect("a folder");
    let published = wit().join("published/0.1.0");
    for entry in fs::read_dir(&published).expect("wit/published/0.1.0") {
        let path = entry.expect("a file").path();
        let mut text = fs::read_to_string(&path).expect("WIT");
        let name = path.file_name().expect("a name");
        if name == file {
            assert!(text.contains(from), "{file} has no `{from}`");
            text = text.replacen(from, to, 1);
        }
        fs::write(folder.path().join(name), text).expect("a copy");
    }
    Shape::of(folder.path())
}

fn broken_by(file: &str, from: &str, to: &str) -> Vec<String> {
    let published: &Path = &wit().join("published/0.1.0");
    Shape::of(published).broken_by(&changed(file, from, to))
}

#[test]
fn every_kind_of_breaking_change_is_found() {
    for (what, file, from, to) in [
        ("a new field", "types.wit", "source-port: u16,", "source-port: u16,\n        user-agent: string,"),
        ("a wider number", "types.wit", "source-port: u16,", "source-port: u32,"),
        ("a renamed field", "types.wit", "reason: string,", "phrase: string,"),
        ("a new case", "types.wit", "challenge(string),", "challenge(string),\n        hold,"),
        ("a case with another payload", "types.wit", "redirect(list<string>),", "redirect(string),"),
        ("an enum with one more", "types.wit", "        tls,\n", "        tls,\n        ws,\n"),
        ("a function gone", "limits.wit", "take-rate: func", "take-a-rate: func"),
        (
            "another parameter",
            "limits.wit",
            "take-permit: func(key: string, max: u32)",
            "take-permit: func(key: string)",
        ),
        ("another result", "clock.wit", "-> u64", "-> u32"),
        ("an import gone", "worlds.wit", "    import limits;\n", ""),
        ("one more export", "worlds.wit", "    export handle:", "    export stop: func();\n    export handle:"),
        ("a changed export", "worlds.wit", "result<outcome, string>;", "outcome;"),
        ("a world gone", "worlds.wit", "world rater", "world rating-component"),
    ] {
        assert!(!broken_by(file, from, to).is_empty(), "{what} was not found");
    }
}

#[test]
fn what_an_older_component_cannot_notice_is_no_breaking_change() {
    for (what, file, from, to) in [
        ("a comment", "clock.wit", "/// The time of the call.", "/// When the call came."),
        (
            "a new function to import",
            "clock.wit",
            "now: func() -> u64;",
            "now: func() -> u64;\n    zone: func() -> string;",
        ),
        (
            "a new interface",
            "clock.wit",
            "interface clock {",
            "interface calendar { today: func() -> u32; }\ninterface clock {",
        ),
        ("a new type", "types.wit", "    record decimal {", "    record span { millis: u64 }\n    record decimal {"),
    ] {
        assert_eq!(broken_by(file, from, to), Vec::<String>::new(), "{what}");
    }
}
