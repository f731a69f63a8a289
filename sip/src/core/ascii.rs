//! Names that this node gives, each of a fixed length: branches and tags. They are held in place.

use std::fmt;
use std::ops::Deref;

/// `N` bytes of ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ascii<const N: usize>([u8; N]);

impl<const N: usize> Ascii<N> {
    /// The parts one after the other: a text, and a number in so many hexadecimal digits, its last ones. What is beyond
    /// `N` bytes has no place.
    pub(super) fn of(parts: &[(&str, u64, usize)]) -> Self {
        let bytes = parts.iter().flat_map(|&(text, number, digits)| {
            let digit = move |digit| b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize];
            text.bytes().chain((0..digits).rev().map(digit))
        });
        let mut text = [b'0'; N];
        text.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        Self(text)
    }
}

impl<const N: usize> Deref for Ascii<N> {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Display for Ascii<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<const N: usize> fmt::Debug for Ascii<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_last_digits_and_all_that_it_is_given() {
        assert_eq!(&*Ascii::<10>::of(&[("s", 0xab, 4), (".", 0x12345, 4)]), "s00ab.2345");
        assert_eq!(&*Ascii::<3>::of(&[("s", 0xab, 4)]), "s00", "no more than there is room for");
    }
}
