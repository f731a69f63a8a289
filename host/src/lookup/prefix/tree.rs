//! Which leaf a number's prefixes are in.
//!
//! Small enough to stay in the processor's own caches: for a deck of 10 million prefixes a list of 2,500 twigs, and in each
//! the first keys of 64 leaves and where those leaves are.

use std::hint::black_box;

use super::keys::{self, FORM, Form, KEYS};
use super::pages;
use crate::lookup::digits::Packed;

/// Bytes of a line of memory.
const LINE: usize = 64;
/// Bytes of a leaf's place.
const PLACE: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Of each twig.
    firsts: Vec<Packed>,
    /// Where each twig begins, in lines.
    starts: Vec<u32>,
    twigs: Vec<u8>,
    /// Where the first twig begins: at the first line of memory in `twigs`.
    begin: usize,
}

impl Tree {
    /// From each leaf's first key and its place.
    pub(super) fn build(leaves: &[(Packed, u32)]) -> Self {
        let most = leaves.len().div_ceil(KEYS) * (FORM + KEYS * (8 + PLACE) + LINE);
        let mut twigs: Vec<u8> = Vec::with_capacity(LINE + most);
        pages::prefer_large(&mut twigs);
        let begin = twigs.as_ptr().align_offset(LINE) % LINE;
        twigs.resize(begin, 0);
        let (mut firsts, mut starts) = (Vec::new(), Vec::new());
        for leaves in leaves.chunks(KEYS) {
            firsts.push(leaves[0].0);
            starts.push(((twigs.len() - begin) / LINE) as u32);
            let keys = || leaves.iter().map(|(first, _)| *first);
            Form::of(keys()).write(keys(), &mut twigs);
            for (_, place) in leaves {
                twigs.extend_from_slice(&place.to_le_bytes());
            }
            twigs.resize(begin + (twigs.len() - begin).next_multiple_of(LINE), 0);
        }
        Self { firsts, starts, twigs, begin }
    }

    /// The place of the leaf that has the last key that is not greater than `number`.
    pub(super) fn leaf(&self, number: Packed) -> Option<u32> {
        let at = self.firsts.partition_point(|first| *first <= number).checked_sub(1)?;
        let twig = self.twigs.get(self.begin + *self.starts.get(at)? as usize * LINE..)?;
        // Together with the first line, and not after it.
        for line in 1..=2 {
            black_box(twig.get(line * LINE).copied());
        }
        let (form, twig) = twig.split_first_chunk::<FORM>()?;
        let form = Form::read(form);
        let (keys, places) = twig.split_at_checked(KEYS * form.width())?;
        Some(keys::number(places, PLACE, form.rank(keys, number).checked_sub(1)?)? as u32)
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.firsts) + size_of_val(&*self.starts) + self.twigs.len()
    }
}
