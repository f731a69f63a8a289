//! Rows under digit prefixes: which prefixes begin this number, longest first.
//!
//! A deck of millions of prefixes is far larger than the processor's caches, so what a look-up costs is how often it waits
//! for memory. The layout makes that once:
//!
//! ```text
//! twigs      64 first keys of leaves and where those leaves are      a megabyte for 10 million prefixes: in the caches
//!               │
//! leaves     64 keys, the lengths of their own prefixes, rows       one wait: the lines are asked for together
//! ```
//!
//! The distinct prefixes stand sorted. The last one that is not greater than the number is found from the top; the longest
//! match is that prefix or one of its own prefixes, since all that stands between a prefix and a number which it begins
//! begins with it too. Which of its own prefixes are in the deck, a key tells by the bits of one word: so what does not
//! match is never looked at, and each further match is one more search.
//!
//! Neighbours share what they begin with (see `keys`), and rows are numbers into the table's [`Dictionary`], so that 64
//! prefixes and their rows are some thirteen lines of memory.

mod keys;
mod leaves;
mod pages;
mod tree;

use smallvec::SmallVec;

use self::leaves::{Found, Leaves};
use self::tree::Tree;
use super::dictionary::Dictionary;
use super::digits::{self, Packed};
use super::row::Row;

/// Rows that one look-up gives.
const MOST_ROWS: usize = 64;

/// All of a prefix table's rows.
#[derive(Debug, Default)]
pub(super) struct PrefixIndex {
    tree: Tree,
    leaves: Leaves,
}

impl PrefixIndex {
    /// From each row's key and the end of its bytes in `packed`, in the file's order. `packed` is under 4 GiB.
    pub(super) fn build(keys: &[(Packed, u32)], packed: &[u8]) -> Self {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_by_key(|&at| keys[at as usize].0);
        let rows = order.iter().map(|&at| {
            let start = if at == 0 { 0 } else { keys[at as usize - 1].1 };
            let (key, end) = keys[at as usize];
            (key, &packed[start as usize..end as usize])
        });
        let (leaves, firsts) = Leaves::build(rows);
        Self { tree: Tree::build(&firsts), leaves }
    }

    /// The rows under every prefix of `number`: longest prefix first, the file's order within one; at most 64.
    pub(super) fn matches(&self, dictionary: &Dictionary, number: &str) -> SmallVec<[Row; 8]> {
        let number = digits::pack_start(number);
        let mut rows = SmallVec::new();
        let Some(floor) = self.floor(number) else { return rows };
        let alike = digits::alike(floor.key, number);
        if digits::length(floor.key) <= alike {
            append(dictionary, floor.rows, &mut rows);
        }
        let mut lengths = u32::from(floor.shorter) & ((1 << alike) - 1);
        while lengths != 0 {
            let longest = lengths.ilog2();
            lengths &= !(1 << longest);
            if let Some(found) = self.exactly(digits::start(number, longest as usize + 1)) {
                append(dictionary, found.rows, &mut rows);
            }
        }
        rows
    }

    /// The first row under exactly this prefix.
    pub(super) fn get(&self, dictionary: &Dictionary, prefix: &str) -> Option<Row> {
        let mut found = self.exactly(digits::pack(prefix)?)?;
        Some(dictionary.unpack(&mut found.rows))
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.tree.bytes() + self.leaves.bytes()
    }

    /// The last prefix that is not greater than `number`.
    fn floor(&self, number: Packed) -> Option<Found<'_>> {
        self.leaves.floor(self.tree.leaf(number)?, number)
    }

    fn exactly(&self, prefix: Packed) -> Option<Found<'_>> {
        self.floor(prefix).filter(|found| found.key == prefix)
    }
}

/// Until there are as many as one look-up gives.
fn append(dictionary: &Dictionary, mut packed: &[u8], rows: &mut SmallVec<[Row; 8]>) {
    while !packed.is_empty() && rows.len() < MOST_ROWS {
        rows.push(dictionary.unpack(&mut packed));
    }
}

#[cfg(test)]
mod tests;
