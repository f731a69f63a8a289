//! The stage `limit`: calls per second and calls at once, by any key that a call gives. A call beyond a limit is refused
//! with 503 and Retry-After; or it goes on marked, so that a later stage can route it another way.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `limits` | none | a list of `{ key, calls-per-second, calls, table, row }`, below |
//! | `code` | 503 | the answer |
//! | `reason` | the standard one | its reason phrase |
//! | `retry-after` | 1 | seconds in the header field Retry-After; 0 for none |
//! | `mark` | false | go on with the attribute `limited` (the key that is used up) instead of refusing |
//!
//! A limit:
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `key` | required | what is counted: a text with `{customer}`, `{caller}`, `{callee}`, `{source}` or `{attribute:NAME}` |
//! | `calls-per-second` | none | new calls in a second |
//! | `calls` | none | calls at once; a call gives its place back when it ends, however it ends |
//! | `table`, `row` | none | a table, and the key of its row (a text as `key`), whose fields `calls-per-second` and `calls` stand above the two here; without a row the two here count |
//!
//! Where a part of the key is empty (an attribute that is not there, a caller without number), the limit does not count.
//! Limits are taken in their order; what a refused call has taken is given back, save for the rate.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Header, Host, Outcome, Plugin, Verdict, export};

/// The stage, as configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limit {
    limits: Vec<Rule>,
    code: u16,
    reason: String,
    retry_after: u32,
    mark: bool,
}

impl Default for Limit {
    fn default() -> Self {
        Self { limits: Vec::new(), code: 503, reason: String::new(), retry_after: 1, mark: false }
    }
}

/// One limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rule {
    key: String,
    calls_per_second: Option<u32>,
    calls: Option<u32>,
    table: Option<String>,
    row: Option<String>,
}

impl Plugin for Limit {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        for rule in &self.limits {
            let Some(key) = fill(&rule.key, call) else { continue };
            let (rate, calls) = rule.bounds(call, host)?;
            // The permit first: a call that finds no place must not use up the second's events.
            let free = calls.is_none_or(|calls| host.take_permit(&key, calls))
                && rate.is_none_or(|rate| host.take_rate(&key, rate));
            if !free {
                host.metric("limited", 1);
                return Ok(self.limited(key));
            }
        }
        Ok(Outcome::proceed())
    }

    fn check(&self) -> Result<(), String> {
        if self.limits.is_empty() {
            return Err(
                "limits: there is none; such as limits = [{ key = \"customer:{customer}\", calls = 200 }]".into()
            );
        }
        if !(400..=699).contains(&self.code) {
            return Err(format!("code: {} is no refusal: 400 to 699", self.code));
        }
        for (at, rule) in self.limits.iter().enumerate() {
            let place = |key: &str| format!("limits[{at}].{key}");
            for (name, text) in [("key", Some(&rule.key)), ("row", rule.row.as_ref())] {
                if let Some(wrong) = text.and_then(|text| unknown(text)) {
                    return Err(format!(
                        "{}: {{{wrong}}} is none of customer, caller, callee, source, attribute:NAME",
                        place(name)
                    ));
                }
            }
            if rule.table.is_some() != rule.row.is_some() {
                return Err(format!("{}: `table` and `row` go together", place("table")));
            }
            if rule.table.is_none() && rule.calls.is_none() && rule.calls_per_second.is_none() {
                return Err(format!("{}: needs `calls-per-second`, `calls` or a `table`", place("key")));
            }
        }
        Ok(())
    }
}

impl Limit {
    fn limited(&self, key: String) -> Outcome {
        if self.mark {
            return Outcome::proceed().attribute("limited", key);
        }
        let mut outcome = Outcome::reject(self.code, self.reason.clone()).attribute("limited", key);
        if let (Verdict::Reject(rejection), 1..) = (&mut outcome.verdict, self.retry_after) {
            let value = self.retry_after.to_string();
            rejection.headers.push(Header { name: "Retry-After".to_owned(), value });
        }
        outcome
    }
}

impl Rule {
    /// Calls per second and calls at once, from the table where it has a row.
    fn bounds(&self, call: &Call, host: &dyn Host) -> Result<(Option<u32>, Option<u32>), Error> {
        let own = (self.calls_per_second, self.calls);
        let (Some(table), Some(row)) = (&self.table, &self.row) else { return Ok(own) };
        let Some(key) = fill(row, call) else { return Ok(own) };
        let Some(row) = host.lookup(table, &key)? else { return Ok(own) };
        let bound = |field: &str| -> Result<Option<u32>, Error> {
            let Some(text) = row.text(field).filter(|text| !text.is_empty()) else { return Ok(None) };
            let wrong = || Error::from(format!("table {table}: field {field}: {text:?} is no number of calls"));
            text.parse().map(Some).map_err(|_| wrong())
        };
        Ok((bound("calls-per-second")?.or(own.0), bound("calls")?.or(own.1)))
    }
}

/// The text with what the call gives in it; `None` where a part is empty.
fn fill(text: &str, call: &Call) -> Option<String> {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        let value = value(name, call).filter(|value| !value.is_empty())?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

fn value<'a>(name: &str, call: &'a Call) -> Option<&'a str> {
    match name {
        "customer" => Some(&call.customer),
        "caller" => Some(&call.caller),
        "callee" => Some(&call.callee),
        "source" => Some(&call.source),
        _ => {
            let name = name.strip_prefix("attribute:")?;
            call.attributes.iter().find(|held| held.name == name).map(|held| held.value.as_str())
        }
    }
}

/// The first name in the text that is none.
fn unknown(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let known = matches!(name, "customer" | "caller" | "callee" | "source") || name.starts_with("attribute:");
        if !known {
            return Some(name);
        }
        rest = after;
    }
    None
}

export!(Limit);

#[cfg(test)]
mod tests;
