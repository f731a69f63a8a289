//! The parts of a trace, as `trunkline explain --json` writes them.
//!
//! Names are in kebab-case, values of rows are text (a decimal with all its places), pairs are `[name, value]`.

use serde::Serialize;

use crate::cdr::record::UnixMicros;
use crate::lookup::row::Row;
use crate::lookup::{self, Origin, Via};
use crate::plugin::contract;

/// One stage's visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageStory {
    /// The call as the stage found it.
    pub input: Input,
    /// What it asked of the host, in order.
    pub asked: Vec<Asked>,
    /// How many further questions are not told.
    #[serde(skip_serializing_if = "is_none")]
    pub untold: usize,
    /// What it gave; `None` where it gave nothing: it failed or was not run.
    pub returned: Option<Returned>,
    /// When it was entered.
    #[serde(skip)]
    pub began: UnixMicros,
}

/// The call as a stage finds it: as received, with the edits of earlier stages applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Input {
    /// The calling number, digits; empty where there is none.
    pub caller: String,
    /// The called number, digits; empty where there is none.
    pub callee: String,
    /// The Request-URI.
    pub request_uri: String,
    /// The URI in From.
    pub from_uri: String,
    /// The URI in To.
    pub to_uri: String,
    /// `absent`, `verified USER`, `stale` or `failed`.
    pub digest: String,
    /// What earlier stages and the customer's configuration left.
    pub attributes: Vec<(String, String)>,
}

/// A question to the host, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// What was asked.
    #[serde(flatten)]
    pub question: Question,
    /// What the host said; `None` where the stage was cut before.
    pub answer: Option<Answer>,
    /// From the question to the answer; `None` where there is none.
    pub micros: Option<u64>,
    /// When it was asked.
    #[serde(skip)]
    pub began: UnixMicros,
}

/// What a stage can ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Question {
    /// The row under exactly this key.
    Lookup(Lookup),
    /// The rows whose key is a prefix of this number.
    LookupPrefix(Lookup),
    /// A request to a named service. Header fields and body are not told: they may hold credentials.
    Call {
        /// Its name in the configuration.
        service: String,
        /// `GET` or `POST`.
        method: &'static str,
        /// Path and query.
        path: String,
    },
    /// The header fields of this name.
    Header {
        /// As the stage wrote it.
        name: String,
    },
    /// One of so many events of this second.
    TakeRate {
        /// What is counted.
        key: String,
        /// The limit.
        per_second: u32,
    },
    /// One of so many permits.
    TakePermit {
        /// What is counted.
        key: String,
        /// The limit.
        max: u32,
    },
}

/// A key of a table, and where the answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lookup {
    /// The table's name in the configuration.
    pub table: String,
    /// The key, or the digits to match.
    pub key: String,
    /// `file` or `database`: all its rows are in memory. `cache`: within the ttl. `stale`: past it. Where memory had none:
    /// `shared`, the second tier had it, or `source`, the source was asked. `None` where there is no such table or the key
    /// cannot be one.
    pub origin: Option<&'static str>,
    /// Whether the cache had it from the second tier, to which another node had brought it.
    #[serde(skip_serializing_if = "is_false")]
    pub shared: bool,
    /// Of the answer, in milliseconds: since the file was written, or since the source gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
}

/// What the host can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Answer {
    /// These rows; none where the table has none.
    Rows(Vec<Vec<(String, String)>>),
    /// These values of header fields.
    Values(Vec<String>),
    /// An HTTP response.
    Response {
        /// Its status code.
        status: u16,
        /// Bytes of its body.
        bytes: usize,
    },
    /// Whether it was granted.
    Granted(bool),
    /// There is none.
    Error(Failure),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Failure {
    /// For who looks at this call: it may quote what was asked for.
    pub why: String,
    /// In a word, for who must not read that: see [`lookup::Trouble::word`].
    #[serde(skip)]
    pub word: &'static str,
}

/// An outcome, before the host has judged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Returned {
    /// `proceed`, `reject 603 Decline`, `challenge REALM`, `redirect URI …` or `route GATEWAY …`.
    pub verdict: String,
    /// Changes to the request.
    pub edits: Vec<Edit>,
    /// For later stages and the record.
    pub attributes: Vec<(String, String)>,
}

/// One change to the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Edit {
    /// The contract's name of it, such as `set-header`.
    pub edit: &'static str,
    /// Of the header field or the parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl StageStory {
    pub(super) fn entered(input: Input, began: UnixMicros) -> Self {
        Self { input, asked: Vec::new(), untold: 0, returned: None, began }
    }
}

impl Input {
    pub(super) fn of(call: &contract::Call) -> Self {
        Self {
            caller: call.caller.clone(),
            callee: call.callee.clone(),
            request_uri: call.request_uri.clone(),
            from_uri: call.from_uri.clone(),
            to_uri: call.to_uri.clone(),
            digest: match &call.digest {
                contract::Digest::Absent => "absent".to_owned(),
                contract::Digest::Verified(user) => format!("verified {user}"),
                contract::Digest::Stale => "stale".to_owned(),
                contract::Digest::Failed => "failed".to_owned(),
            },
            attributes: pairs(&call.attributes),
        }
    }
}

impl Lookup {
    pub(crate) fn new(table: &str, key: &str, origin: Option<Origin>) -> Self {
        let (origin, age, via) = match origin {
            None => (None, None, None),
            Some(Origin::Memory { age, from }) => (Some(from), age, None),
            Some(Origin::Fresh { age, via }) => (Some("cache"), Some(age), Some(via)),
            Some(Origin::Stale { age, via }) => (Some("stale"), Some(age), Some(via)),
            Some(Origin::Loaded) => (Some("source"), None, None),
        };
        let age_ms = age.map(|age| age.as_millis() as u64);
        Self { table: table.to_owned(), key: key.to_owned(), origin, shared: via == Some(Via::Shared), age_ms }
    }

    /// Memory had nothing, and after the load has it from there.
    fn loaded(&mut self, origin: Origin) {
        let (age, word) = match origin {
            Origin::Fresh { age, via: Via::Shared } => (age, "shared"),
            Origin::Stale { age, .. } => (age, "stale"),
            Origin::Fresh { .. } | Origin::Memory { .. } | Origin::Loaded => return,
        };
        (self.origin, self.age_ms) = (Some(word), Some(age.as_millis() as u64));
    }
}

impl Question {
    /// Of a lookup that was waited for: where memory has the answer from now.
    pub(super) fn was_loaded(&mut self, origin: Origin) {
        if let Self::Lookup(lookup) = self {
            lookup.loaded(origin);
        }
    }
}

impl Answer {
    pub(crate) fn of_row(answer: &lookup::Answer) -> Self {
        match answer {
            Ok(row) => Self::Rows(row.iter().map(fields).collect()),
            Err(error) => Self::of_error(error),
        }
    }

    pub(crate) fn of_error(error: &lookup::LookupError) -> Self {
        Self::Error(Failure { why: error.to_string(), word: error.trouble().word() })
    }

    pub(crate) fn of_rows<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        Self::Rows(rows.into_iter().map(fields).collect())
    }
}

impl Returned {
    pub(super) fn of(outcome: &contract::Outcome) -> Self {
        Self {
            verdict: verdict(&outcome.verdict),
            edits: outcome.edits.iter().map(Edit::of).collect(),
            attributes: pairs(&outcome.attributes),
        }
    }
}

impl Edit {
    fn of(edit: &contract::Edit) -> Self {
        use contract::Edit as Of;
        let (edit, name, value) = match edit {
            Of::CallerName(value) => ("caller-name", None, Some(value)),
            Of::CallerNumber(value) => ("caller-number", None, Some(value)),
            Of::CalleeNumber(value) => ("callee-number", None, Some(value)),
            Of::UserParameter(parameter) => ("user-parameter", Some(&parameter.name), Some(&parameter.value)),
            Of::SetHeader(header) => ("set-header", Some(&header.name), Some(&header.value)),
            Of::AddHeader(header) => ("add-header", Some(&header.name), Some(&header.value)),
            Of::RemoveHeader(name) => ("remove-header", Some(name), None),
        };
        Self { edit, name: name.cloned(), value: value.cloned() }
    }
}

fn verdict(verdict: &contract::Verdict) -> String {
    use contract::Verdict;
    match verdict {
        Verdict::Proceed => "proceed".to_owned(),
        Verdict::Reject(rejection) => format!("reject {} {}", rejection.code, rejection.reason).trim_end().to_owned(),
        Verdict::Challenge(realm) => format!("challenge {realm}"),
        Verdict::Redirect(contacts) => format!("redirect {}", contacts.join(" ")),
        Verdict::Route(routes) => {
            let gateways: Vec<&str> = routes.iter().map(|route| route.gateway.as_str()).collect();
            format!("route {}", gateways.join(" "))
        }
    }
}

fn pairs(attributes: &[contract::Attribute]) -> Vec<(String, String)> {
    attributes.iter().map(|held| (held.name.clone(), held.value.clone())).collect()
}

fn fields(row: &Row) -> Vec<(String, String)> {
    row.fields.iter().map(|field| (field.name.to_string(), field.value.to_string())).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(it: &bool) -> bool {
    !it
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}
