//! Forms of a telephone number, so that tables find it however it was dialled.

use std::borrow::Cow;

use serde::Deserialize;

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As it came.
    AsDialled,
    /// Without country code: `2025550123`.
    National,
    /// With country code, without `+`: `12025550123`.
    E164,
    /// With country code and `+`: `+12025550123`.
    PlusE164,
}

/// The numbering plan that a number without `+` belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    country_code: String,
}

impl Plan {
    /// The plan of a country code, such as `1` or `44`.
    ///
    /// # Errors
    /// When it is not one to three digits.
    pub fn new(country_code: &str) -> Result<Self, String> {
        let valid = (1..=3).contains(&country_code.len())
            && country_code.bytes().all(|byte| byte.is_ascii_digit())
            && !country_code.starts_with('0');
        if valid {
            Ok(Self { country_code: country_code.to_owned() })
        } else {
            Err(format!("country-code: {country_code:?} is not a country code such as \"1\" or \"44\""))
        }
    }

    /// The number with its country code, as digits. `global` says that it was written with `+`. A number that the
    /// plan does not know is returned as it is: a short code, or already with its country code.
    /// `None` where it is not all digits.
    pub fn e164<'a>(&self, number: &'a str, global: bool) -> Option<Cow<'a, str>> {
        if number.is_empty() || !all_digits(number) {
            return None;
        }
        if global {
            return Some(number.into());
        }
        if self.country_code == "1" {
            if let Some(international) = number.strip_prefix("011").filter(|rest| rest.len() >= 7) {
                return Some(international.into());
            }
            return Some(if is_nanp(number) { ["1", number].concat().into() } else { number.into() });
        }
        if let Some(international) = number.strip_prefix("00").filter(|rest| rest.len() >= 7) {
            return Some(international.into());
        }
        Some(match number.strip_prefix('0') {
            Some(national) => [&*self.country_code, national].concat().into(),
            None => number.into(),
        })
    }

    /// The national number of one of this plan, given with its country code. `None` where it belongs to another;
    /// in the North American plan that is every number that is not NXX NXX XXXX.
    pub fn national<'a>(&self, e164: &'a str) -> Option<&'a str> {
        let national = e164.strip_prefix(self.country_code.as_str())?;
        let known = if self.country_code == "1" { is_nanp(national) } else { (4..=14).contains(&national.len()) };
        known.then_some(national)
    }

    /// The number in a form. A number of another plan has no national form and keeps its country code.
    /// `None` where it is not all digits.
    pub fn write<'a>(&self, number: &'a str, global: bool, form: Form) -> Option<Cow<'a, str>> {
        let e164 = self.e164(number, global)?;
        Some(match form {
            Form::AsDialled => number.into(),
            Form::E164 => e164,
            Form::PlusE164 => ["+", &e164].concat().into(),
            Form::National => match e164 {
                Cow::Borrowed(e164) => self.national(e164).unwrap_or(e164).into(),
                Cow::Owned(e164) => self.national(&e164).map(str::to_owned).unwrap_or(e164).into(),
            },
        })
    }

    /// A national number with `+` and country code.
    pub fn global(&self, national: &str) -> String {
        ["+", &self.country_code, national].concat()
    }

    /// NPA and NXX of a number of the North American plan, given with its country code: `202555`.
    pub fn npa_nxx<'a>(&self, e164: &'a str) -> Option<&'a str> {
        (self.country_code == "1").then(|| self.national(e164)?.get(..6)).flatten()
    }
}

impl Default for Plan {
    /// The North American plan.
    fn default() -> Self {
        Self { country_code: "1".to_owned() }
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// NXX NXX XXXX with N from 2 to 9.
fn is_nanp(number: &str) -> bool {
    let bytes = number.as_bytes();
    bytes.len() == 10 && bytes.iter().all(u8::is_ascii_digit) && bytes[0] >= b'2' && bytes[3] >= b'2'
}

/// Only the digits of a number as people and switches write it: `+1-202-555-0123` is `12025550123`.
/// `None` where something else than digits and visual separators (RFC 3966 section 5.1.1) stands in it.
pub fn digits(number: &str) -> Option<String> {
    let number = number.strip_prefix('+').unwrap_or(number);
    let mut digits = String::with_capacity(number.len());
    for byte in number.bytes() {
        match byte {
            b'0'..=b'9' => digits.push(char::from(byte)),
            b'-' | b'.' | b'(' | b')' | b' ' => {}
            _ => return None,
        }
    }
    (!digits.is_empty()).then_some(digits)
}

fn all_digits(number: &str) -> bool {
    number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_dial_a_north_american_number_is_one_number() {
        let plan = Plan::default();
        for (number, global) in [("2025550123", false), ("12025550123", false), ("12025550123", true)] {
            assert_eq!(plan.e164(number, global).as_deref(), Some("12025550123"));
            assert_eq!(plan.write(number, global, Form::National).as_deref(), Some("2025550123"));
            assert_eq!(plan.write(number, global, Form::PlusE164).as_deref(), Some("+12025550123"));
            assert_eq!(plan.write(number, global, Form::AsDialled).as_deref(), Some(number));
        }
        assert_eq!(plan.npa_nxx("12025550123"), Some("202555"));
    }

    #[test]
    fn a_foreign_number_of_ten_digits_is_not_taken_for_a_north_american_one() {
        let plan = Plan::default();
        // Danish, with `+`: ten digits that read as NPA 453.
        let danish = plan.e164("4532123456", true).unwrap();
        assert_eq!((&*danish, plan.national(&danish)), ("4532123456", None));
        assert_eq!(plan.e164("0114532123456", false).as_deref(), Some("4532123456"));
    }

    #[test]
    fn what_the_plan_does_not_know_stays_as_it_is() {
        let plan = Plan::default();
        assert_eq!(plan.e164("911", false).as_deref(), Some("911"));
        assert_eq!(plan.national("911"), None);
        assert_eq!(plan.national("11025550123"), None);
        assert_eq!(plan.write("911", false, Form::National).as_deref(), Some("911"));
        assert_eq!(plan.e164("", false), None);
        assert_eq!(plan.e164("20255501ab", false), None);
    }

    #[test]
    fn another_country_has_its_own_plan() {
        let plan = Plan::new("44").unwrap();
        assert_eq!(plan.e164("02079460123", false).as_deref(), Some("442079460123"));
        assert_eq!(plan.national("442079460123"), Some("2079460123"));
        assert_eq!(plan.e164("0012025550123", false).as_deref(), Some("12025550123"));
        assert_eq!(plan.npa_nxx("442079460123"), None);
        for wrong in ["", "0", "+1", "1234"] {
            assert!(Plan::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn separators_are_no_part_of_a_number() {
        assert_eq!(digits("+1-202-555-0123").as_deref(), Some("12025550123"));
        assert_eq!(digits("(202) 555.0123").as_deref(), Some("2025550123"));
        assert_eq!((digits("x12"), digits("+")), (None, None));
    }
}
