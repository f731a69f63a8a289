//! What a stage asked of the host, and what it was told: written down while one stage runs, told again to another.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::values::{Row, of_row, to_row};
use crate::plugin::bindings::trunkline::routing::lookups::LookupError;
use crate::plugin::bindings::trunkline::routing::services::{Response, ServiceError};
use crate::plugin::imports::lookups::{Answer, Rows};

/// Questions of one call that are written down; further ones are not, and are unanswered where they are told again.
const MAX_ASKED: usize = 256;

/// One question with its answer. Where `error` is set there was none: `unknown-table`, `deadline`, `bad-key`, or why
/// the source was unavailable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Asked {
    /// One key of a table; `row` is left out where the table has none.
    Lookup {
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// What it found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<Row>,
        /// Why there is no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Every row whose key is a prefix.
    Prefixes {
        /// The table.
        table: String,
        /// What was matched.
        digits: String,
        /// What it found, longest prefix first.
        #[serde(default)]
        rows: Vec<Row>,
        /// Why there is no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A named HTTP service. Requests are told apart by service and path; header fields and bodies sent are not kept,
    /// for they may hold credentials.
    Service {
        /// By its name.
        service: String,
        /// Path and query.
        path: String,
        /// HTTP status; 0 where there was no answer.
        #[serde(default)]
        status: u16,
        /// As text.
        #[serde(default)]
        body: String,
        /// Why there is no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The header fields of a name.
    Header {
        /// As asked.
        name: String,
        /// In order.
        values: Vec<String>,
    },
    /// One event of a rate.
    Rate {
        /// What is counted.
        key: String,
        /// Whether it was granted.
        granted: bool,
    },
    /// One permit.
    Permit {
        /// What is counted.
        key: String,
        /// Whether it was granted.
        granted: bool,
    },
}

/// Whether the host writes down what a stage asks, or tells it what another was told.
#[derive(Debug, Clone)]
pub enum Asking {
    /// Write it down.
    Write(Arc<Recording>),
    /// Tell it again. What is not there is unavailable, and counted; no source is asked and no permit taken.
    Tell {
        /// What another stage was told.
        recording: Arc<Recording>,
        /// Whether a table's answer that lies in memory may stand in for one that is not there.
        memory: bool,
    },
}

/// The questions of one call, in order.
#[derive(Debug, Default)]
pub struct Recording(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    asked: Vec<Asked>,
    withheld: Vec<Asked>,
}

impl Recording {
    /// Of these.
    pub fn of(asked: Vec<Asked>) -> Self {
        Self(Mutex::new(Pages { asked, withheld: Vec::new() }))
    }

    /// What was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.pages(|pages| pages.asked.clone())
    }

    /// What a stage that was told again asked, each once, and had no answer to.
    pub fn withheld(&self) -> Vec<Asked> {
        self.pages(|pages| pages.withheld.clone())
    }

    fn pages<T>(&self, look: impl FnOnce(&mut Pages) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A question without an answer, as it would stand in the recording of a source that knows nothing.
    pub(in crate::plugin) fn withhold(&self, question: Asked) {
        self.pages(|pages| {
            if pages.withheld.len() < MAX_ASKED && !pages.withheld.contains(&question) {
                pages.withheld.push(question);
            }
        });
    }

    fn write(&self, asked: Asked) {
        self.pages(|pages| {
            if pages.asked.len() < MAX_ASKED {
                pages.asked.push(asked);
            }
        });
    }

    fn find<T>(&self, answer: impl Fn(&Asked) -> Option<T>) -> Option<T> {
        self.pages(|pages| pages.asked.iter().find_map(answer))
    }

    pub(in crate::plugin) fn heard_lookup(&self, table: &str, key: &str, answer: &Answer) {
        let (row, error) = match answer {
            Ok(row) => (row.as_deref().map(of_row), None),
            Err(error) => (None, Some(word(error))),
        };
        self.write(Asked::Lookup { table: table.to_owned(), key: key.to_owned(), row, error });
    }

    pub(in crate::plugin) fn lookup(&self, table: &str, key: &str) -> Option<Answer> {
        self.find(|asked| match asked {
            Asked::Lookup { table: its, key: own, row, error } if its == table && own == key => {
                Some(error.as_deref().map_or_else(|| Ok(row.as_ref().map(to_row)), |error| Err(lookup_error(error))))
            }
            _ => None,
        })
    }

    pub(in crate::plugin) fn heard_prefixes(&self, table: &str, digits: &str, answer: &Rows) {
        let (rows, error) = match answer {
            Ok(rows) => (rows.iter().map(|row| of_row(row)).collect(), None),
            Err(error) => (Vec::new(), Some(word(error))),
        };
        self.write(Asked::Prefixes { table: table.to_owned(), digits: digits.to_owned(), rows, error });
    }

    pub(in crate::plugin) fn prefixes(&self, table: &str, digits: &str) -> Option<Rows> {
        self.find(|asked| match asked {
            Asked::Prefixes { table: its, digits: own, rows, error } if its == table && own == digits => Some(
                error
                    .as_deref()
                    .map_or_else(|| Ok(rows.iter().map(to_row).collect()), |error| Err(lookup_error(error))),
            ),
            _ => None,
        })
    }

    pub(in crate::plugin) fn heard_service(&self, service: &str, path: &str, answer: &Result<Response, ServiceError>) {
        let (status, body, error) = match answer {
            Ok(response) => (response.status, String::from_utf8_lossy(&response.body).into_owned(), None),
            Err(ServiceError::Deadline) => (0, String::new(), Some("deadline".to_owned())),
            Err(ServiceError::UnknownService) => (0, String::new(), Some("unknown-service".to_owned())),
            Err(ServiceError::Unavailable(why) | ServiceError::BadRequest(why)) => {
                (0, String::new(), Some(why.clone()))
            }
        };
        self.write(Asked::Service { service: service.to_owned(), path: path.to_owned(), status, body, error });
    }

    pub(in crate::plugin) fn service(&self, service: &str, path: &str) -> Option<Result<Response, ServiceError>> {
        self.find(|asked| match asked {
            Asked::Service { service: its, path: own, status, body, error } if its == service && own == path => {
                Some(match error.as_deref() {
                    None => Ok(Response { status: *status, body: body.clone().into_bytes() }),
                    Some("deadline") => Err(ServiceError::Deadline),
                    Some("unknown-service") => Err(ServiceError::UnknownService),
                    Some(why) => Err(ServiceError::Unavailable(why.to_owned())),
                })
            }
            _ => None,
        })
    }

    pub(in crate::plugin) fn heard_header(&self, name: &str, values: &[String]) {
        self.write(Asked::Header { name: name.to_owned(), values: values.to_vec() });
    }

    /// The recorded values of a name.
    pub fn header(&self, name: &str) -> Option<Vec<String>> {
        self.find(|asked| match asked {
            Asked::Header { name: its, values } if its.eq_ignore_ascii_case(name) => Some(values.clone()),
            _ => None,
        })
    }

    pub(in crate::plugin) fn heard_rate(&self, key: &str, granted: bool) {
        self.write(Asked::Rate { key: key.to_owned(), granted });
    }

    pub(in crate::plugin) fn rate(&self, key: &str) -> Option<bool> {
        self.find(|asked| match asked {
            Asked::Rate { key: its, granted } if its == key => Some(*granted),
            _ => None,
        })
    }

    pub(in crate::plugin) fn heard_permit(&self, key: &str, granted: bool) {
        self.write(Asked::Permit { key: key.to_owned(), granted });
    }

    pub(in crate::plugin) fn permit(&self, key: &str) -> Option<bool> {
        self.find(|asked| match asked {
            Asked::Permit { key: its, granted } if its == key => Some(*granted),
            _ => None,
        })
    }
}

fn word(error: &LookupError) -> String {
    match error {
        LookupError::UnknownTable => "unknown-table".to_owned(),
        LookupError::Deadline => "deadline".to_owned(),
        LookupError::BadKey => "bad-key".to_owned(),
        LookupError::Unavailable(why) => why.clone(),
    }
}

fn lookup_error(word: &str) -> LookupError {
    match word {
        "unknown-table" => LookupError::UnknownTable,
        "deadline" => LookupError::Deadline,
        "bad-key" => LookupError::BadKey,
        why => LookupError::Unavailable(why.to_owned()),
    }
}
