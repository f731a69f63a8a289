//! Spans as OTLP/HTTP has them in JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. Ids are
//! hexadecimal digits, 64-bit numbers are text, enumerations are numbers.
//!
//! By serde, and not by the crates of OpenTelemetry: their SDK makes spans around code that runs, with a clock and a
//! context per thread, where here they follow from a record that is there whole; and it would bring more code than the
//! format has fields.

use serde::Serialize;

/// The body of `POST /v1/traces`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Export {
    pub(super) resource_spans: [ResourceSpans; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans {
    pub(super) resource: Resource,
    pub(super) scope_spans: [ScopeSpans; 1],
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Resource {
    pub(super) attributes: Vec<Attribute>,
}

#[derive(Debug, Serialize)]
pub(super) struct ScopeSpans {
    pub(super) scope: Scope,
    pub(super) spans: Vec<Span>,
}

#[derive(Debug, Serialize)]
pub(super) struct Scope {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the names of the format")]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) parent_span_id: String,
    pub(super) name: String,
    pub(super) kind: u8,
    pub(super) start_time_unix_nano: String,
    pub(super) end_time_unix_nano: String,
    pub(super) attributes: Vec<Attribute>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<Event>,
    pub(super) status: Status,
}

/// `SpanKind`.
pub(super) const INTERNAL: u8 = 1;
/// The call: somebody asked us.
pub(super) const SERVER: u8 = 2;
/// We ask somebody.
pub(super) const CLIENT: u8 = 3;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) time_unix_nano: String,
    pub(super) name: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Status {
    /// 0 unset, 2 error.
    #[serde(skip_serializing_if = "is_unset")]
    pub(super) code: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
}

impl Status {
    pub(super) const UNSET: Self = Self { code: 0, message: String::new() };

    pub(super) fn error(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_unset(code: &u8) -> bool {
    *code == 0
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Attribute {
    pub(super) key: &'static str,
    pub(super) value: Value,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Value {
    StringValue(String),
    IntValue(String),
}

impl Attribute {
    pub(super) fn text(key: &'static str, value: impl Into<String>) -> Self {
        Self { key, value: Value::StringValue(value.into()) }
    }

    pub(super) fn number(key: &'static str, value: u64) -> Self {
        Self { key, value: Value::IntValue(value.to_string()) }
    }
}
