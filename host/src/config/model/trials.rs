//! New versions of a stage on trial: shadow, canary, and the probation after a swap.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A part of a whole, in millionths: `"5%"`, `"0.5%"` or `0.05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Everything.
    pub const ALL: Self = Self(1_000_000);

    /// So many hundredths.
    pub const fn from_percent(percent: u32) -> Self {
        Self(percent * 10_000)
    }

    /// Millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// From `5%` or `0.05`; at most all.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, scale) = text.strip_suffix('%').map_or((text, 1_000_000), |percent| (percent.trim(), 10_000));
        let millionths = scaled(number, scale)?;
        (millionths <= Self::ALL.0).then_some(Self(millionths))
    }
}

/// A ratio in thousandths: `1.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

impl Ratio {
    /// Thousandths.
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}

/// A decimal number times `scale`, which is a power of ten; digits beyond it are cut.
fn scaled(number: &str, scale: u32) -> Option<u32> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.bytes().chain(whole.bytes()).any(|byte| !byte.is_ascii_digit()) || whole.is_empty() {
        return None;
    }
    let places = scale.ilog10() as usize;
    let fraction: String = format!("{fraction:0<places$}").chars().take(places).collect();
    format!("{whole}{fraction}").parse().ok()
}

struct Number {
    wanted: &'static str,
    scale: u32,
    percent: bool,
}

impl Visitor<'_> for Number {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u32, E> {
        let read = if self.percent { Share::parse(text).map(Share::millionths) } else { scaled(text, self.scale) };
        read.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        let read = u32::try_from(number).ok().and_then(|number| number.checked_mul(self.scale));
        read.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u32, E> {
        scaled(&number.to_string(), self.scale).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "a share: `\"5%\"` or `0.05`, at most `\"100%\"`";
        let millionths = deserializer.deserialize_any(Number { wanted, scale: 1_000_000, percent: true })?;
        if millionths > Self::ALL.0 {
            return Err(D::Error::custom(format!("is more than all: wanted {wanted}")));
        }
        Ok(Self(millionths))
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "a ratio, such as `1.5`";
        deserializer.deserialize_any(Number { wanted, scale: 1_000, percent: false }).map(Self)
    }
}

/// `[plugins.NAME.shadow]`: a version that gets the same calls and answers, and whose outcome is compared only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shadow {
    /// As a plugin's.
    pub component: String,
    /// Of the stage's calls. Default all.
    #[serde(default = "all")]
    pub share: Share,
}

/// `[plugins.NAME.canary]`: a version that takes a share of the calls until a rule promotes it or rolls it back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Canary {
    /// As a plugin's.
    pub component: String,
    /// Of the stage's calls, picked by Call-ID. Default 5%.
    #[serde(default = "five_percent")]
    pub share: Share,
    /// Calls after which it takes the stage over. Default 10,000.
    #[serde(default = "ten_thousand")]
    pub promote_after: u64,
    /// When it is taken back.
    #[serde(default)]
    pub roll_back: RollBack,
}

/// `[plugins.NAME.probation]`: how a version is watched that was swapped in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Probation {
    /// Calls after which it stays; 0: at once. Default 100.
    pub calls: u64,
    /// When it is taken back.
    pub roll_back: RollBack,
}

impl Default for Probation {
    fn default() -> Self {
        Self { calls: 100, roll_back: RollBack::default() }
    }
}

/// The rule that takes a version back. Judged from its fifth failure or, for the ratios, from its hundredth call on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RollBack {
    /// More of its calls failed than this share. Default 1%.
    pub failures: Share,
    /// It uses more fuel per call than the version before, times this. Default: not looked at.
    pub fuel_ratio: Option<Ratio>,
    /// It takes longer per call than the version before, times this, and at least 50 µs longer. Default: not looked at.
    pub latency_ratio: Option<Ratio>,
    /// More of its outcomes differ from what the version before answers to the same call. Default: not looked at.
    pub difference: Option<Share>,
}

impl Default for RollBack {
    fn default() -> Self {
        Self { failures: Share::from_percent(1), fuel_ratio: None, latency_ratio: None, difference: None }
    }
}

fn all() -> Share {
    Share::ALL
}

fn five_percent() -> Share {
    Share::from_percent(5)
}

fn ten_thousand() -> u64 {
    10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RollBack, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_share_is_a_percentage_or_a_fraction_and_a_ratio_a_number() {
        let rule = read("failures = '0.5%'\nfuel-ratio = 1.5\nlatency-ratio = 2\ndifference = 0.05").unwrap();
        assert_eq!(rule.failures.millionths(), 5_000);
        assert_eq!(rule.fuel_ratio.map(Ratio::thousandths), Some(1_500));
        assert_eq!(rule.latency_ratio.map(Ratio::thousandths), Some(2_000));
        assert_eq!(rule.difference.map(Share::millionths), Some(50_000));
    }

    #[test]
    fn what_is_no_share_is_refused_with_what_would_be_right() {
        for wrong in ["'five'", "-1", "1.5", "'101%'", "2", "''", "'%'"] {
            let why = read(&format!("failures = {wrong}")).unwrap_err();
            assert!(why.contains("5%"), "{wrong}: {why}");
        }
    }
}
