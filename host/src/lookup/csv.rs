//! CSV files: read whole, checked whole, then served from memory.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::cell;
use super::dictionary::Names;
use super::error::Problem;
use super::rows::{Refusal, RowSet, RowSetBuilder, shown};
use crate::config::model::{CsvSource, FieldType, Match};
use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord, Trim};

/// One file's problems that are worth telling at once.
const MOST_PROBLEMS: usize = 20;

/// Reads the file. `place` is the source's key in the configuration.
pub(super) fn load(path: &Path, source: &CsvSource, place: &str) -> Result<RowSet, Vec<Problem>> {
    let file = File::open(path).map_err(|error| {
        let message =
            format!("cannot read {}: {error}; a relative path counts from the configuration's folder", path.display());
        vec![Problem::new(format!("{place}.path"), message)]
    })?;
    let written = file.metadata().and_then(|about| about.modified()).ok();
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let mut loading = Loading { path, place, problems: Vec::new() };
    let columns = loading.columns(&mut reader, source);
    match columns {
        Some(columns) if loading.problems.is_empty() => loading.rows(&mut reader, columns, source.matching, written),
        _ => Err(loading.problems),
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
        columns: Columns,
        matching: Match,
        written: Option<SystemTime>,
    ) -> Result<RowSet, Vec<Problem>> {
        let mut rows = RowSetBuilder::new(matching);
        let mut record = ByteRecord::new();
        while self.problems.len() < MOST_PROBLEMS {
            let line = reader.position().line();
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let line = record.position().map_or(line, csv::Position::line);
                    if let Err(message) = append(&mut rows, &record, &columns, line) {
                        self.problem(None, format_args!(", line {line}{message}"));
                        if message == FULL {
                            break;
                        }
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
        if self.problems.is_empty() { Ok(rows.finish(columns.names, written)) } else { Err(self.problems) }
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

const FULL: &str = ": more than 4 GiB of rows; keep fewer `fields`";

/// The error is the rest of a sentence that names the file and the line.
fn append(rows: &mut RowSetBuilder, record: &ByteRecord, columns: &Columns, line: u64) -> Result<(), String> {
    let key = text(record, columns, columns.key)?;
    let refused = |refusal| match refusal {
        Refusal::Key(right) => wrong(columns, columns.key, key, right),
        other => other.told(key),
    };
    let fields = columns.fields.iter().map(|&(column, kind)| {
        let text = text(record, columns, column)?;
        cell::parse(text, kind).map_err(|right| wrong(columns, column, text, right))
    });
    rows.append(key, line, refused, fields)
}

fn text<'a>(record: &'a ByteRecord, columns: &Columns, column: usize) -> Result<&'a str, String> {
    let bytes = record.get(column).unwrap_or_default();
    std::str::from_utf8(bytes)
        .map_err(|_| wrong(columns, column, &String::from_utf8_lossy(bytes), "UTF-8; save the file as UTF-8"))
}

fn wrong(columns: &Columns, column: usize, value: &str, right: &str) -> String {
    format!(", column `{}`: `{}` is not {right}", columns.header.get(column).unwrap_or_default(), shown(value))
}

#[cfg(test)]
mod tests;
