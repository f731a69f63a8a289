//! Run a plugin natively in `cargo test`: tables, headers and services that the test makes up.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::config;
use crate::error::{LookupFailure, ServiceFailure};
use crate::{Call, Digest, Host, Level, LookupError, Plugin, Query, Request, Response, Row, ServiceError, Transport};

/// A plugin with this configuration.
///
/// # Panics
/// When the plugin refuses the configuration, with its words.
pub fn configured<P: Plugin>(json: &str) -> P {
    config::parse(json).unwrap_or_else(|error| panic!("configuration refused: {error}"))
}

/// A call of customer `acme` from 192.0.2.1 over UDP between two numbers, which are digits or begin with `+`.
/// Every field is public: a test changes what matters to it.
pub fn call(caller: &str, callee: &str) -> Call {
    let digits = |number: &str| number.trim_start_matches('+').to_owned();
    Call {
        id: "a84b4c76e66710@192.0.2.1".to_owned(),
        customer: "acme".to_owned(),
        source: "192.0.2.1".to_owned(),
        source_port: 5060,
        transport: Transport::Udp,
        caller: digits(caller),
        callee: digits(callee),
        request_uri: format!("sip:{callee}@sip.example.net"),
        from_uri: format!("sip:{caller}@acme.example"),
        to_uri: format!("sip:{callee}@sip.example.net"),
        attributes: Vec::new(),
        digest: Digest::Absent,
    }
}

/// A host of made-up tables, headers and services that remembers what it was asked.
#[derive(Debug, Default)]
pub struct FakeHost {
    tables: BTreeMap<String, Table>,
    headers: Vec<(String, String)>,
    services: BTreeMap<String, Result<Response, ServiceFailure>>,
    taken: RefCell<BTreeMap<String, u32>>,
    now: u64,
    dips: RefCell<Vec<(String, String)>>,
    logged: RefCell<Vec<(Level, String)>>,
    metrics: RefCell<BTreeMap<String, u64>>,
    asked: Cell<usize>,
}

#[derive(Debug)]
enum Table {
    Rows(Vec<(String, Row)>),
    Failing(LookupFailure),
}

impl FakeHost {
    /// No tables, no headers, no services, time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// A table without rows.
    #[must_use]
    pub fn table(mut self, table: &str) -> Self {
        self.tables.insert(table.to_owned(), Table::Rows(Vec::new()));
        self
    }

    /// A row of a table, exact or prefix; several may share a key.
    #[must_use]
    pub fn row(mut self, table: &str, key: &str, row: Row) -> Self {
        match self.tables.entry(table.to_owned()).or_insert_with(|| Table::Rows(Vec::new())) {
            Table::Rows(rows) => rows.push((key.to_owned(), row)),
            Table::Failing(_) => {}
        }
        self
    }

    /// A table that does not answer.
    #[must_use]
    pub fn failing(mut self, table: &str, reason: LookupFailure) -> Self {
        self.tables.insert(table.to_owned(), Table::Failing(reason));
        self
    }

    /// A header field of the request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A service and what it answers to every request.
    #[must_use]
    pub fn service(mut self, service: &str, answer: Result<Response, ServiceFailure>) -> Self {
        self.services.insert(service.to_owned(), answer);
        self
    }

    /// The time of the call in microseconds since 1970.
    #[must_use]
    pub fn at(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    /// The table and key of every lookup so far, in order.
    pub fn dips(&self) -> Vec<(String, String)> {
        self.dips.borrow().clone()
    }

    /// The lines logged so far.
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.logged.borrow().clone()
    }

    /// The value of a counter.
    pub fn metric_value(&self, name: &str) -> u64 {
        self.metrics.borrow().get(name).copied().unwrap_or(0)
    }

    /// How many times the plugin stopped to ask: a [`Host::lookup_all`] is one.
    pub fn round_trips(&self) -> usize {
        self.asked.get()
    }

    fn rows(&self, table: &str, key: &str) -> Result<&[(String, Row)], LookupError> {
        self.dips.borrow_mut().push((table.to_owned(), key.to_owned()));
        let failed = |reason| LookupError { table: table.to_owned(), reason };
        match self.tables.get(table) {
            None => Err(failed(LookupFailure::UnknownTable)),
            Some(Table::Failing(reason)) => Err(failed(reason.clone())),
            Some(Table::Rows(_)) if key.len() > 256 => Err(failed(LookupFailure::BadKey)),
            Some(Table::Rows(rows)) => Ok(rows),
        }
    }

    fn exact(&self, table: &str, key: &str) -> Result<Option<Row>, LookupError> {
        let rows = self.rows(table, key)?;
        Ok(rows.iter().find(|(known, _)| known == key).map(|(_, row)| row.clone()))
    }

    fn take(&self, key: &str, max: u32) -> bool {
        let mut taken = self.taken.borrow_mut();
        let taken = taken.entry(key.to_owned()).or_default();
        let free = *taken < max;
        *taken += u32::from(free);
        free
    }
}

impl Host for FakeHost {
    fn lookup(&self, table: &str, key: &str) -> Result<Option<Row>, LookupError> {
        self.asked.set(self.asked.get() + 1);
        self.exact(table, key)
    }

    fn lookup_all(&self, queries: &[Query<'_>]) -> Vec<Result<Option<Row>, LookupError>> {
        assert!(queries.len() <= 32, "{} lookups at once; the host takes 32", queries.len());
        self.asked.set(self.asked.get() + 1);
        queries.iter().map(|query| self.exact(query.table, query.key)).collect()
    }

    fn lookup_prefix(&self, table: &str, digits: &str) -> Result<Vec<Row>, LookupError> {
        self.asked.set(self.asked.get() + 1);
        let mut rows: Vec<_> = self.rows(table, digits)?.iter().filter(|(key, _)| digits.starts_with(key)).collect();
        rows.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
        Ok(rows.into_iter().take(64).map(|(_, row)| row.clone()).collect())
    }

    fn header(&self, name: &str) -> Vec<String> {
        let same = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.clone()).collect()
    }

    fn call(&self, service: &str, _: &Request<'_>) -> Result<Response, ServiceError> {
        let answer = self.services.get(service).cloned().unwrap_or(Err(ServiceFailure::UnknownService));
        answer.map_err(|reason| ServiceError { service: service.to_owned(), reason })
    }

    fn take_rate(&self, key: &str, per_second: u32) -> bool {
        self.take(key, per_second)
    }

    fn take_permit(&self, key: &str, max: u32) -> bool {
        self.take(key, max)
    }

    fn log(&self, level: Level, message: &str) {
        self.logged.borrow_mut().push((level, message.to_owned()));
    }

    fn metric(&self, name: &str, add: u64) {
        *self.metrics.borrow_mut().entry(name.to_owned()).or_default() += add;
    }

    fn now(&self) -> u64 {
        self.now
    }
}
