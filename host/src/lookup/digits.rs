//! Dialled digits in one machine word.
//!
//! Four bits a symbol, first symbol highest, zero after the last: the order of the words is the order of the texts, with
//! every prefix before what it begins, and what two have in common is an exclusive or.

/// Symbols in a word. E.164 numbers have at most 15 digits.
pub(super) const MOST: usize = 16;

/// A packed prefix. Never 0: there is no empty prefix.
pub(super) type Packed = u64;

/// Packs a whole prefix; a leading `+` is dropped.
/// `None` where it is empty, longer than [`MOST`] symbols, or holds other than digits, `*` and `#`.
pub(super) fn pack(text: &str) -> Option<Packed> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let packed = pack_start(text);
    (packed != 0 && length(packed) == text.len()).then_some(packed)
}

/// Packs as many leading symbols as are digits and fit; 0 where there is none.
pub(super) fn pack_start(text: &str) -> Packed {
    let text = text.strip_prefix('+').unwrap_or(text);
    let mut packed = 0;
    for (at, byte) in text.bytes().take(MOST).enumerate() {
        let symbol = match byte {
            b'0'..=b'9' => byte - b'0' + 1,
            b'*' => 11,
            b'#' => 12,
            _ => break,
        };
        packed |= u64::from(symbol) << (60 - 4 * at);
    }
    packed
}

/// Symbols in it.
pub(super) fn length(packed: Packed) -> usize {
    MOST - packed.trailing_zeros() as usize / 4
}

/// The first `symbols` of it, at least one.
pub(super) fn start(packed: Packed, symbols: usize) -> Packed {
    packed & (!0 << (64 - 4 * symbols.clamp(1, MOST)))
}

/// How many symbols two begin with alike; [`MOST`] where they are the same.
pub(super) fn alike(one: Packed, other: Packed) -> usize {
    (one ^ other).leading_zeros() as usize / 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_prefixes_pack() {
        assert_eq!(pack("+1212"), pack("1212"));
        assert_eq!(pack("*67#").map(length), Some(4));
        for text in ["", "+", "1-212", "12345678901234567", "abc"] {
            assert_eq!(pack(text), None, "{text}");
        }
        assert_eq!(Some(pack_start("1212;rn=5")), pack("1212"));
        assert_eq!(Some(pack_start("12345678901234567")), pack("1234567890123456"));
        assert_eq!(pack_start("alice"), 0);
    }

    proptest! {
        #[test]
        fn packed_digits_behave_as_texts(a in "[0-9*#]{1,16}", b in "[0-9]{1,16}") {
            let (packed_a, packed_b) = (pack(&a).unwrap(), pack(&b).unwrap());
            prop_assert_eq!(alike(packed_a, packed_b) >= a.len(), b.starts_with(&a));
            prop_assert_eq!(length(packed_a), a.len());
            for symbols in 1..=a.len() {
                prop_assert_eq!(Some(start(packed_a, symbols)), pack(&a[..symbols]));
            }
        }

        #[test]
        fn words_sort_as_their_digits(a in "[0-9]{1,16}", b in "[0-9]{1,16}") {
            prop_assert_eq!(pack(&a).cmp(&pack(&b)), a.cmp(&b));
        }
    }
}
