//! `lookups`: rows of the operator's tables, at once where they are cached, else within the stage's deadline.

use std::sync::Arc;
use std::time::Instant;

use crate::lookup::row::{self, Row};
use crate::lookup::{self, Probe};
use crate::plugin::bindings::trunkline::routing::lookups::{Host, LookupError, Query};
use crate::plugin::contract;
use crate::plugin::state::State;

/// Queries of one `lookup-all`.
const MAX_QUERIES: usize = 32;

type Answer = Result<Option<contract::Row>, LookupError>;

impl Host for State {
    async fn lookup(&mut self, table: String, key: String) -> Answer {
        let (probe, wait_until) = self.probe(&table, &key)?;
        finish(probe, wait_until).await
    }

    async fn lookup_all(&mut self, queries: Vec<Query>) -> Vec<Answer> {
        if queries.len() > MAX_QUERIES {
            let refusal = format!("{} queries at once; at most {MAX_QUERIES}", queries.len());
            return queries.iter().map(|_| Err(LookupError::Unavailable(refusal.clone()))).collect();
        }
        // All loads run before the first is awaited.
        let probes: Vec<_> = queries.iter().map(|query| self.probe(&query.table, &query.key)).collect();
        let mut answers = Vec::with_capacity(probes.len());
        for probe in probes {
            answers.push(match probe {
                Ok((probe, wait_until)) => finish(probe, wait_until).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    fn lookup_prefix(&mut self, table: String, digits: String) -> Result<Vec<contract::Row>, LookupError> {
        let rows = self.table(&table)?.prefix(&digits).map_err(of_error)?;
        Ok(rows.iter().map(|row| of_row(row)).collect())
    }
}

impl State {
    /// No table while `configure` runs: its answer must not depend on the moment of the load.
    fn table(&self, name: &str) -> Result<&Arc<lookup::Table>, LookupError> {
        self.call.as_ref().and_then(|_| self.lent.tables.get(name)).ok_or(LookupError::UnknownTable)
    }

    fn probe(&self, table: &str, key: &str) -> Result<(Probe, Instant), LookupError> {
        let probe = self.table(table)?.probe(key);
        let wait_until = self.call.as_ref().map_or_else(Instant::now, |call| call.wait_until);
        Ok((probe, wait_until))
    }
}

async fn finish(probe: Probe, wait_until: Instant) -> Answer {
    let found = match probe {
        Probe::Ready(found) => found,
        Probe::Pending(load) => match tokio::time::timeout_at(wait_until.into(), load).await {
            Ok(found) => found,
            Err(_) => return Err(LookupError::Deadline),
        },
    };
    found.map(|row| row.map(|row| of_row(&row))).map_err(of_error)
}

fn of_error(error: lookup::LookupError) -> LookupError {
    match error {
        lookup::LookupError::UnknownTable => LookupError::UnknownTable,
        lookup::LookupError::Deadline => LookupError::Deadline,
        lookup::LookupError::Unavailable(why) => LookupError::Unavailable(why.to_string()),
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
