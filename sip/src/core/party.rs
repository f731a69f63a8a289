//! How a side of a call names itself. A call has two of these for as long as it lasts: each is one piece of memory.

/// The From or To of a side, its tag, and the URI of its last Contact.
#[derive(Debug, Clone, Default)]
pub(super) struct Party {
    /// The three, one behind the other.
    text: Box<[u8]>,
    field_end: u32,
    contact_end: u32,
}

impl Party {
    /// What is not there is empty.
    pub(super) fn of(field: Option<&[u8]>, contact: Option<&[u8]>, tag: Option<&[u8]>) -> Self {
        let [field, contact, tag] = [field, contact, tag].map(Option::unwrap_or_default);
        let text = [field, contact, tag].concat().into();
        Self { text, field_end: field.len() as u32, contact_end: (field.len() + contact.len()) as u32 }
    }

    /// The value of its From or To, the tag in it.
    pub(super) fn field(&self) -> &[u8] {
        self.text.get(..self.field_end as usize).unwrap_or_default()
    }

    /// The remote target (RFC 3261 section 12.1.1).
    pub(super) fn contact(&self) -> &[u8] {
        self.text.get(self.field_end as usize..self.contact_end as usize).unwrap_or_default()
    }

    /// Its tag.
    pub(super) fn tag(&self) -> &[u8] {
        self.text.get(self.contact_end as usize..).unwrap_or_default()
    }

    /// The same under another From or To.
    pub(super) fn shown_as(&self, field: &[u8]) -> Self {
        Self::of(Some(field), Some(self.contact()), Some(self.tag()))
    }

    /// It is to be found elsewhere from now on.
    pub(super) fn move_to(&mut self, contact: &[u8]) {
        if contact != self.contact() {
            *self = Self::of(Some(self.field()), Some(contact), Some(self.tag()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_moves_or_is_shown_as_another_keeps_the_rest() {
        let mut party = Party::of(Some(b"<sip:a>;tag=1"), None, Some(b"1"));
        party.move_to(b"sip:a@b");
        let shown = party.shown_as(b"<sip:c>;tag=1");
        assert_eq!([party.field(), party.contact(), party.tag()], [&b"<sip:a>;tag=1"[..], b"sip:a@b", b"1"]);
        assert_eq!([shown.field(), shown.contact(), shown.tag()], [&b"<sip:c>;tag=1"[..], b"sip:a@b", b"1"]);
    }
}
