//! The rows of a table that is held whole, and how they are taken in, one after the other.

use std::time::SystemTime;

use smallvec::SmallVec;

use super::dictionary::{Dictionary, DictionaryBuilder, Names};
use super::digits::{self, Packed};
use super::exact::{ExactBuilder, ExactIndex};
use super::key;
use super::packed;
use super::prefix::PrefixIndex;
use super::row::{Row, Value};
use crate::config::model::Match;

/// All rows of one table.
#[derive(Debug)]
pub(super) struct RowSet {
    dictionary: Dictionary,
    index: Index,
    /// How many.
    pub(super) entries: usize,
    /// When the source was written last, or read, where that is known.
    pub(super) written: Option<SystemTime>,
}

#[derive(Debug)]
enum Index {
    Exact(ExactIndex),
    Prefix(PrefixIndex),
}

impl RowSet {
    /// The row under exactly this key.
    pub(super) fn get(&self, key: &str) -> Option<Row> {
        match &self.index {
            Index::Exact(index) => index.get(&self.dictionary, key),
            Index::Prefix(index) => index.get(&self.dictionary, key),
        }
    }

    /// As [`PrefixIndex::matches`]; `None` when the table matches whole keys.
    pub(super) fn matches(&self, digits: &str) -> Option<SmallVec<[Row; 8]>> {
        match &self.index {
            Index::Exact(_) => None,
            Index::Prefix(index) => Some(index.matches(&self.dictionary, digits)),
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let index = match &self.index {
            Index::Exact(index) => index.bytes(),
            Index::Prefix(index) => index.bytes(),
        };
        self.dictionary.bytes() + index
    }
}

/// The rows read so far.
pub(super) struct RowSetBuilder {
    bytes: Vec<u8>,
    dictionary: DictionaryBuilder,
    /// Each row's line, and its place in `bytes`: for the message about a key that stands twice.
    lines: Vec<(u32, u64)>,
    keys: Keys,
}

enum Keys {
    Exact(ExactBuilder),
    /// Each row's key, and where its bytes end.
    Prefix(Vec<(Packed, u32)>),
}

/// Why a row was not taken in: the rest of a sentence that names the source and the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What would have been a key.
    Key(&'static str),
    /// The key stands already on this line.
    Twice(u64),
    /// There is no room.
    Full,
}

impl RowSetBuilder {
    pub(super) fn new(matching: Match) -> Self {
        let keys = match matching {
            Match::Exact => Keys::Exact(ExactBuilder::default()),
            Match::Prefix => Keys::Prefix(Vec::new()),
        };
        Self { bytes: Vec::new(), dictionary: DictionaryBuilder::default(), lines: Vec::new(), keys }
    }

    /// Takes in a row under `key`, which stands on `line`. `fields` are asked for in the order of the names; where one
    /// cannot be given, the row is not taken in.
    pub(super) fn append<E>(
        &mut self,
        key: &str,
        line: u64,
        refused: impl Fn(Refusal) -> E,
        fields: impl Iterator<Item = Result<Option<Value>, E>>,
    ) -> Result<(), E> {
        let place = u32::try_from(self.bytes.len()).map_err(|_| refused(Refusal::Full))?;
        let packed = match &mut self.keys {
            Keys::Exact(_) => {
                key::check(key)
                    .map_err(|_| refused(Refusal::Key("a key: it needs 1 to 256 bytes and no control characters")))?;
                packed::pack_text(key, &mut self.bytes);
                0
            }
            Keys::Prefix(_) => digits::pack(key).ok_or_else(|| {
                refused(Refusal::Key("a prefix: it needs 1 to 16 digits (`*` and `#` count as such)"))
            })?,
        };
        for (at, value) in fields.enumerate() {
            match value {
                Ok(value) => self.dictionary.pack(at, value, &mut self.bytes),
                Err(error) => {
                    self.bytes.truncate(place as usize);
                    return Err(error);
                }
            }
        }
        let end = u32::try_from(self.bytes.len()).map_err(|_| refused(Refusal::Full))?;
        match &mut self.keys {
            Keys::Exact(index) => {
                self.lines.push((place, line));
                index.insert(&self.bytes, place).map_err(|other| {
                    let at = self.lines.partition_point(|&(place, _)| place < other);
                    refused(Refusal::Twice(self.lines.get(at).map_or(0, |&(_, line)| line)))
                })
            }
            Keys::Prefix(keys) => {
                keys.push((packed, end));
                Ok(())
            }
        }
    }

    pub(super) fn finish(self, names: Names, written: Option<SystemTime>) -> RowSet {
        let (entries, index) = match self.keys {
            Keys::Exact(index) => (self.lines.len(), Index::Exact(index.finish(self.bytes))),
            Keys::Prefix(keys) => (keys.len(), Index::Prefix(PrefixIndex::build(&keys, &self.bytes))),
        };
        RowSet { dictionary: self.dictionary.finish(names), index, entries, written }
    }
}

impl Refusal {
    /// The rest of a sentence about the row with this key.
    pub(super) fn told(self, key: &str) -> String {
        match self {
            Self::Key(right) => format!(": `{}` is not {right}", shown(key)),
            Self::Twice(line) => {
                format!(": the key `{}` stands already on line {line}; keep one of the two", shown(key))
            }
            Self::Full => ": more than 4 GiB of rows; keep fewer `fields`".to_owned(),
        }
    }
}

/// The beginning of a value: what is wrong may be long.
pub(super) fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}
