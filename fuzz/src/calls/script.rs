//! The fuzzer's bytes, read as choices.

/// What is left to be read. Past its end every choice is the first.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(super) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    pub(super) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 1
    }

    pub(super) fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(of.len());
        of.get(at).cloned()
    }

    /// Up to so many bytes, as they are.
    pub(super) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let length = (usize::from(self.byte()) << 8 | usize::from(self.byte())) % (most + 1);
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
