//! What is wrong with a configuration, in words that an operator can act on.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::places::{Places, Span};

/// Whether a problem stops the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, but looks wrong.
    Warning,
}

/// One problem at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the operator named it.
    pub file: PathBuf,
    /// Line and column, from 1; `None` where the file could not be read.
    pub place: Option<(usize, usize)>,
    /// The key's full path, such as `plugins.lrn.deadline`; empty for the file as a whole.
    pub key: String,
    /// Whether it stops the load.
    pub severity: Severity,
    /// What is wrong, with the value, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(if self.severity == Severity::Warning { ": warning: " } else { ": " })?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Why a configuration was refused: at least one error, and the warnings beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// In the order of the file.
    pub problems: Vec<Problem>,
}

impl ConfigErrors {
    /// The file cannot be read at all.
    pub(super) fn unreadable(shown: &Path, file: &Path, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no such file (looked for {})", file.display()),
            io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        let problem =
            Problem { file: shown.to_owned(), place: None, key: String::new(), severity: Severity::Error, message };
        Self { problems: vec![problem] }
    }

    /// How many of the problems are errors.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Gathers problems while the checks run.
pub(super) struct Report<'a> {
    file: &'a Path,
    places: &'a Places<'a>,
    problems: Vec<(Option<usize>, Problem)>,
    /// Keys that an error has already been told about.
    broken: BTreeSet<String>,
    /// What `${…}` became, longest first, and how it is written: an error must not show a secret.
    substituted: Vec<(String, String)>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a Path, places: &'a Places<'a>) -> Self {
        Self { file, places, problems: Vec::new(), broken: BTreeSet::new(), substituted: Vec::new() }
    }

    pub(super) fn places(&self) -> &'a Places<'a> {
        self.places
    }

    /// Remembers that `written` became `value`, so that no message shows `value`.
    pub(super) fn hide(&mut self, value: &str, written: &str) {
        if !value.is_empty() && value != written {
            self.substituted.push((value.to_owned(), written.to_owned()));
            self.substituted.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        }
    }

    /// The text is not TOML.
    pub(super) fn syntax(&mut self, span: Option<Span>, message: &str) {
        let offset = span.map_or(0, |span| span.start);
        self.push(Severity::Error, Some(offset), "", message);
    }

    /// `key` is wrong. Shown at its value. Told once: what is wrong because of an earlier fault is no fault of its own.
    pub(super) fn error(&mut self, key: &str, message: impl AsRef<str>) {
        if !self.is_broken(key) {
            self.broken.insert(key.to_owned());
            self.push(Severity::Error, self.offset(key), key, message.as_ref());
        }
    }

    /// `key` should not be there, or its name is wrong. Shown at its name.
    pub(super) fn error_at_key(&mut self, key: &str, message: impl AsRef<str>) {
        self.broken.insert(key.to_owned());
        let offset = self.places.find(key).map(|place| place.key.start);
        self.push(Severity::Error, offset, key, message.as_ref());
    }

    /// `key` looks wrong. Not told where an error about it has been.
    pub(super) fn warn(&mut self, key: &str, message: impl AsRef<str>) {
        if !self.is_broken(key) {
            self.push(Severity::Warning, self.offset(key), key, message.as_ref());
        }
    }

    /// Whether an error about `key`, or about something within it, has been told.
    pub(super) fn is_broken(&self, key: &str) -> bool {
        self.broken.iter().any(|broken| is_within(broken, key))
    }

    fn offset(&self, key: &str) -> Option<usize> {
        let exact = self.places.has(key);
        self.places.find(key).map(|place| if exact { place.value.start } else { place.key.start })
    }

    fn push(&mut self, severity: Severity, offset: Option<usize>, key: &str, message: &str) {
        let mut message = message.to_owned();
        for (value, written) in &self.substituted {
            message = message.replace(value.as_str(), written);
        }
        let place = Some(self.places.line_column(offset.unwrap_or(0)));
        let problem = Problem { file: self.file.to_owned(), place, key: key.to_owned(), severity, message };
        self.problems.push((offset, problem));
    }

    /// The warnings, when there is no error.
    pub(super) fn finish(self) -> Result<Vec<Problem>, ConfigErrors> {
        let errors = self.into_errors();
        if errors.errors() > 0 { Err(errors) } else { Ok(errors.problems) }
    }

    pub(super) fn into_errors(mut self) -> ConfigErrors {
        self.problems.sort_by(|(a, first), (b, second)| (a, &first.key).cmp(&(b, &second.key)));
        ConfigErrors { problems: self.problems.into_iter().map(|(_, problem)| problem).collect() }
    }
}

/// Whether `path` is `outer` or stands somewhere within it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
