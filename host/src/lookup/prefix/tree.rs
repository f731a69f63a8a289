//! Which leaf a number's prefixes are in.

use std::hint::black_box;

use super::pages;
use crate::lookup::digits::Packed;

/// Keys that one step looks at.
const FANOUT: usize = 16;
/// Greater than every key.
const BEYOND: Packed = Packed::MAX;

/// See the module above.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The first key of every 16th twig in the last level, of every 16th key of the level below in the others.
    branches: Vec<Box<[Packed]>>,
    twigs: Vec<Twig>,
}

/// The lowest step: where a leaf is stands in memory beside its first key. Three lines of memory.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Twig {
    firsts: [Packed; FANOUT],
    places: [u32; FANOUT],
}

impl Tree {
    /// From each leaf's first key and its place.
    pub(super) fn build(leaves: &[(Packed, u32)]) -> Self {
        let mut twigs = Vec::with_capacity(leaves.len().div_ceil(FANOUT));
        pages::prefer_large(&mut twigs);
        for leaves in leaves.chunks(FANOUT) {
            let mut twig = Twig { firsts: [BEYOND; FANOUT], places: [0; FANOUT] };
            for (at, &(first, place)) in leaves.iter().enumerate() {
                (twig.firsts[at], twig.places[at]) = (first, place);
            }
            twigs.push(twig);
        }
        let mut branches: Vec<Box<[Packed]>> = vec![twigs.iter().map(|twig| twig.firsts[0]).collect()];
        while branches[0].len() > FANOUT {
            let above = branches[0].iter().step_by(FANOUT).copied().collect();
            branches.insert(0, above);
        }
        Self { branches, twigs }
    }

    /// The place of the leaf that has the last key that is not greater than `number`.
    pub(super) fn leaf(&self, number: Packed) -> Option<u32> {
        let mut at = 0;
        for branch in &self.branches {
            let block = branch.get(at * FANOUT..branch.len().min(at * FANOUT + FANOUT))?;
            at = at * FANOUT + last(block, number)?;
        }
        let twig = self.twigs.get(at)?;
        // So that the processor asks for this line together with those of the keys and not after them.
        black_box(twig.places[0]);
        Some(twig.places[last(&twig.firsts, number)?])
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.branches.iter().map(|branch| size_of_val(&**branch)).sum::<usize>() + size_of_val(&*self.twigs)
    }
}

/// The last of these sorted keys that is not greater than `number`.
fn last(keys: &[Packed], number: Packed) -> Option<usize> {
    // A count, not a search: it has no branch to mispredict.
    keys.iter().filter(|&&key| key <= number).count().checked_sub(1)
}
