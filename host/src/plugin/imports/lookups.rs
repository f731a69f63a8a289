//! `lookups`: rows of the operator's tables, at once where they are cached, else within the stage's deadline.

use std::sync::Arc;
use std::time::Instant;

use crate::lookup::row::{self, Row};
use crate::lookup::{self, Probe};
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
        let answer = self.begin(&table, &key).finish().await;
        self.heed(&answer);
        answer
    }

    async fn lookup_all(&mut self, queries: Vec<Query>) -> Vec<Answer> {
        if queries.len() > MAX_QUERIES {
            let refusal = format!("{} queries at once; at most {MAX_QUERIES}", queries.len());
            return queries.iter().map(|_| Err(LookupError::Unavailable(refusal.clone()))).collect();
        }
        // All loads run before the first is awaited.
        let begun: Vec<_> = queries.iter().map(|query| self.begin(&query.table, &query.key)).collect();
        let mut answers = Vec::with_capacity(begun.len());
        for lookup in begun {
            let answer = lookup.finish().await;
            self.heed(&answer);
            answers.push(answer);
        }
        answers
    }

    fn lookup_prefix(&mut self, table: String, digits: String) -> Result<Vec<contract::Row>, LookupError> {
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
        self.heed(&answer);
        answer
    }
}

impl State {
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
        let probe = table.map_or_else(|error| Probe::Ready(Err(error)), |table| table.probe(key));
        let wait_until = self.call.as_ref().map_or_else(Instant::now, |call| call.wait_until);
        Begun { probe, wait_until, open }
    }
}

/// A lookup that has not been answered.
struct Begun {
    probe: Probe,
    wait_until: Instant,
    open: Option<Open>,
}

impl Begun {
    async fn finish(self) -> Answer {
        let found = match self.probe {
            Probe::Ready(found) => found,
            Probe::Pending(load) => {
                let found = tokio::time::timeout_at(self.wait_until.into(), load).await;
                found.unwrap_or(Err(lookup::LookupError::Deadline))
            }
        };
        if let Some(open) = self.open {
            open.hear(story::Answer::of_row(&found));
        }
        found.map(|row| row.map(|row| of_row(&row))).map_err(of_error)
    }
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
