//! Values of table rows, as JSON: a text, an integer, a boolean, or `{"decimal": "0.00345"}`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::lookup::row::{self, Field};
use crate::plugin::contract;

/// A row: names and values in the table's order.
pub type Row = Vec<(String, Value)>;

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true`, `false`.
    Boolean(bool),
    /// Without a decimal point.
    Integer(i64),
    /// In quotes.
    Text(String),
    /// Exact.
    Decimal {
        /// Such as `0.00345`.
        decimal: Decimal,
    },
}

/// An exact decimal number, as text in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal {
    /// `digits` × 10^-`scale`.
    pub digits: i64,
    /// Decimal places, at most 18.
    pub scale: u8,
}

impl TryFrom<String> for Decimal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no decimal number, such as `0.00345`");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let sound = fraction.len() <= 18 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let digits = format!("{whole}{fraction}").parse().ok().filter(|_| sound && !whole.starts_with('+'));
        Ok(Self { digits: digits.ok_or_else(wrong)?, scale: fraction.len() as u8 })
    }
}

impl From<Decimal> for String {
    fn from(decimal: Decimal) -> Self {
        let scale = usize::from(decimal.scale);
        let sign = if decimal.digits < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", decimal.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }
}

impl From<contract::Decimal> for Decimal {
    fn from(decimal: contract::Decimal) -> Self {
        Self { digits: decimal.digits, scale: decimal.scale }
    }
}

impl From<Decimal> for contract::Decimal {
    fn from(decimal: Decimal) -> Self {
        Self { digits: decimal.digits, scale: decimal.scale }
    }
}

/// As recorded.
pub(super) fn of_row(row: &[Field]) -> Row {
    let value = |value: &row::Value| match value {
        row::Value::Text(text) => Value::Text(text.to_string()),
        row::Value::Integer(integer) => Value::Integer(*integer),
        row::Value::Boolean(boolean) => Value::Boolean(*boolean),
        row::Value::Decimal(row::Decimal { digits, scale }) => {
            Value::Decimal { decimal: Decimal { digits: *digits, scale: *scale } }
        }
    };
    row.iter().map(|field| (field.name.to_string(), value(&field.value))).collect()
}

/// As a stage gets it.
pub(super) fn to_row(row: &Row) -> Arc<[Field]> {
    let value = |value: &Value| match value {
        Value::Text(text) => row::Value::Text(text.as_str().into()),
        Value::Integer(integer) => row::Value::Integer(*integer),
        Value::Boolean(boolean) => row::Value::Boolean(*boolean),
        Value::Decimal { decimal: Decimal { digits, scale } } => {
            row::Value::Decimal(row::Decimal { digits: *digits, scale: *scale })
        }
    };
    row.iter().map(|(name, held)| Field { name: name.as_str().into(), value: value(held) }).collect()
}
