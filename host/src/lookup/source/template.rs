//! A text with the key's place in it.

use crate::lookup::error::Problem;

/// Where the key goes.
const KEY: &str = "{key}";

/// See the module.
#[derive(Debug)]
pub(super) struct Template {
    before: Box<str>,
    after: Box<str>,
}

impl Template {
    /// `place` is its key in the configuration.
    pub(super) fn new(text: &str, place: &str) -> Result<Self, Problem> {
        match text.split_once(KEY).filter(|(_, after)| !after.contains(KEY)) {
            Some((before, after)) => Ok(Self { before: before.into(), after: after.into() }),
            None => Err(Problem::new(place, format!("`{text}` must hold `{KEY}` once, such as `lrn:{KEY}`"))),
        }
    }

    pub(super) fn fill(&self, key: &str) -> String {
        format!("{}{key}{}", self.before, self.after)
    }

    /// Bytes beside the key.
    pub(super) fn length(&self) -> usize {
        self.before.len() + self.after.len()
    }
}
