//! What an OpenTelemetry collector would refuse: OTLP/HTTP in JSON, read as strictly as its definition
//! (opentelemetry-proto, `trace.proto`, and the JSON encoding of the OTLP specification) says. Debian has no collector.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::webhook::Delivery;

/// One export.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// Of the process that sent it.
    pub resource: BTreeMap<String, String>,
    /// In the order in which they came.
    pub spans: Vec<Span>,
}

/// One span.
#[derive(Debug, Clone)]
pub struct Span {
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub id: String,
    /// Of the span above it.
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: u64,
    /// Nanoseconds since 1970.
    pub began: u64,
    /// Nanoseconds since 1970.
    pub ended: u64,
    /// Numbers as text.
    pub attributes: BTreeMap<String, String>,
    /// Names and nanoseconds since 1970.
    pub events: Vec<(String, u64)>,
    /// Whether its status is an error.
    pub failed: bool,
}

impl Otlp {
    /// Reads a request as a collector does.
    ///
    /// # Errors
    /// When anything is not as the definition says.
    pub fn of(delivery: &Delivery) -> Result<Self> {
        ensure!(delivery.request.starts_with("POST /v1/traces HTTP/"), "asked by {}", delivery.request);
        ensure!(delivery.header("content-type")? == "application/json", "of another type");
        let body: Value = serde_json::from_slice(&delivery.body).context("no JSON")?;
        let body = object(&body, &["resourceSpans"])?;
        let [resource] = list(body.get("resourceSpans"))? else { bail!("not one resource") };
        let resource = object(resource, &["resource", "scopeSpans"])?;
        let attributes = object(resource.get("resource").context("no resource")?, &["attributes"])?;
        let attributes = attributes_of(attributes.get("attributes"))?;
        ensure!(attributes.contains_key("service.name"), "a resource without service.name");
        let mut spans = Vec::new();
        for scope in list(resource.get("scopeSpans"))? {
            let scope = object(scope, &["scope", "spans"])?;
            object(scope.get("scope").context("no scope")?, &["name", "version"])?;
            for span in list(scope.get("spans"))? {
                spans.push(Span::of(span).with_context(|| format!("{span}"))?);
            }
        }
        let ids: HashSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
        ensure!(ids.len() == spans.len(), "two spans have one id");
        for span in &spans {
            let Some(parent) = &span.parent else { continue };
            let above = spans.iter().find(|above| above.id == *parent).context("a parent that is not there")?;
            ensure!(above.trace == span.trace, "{} is in another trace than {}", span.name, above.name);
        }
        Ok(Self { resource: attributes, spans })
    }

    /// The trace of this call, its own span first.
    pub fn trace_of(&self, call_id: &str) -> Vec<Span> {
        let is = |span: &&Span| span.attributes.get("sip.call_id").is_some_and(|value| value == call_id);
        let Some(root) = self.spans.iter().find(is) else { return Vec::new() };
        let below = self.spans.iter().filter(|span| span.trace == root.trace && span.id != root.id);
        std::iter::once(root).chain(below).cloned().collect()
    }
}

impl Span {
    fn of(value: &Value) -> Result<Self> {
        let known = [
            "traceId",
            "spanId",
            "parentSpanId",
            "name",
            "kind",
            "startTimeUnixNano",
            "endTimeUnixNano",
            "attributes",
            "events",
            "status",
        ];
        let span = object(value, &known)?;
        let (began, ended) = (time(span.get("startTimeUnixNano"))?, time(span.get("endTimeUnixNano"))?);
        ensure!(began <= ended, "it ends before it begins");
        let kind = span.get("kind").and_then(Value::as_u64).context("no kind")?;
        ensure!((1..=5).contains(&kind), "of no kind that there is");
        let name = text(span.get("name"))?;
        ensure!(!name.is_empty(), "without a name");
        let mut events = Vec::new();
        for event in span.get("events").map_or(Ok(&[][..]), |events| list(Some(events)))? {
            let event = object(event, &["timeUnixNano", "name"])?;
            events.push((text(event.get("name"))?, time(event.get("timeUnixNano"))?));
        }
        let status = object(span.get("status").context("no status")?, &["code", "message"])?;
        let code = status.get("code").map_or(Some(0), Value::as_u64).context("a status that is no number")?;
        ensure!(code <= 2, "of no status that there is");
        Ok(Self {
            trace: id(span.get("traceId"), 32)?,
            id: id(span.get("spanId"), 16)?,
            parent: span.get("parentSpanId").map(|parent| id(Some(parent), 16)).transpose()?,
            name,
            kind,
            began,
            ended,
            attributes: attributes_of(span.get("attributes"))?,
            events,
            failed: code == 2,
        })
    }
}

/// An object with no other fields than these.
fn object<'a>(value: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>> {
    let object = value.as_object().context("not an object")?;
    for key in object.keys() {
        ensure!(known.contains(&key.as_str()), "the definition has no `{key}` here");
    }
    Ok(object)
}

fn list(value: Option<&Value>) -> Result<&[Value]> {
    value.and_then(Value::as_array).map(Vec::as_slice).context("not an array")
}

fn text(value: Option<&Value>) -> Result<String> {
    value.and_then(Value::as_str).map(str::to_owned).context("not a text")
}

/// Lower or upper case digits, and not zeros alone, which is no id.
fn id(value: Option<&Value>, digits: usize) -> Result<String> {
    let id = text(value)?;
    let good =
        id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0');
    ensure!(good, "`{id}` is no id of {digits} digits");
    Ok(id)
}

/// A 64-bit number, which JSON carries as text; of this century.
fn time(value: Option<&Value>) -> Result<u64> {
    let nanos: u64 = text(value)?.parse().context("not a time")?;
    ensure!(nanos > 1_000_000_000_000_000_000, "{nanos} are no nanoseconds since 1970");
    Ok(nanos)
}

fn attributes_of(value: Option<&Value>) -> Result<BTreeMap<String, String>> {
    let mut attributes = BTreeMap::new();
    for attribute in list(value)? {
        let attribute = object(attribute, &["key", "value"])?;
        let key = text(attribute.get("key"))?;
        let value = object(attribute.get("value").context("no value")?, &["stringValue", "intValue"])?;
        ensure!(value.len() == 1, "{key} has not one value");
        let told = match (value.get("stringValue"), value.get("intValue")) {
            (Some(told), None) => text(Some(told))?,
            (None, Some(number)) => text(Some(number))?.parse::<i64>().map(|number| number.to_string())?,
            _ => bail!("{key} has no value"),
        };
        ensure!(attributes.insert(key.clone(), told).is_none(), "{key} is there twice");
    }
    Ok(attributes)
}
