//! What a table answers with: typed fields.

use std::sync::Arc;

/// An exact decimal: `digits` × 10^-`scale`, `scale` at most 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The digits as one integer.
    pub digits: i64,
    /// How many of them stand after the point.
    pub scale: u8,
}

/// One typed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// UTF-8 text.
    Text(Box<str>),
    /// 64 bits, signed.
    Integer(i64),
    /// Exact decimal.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
}

/// One named value; the names of a table's rows are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// From the table's projection.
    pub name: Arc<str>,
    /// The value.
    pub value: Value,
}

/// One row: the projected fields, in the projection's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The fields.
    pub fields: Box<[Field]>,
}

impl Row {
    /// The value of the field of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| &*field.name == name).map(|field| &field.value)
    }
}
