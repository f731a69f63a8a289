//! What a call must at least earn.

use serde::Deserialize;
use trunkline_plugin::Decimal;

/// The least difference between price and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Margin {
    /// Per minute, in the route's currency.
    Amount(Decimal),
    /// Of the price.
    Percent(Decimal),
}

impl Margin {
    /// Whether a route earns it. An unknown price, and figures too large to reckon with exactly, earn nothing.
    pub(crate) fn is_kept(self, cost: Decimal, price: Option<Decimal>) -> bool {
        let Some(price) = price else { return false };
        let Some(margin) = price.checked_sub(cost) else { return false };
        match self {
            Self::Amount(least) => margin >= least,
            Self::Percent(percent) => {
                let share = percent.checked_mul(price);
                margin.checked_mul(100.into()).zip(share).is_some_and(|(margin, least)| margin >= least)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Margin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Only as text: a number with a point has been a float on its way here.
        let text = String::deserialize(deserializer)?;
        let (number, percent) = text.strip_suffix('%').map_or((text.as_str(), false), |number| (number.trim(), true));
        let decimal: Decimal = number.parse().map_err(|_| {
            serde::de::Error::custom(format!("min-margin: {text:?} is neither a decimal such as \"0.002\" nor \"10%\""))
        })?;
        Ok(if percent { Self::Percent(decimal) } else { Self::Amount(decimal) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(margin: &str, cost: &str, price: &str) -> bool {
        let margin: Margin = serde_json::from_value(serde_json::Value::String(margin.to_owned())).unwrap();
        margin.is_kept(cost.parse().unwrap(), Some(price.parse().unwrap()))
    }

    #[test]
    fn a_margin_is_met_at_exactly_its_bound() {
        assert!(kept("0.002", "0.010", "0.012"));
        assert!(!kept("0.002", "0.010", "0.01199"));
        assert!(kept("10%", "0.009", "0.01"));
        assert!(!kept("10%", "0.0090001", "0.01"));
        assert!(kept("-0.001", "0.011", "0.010"), "a loss that the operator allows");
    }

    #[test]
    fn an_unknown_price_earns_nothing() {
        assert!(!Margin::Amount(Decimal::ZERO).is_kept(Decimal::ZERO, None));
    }
}
