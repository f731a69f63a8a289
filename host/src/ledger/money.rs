//! Exact money, and the one place where it is rounded.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use crate::lookup::row::Decimal;

/// Places after the point that [`Money`] holds.
pub const PLACES: u8 = 9;

const UNIT: i128 = 10_i128.pow(PLACES as u32);

/// An amount of some currency, in billionths. Sums of it are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many times 10^-9.
    pub const fn from_billionths(billionths: i128) -> Self {
        Self(billionths)
    }

    /// How many times 10^-9.
    pub const fn billionths(self) -> i128 {
        self.0
    }

    /// Without zeros at its end: an integer, and how many of its digits stand after the point.
    pub const fn shortest(self) -> (i128, u8) {
        let (mut digits, mut scale) = (self.0, PLACES);
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        (digits, scale)
    }

    /// What `seconds` cost at `rate` per minute, with `fee` on top for the connection: reckoned exactly, and rounded
    /// once, to `places` (at most [`PLACES`]) after the point. `None` where the figures are too large to reckon with.
    pub fn of_call(rate: Decimal, seconds: u64, fee: Decimal, places: u8, rounding: Rounding) -> Option<Self> {
        let (rate, fee) = (trimmed(rate), trimmed(fee));
        let scale = rate.scale.max(fee.scale);
        let widened = |decimal: Decimal| i128::from(decimal.digits).checked_mul(power(scale - decimal.scale)?);
        let talk = widened(rate)?.checked_mul(i128::from(seconds))?;
        let sixty_fold = talk.checked_add(widened(fee)?.checked_mul(60)?)?;
        let places = places.min(PLACES);
        let units = rounding.divide(sixty_fold.checked_mul(power(places)?)?, power(scale)?.checked_mul(60)?);
        units.checked_mul(power(PLACES - places)?).map(Self)
    }

    /// The difference without its sign.
    pub fn distance(self, other: Self) -> Self {
        Self((self.0 - other.0).abs())
    }
}

/// Without zeros at its end, so that more of it fits.
fn trimmed(mut decimal: Decimal) -> Decimal {
    while decimal.scale > 0 && decimal.digits % 10 == 0 {
        decimal = Decimal { digits: decimal.digits / 10, scale: decimal.scale - 1 };
    }
    decimal
}

fn power(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(exponent.into())
}

/// What becomes of the part of a charge that is smaller than its last place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// To the nearer neighbour; from the middle to the even one, so that many calls together lean to no side.
    #[default]
    HalfEven,
    /// To the nearer neighbour; from the middle away from zero, as contracts often have it.
    HalfUp,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
}

impl Rounding {
    /// `dividend` / `divisor` (above zero) as a whole number.
    fn divide(self, dividend: i128, divisor: i128) -> i128 {
        let (quotient, rest) = (dividend / divisor, (dividend % divisor).abs());
        // Compared without doubling, which could overflow.
        let middle = rest.cmp(&(divisor - rest));
        let away = match self {
            Self::Down => false,
            Self::Up => rest > 0,
            Self::HalfUp => middle.is_ge(),
            Self::HalfEven => middle.is_gt() || (middle.is_eq() && quotient % 2 != 0),
        };
        if away { quotient + dividend.signum() } else { quotient }
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// `0.0125`: without zeros at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0.unsigned_abs() / UNIT as u128, self.0.unsigned_abs() % UNIT as u128);
        let sign = if self.0 < 0 { "-" } else { "" };
        let places = format!("{fraction:09}");
        match places.trim_end_matches('0') {
            "" => f.pad(&format!("{sign}{whole}")),
            places => f.pad(&format!("{sign}{whole}.{places}")),
        }
    }
}

/// A text is no amount, or has more than nine places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount such as `0.0125` with at most nine places")]
pub struct NoMoney;

impl FromStr for Money {
    type Err = NoMoney;

    fn from_str(text: &str) -> Result<Self, NoMoney> {
        let decimal = trimmed(text.parse::<Decimal>().map_err(|_| NoMoney)?);
        let missing = PLACES.checked_sub(decimal.scale).and_then(power).ok_or(NoMoney)?;
        i128::from(decimal.digits).checked_mul(missing).map(Self).ok_or(NoMoney)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn charge(rate: &str, seconds: u64, places: u8, rounding: Rounding) -> String {
        Money::of_call(decimal(rate), seconds, decimal("0"), places, rounding).unwrap().to_string()
    }

    #[test]
    fn a_minute_costs_its_rate_and_a_second_a_sixtieth() {
        assert_eq!(charge("0.0090", 60, 6, Rounding::HalfEven), "0.009");
        assert_eq!(charge("0.0090", 6, 6, Rounding::HalfEven), "0.0009");
        assert_eq!(charge("0.01", 1, 6, Rounding::HalfEven), "0.000167");
        let with_fee = Money::of_call(decimal("0.01"), 30, decimal("0.02"), 4, Rounding::HalfEven).unwrap();
        assert_eq!(with_fee.to_string(), "0.025");
    }

    #[test]
    fn each_rule_rounds_the_middle_as_its_name_says() {
        // 0.0003 a minute for 10 s is 0.00005: the middle between two places of four.
        let all = |rate| {
            [Rounding::HalfEven, Rounding::HalfUp, Rounding::Up, Rounding::Down].map(|rule| charge(rate, 10, 4, rule))
        };
        assert_eq!(all("0.0003"), ["0", "0.0001", "0.0001", "0"]);
        assert_eq!(all("0.0009"), ["0.0002", "0.0002", "0.0002", "0.0001"]);
        assert_eq!(all("-0.0009"), ["-0.0002", "-0.0002", "-0.0002", "-0.0001"]);
        assert_eq!(all("0.0006"), ["0.0001"; 4], "nothing to round");
    }

    #[test]
    fn figures_too_large_are_refused_and_not_wrapped() {
        let huge = Decimal { digits: i64::MAX, scale: 0 };
        assert_eq!(Money::of_call(huge, u64::MAX, huge, 9, Rounding::Up), None);
    }

    #[test]
    fn money_is_written_as_it_is_read() {
        for text in ["0", "0.0125", "-1.5", "12", "0.000000001", "9000000000"] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
        }
        assert_eq!("1.10".parse::<Money>().unwrap().to_string(), "1.1");
        for text in ["", "1e3", "0.0000000001", "1,5"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    proptest! {
        /// The exact charge is rate × seconds / 60; no rule moves it by a whole unit of the last place, the half rules
        /// not by more than half of one, and none rounds past a longer call.
        #[test]
        fn rounding_moves_a_charge_by_less_than_its_last_place(
            digits in -1_000_000_i64..1_000_000, scale in 0_u8..8, seconds in 0_u64..100_000, places in 0_u8..=9,
        ) {
            let rate = Decimal { digits, scale };
            for rule in [Rounding::HalfEven, Rounding::HalfUp, Rounding::Up, Rounding::Down] {
                let charged = Money::of_call(rate, seconds, decimal("0"), places, rule).unwrap();
                // Both sides times 60 × 10^scale, so that they are whole numbers.
                let exact = i128::from(digits) * i128::from(seconds) * UNIT;
                let denominator = 60 * power(scale).unwrap();
                let off = (charged.billionths() * denominator - exact).abs();
                let last_place = power(PLACES - places).unwrap() * denominator;
                prop_assert!(off < last_place);
                if matches!(rule, Rounding::HalfEven | Rounding::HalfUp) {
                    prop_assert!(2 * off <= last_place);
                }
                prop_assert_eq!(charged.billionths() % power(PLACES - places).unwrap(), 0);
                let longer = Money::of_call(rate, seconds + 1, decimal("0"), places, rule).unwrap();
                let grows = if digits < 0 { longer <= charged } else { longer >= charged };
                prop_assert!(grows, "a longer call costs no less");
            }
        }
    }
}
