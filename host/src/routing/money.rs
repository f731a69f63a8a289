//! Money as text: exact decimals, never floats.

use crate::plugin::contract::Decimal;

/// The largest scale that the contract allows.
pub(super) const MAX_SCALE: u8 = 18;

/// `digits` × 10^-`scale` in decimal notation, with as many places as its scale: 345 and 5 are `0.00345`.
pub(super) fn text(decimal: Decimal) -> String {
    let scale = usize::from(decimal.scale);
    let digits = format!("{:0width$}", decimal.digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if decimal.digits < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
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
