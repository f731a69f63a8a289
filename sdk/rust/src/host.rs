//! What the host lends a plugin.

use crate::{Error, Level, LookupError, Query, Request, Response, Row, ServiceError};

/// All that a plugin can reach. In a component it is the router, in a test a [`crate::testing::FakeHost`].
pub trait Host {
    /// The row under exactly this key; `None` where the table has none. A cached answer costs well under a microsecond.
    ///
    /// # Errors
    /// [`LookupError`] when there is no answer within what is left of the stage's deadline.
    fn lookup(&self, table: &str, key: &str) -> Result<Option<Row>, LookupError>;

    /// Several lookups at once under one deadline; answers in the order of the queries. At most 32.
    fn lookup_all(&self, queries: &[Query<'_>]) -> Vec<Result<Option<Row>, LookupError>>;

    /// Every row whose key is a prefix of `digits`, longest first, at most 64. Tables with `match = "prefix"` only.
    ///
    /// # Errors
    /// As [`Host::lookup`].
    fn lookup_prefix(&self, table: &str, digits: &str) -> Result<Vec<Row>, LookupError>;

    /// The values of every header field of this name, long or compact form, as received.
    fn header(&self, name: &str) -> Vec<String>;

    /// A request to a named HTTP service: a network round trip while the stage waits. Prefer a table, which is cached.
    ///
    /// # Errors
    /// [`ServiceError`] when there is no answer within what is left of the stage's deadline.
    fn call(&self, service: &str, request: &Request<'_>) -> Result<Response, ServiceError>;

    /// Take one of `per_second` events of this second for `key`; false when they are used up.
    fn take_rate(&self, key: &str, per_second: u32) -> bool;

    /// Take one of `max` permits for `key`; false when all are out. The host gives it back when the call ends.
    fn take_permit(&self, key: &str, max: u32) -> bool;

    /// A line for the operator's log: at most 1,024 bytes, at most 16 lines per call.
    fn log(&self, level: Level, message: &str);

    /// Add to a counter of this plugin; its name is `[a-z_]{1,48}`.
    fn metric(&self, name: &str, add: u64);

    /// Microseconds since 1970-01-01 00:00 UTC, the same throughout one [`crate::Plugin::handle`].
    fn now(&self) -> u64;
}

impl From<LookupError> for Error {
    fn from(error: LookupError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::new(error.to_string())
    }
}
