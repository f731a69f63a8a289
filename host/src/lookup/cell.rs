//! From the text of a cell to a typed value.

use super::row::{Decimal, Value};
use crate::config::model::FieldType;

/// Digits after the point that a [`Decimal`] can hold.
const MOST_SCALE: usize = 18;

/// Reads `text` as a value of `kind`.
///
/// `Ok(None)` where the text is empty and the type is not text: the field is then left out of the row.
/// The error says what would have been right.
pub(super) fn parse(text: &str, kind: FieldType) -> Result<Option<Value>, &'static str> {
    if kind == FieldType::Text {
        return Ok(Some(Value::Text(text.into())));
    }
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value = match kind {
        FieldType::Text => Value::Text(text.into()),
        FieldType::Integer => Value::Integer(text.parse().map_err(|_| "an integer, such as `30` or `-5`")?),
        FieldType::Decimal => Value::Decimal(
            decimal(text)
                .ok_or("a decimal, such as `0.00345`, with at most 18 digits, no exponent and no separators")?,
        ),
        FieldType::Boolean => Value::Boolean(boolean(text).ok_or("`true` or `false`, `1` or `0`, `yes` or `no`")?),
    };
    Ok(Some(value))
}

fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "1", "yes"]) {
        Some(true)
    } else if is(["false", "0", "no"]) {
        Some(false)
    } else {
        None
    }
}

/// Exactly what is written, trailing zeros included; no float is ever between.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > MOST_SCALE {
        return None;
    }
    let mut digits: i64 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = i64::from(char::from(byte).to_digit(10)?);
        // Downwards for negative numbers, so that i64::MIN needs no case of its own.
        let digit = if negative { -digit } else { digit };
        digits = digits.checked_mul(10)?.checked_add(digit)?;
    }
    Some(Decimal { digits, scale: fraction.len() as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exactly_what_is_written() {
        let is = |text, digits, scale| assert_eq!(decimal(text), Some(Decimal { digits, scale }), "{text}");
        is("0.00345", 345, 5);
        is("-1.10", -110, 2);
        is(".5", 5, 1);
        is("7", 7, 0);
        is("7.", 7, 0);
        is("0.000000000000000001", 1, 18);
        is("-9223372036854775808", i64::MIN, 0);
    }

    #[test]
    fn what_a_decimal_cannot_hold_is_refused() {
        for text in [".", "-", "1e3", "1,5", "1.2.3", "9223372036854775808", "0.0000000000000000001", "NaN", "--1"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn an_empty_cell_is_an_empty_text_but_no_number() {
        assert_eq!(parse("", FieldType::Text), Ok(Some(Value::Text("".into()))));
        assert_eq!(parse(" ", FieldType::Decimal), Ok(None));
        assert_eq!(parse("Yes", FieldType::Boolean), Ok(Some(Value::Boolean(true))));
        assert!(parse("maybe", FieldType::Boolean).is_err());
        assert!(parse("30.5", FieldType::Integer).is_err());
    }
}
