//! Where something stands in a message's bytes.

/// A range of bytes of one message (or of another text that the function at hand names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// From `start` up to, not including, `end`. Offsets beyond 4 GiB cannot occur: a message has at most 64 KiB.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The bytes it covers; none where it reaches beyond them.
    pub fn of(self, raw: &[u8]) -> &[u8] {
        raw.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// In bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it covers nothing.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Offset of the first byte.
    pub(super) const fn from(self) -> usize {
        self.start as usize
    }

    /// Offset after the last byte.
    pub(super) const fn to(self) -> usize {
        self.end as usize
    }

    /// So much further on, or back where that goes round.
    pub(super) const fn moved(self, by: u32) -> Self {
        Self { start: self.start.wrapping_add(by), end: self.end.wrapping_add(by) }
    }

    /// Without linear white space at either end; empty at its start where there is nothing else.
    pub(super) fn trimmed(self, raw: &[u8]) -> Self {
        let bytes = self.of(raw);
        let Some(first) = bytes.iter().position(|&b| !super::scan::is_lws(b)) else {
            return Self { start: self.start, end: self.start };
        };
        let behind = bytes.iter().rev().take_while(|&&b| super::scan::is_lws(b)).count();
        Self::new(self.from() + first, self.to() - behind)
    }
}
