//! CSV files: read whole, checked whole, then served from memory.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord, Trim};
use smallvec::SmallVec;

use super::digits::{self, Packed};
use super::error::Problem;
use super::exact::{ExactBuilder, ExactIndex};
use super::packed::{self, Names};
use super::prefix::PrefixIndex;
use super::row::Row;
use super::{cell, key};
use crate::config::model::{CsvSource, FieldType, Match};

/// One file's problems that are worth telling at once.
const MOST_PROBLEMS: usize = 20;

/// The rows of one file.
#[derive(Debug)]
pub(super) struct FileTable {
    names: Names,
    index: Index,
    /// Rows in the file.
    pub(super) entries: usize,
    /// When the file was written last, where the system tells.
    pub(super) written: Option<SystemTime>,
}

#[derive(Debug)]
enum Index {
    Exact(ExactIndex),
    Prefix(PrefixIndex),
}

impl FileTable {
    /// Reads the file. `place` is the source's key in the configuration.
    pub(super) fn load(path: &Path, source: &CsvSource, place: &str) -> Result<Self, Vec<Problem>> {
        let file = File::open(path).map_err(|error| {
            let message = format!(
                "cannot read {}: {error}; a relative path counts from the configuration's folder",
                path.display()
            );
            vec![Problem::new(format!("{place}.path"), message)]
        })?;
        let written = file.metadata().and_then(|about| about.modified()).ok();
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
        let mut loading = Loading { path, place, problems: Vec::new() };
        let columns = loading.columns(&mut reader, source);
        match columns {
            Some(columns) if loading.problems.is_empty() => {
                loading.rows(&mut reader, &columns, source.matching).map(|rows| Self { written, ..rows })
            }
            _ => Err(loading.problems),
        }
    }

    /// The row under exactly this key.
    pub(super) fn get(&self, key: &str) -> Option<Row> {
        match &self.index {
            Index::Exact(index) => index.get(&self.names, key),
            Index::Prefix(index) => index.get(&self.names, key),
        }
    }

    /// As [`PrefixIndex::matches`]; `None` when the table matches whole keys.
    pub(super) fn matches(&self, digits: &str) -> Option<SmallVec<[Arc<Row>; 8]>> {
        match &self.index {
            Index::Exact(_) => None,
            Index::Prefix(index) => Some(index.matches(&self.names, digits)),
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        match &self.index {
            Index::Exact(index) => index.bytes(),
            Index::Prefix(index) => index.bytes(),
        }
    }
}

/// Where the key and the projected fields stand in a record.
struct Columns {
    header: StringRecord,
    key: usize,
    fields: Vec<(usize, FieldType)>,
    names: Names,
}

/// A file being read, and what is wrong with it so far.
struct Loading<'a> {
    path: &'a Path,
    place: &'a str,
    problems: Vec<Problem>,
}

impl Loading<'_> {
    fn problem(&mut self, place: Option<&str>, message: impl Display) {
        let place = place.map_or_else(|| self.place.to_owned(), |key| format!("{}.{key}", self.place));
        self.problems.push(Problem::new(place, format!("{}{message}", self.path.display())));
    }

    fn columns(&mut self, reader: &mut Reader<File>, source: &CsvSource) -> Option<Columns> {
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => {
                self.problem(None, format_args!(", line 1: {}", plain(&error)));
                return None;
            }
        };
        if header.is_empty() {
            self.problem(None, ": the file is empty; its first line must name the columns");
            return None;
        }
        for (at, name) in header.iter().enumerate() {
            if header.iter().take(at).any(|earlier| earlier == name) {
                self.problem(None, format_args!(", line 1: two columns are named `{name}`; give each its own name"));
            }
        }
        let key = self.column(&header, &source.key, "key");
        let wanted: Vec<(&str, FieldType)> = if source.fields.is_empty() {
            header.iter().map(|name| (name, FieldType::Text)).collect()
        } else {
            source.fields.iter().map(|(name, kind)| (name.as_str(), *kind)).collect()
        };
        let names = wanted.iter().map(|(name, _)| Arc::from(*name)).collect();
        let fields =
            wanted.iter().filter_map(|(name, kind)| Some((self.column(&header, name, "fields")?, *kind))).collect();
        Some(Columns { key: key?, fields, names, header: header.clone() })
    }

    fn column(&mut self, header: &StringRecord, name: &str, place: &str) -> Option<usize> {
        let column = header.iter().position(|other| other == name);
        if column.is_none() {
            let has: Vec<_> = header.iter().map(|name| format!("`{name}`")).collect();
            let message = format!(", line 1: no column is named `{name}`; the columns are {}", has.join(", "));
            self.problem(Some(place), message);
        }
        column
    }

    fn rows(
        mut self,
        reader: &mut Reader<File>,
        columns: &Columns,
        matching: Match,
    ) -> Result<FileTable, Vec<Problem>> {
        let mut rows = Rows::new(matching);
        let mut record = ByteRecord::new();
        while self.problems.len() < MOST_PROBLEMS {
            let line = reader.position().line();
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let line = record.position().map_or(line, csv::Position::line);
                    if let Err(message) = rows.append(&record, columns, line) {
                        self.problem(None, format_args!(", line {line}{message}"));
                    }
                    if rows.bytes.len() > u32::MAX as usize {
                        self.problem(None, format_args!(", line {line}: more than 4 GiB of rows; keep fewer `fields`"));
                        break;
                    }
                }
                Err(error) => {
                    let line = error.position().map_or(line, csv::Position::line);
                    self.problem(None, format_args!(", line {line}: {}", plain(&error)));
                    if error.is_io_error() {
                        break;
                    }
                }
            }
        }
        if self.problems.len() >= MOST_PROBLEMS {
            self.problem(None, ": the reading stopped here; there may be more problems");
        }
        if self.problems.is_empty() { Ok(rows.finish(columns)) } else { Err(self.problems) }
    }
}

/// The library's message, without its position: ours names it.
fn plain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} cells where the first line names {expected_len} columns; a cell with a comma needs quotes")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8; save the file as UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// The rows read so far.
struct Rows {
    bytes: Vec<u8>,
    /// Each row's line, and its place in `bytes`: for the message about a key that stands twice.
    lines: Vec<(u32, u64)>,
    keys: Keys,
}

enum Keys {
    Exact(ExactBuilder),
    /// Each row's key, and where its bytes end.
    Prefix(Vec<(Packed, u32)>),
}

impl Rows {
    fn new(matching: Match) -> Self {
        let keys = match matching {
            Match::Exact => Keys::Exact(ExactBuilder::default()),
            Match::Prefix => Keys::Prefix(Vec::new()),
        };
        Self { bytes: Vec::new(), lines: Vec::new(), keys }
    }

    /// The error is the rest of a sentence that names the file and the line.
    fn append(&mut self, record: &ByteRecord, columns: &Columns, line: u64) -> Result<(), String> {
        let place = self.bytes.len() as u32;
        let row_key = text(record, columns, columns.key)?;
        match &mut self.keys {
            Keys::Exact(_) => {
                key::check(row_key).map_err(|_| {
                    wrong(columns, columns.key, row_key, "a key: it needs 1 to 256 bytes and no control characters")
                })?;
                packed::pack_text(row_key, &mut self.bytes);
            }
            Keys::Prefix(keys) => {
                let packed = digits::pack(row_key).ok_or_else(|| {
                    wrong(
                        columns,
                        columns.key,
                        row_key,
                        "a prefix: it needs 1 to 16 digits (`*` and `#` count as such)",
                    )
                })?;
                keys.push((packed, 0));
            }
        }
        for &(column, kind) in &columns.fields {
            let text = text(record, columns, column)?;
            let value = cell::parse(text, kind).map_err(|right| wrong(columns, column, text, right))?;
            packed::pack(value.as_ref(), &mut self.bytes);
        }
        match &mut self.keys {
            Keys::Exact(index) => {
                self.lines.push((place, line));
                index.insert(&self.bytes, place).map_err(|other| {
                    let at = self.lines.partition_point(|&(place, _)| place < other);
                    let other_line = self.lines.get(at).map_or(0, |&(_, line)| line);
                    format!(": the key `{row_key}` stands already on line {other_line}; keep one of the two")
                })
            }
            Keys::Prefix(keys) => {
                if let Some(last) = keys.last_mut() {
                    last.1 = self.bytes.len() as u32;
                }
                Ok(())
            }
        }
    }

    fn finish(self, columns: &Columns) -> FileTable {
        let (entries, index) = match self.keys {
            Keys::Exact(index) => (self.lines.len(), Index::Exact(index.finish(self.bytes))),
            Keys::Prefix(keys) => (keys.len(), Index::Prefix(PrefixIndex::build(&keys, &self.bytes))),
        };
        FileTable { names: columns.names.clone(), index, entries, written: None }
    }
}

fn text<'a>(record: &'a ByteRecord, columns: &Columns, column: usize) -> Result<&'a str, String> {
    let bytes = record.get(column).unwrap_or_default();
    std::str::from_utf8(bytes)
        .map_err(|_| wrong(columns, column, &String::from_utf8_lossy(bytes), "UTF-8; save the file as UTF-8"))
}

fn wrong(columns: &Columns, column: usize, value: &str, right: &str) -> String {
    let shown: String = value.chars().take(60).collect();
    format!(", column `{}`: `{shown}` is not {right}", columns.header.get(column).unwrap_or_default())
}

#[cfg(test)]
mod tests;
