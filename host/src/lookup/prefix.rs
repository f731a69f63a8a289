//! Rows under digit prefixes: which prefixes begin this number, longest first.
//!
//! The distinct prefixes stand sorted in one array. The last one that is not greater than the number is found by a
//! walk down levels of every 16th key (two cache lines a level); the longest match is that prefix or one of its
//! ancestors, since all that stands between a prefix and a number which it begins, begins with it too. Each prefix
//! knows its longest proper prefix, so the further matches are one step each.
//!
//! Costs 17 bytes a prefix and the packed rows.

use std::sync::Arc;

use smallvec::SmallVec;

use super::digits::{self, Packed};
use super::packed::{Names, unpack};
use super::row::Row;

/// Rows that one look-up gives.
const MOST_ROWS: usize = 64;
/// Keys between two keys of the level above.
const FANOUT: usize = 16;
/// No shorter prefix.
const ROOT: u32 = u32::MAX;

/// All of a prefix table's rows.
#[derive(Debug, Default)]
pub(super) struct PrefixIndex {
    /// Sorted keys: the last level has all, each one above every 16th, the first at most 16.
    levels: Vec<Box<[Packed]>>,
    /// For each key, the index of its longest proper prefix, or [`ROOT`].
    parents: Box<[u32]>,
    /// For each key, where its rows begin; then the end.
    starts: Box<[u32]>,
    /// Packed rows: by key, and in the file's order within one.
    rows: Box<[u8]>,
}

impl PrefixIndex {
    /// From each row's key and the end of its bytes in `packed`, in the file's order. `packed` is under 4 GiB.
    pub(super) fn build(keys: &[(Packed, u32)], packed: &[u8]) -> Self {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_by_key(|&at| keys[at as usize].0);
        let bytes_of = |at: usize| {
            let start = if at == 0 { 0 } else { keys[at - 1].1 };
            &packed[start as usize..keys[at].1 as usize]
        };
        let (mut distinct, mut starts, mut rows) = (Vec::new(), Vec::new(), Vec::with_capacity(packed.len()));
        for at in order {
            let key = keys[at as usize].0;
            if distinct.last() != Some(&key) {
                distinct.push(key);
                starts.push(rows.len() as u32);
            }
            rows.extend_from_slice(bytes_of(at as usize));
        }
        starts.push(rows.len() as u32);
        Self { parents: parents(&distinct), levels: levels(distinct), starts: starts.into(), rows: rows.into() }
    }

    /// The rows under every prefix of `number`: longest prefix first, the file's order within one; at most 64.
    pub(super) fn matches(&self, names: &Names, number: &str) -> SmallVec<[Arc<Row>; 8]> {
        let number = digits::pack_start(number);
        let mut found = SmallVec::new();
        let mut at = self.floor(number);
        while let Some(key) = at {
            // Before the longest match the walk passes prefixes of other numbers.
            if digits::begins(self.key(key), number) && !self.append_rows(names, key, &mut found) {
                break;
            }
            at = self.parent(key);
        }
        found
    }

    /// The first row under exactly this prefix.
    pub(super) fn get(&self, names: &Names, prefix: &str) -> Option<Row> {
        let prefix = digits::pack(prefix)?;
        let at = self.floor(prefix).filter(|&at| self.key(at) == prefix)?;
        Some(unpack(names, &mut self.bytes_of(at)))
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let keys: usize = self.levels.iter().map(|level| size_of_val(&**level)).sum();
        keys + size_of_val(&*self.parents) + size_of_val(&*self.starts) + self.rows.len()
    }

    /// False when `found` is full.
    fn append_rows(&self, names: &Names, key: usize, found: &mut SmallVec<[Arc<Row>; 8]>) -> bool {
        let mut bytes = self.bytes_of(key);
        while !bytes.is_empty() {
            if found.len() == MOST_ROWS {
                return false;
            }
            found.push(Arc::new(unpack(names, &mut bytes)));
        }
        true
    }

    /// The index of the last key that is not greater than `number`.
    fn floor(&self, number: Packed) -> Option<usize> {
        let mut at = 0;
        for level in &self.levels {
            let block = &level[at * FANOUT..level.len().min(at * FANOUT + FANOUT)];
            // A count, not a search: it compiles to vector instructions without a branch.
            let not_greater = block.iter().filter(|&&key| key <= number).count();
            at = at * FANOUT + not_greater.checked_sub(1)?;
        }
        (!self.levels.is_empty()).then_some(at)
    }

    fn key(&self, at: usize) -> Packed {
        self.levels.last().map_or(0, |keys| keys[at])
    }

    fn parent(&self, at: usize) -> Option<usize> {
        let parent = self.parents[at];
        (parent != ROOT).then_some(parent as usize)
    }

    fn bytes_of(&self, at: usize) -> &[u8] {
        &self.rows[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

fn levels(keys: Vec<Packed>) -> Vec<Box<[Packed]>> {
    let mut levels = vec![keys.into_boxed_slice()];
    while levels[0].len() > FANOUT {
        let above = levels[0].iter().step_by(FANOUT).copied().collect();
        levels.insert(0, above);
    }
    levels
}

fn parents(keys: &[Packed]) -> Box<[u32]> {
    let mut open: Vec<u32> = Vec::new();
    let mut parents = Vec::with_capacity(keys.len());
    for (at, &key) in keys.iter().enumerate() {
        while open.last().is_some_and(|&last| !digits::begins(keys[last as usize], key)) {
            open.pop();
        }
        parents.push(open.last().copied().unwrap_or(ROOT));
        open.push(at as u32);
    }
    parents.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lookup::packed::pack;
    use crate::lookup::row::Value;

    fn names() -> Names {
        ["n"].map(Arc::from).into()
    }

    /// Each row holds its line.
    fn index_of(prefixes: &[String]) -> PrefixIndex {
        let mut packed = Vec::new();
        let mut keys = Vec::new();
        for (line, prefix) in prefixes.iter().enumerate() {
            pack(Some(&Value::Integer(line as i64)), &mut packed);
            keys.push((digits::pack(prefix).unwrap(), packed.len() as u32));
        }
        PrefixIndex::build(&keys, &packed)
    }

    fn lines(rows: &[Arc<Row>]) -> Vec<usize> {
        let line = |row: &Arc<Row>| match row.get("n") {
            Some(Value::Integer(line)) => *line as usize,
            other => panic!("{other:?}"),
        };
        rows.iter().map(line).collect()
    }

    #[test]
    fn the_longest_prefix_comes_first_and_shared_prefixes_keep_the_files_order() {
        let index = index_of(&["1", "1212", "1", "121", "44", "1213"].map(str::to_owned));
        assert_eq!(lines(&index.matches(&names(), "+12125551234")), [1, 3, 0, 2]);
        assert_eq!(lines(&index.matches(&names(), "1219")), [3, 0, 2]);
        assert_eq!(lines(&index.matches(&names(), "33")), [0; 0]);
        assert_eq!(index.get(&names(), "1").unwrap().get("n"), Some(&Value::Integer(0)));
        assert_eq!(index.get(&names(), "12"), None);
    }

    #[test]
    fn a_look_up_gives_at_most_64_rows() {
        let index = index_of(&vec!["1".to_owned(); 100]);
        assert_eq!(lines(&index.matches(&names(), "12")), (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_table_matches_nothing() {
        assert!(PrefixIndex::build(&[], &[]).matches(&names(), "1212").is_empty());
    }

    proptest! {
        #[test]
        fn it_finds_what_a_scan_of_all_rows_finds(
            prefixes in prop::collection::vec("[1-3]{1,6}", 0..400),
            number in "[1-3]{0,8}",
        ) {
            let mut expected: Vec<usize> = (0..prefixes.len()).filter(|&at| number.starts_with(&prefixes[at])).collect();
            expected.sort_by_key(|&at| std::cmp::Reverse(prefixes[at].len()));
            expected.truncate(MOST_ROWS);
            prop_assert_eq!(lines(&index_of(&prefixes).matches(&names(), &number)), expected);
        }
    }
}
