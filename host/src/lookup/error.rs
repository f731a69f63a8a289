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
    #[error("{1}")]
    Unavailable(Trouble, Arc<str>),
    /// Longer than 256 bytes, or with control characters.
    #[error("a key of this table has at most 256 bytes and no control characters")]
    BadKey,
}

/// What was wrong, in a word: the label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Not answered in time.
    Deadline,
    /// Refused, reset, no such host, an error status.
    Failed,
    /// An answer that is no row: not the expected content, too long.
    Nonsense,
    /// The breaker is open: the source was not asked.
    Breaker,
    /// Too many at once: the source was not asked.
    Busy,
    /// What cannot be a key.
    BadKey,
}

impl Trouble {
    /// All there are.
    pub const ALL: [Self; 6] = [Self::Deadline, Self::Failed, Self::Nonsense, Self::Breaker, Self::Busy, Self::BadKey];

    /// As the metrics page has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Failed => "failed",
            Self::Nonsense => "nonsense",
            Self::Breaker => "breaker",
            Self::Busy => "busy",
            Self::BadKey => "bad-key",
        }
    }
}

impl LookupError {
    /// In a word.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Deadline => Trouble::Deadline,
            Self::Unavailable(trouble, _) => *trouble,
            Self::BadKey => Trouble::BadKey,
            Self::UnknownTable => Trouble::Failed,
        }
    }
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
    #[error("{1}")]
    Unavailable(Trouble, Arc<str>),
    /// The request cannot be sent; the text says why.
    #[error("{0}")]
    BadRequest(Arc<str>),
}

impl From<ServiceError> for LookupError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Deadline => Self::Deadline,
            ServiceError::Unavailable(trouble, why) => Self::Unavailable(trouble, why),
            ServiceError::BadRequest(why) => Self::Unavailable(Trouble::Failed, why),
            ServiceError::UnknownService => Self::Unavailable(Trouble::Failed, "no such service".into()),
        }
    }
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
