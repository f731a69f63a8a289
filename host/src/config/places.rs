//! Where in the file each key stands.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Byte offsets into the file.
pub(super) type Span = Range<usize>;

/// A key's name and its value in the file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The key, or the list's element.
    pub(super) key: Span,
    /// What stands right of it; for a `[table]`, its header.
    pub(super) value: Span,
}

/// Every key of the file by its path, such as `plugins.lrn.deadline` or `listen.udp[1]`.
#[derive(Debug)]
pub(super) struct Places<'a> {
    text: &'a str,
    paths: BTreeMap<String, Place>,
}

impl<'a> Places<'a> {
    /// The places in `text`, which `tree` was read from.
    pub(super) fn of(text: &'a str, tree: &DeTable<'_>) -> Self {
        let mut places = Self { text, paths: BTreeMap::new() };
        places.add_table("", tree);
        places
    }

    fn add_table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let child = join(path, key.get_ref());
            self.add(child, key.span(), value);
        }
    }

    fn add(&mut self, path: String, key: Span, value: &toml::Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(&path, table),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    self.add(format!("{path}[{index}]"), element.span(), element);
                }
            }
            _ => {}
        }
        self.paths.insert(path, Place { key, value: value.span() });
    }

    /// The place of `path`, or of the nearest table around it.
    pub(super) fn find(&self, path: &str) -> Option<&Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.paths.get(path) {
                return Some(place);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// Whether the file has this very key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    /// The path of the key or value at exactly `span`; the innermost where tables share a header.
    pub(super) fn path_at(&self, span: &Span) -> Option<&str> {
        self.paths
            .iter()
            .filter(|(_, place)| place.key == *span || place.value == *span)
            .map(|(path, _)| path.as_str())
            .max_by_key(|path| path.len())
    }

    /// The names right below a table, as written: also those whose content is broken.
    pub(super) fn names(&self, table: &str) -> Vec<&str> {
        let prefix = format!("{table}.");
        let below = self.paths.keys().filter_map(|path| path.strip_prefix(&prefix));
        below.filter(|rest| !rest.contains(['.', '['])).collect()
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub(super) fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The scalar that stands at `path`, as written.
    pub(super) fn written(&self, path: &str) -> Option<&'a str> {
        let text = self.text.get(self.paths.get(path)?.value.clone())?;
        (!text.starts_with(['[', '{']) && !text.contains('\n')).then_some(text)
    }
}

/// `table.key`, or `key` at the top.
pub(super) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}
