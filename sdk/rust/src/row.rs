//! Reading rows. Sources type their fields as the operator said, or leave all as text: the getters take either.

use std::borrow::Cow;

use crate::{Decimal, Field, FieldError, Value};

/// A row of a table: the fields that the table's configuration projects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(Vec<Field>);

impl From<Vec<Field>> for Row {
    fn from(fields: Vec<Field>) -> Self {
        Self(fields)
    }
}

impl Row {
    /// A row without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Add a field; for tests.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.push(Field { name: name.into(), value: value.into() });
        self
    }

    /// The value of a field, as it came.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// A field as text, without surrounding white space; `None` where it is absent or empty.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        text_of(self.get(name)?)
    }

    /// A field as a whole number; `None` where it is absent or empty.
    ///
    /// # Errors
    /// [`FieldError`] when it holds something else.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Integer(integer)) => Ok(Some(*integer)),
            Some(value) => parse(name, value, "a whole number", |text| text.parse().ok()),
        }
    }

    /// A field as an exact decimal; `None` where it is absent or empty.
    ///
    /// # Errors
    /// [`FieldError`] when it holds something else: a rate that cannot be read is not a rate of nothing.
    pub fn decimal(&self, name: &str) -> Result<Option<Decimal>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Decimal(decimal)) => Ok(Some(*decimal)),
            Some(value) => parse(name, value, "a decimal number", |text| text.parse().ok()),
        }
    }

    /// A field as true or false: `true`, `1`, `yes`, `on` and their opposites; `None` where it is absent or empty.
    ///
    /// # Errors
    /// [`FieldError`] when it holds something else.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, FieldError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        parse(name, value, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        })
    }
}

fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    let text: Cow<'_, str> = match value {
        Value::Text(text) => trimmed(text).into(),
        Value::Integer(integer) => integer.to_string().into(),
        Value::Decimal(decimal) => decimal.to_string().into(),
        Value::Boolean(boolean) => boolean.to_string().into(),
    };
    (!text.is_empty()).then_some(text)
}

fn parse<T>(
    name: &str,
    value: &Value,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, FieldError> {
    let Some(text) = text_of(value) else { return Ok(None) };
    match read(&text) {
        Some(value) => Ok(Some(value)),
        None => Err(FieldError { field: name.to_owned(), value: text.into_owned(), expected }),
    }
}

/// As [`str::trim`], which asks about every character of Unicode, where most texts need only a look at both ends.
fn trimmed(text: &str) -> &str {
    let is_plain = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = text.as_bytes();
    if is_plain(bytes.first()) && is_plain(bytes.last()) { text } else { text.trim() }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<Decimal> for Value {
    fn from(decimal: Decimal) -> Self {
        Self::Decimal(decimal)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_the_same_typed_or_as_text() {
        let rate: Decimal = "0.0120".parse().unwrap();
        for row in [Row::new().with("cost", rate), Row::new().with("cost", " 0.012 ")] {
            assert_eq!(row.decimal("cost"), Ok(Some(rate)));
        }
        for row in [Row::new().with("priority", 7), Row::new().with("priority", "7")] {
            assert_eq!(row.integer("priority"), Ok(Some(7)));
        }
        for row in [Row::new().with("open", true), Row::new().with("open", "Yes"), Row::new().with("open", 1)] {
            assert_eq!(row.bool("open"), Ok(Some(true)));
        }
    }

    #[test]
    fn an_empty_cell_is_an_absent_field() {
        let row = Row::new().with("cost", "  ");
        assert_eq!(row.text("cost"), None);
        assert_eq!(row.decimal("cost"), Ok(None));
        assert_eq!(row.decimal("price"), Ok(None));
    }

    #[test]
    fn a_rate_that_cannot_be_read_is_an_error_and_not_nothing() {
        let error = Row::new().with("cost", "1,5").decimal("cost").unwrap_err();
        assert_eq!(error.to_string(), r#"field cost: "1,5" is not a decimal number"#);
    }
}
