//! A request whose top Via has learned where it came from: the index moves along, nothing is read again.

use bytes::Bytes;

use super::{MAX_MESSAGE, Message, Name, ParseError, Party};
use crate::edit::Splices;
use crate::header::ViaSpans;
use crate::span::Span;

impl Message {
    /// Make these splices, which lie within the value of the topmost Via or at its end and leave it one line.
    ///
    /// # Errors
    ///
    /// It would be longer than [`MAX_MESSAGE`]: it stays as it is.
    pub(crate) fn amend_top_via(&mut self, splices: &Splices) -> Result<(), ParseError> {
        let index = usize::from(self.firsts[Name::Via as usize]);
        let Some(behind) = self.headers.get(index).map(|via| via.line.end) else { return Ok(()) };
        let raw = Bytes::from(splices.apply(&self.raw));
        if raw.len() > MAX_MESSAGE {
            return Err(ParseError::TooLong);
        }
        // Offsets are of 32 bits: to go back is to go round.
        let by = (raw.len() as u32).wrapping_sub(self.raw.len() as u32);
        let moved = |span: Span| if span.start < behind { span } else { span.moved(by) };
        self.raw = raw;
        for header in &mut self.headers[index..] {
            if header.line.end == behind {
                (header.line.end, header.value.end) = (behind.wrapping_add(by), header.value.end.wrapping_add(by));
            } else {
                (header.line, header.name_span, header.value) =
                    (header.line.moved(by), header.name_span.moved(by), header.value.moved(by));
            }
        }
        self.head_end = self.head_end.wrapping_add(by);
        self.cseq = self.cseq.map(|(number, method)| (number, moved(method)));
        for party in self.parties.iter_mut().flatten() {
            let Party { address, tag } = *party;
            *party = Party { address: address.map(moved), tag: tag.map(moved) };
        }
        let top = self.items(Name::Via).next();
        self.top_via = top.and_then(|item| ViaSpans::read(&self.raw, item));
        Ok(())
    }
}
