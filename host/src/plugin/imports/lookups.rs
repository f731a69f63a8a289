//! `lookups`: rows of the operator's tables, at once where they are cached, else within the stage's deadline.

use std::sync::Arc;
use std::time::Instant;

use crate::lookup::row::{self, Row};
use crate::lookup::{self, Origin, Probe};
use crate::plugin::bindings::trunkline::routing::lookups::{Host, LookupError, Query};
use crate::plugin::contract;
use crate::plugin::state::State;
use crate::plugin::trace::Open;
use crate::plugin::trace::story::{self, Question};

/// Queries of one `lookup-all`.
const MAX_QUERIES: usize = 32;

type Answer = Result<Option<contract::Row>, LookupError>;

impl Host for State {
    async fn lookup(&mut self, table: String, key: String) -> Answer {
        let answer = if let Some(answer) = self.told_row(&table, &key) {
            answer
        } else {
            let begun = self.begin(&table, &key);
            self.finish(begun, &table, &key).await
        };
        self.write_down(|recording| recording.heard_lookup(&table, &key, &answer));
        self.heed(&answer);
        answer
    }

    async fn lookup_all(&mut self, queries: Vec<Query>) -> Vec<Answer> {
        if queries.len() > MAX_QUERIES {
            let refusal = format!("{} queries at once; at most {MAX_QUERIES}", queries.len());
            return queries.iter().map(|_| Err(LookupError::Unavailable(refusal.clone()))).collect();
        }
        if self.told().is_some() {
            let told = queries.iter().filter_map(|query| self.told_row(&query.table, &query.key)).collect::<Vec<_>>();
            for answer in &told {
                self.heed(answer);
            }
            return told;
        }
        // All loads run before the first is awaited.
        let begun: Vec<_> = queries.iter().map(|query| self.begin(&query.table, &query.key)).collect();
        let mut answers = Vec::with_capacity(begun.len());
        for (lookup, query) in begun.into_iter().zip(&queries) {
            let answer = self.finish(lookup, &query.table, &query.key).await;
            self.write_down(|recording| recording.heard_lookup(&query.table, &query.key, &answer));
            self.heed(&answer);
            answers.push(answer);
        }
        answers
    }

    fn lookup_prefix(&mut self, table: String, digits: String) -> Result<Vec<contract::Row>, LookupError> {
        if let Some(told) = self.told_rows(&table, &digits) {
            self.heed(&told);
            return told;
        }
        let found = self.table(&table);
        let open = self.ask(|| Question::LookupPrefix(about(&found, &table, &digits)));
        let rows = found.and_then(|table| table.prefix(&digits));
        if let Some(open) = open {
            open.hear(match &rows {
                Ok(rows) => story::Answer::of_rows(rows.iter().map(|row| &**row)),
                Err(error) => story::Answer::Error(error.to_string()),
            });
        }
        let answer = rows.map(|rows| rows.iter().map(|row| of_row(row)).collect()).map_err(of_error);
        self.write_down(|recording| recording.heard_prefixes(&table, &digits, &answer));
        self.heed(&answer);
        answer
    }
}

/// What a stage that is told again hears where neither the recording nor memory has an answer.
const NOT_RECORDED: &str = "not in the recording";

impl State {
    /// The answer for a stage that is told what another was told: of the recording, else of memory where that may
    /// stand in and its answer is fresh. Nothing is loaded for it.
    fn told_row(&self, name: &str, key: &str) -> Option<Answer> {
        let (recording, memory) = self.told()?;
        let held = || {
            let table = self.table(name).ok()?;
            matches!(table.explain(key)?, Origin::Memory { .. } | Origin::Fresh { .. }).then(|| table.probe(key))
        };
        Some(match recording.lookup(name, key) {
            Some(answer) => answer,
            None => {
                if let Some(Probe::Ready(found)) = memory.then(held).flatten() {
                    found.map(|row| row.map(|row| of_row(&row))).map_err(of_error)
                } else {
                    recording.withhold();
                    Err(LookupError::Unavailable(NOT_RECORDED.to_owned()))
                }
            }
        })
    }

    fn told_rows(&self, name: &str, digits: &str) -> Option<Result<Vec<contract::Row>, LookupError>> {
        let (recording, memory) = self.told()?;
        if let Some(told) = recording.prefixes(name, digits) {
            return Some(told);
        }
        if memory {
            let rows = self.table(name).and_then(|table| table.prefix(digits));
            return Some(rows.map(|rows| rows.iter().map(|row| of_row(row)).collect()).map_err(of_error));
        }
        recording.withhold();
        Some(Err(LookupError::Unavailable(NOT_RECORDED.to_owned())))
    }

    /// No table while `configure` runs: its answer must not depend on the moment of the load.
    fn table(&self, name: &str) -> Result<&Arc<lookup::Table>, lookup::LookupError> {
        self.call.as_ref().and_then(|_| self.lent.tables.get(name)).ok_or(lookup::LookupError::UnknownTable)
    }

    /// A wrong table name or key is the guest's or the configuration's own mistake, and no outage.
    fn heed<T>(&mut self, answer: &Result<T, LookupError>) {
        if matches!(answer, Err(LookupError::Deadline | LookupError::Unavailable(_))) {
            self.met_outage();
        }
    }

    fn begin(&self, name: &str, key: &str) -> Begun {
        let table = self.table(name);
        // Before the probe: a miss makes it start a load, and then the cache may have it.
        let open = self.ask(|| Question::Lookup(about(&table, name, key)));
        let (probe, origin) =
            table.map_or_else(|error| (Probe::Ready(Err(error)), None), |table| table.probe_from(key));
        Begun { probe, origin, open }
    }

    /// Waits for the answer, at most as long as the stage may.
    async fn finish(&mut self, begun: Begun, name: &str, key: &str) -> Answer {
        let Begun { probe, mut origin, open } = begun;
        let found = match probe {
            Probe::Ready(found) => found,
            Probe::Pending(load) => {
                let wait_until = self.call.as_ref().map_or_else(Instant::now, |call| call.wait_until);
                let found = tokio::time::timeout_at(wait_until.into(), load).await;
                let found = found.unwrap_or(Err(lookup::LookupError::Deadline));
                if found.is_ok() {
                    origin = self.table(name).ok().and_then(|table| table.explain(key));
                    if let (Some(open), Some(origin)) = (&open, origin) {
                        open.was_loaded(origin);
                    }
                }
                found
            }
        };
        if let Some(remark) = origin.and_then(Origin::remark) {
            self.remark(name, &remark);
        }
        if let Some(open) = open {
            open.hear(story::Answer::of_row(&found));
        }
        found.map(|row| row.map(|row| of_row(&row))).map_err(of_error)
    }
}

/// A lookup that has not been answered.
struct Begun {
    probe: Probe,
    /// Where the cache has it from.
    origin: Option<Origin>,
    open: Option<Open>,
}

/// For the trace: where the answer is about to come from.
fn about(table: &Result<&Arc<lookup::Table>, lookup::LookupError>, name: &str, key: &str) -> story::Lookup {
    story::Lookup::new(name, key, table.as_ref().ok().and_then(|table| table.explain(key)))
}

fn of_error(error: lookup::LookupError) -> LookupError {
    match error {
        lookup::LookupError::UnknownTable => LookupError::UnknownTable,
        lookup::LookupError::Deadline => LookupError::Deadline,
        lookup::LookupError::Unavailable(_, why) => LookupError::Unavailable(why.to_string()),
        lookup::LookupError::BadKey => LookupError::BadKey,
    }
}

fn of_row(row: &Row) -> contract::Row {
    row.fields
        .iter()
        .map(|field| contract::Field { name: field.name.to_string(), value: of_value(&field.value) })
        .collect()
}

fn of_value(value: &row::Value) -> contract::Value {
    match value {
        row::Value::Text(text) => contract::Value::Text(text.to_string()),
        row::Value::Integer(integer) => contract::Value::Integer(*integer),
        row::Value::Decimal(decimal) => {
            contract::Value::Decimal(contract::Decimal { digits: decimal.digits, scale: decimal.scale })
        }
        row::Value::Boolean(boolean) => contract::Value::Boolean(*boolean),
    }
}
