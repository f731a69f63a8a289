//! The invariants of `docs/architecture.md` that a reader of the sources can check: who may know of what.

use std::fs;
use std::path::{Path, PathBuf};

/// What a room of the host must not know, and why.
struct Wall {
    room: &'static str,
    forbidden: &'static [&'static str],
    reason: &'static str,
}

const WALLS: [Wall; 3] = [
    Wall {
        room: "sip",
        forbidden: &[
            "tokio",
            "wasmtime",
            "socket2",
            "nix::",
            "reqwest",
            "UdpSocket",
            "TcpStream",
            "TcpListener",
            "std::fs",
            "std::thread",
            "Instant::now",
            "SystemTime",
            "async fn",
            ".await",
        ],
        reason: "the SIP core is a pure state machine: time and bytes come in, actions come out",
    },
    Wall {
        room: "routing",
        forbidden: &[
            "socket2",
            "UdpSocket",
            "TcpStream",
            "TcpListener",
            "crate::transport",
            "crate::admin",
            "crate::cli",
        ],
        reason: "routing knows no socket",
    },
    Wall {
        room: "plugin",
        forbidden: &["crate::sip::message", "crate::sip::uri", "SIP/2.0", "rsip", "crate::transport", "UdpSocket"],
        reason: "the plugin host knows no SIP wire format: what a stage sees is prepared by routing",
    },
];

#[test]
fn every_room_keeps_to_what_it_may_know() {
    let mut breaches = Vec::new();
    for wall in &WALLS {
        let files = sources(wall.room);
        assert!(!files.is_empty(), "there is no room `{}`", wall.room);
        for file in files {
            let text = fs::read_to_string(&file).expect("a source file");
            for (number, line) in code(&text) {
                for word in wall.forbidden.iter().filter(|word| line.contains(**word)) {
                    breaches.push(format!("{}:{number}: `{word}`: {}", file.display(), wall.reason));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_breach_would_be_seen() {
    let text = "//! No tokio here.\nuse std::fmt;\n#[cfg(test)]\nmod tests;\nuse tokio::net; // why\nimpl A {\n    #[cfg(test)]\n    \
         fn a() {\n        b();\n    }\n}\n#[cfg(test)]\n#[path = \"b.rs\"]\nmod b {\n use tokio::test;\n}\nmod c;\n";
    let lines: Vec<_> = code(text).collect();
    assert_eq!(lines, [(2, "use std::fmt;"), (5, "use tokio::net; "), (6, "impl A {"), (11, "}"), (17, "mod c;")]);
}

/// A float in a record, a row or the configuration would be money, sooner or later.
#[test]
fn money_is_never_a_float() {
    for room in ["cdr", "ledger", "lookup", "routing"] {
        for file in sources(room) {
            let text = fs::read_to_string(&file).expect("a source file");
            for (number, line) in code(&text) {
                let float = ["f32", "f64"].iter().any(|float| {
                    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == *float)
                });
                // Times and chance may be floats where the line says so.
                let harmless = ["secs", "millis", "seconds", "fastrand"].iter().any(|word| line.contains(word));
                assert!(!float || harmless, "{}:{number}: {line}", file.display());
            }
        }
    }
}

/// The lines of a file that are code, with their numbers: no comments, and no item under `#[cfg(test)]`. Such an item
/// ends with a semicolon or, in sources that rustfmt has been over, with a brace that stands where it began.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let lines = std::iter::from_fn(move || {
        loop {
            let (number, line) = lines.next()?;
            let trimmed = line.trim_start();
            if !trimmed.starts_with("#[cfg(test)]") {
                return Some((number, line));
            }
            let brace = format!("{}}}", &line[..line.len() - trimmed.len()]);
            let item = lines.find(|(_, line)| !line.trim_start().starts_with("#["))?.1;
            if !item.ends_with([';', '}']) {
                lines.find(|(_, line)| *line == brace || *line == format!("{brace};"))?;
            }
        }
    });
    lines
        .map(|(number, line)| (number, line.split("//").next().unwrap_or("")))
        .filter(|(_, line)| !line.trim().is_empty())
}

/// The Rust files of a room, without its tests.
fn sources(room: &str) -> Vec<PathBuf> {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    // SIP is a crate of its own.
    let root = if room == "sip" { host.join("../sip/src") } else { host.join("src").join(room) };
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                found.push(path);
            }
        }
    }
    found
}
