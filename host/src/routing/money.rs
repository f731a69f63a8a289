//! Money as text: exact decimals, never floats.

use crate::lookup::row;
use crate::plugin::contract::Decimal;

/// The largest scale that the contract allows.
pub(super) const MAX_SCALE: u8 = 18;

/// `digits` × 10^-`scale` in decimal notation, with as many places as its scale: 345 and 5 are `0.00345`.
pub(super) fn text(decimal: Decimal) -> String {
    row::Decimal { digits: decimal.digits, scale: decimal.scale }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_written_with_all_its_places() {
        let cases = [
            (345, 5, "0.00345"),
            (-345, 5, "-0.00345"),
            (345, 0, "345"),
            (1_200, 2, "12.00"),
            (0, 3, "0.000"),
            (5, 1, "0.5"),
            (i64::MIN, 18, "-9.223372036854775808"),
        ];
        for (digits, scale, expected) in cases {
            assert_eq!(text(Decimal { digits, scale }), expected);
        }
    }
}
