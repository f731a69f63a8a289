//! A list of replacements, applied in one pass.

use smallvec::SmallVec;

use super::Text;
use crate::message::Message;
use crate::span::Span;

#[derive(Debug, Clone, Copy)]
struct Piece {
    /// What goes.
    span: Span,
    /// What comes in its place: a range of the list's text.
    text: Span,
}

/// Replacements in a text, in its order. Every byte that none of them names stays.
#[derive(Debug, Clone, Default)]
pub struct Splices {
    pieces: SmallVec<[Piece; 12]>,
    text: Text,
}

impl Splices {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Put `text` in the place of `span`.
    ///
    /// Two replacements must not overlap: the later one is an error of the caller, and has no effect in a release.
    pub fn replace(&mut self, span: Span, text: &[u8]) {
        self.replace_with(span, |out| out.push(text));
    }

    /// The same with what `write` adds to the text that it gets.
    pub fn replace_with(&mut self, span: Span, write: impl FnOnce(&mut Text)) {
        let added = self.try_replace_with(span, write);
        debug_assert!(added, "{span:?} overlaps another splice");
    }

    /// Put `text` before the byte at `offset`; behind what was inserted there before.
    pub fn insert(&mut self, offset: usize, text: &[u8]) {
        self.replace(Span::new(offset, offset), text);
    }

    /// The same with what `write` adds to the text that it gets.
    pub fn insert_with(&mut self, offset: usize, write: impl FnOnce(&mut Text)) {
        self.replace_with(Span::new(offset, offset), write);
    }

    /// Take `span` out.
    pub fn remove(&mut self, span: Span) {
        self.replace(span, &[]);
    }

    /// Add all of `other`, which names offsets of the same text; under the rule of [`Splices::replace`].
    pub fn extend(&mut self, other: &Self) {
        for piece in &other.pieces {
            self.replace(piece.span, piece.text.of(other.text.bytes()));
        }
    }

    /// Whether it could be added: `false` where it overlaps another or ends before it begins.
    pub fn try_replace(&mut self, span: Span, text: &[u8]) -> bool {
        self.try_replace_with(span, |out| out.push(text))
    }

    fn try_replace_with(&mut self, span: Span, write: impl FnOnce(&mut Text)) -> bool {
        if span.end < span.start {
            return false;
        }
        // Behind all that begin earlier or at the same place, save that an insertion goes before a replacement there.
        let at = self
            .pieces
            .iter()
            .rposition(|p| {
                p.span.start < span.start || (p.span.start == span.start && (p.span.is_empty() || !span.is_empty()))
            })
            .map_or(0, |last| last + 1);
        let before = at.checked_sub(1).and_then(|i| self.pieces.get(i));
        let after = self.pieces.get(at);
        if before.is_some_and(|p| p.span.end > span.start) || after.is_some_and(|p| span.end > p.span.start) {
            return false;
        }
        let start = self.text.len();
        write(&mut self.text);
        self.pieces.insert(at, Piece { span, text: Span::new(start, self.text.len()) });
        true
    }

    /// The message with all of them applied; `None` where there is nothing to do, or it is no message then.
    pub fn applied_to(&self, message: &Message) -> Option<Message> {
        if self.is_empty() {
            return None;
        }
        Message::parse(self.apply(message.raw()).into()).ok()
    }

    /// The text with all of them applied. What reaches beyond its end has no effect. One allocation.
    pub fn apply(&self, raw: &[u8]) -> Vec<u8> {
        let removed: usize = self.pieces.iter().map(|p| p.span.len()).sum();
        let mut out = Vec::with_capacity((raw.len() + self.text.len()).saturating_sub(removed));
        let mut at = 0;
        for piece in self.pieces.iter().filter(|piece| piece.span.to() <= raw.len()) {
            out.extend_from_slice(&raw[at..piece.span.from()]);
            out.extend_from_slice(piece.text.of(self.text.bytes()));
            at = piece.span.to();
        }
        out.extend_from_slice(&raw[at..]);
        out
    }
}
