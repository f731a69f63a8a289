//! What can go wrong in a stage.

use std::fmt;

/// A failure of the stage: its `on-failure` decides what becomes of the call. The text goes to the log and the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// A failure, in words for the operator.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self(error.to_string())
    }
}

/// A table gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupError {
    /// The table that was asked.
    pub table: String,
    /// Why it gave none.
    pub reason: LookupFailure,
}

/// Why a table gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupFailure {
    /// The configuration has no table of this name, or the customer may not read it.
    UnknownTable,
    /// Not answered in time.
    Deadline,
    /// The source failed or its breaker is open; the text says which.
    Unavailable(String),
    /// The key cannot be one of this table.
    BadKey,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        match &self.reason {
            LookupFailure::UnknownTable => write!(f, "table {table}: not in the configuration"),
            LookupFailure::Deadline => write!(f, "table {table}: no answer in time"),
            LookupFailure::Unavailable(why) => write!(f, "table {table}: {why}"),
            LookupFailure::BadKey => write!(f, "table {table}: this cannot be a key of it"),
        }
    }
}

impl std::error::Error for LookupError {}

/// A service gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The service that was called.
    pub service: String,
    /// Why it gave none.
    pub reason: ServiceFailure,
}

/// Why a service gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceFailure {
    /// The configuration has no service of this name.
    UnknownService,
    /// Not answered in time.
    Deadline,
    /// The source failed or its breaker is open; the text says which.
    Unavailable(String),
    /// The request cannot be sent; the text says why.
    BadRequest(String),
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.service;
        match &self.reason {
            ServiceFailure::UnknownService => write!(f, "service {service}: not in the configuration"),
            ServiceFailure::Deadline => write!(f, "service {service}: no answer in time"),
            ServiceFailure::Unavailable(why) => write!(f, "service {service}: {why}"),
            ServiceFailure::BadRequest(why) => write!(f, "service {service}: request cannot be sent: {why}"),
        }
    }
}

impl std::error::Error for ServiceError {}

/// A field of a row is not what its name promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// What stands there.
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {}: {:?} is not {}", self.field, self.value, self.expected)
    }
}

impl std::error::Error for FieldError {}
