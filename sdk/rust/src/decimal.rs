//! Exact decimals: money is never a float.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// The most places after the point (wit/types.wit).
const MAX_SCALE: u8 = 18;

/// An exact decimal number: `digits` × 10^-`scale`. Equality and order are those of the numbers: 1.0 equals 1.00.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// The digits as one integer.
    pub digits: i64,
    /// How many of them stand after the point; at most 18.
    pub scale: u8,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { digits: 0, scale: 0 };

    /// The difference; `None` where it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Self::fit(self.rescaled(scale)?.checked_sub(other.rescaled(scale)?)?, scale)
    }

    /// The sum; `None` where it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Self::fit(self.rescaled(scale)?.checked_add(other.rescaled(scale)?)?, scale)
    }

    /// The exact product; `None` where it does not fit.
    #[must_use]
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        Self::fit(i128::from(self.digits) * i128::from(other.digits), self.scale.checked_add(other.scale)?)
    }

    /// The digits at a larger scale.
    fn rescaled(self, scale: u8) -> Option<i128> {
        let factor = 10_i128.checked_pow(u32::from(scale.checked_sub(self.scale)?))?;
        i128::from(self.digits).checked_mul(factor)
    }

    /// Drop zeros at the end until it fits the border's type.
    fn fit(mut digits: i128, mut scale: u8) -> Option<Self> {
        loop {
            if scale <= MAX_SCALE
                && let Ok(digits) = i64::try_from(digits)
            {
                return Some(Self { digits, scale });
            }
            if scale == 0 || digits % 10 != 0 {
                return None;
            }
            digits /= 10;
            scale -= 1;
        }
    }

    /// Sign, whole part and fraction, which compare without overflow at any scale.
    fn parts(self) -> (i64, u128) {
        // A scale past the border's bound would make the power overflow; the host never sends one.
        let unit = 10_i128.pow(u32::from(self.scale.min(MAX_SCALE)));
        let digits = i128::from(self.digits);
        let fraction = digits.rem_euclid(unit) as u128 * 10_u128.pow(u32::from(MAX_SCALE - self.scale.min(MAX_SCALE)));
        (digits.div_euclid(unit) as i64, fraction)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        // One scale is the rule within a deck, and 128-bit division is dear on wasm32.
        if self.scale == other.scale { self.digits.cmp(&other.digits) } else { self.parts().cmp(&other.parts()) }
    }
}

impl From<i64> for Decimal {
    fn from(digits: i64) -> Self {
        Self { digits, scale: 0 }
    }
}

/// A text is not a decimal number, or has too many digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseDecimalError;

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a decimal number such as 0.0125")
    }
}

impl std::error::Error for ParseDecimalError {}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    /// Digits with at most one point; a sign may stand before. No exponent, no grouping.
    fn from_str(text: &str) -> Result<Self, ParseDecimalError> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let fraction = fraction.trim_end_matches('0');
        if unsigned.len() < 1 + usize::from(unsigned.contains('.')) {
            return Err(ParseDecimalError);
        }
        let mut digits: i64 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0')).ok_or(ParseDecimalError)?;
            digits = digits.checked_mul(10).and_then(|digits| digits.checked_add(digit)).ok_or(ParseDecimalError)?;
        }
        let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= MAX_SCALE).ok_or(ParseDecimalError)?;
        Ok(Self { digits: if text.starts_with('-') { -digits } else { digits }, scale })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let scale = usize::from(self.scale.min(MAX_SCALE));
        let digits = format!("{:0>width$}", self.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // A number with a point has been a float on its way here.
                f.write_str("a decimal number in quotes, such as \"0.0125\", or a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, digits: i64) -> Result<Decimal, E> {
                Ok(digits.into())
            }

            fn visit_u64<E: de::Error>(self, digits: u64) -> Result<Decimal, E> {
                i64::try_from(digits)
                    .map(Decimal::from)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(digits), &self))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_decimal_is_written_as_it_is_read() {
        for text in ["0", "0.00345", "-1.5", "12", "9223372036854775807", "0.000000000000000001"] {
            assert_eq!(decimal(text).to_string(), text);
        }
        assert_eq!(decimal(".50").to_string(), "0.5");
    }

    #[test]
    fn what_is_not_a_decimal_is_refused() {
        for text in ["", "-", ".", "1e3", "1,5", "0x1", "1.2.3", "9223372036854775808", "0.0000000000000000001", "1 "] {
            assert_eq!(text.parse::<Decimal>(), Err(ParseDecimalError), "{text}");
        }
    }

    #[test]
    fn order_is_that_of_the_numbers() {
        assert_eq!(decimal("1.0"), Decimal { digits: 100, scale: 2 });
        let ascending = ["-2", "-1.5", "-0.01", "0", "0.009", "0.01", "1", "10.1", "9223372036854775807"];
        assert!(ascending.windows(2).all(|pair| decimal(pair[0]) < decimal(pair[1])));
    }

    #[test]
    fn arithmetic_is_exact_or_refused() {
        assert_eq!(decimal("0.3").checked_sub(decimal("0.1")), Some(decimal("0.2")));
        assert_eq!(decimal("0.1").checked_add(decimal("0.02")), Some(decimal("0.12")));
        assert_eq!(decimal("0.015").checked_mul(decimal("100")), Some(decimal("1.5")));
        assert_eq!(decimal("9223372036854775807").checked_add(decimal("1")), None);
        assert_eq!(decimal("9223372036854775807").checked_mul(decimal("0.1")), Some(decimal("922337203685477580.7")));
    }

    #[test]
    fn a_float_in_the_configuration_is_refused() {
        assert_eq!(serde_json::from_str::<Decimal>(r#""0.01""#).unwrap(), decimal("0.01"));
        assert_eq!(serde_json::from_str::<Decimal>("2").unwrap(), decimal("2"));
        let error = serde_json::from_str::<Decimal>("0.01").unwrap_err().to_string();
        assert!(error.contains("in quotes"), "{error}");
    }
}
