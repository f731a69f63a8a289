//! A text that is put together piece by piece.

use std::fmt;

use smallvec::SmallVec;

/// What a proxy adds to a request is a Via, a Record-Route or two, and a few numbers: that much is held in place, and the
/// allocator is asked for the message that leaves alone.
const IN_PLACE: usize = 320;

/// Bytes that grow at their end.
#[derive(Debug, Clone, Default)]
pub struct Text(SmallVec<[u8; IN_PLACE]>);

impl Text {
    /// Add these bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Add a text that is made here.
    pub fn put(&mut self, text: fmt::Arguments<'_>) {
        // Nothing here fails.
        let _ = fmt::write(self, text);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Never fails.
impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
