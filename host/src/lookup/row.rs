//! What a table answers with: typed fields. Guests get them from here, as `types.wit` has them, without a copy between.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use wasmtime::component::{ComponentType, Lower};

/// An exact decimal: `digits` × 10^-`scale`, `scale` at most 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower)]
#[component(record)]
pub struct Decimal {
    /// The digits as one integer.
    pub digits: i64,
    /// How many of them stand after the point.
    pub scale: u8,
}

/// One typed value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower)]
#[component(variant)]
pub enum Value {
    /// UTF-8 text.
    #[component(name = "text")]
    Text(Box<str>),
    /// 64 bits, signed.
    #[component(name = "integer")]
    Integer(i64),
    /// Exact decimal.
    #[component(name = "decimal")]
    Decimal(Decimal),
    /// True or false.
    #[component(name = "boolean")]
    Boolean(bool),
}

/// One named value; the names of a table's rows are shared.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Field {
    /// From the table's projection.
    pub name: Arc<str>,
    /// The value.
    pub value: Value,
}

/// One row: the projected fields, in the projection's order. A clone is the same row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The fields.
    pub fields: Arc<[Field]>,
}

impl Row {
    /// The value of the field of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| &*field.name == name).map(|field| &field.value)
    }
}

/// A text is no decimal number that a [`Decimal`] can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal such as `0.00345`: at most 18 digits after the point, no exponent and no separators")]
pub struct NoDecimal;

impl FromStr for Decimal {
    type Err = NoDecimal;

    /// Exactly what is written, trailing zeros included.
    fn from_str(text: &str) -> Result<Self, NoDecimal> {
        super::cell::decimal(text).ok_or(NoDecimal)
    }
}

impl fmt::Display for Decimal {
    /// In decimal notation, with as many places as its scale: 345 and 5 are `0.00345`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0width$}", self.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.digits < 0 { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Decimal(decimal) => write!(f, "{decimal}"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
        }
    }
}
