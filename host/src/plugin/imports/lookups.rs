//! `lookups`: rows of the operator's tables, at once where they are cached, else within the stage's deadline.
//!
//! Linked by hand: a row is written into the guest's memory from where the table has it, and what memory answers is told
//! without a future of its own. The generated code would have copied the row first, and made such a future for each answer.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Instant;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::lookup::row::Field;
use crate::lookup::{self, Load, Origin, Probe};
use crate::plugin::bindings::trunkline::routing::lookups::{LookupError, Query};
use crate::plugin::recorded::Asked;
use crate::plugin::state::State;
use crate::plugin::trace::Open;
use crate::plugin::trace::story::{self, Question};
use crate::plugin::version::{CONTRACT_VERSION, PACKAGE};

/// Queries of one `lookup-all`.
const MAX_QUERIES: usize = 32;

/// A row as a guest gets it.
pub(in crate::plugin) type Row = Arc<[Field]>;

/// What a guest is told of one key.
pub(in crate::plugin) type Answer = Result<Option<Row>, LookupError>;

/// What a guest is told of a number's prefixes.
pub(in crate::plugin) type Rows = Result<Vec<Row>, LookupError>;

/// The result of a function that may wait, as wasmtime wants it.
type Reply<'a, T> = Box<dyn Future<Output = wasmtime::Result<(T,)>> + Send + 'a>;

/// Makes the interface known to guests.
pub(in crate::plugin) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(&format!("{PACKAGE}lookups@{CONTRACT_VERSION}"))?;
    interface.func_wrap_async("lookup", lookup)?;
    interface.func_wrap_async("lookup-all", lookup_all)?;
    interface.func_wrap("lookup-prefix", |mut store: StoreContextMut<'_, State>, (table, digits): (String, String)| {
        Ok((store.data_mut().lookup_prefix(&table, &digits),))
    })
}

fn lookup(mut store: StoreContextMut<'_, State>, (table, key): (String, String)) -> Reply<'_, Answer> {
    let state = store.data_mut();
    if let Some(told) = state.told_row(&table, &key) {
        state.heed(&told);
        return Box::new(ready(Ok((told,))));
    }
    let begun = state.begin(&table, &key);
    match begun.probe {
        Probe::Ready(found) => {
            let answer = state.finish(found, begun.origin, begun.open, &table, &key);
            Box::new(ready(Ok((answer,))))
        }
        Probe::Pending(load) => {
            Box::new(
                async move { Ok((store.data_mut().finish_late(load, begun.origin, begun.open, &table, &key).await,)) },
            )
        }
    }
}

fn lookup_all(mut store: StoreContextMut<'_, State>, (queries,): (Vec<Query>,)) -> Reply<'_, Vec<Answer>> {
    let state = store.data_mut();
    if queries.len() > MAX_QUERIES {
        let refusal = format!("{} queries at once; at most {MAX_QUERIES}", queries.len());
        let refused = queries.iter().map(|_| Err(LookupError::Unavailable(refusal.clone())));
        return Box::new(ready(Ok((refused.collect(),))));
    }
    if state.told().is_some() {
        let told: Vec<_> = queries.iter().filter_map(|query| state.told_row(&query.table, &query.key)).collect();
        for answer in &told {
            state.heed(answer);
        }
        return Box::new(ready(Ok((told,))));
    }
    // All loads run before the first is awaited.
    let begun: Vec<_> = queries.iter().map(|query| state.begin(&query.table, &query.key)).collect();
    Box::new(async move {
        let state = store.data_mut();
        let mut answers = Vec::with_capacity(begun.len());
        for (Begun { probe, origin, open }, Query { table, key }) in begun.into_iter().zip(&queries) {
            answers.push(match probe {
                Probe::Ready(found) => state.finish(found, origin, open, table, key),
                Probe::Pending(load) => state.finish_late(load, origin, open, table, key).await,
            });
        }
        Ok((answers,))
    })
}

/// What a stage that is told again hears where neither the recording nor memory has an answer.
const NOT_RECORDED: &str = "not in the recording";

impl State {
    fn lookup_prefix(&mut self, name: &str, digits: &str) -> Rows {
        if let Some(told) = self.told_rows(name, digits) {
            self.heed(&told);
            return told;
        }
        let found = self.table(name);
        let open = self.ask(|| Question::LookupPrefix(about(&found, name, digits)));
        let rows = found.and_then(|table| table.prefix(digits));
        if let Some(open) = open {
            open.hear(match &rows {
                Ok(rows) => story::Answer::of_rows(rows),
                Err(error) => story::Answer::of_error(error),
            });
        }
        let answer = of_rows(rows);
        self.write_down(|recording| recording.heard_prefixes(name, digits, &answer));
        self.heed(&answer);
        answer
    }

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
                    of_row(found)
                } else {
                    let (table, key) = (name.to_owned(), key.to_owned());
                    recording.withhold(Asked::Lookup { table, key, row: None, error: None });
                    Err(LookupError::Unavailable(NOT_RECORDED.to_owned()))
                }
            }
        })
    }

    fn told_rows(&self, name: &str, digits: &str) -> Option<Rows> {
        let (recording, memory) = self.told()?;
        if let Some(told) = recording.prefixes(name, digits) {
            return Some(told);
        }
        if memory {
            let rows = self.table(name).and_then(|table| table.prefix(digits));
            return Some(of_rows(rows));
        }
        let (table, digits) = (name.to_owned(), digits.to_owned());
        recording.withhold(Asked::Prefixes { table, digits, rows: Vec::new(), error: None });
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
    async fn finish_late(
        &mut self,
        load: Load,
        mut origin: Option<Origin>,
        open: Option<Open>,
        name: &str,
        key: &str,
    ) -> Answer {
        let wait_until = self.call.as_ref().map_or_else(Instant::now, |call| call.wait_until);
        let found = tokio::time::timeout_at(wait_until.into(), load).await;
        let found = found.unwrap_or(Err(lookup::LookupError::Deadline));
        if found.is_ok() {
            origin = self.table(name).ok().and_then(|table| table.explain(key));
            if let (Some(open), Some(origin)) = (&open, origin) {
                open.was_loaded(origin);
            }
        }
        self.finish(found, origin, open, name, key)
    }

    /// Tells all who want to know of an answer.
    fn finish(
        &mut self,
        found: lookup::Answer,
        origin: Option<Origin>,
        open: Option<Open>,
        name: &str,
        key: &str,
    ) -> Answer {
        if let Some(remark) = origin.and_then(Origin::remark) {
            self.remark(name, &remark);
        }
        if let Some(open) = open {
            open.hear(story::Answer::of_row(&found));
        }
        let answer = of_row(found);
        self.write_down(|recording| recording.heard_lookup(name, key, &answer));
        self.heed(&answer);
        answer
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

fn of_row(found: lookup::Answer) -> Answer {
    found.map(|row| row.map(|row| row.fields)).map_err(of_error)
}

fn of_rows(found: Result<impl IntoIterator<Item = lookup::row::Row>, lookup::LookupError>) -> Rows {
    found.map(|rows| rows.into_iter().map(|row| row.fields).collect()).map_err(of_error)
}
