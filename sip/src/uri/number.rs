//! Telephone numbers as digits.

use std::fmt;
use std::ops::Deref;

/// The most digits that are taken for a number: E.164 has 15, prefixes and routing codes before them need room.
const MAX_DIGITS: usize = 32;

/// A telephone number: one to 32 digits, without `+` and visual separators. No allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Number {
    digits: [u8; MAX_DIGITS],
    length: u8,
}

impl Number {
    /// Reads a user part without parameters; escapes are undone, visual separators dropped (RFC 3966 section 3).
    pub(super) fn read(user: &[u8]) -> Option<Self> {
        let mut number = Self { digits: [0; MAX_DIGITS], length: 0 };
        let mut at = 0;
        let mut first = true;
        while let Some(&byte) = user.get(at) {
            let (byte, length) = super::escape(user, at).map_or((byte, 1), |escaped| (escaped, 3));
            at += length;
            match byte {
                b'0'..=b'9' => {
                    *number.digits.get_mut(usize::from(number.length))? = byte;
                    number.length += 1;
                }
                b'+' if first => {}
                b'-' | b'.' | b'(' | b')' => {}
                _ => return None,
            }
            first = false;
        }
        (number.length > 0).then_some(number)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        let digits = self.digits.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

impl Deref for Number {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}
