//! Recorded calls: what a stage was given, what it asked and was told, and what it is expected to answer.
//!
//! A file has one call per line, as JSON; empty lines and lines that begin with `#` are left out:
//!
//! ```json
//! {"name": "a ported number gets its routing number",
//!  "call": {"customer": "acme", "caller": "12125550100", "callee": "13105550199",
//!           "request-uri": "sip:13105550199@sip.example.net"},
//!  "now": 1700000000000000,
//!  "asked": [{"lookup": {"table": "lrn", "key": "13105550199", "row": [["lrn", "13105550000"]]}}],
//!  "expect": {"verdict": "proceed", "edits": [{"user-parameter": ["rn", "13105550000"]}],
//!             "attributes": [["lrn", "13105550000"]]}}
//! ```
//!
//! Every key of `call` may be left out, and so may `asked`, `now` and `name`. `expect` is an outcome, or
//! `{"error": "text"}` for a stage that must fail with a text that holds this one. What a stage asks and the recording
//! does not have is answered as if the table's source were down.
//!
//! The same values serve a shadow, which is told what the live stage was told (see [`Asked`]).

mod asked;
mod call;
mod outcome;
mod rehearsal;
mod values;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::asked::{Asked, Asking, Recording};
pub use self::call::{Call, Digest, Transport};
pub use self::outcome::{Answered, Edit, Outcome, Rate, Route, Verdict};
pub use self::rehearsal::{Rehearsed, rehearse};
pub use self::values::{Decimal, Row, Value};
use super::state::Headers;

/// The largest file of recorded calls.
const MAX_FILE: u64 = 16 << 20;
/// Calls in one file.
const MAX_CALLS: usize = 10_000;

/// One recorded call of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecordedCall {
    /// What it shows, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The call as the stage finds it.
    #[serde(default)]
    pub call: Call,
    /// What `clock.now` says: microseconds since 1970.
    #[serde(default)]
    pub now: u64,
    /// What the stage asks of the host, and the answers.
    #[serde(default)]
    pub asked: Vec<Asked>,
    /// What it answers.
    pub expect: Answered,
}

/// Reads a file of recorded calls.
///
/// # Errors
///
/// It cannot be read, is too large, or a line is no recorded call: the file, the line and why.
pub fn read(path: &Path) -> Result<Vec<RecordedCall>, String> {
    let at = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let size = std::fs::metadata(path).map_err(|error| at(&error))?.len();
    if size > MAX_FILE {
        return Err(at(&format!("has {size} bytes; a file of recorded calls has at most {MAX_FILE}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
    let calls = parse(&text).map_err(|(line, why)| format!("{}:{line}: {why}", path.display()))?;
    if calls.is_empty() {
        return Err(at(&"has no recorded call"));
    }
    Ok(calls)
}

fn parse(text: &str) -> Result<Vec<RecordedCall>, (usize, String)> {
    let mut calls = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if calls.len() == MAX_CALLS {
            return Err((index + 1, format!("more than {MAX_CALLS} recorded calls")));
        }
        calls.push(serde_json::from_str(line).map_err(|error| (index + 1, error.to_string()))?);
    }
    Ok(calls)
}

/// The header fields of a recorded call: those that the recording was asked for.
#[derive(Debug)]
pub struct RecordedHeaders(Arc<Recording>);

impl RecordedHeaders {
    /// Of this recording.
    pub fn new(recording: Arc<Recording>) -> Self {
        Self(recording)
    }
}

impl Headers for RecordedHeaders {
    fn values(&self, name: &str) -> Vec<String> {
        self.0.header(name).unwrap_or_default()
    }
}
