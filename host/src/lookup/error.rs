//! Why there is no answer, and what is wrong with a configuration.

use std::fmt;
use std::sync::Arc;

/// Why a table gave no answer: `lookup-error` of the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The configuration has no table of this name.
    #[error("no such table")]
    UnknownTable,
    /// Not answered within the service's deadline.
    #[error("not answered in time")]
    Deadline,
    /// The source failed, is busy, or its breaker is open; the text says which.
    #[error("{0}")]
    Unavailable(Arc<str>),
    /// Longer than 256 bytes, or with control characters.
    #[error("a key of this table has at most 256 bytes and no control characters")]
    BadKey,
}

/// Why a service gave no answer: `service-error` of the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The configuration has no service of this name.
    #[error("no such service")]
    UnknownService,
    /// Not answered within the service's deadline.
    #[error("not answered in time")]
    Deadline,
    /// Refused, reset, not HTTP, too large, too many at once, or the breaker is open; the text says which.
    #[error("{0}")]
    Unavailable(Arc<str>),
    /// The request cannot be sent; the text says why.
    #[error("{0}")]
    BadRequest(Arc<str>),
}

/// Something in the configuration, or in a file that it names, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key in the configuration, such as `tables.lrn.source.http.service`.
    pub place: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for Problem {}
