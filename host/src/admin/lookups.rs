//! Tables and breakers by the API: what is held, purging, maintenance windows.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Control;
use super::routes::{Api, Shared, problem};
use crate::lookup::row::Row;
use crate::lookup::{Hold, Origin, Purge, Table, Via};

pub(super) fn routes<C: Control>() -> Router<Arc<Shared<C>>> {
    let none = async || problem(StatusCode::METHOD_NOT_ALLOWED, "this page does not answer to that method");
    Router::new()
        .route("/v1/tables", get(list::<C>).fallback(none))
        .route("/v1/tables/{table}", get(one::<C>).delete(purge_prefix::<C>).fallback(none))
        .route("/v1/tables/{table}/{*key}", get(show::<C>).delete(purge_key::<C>).fallback(none))
        .route("/v1/services/{service}/breaker", post(breaker::<C>).fallback(none))
}

/// One table with its numbers.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct TableNumbers {
    table: String,
    /// Held whole in memory; else asked key by key.
    whole: bool,
    entries: u64,
    bytes: u64,
    age_seconds: Option<f64>,
    hits: u64,
    negative: u64,
    stale: u64,
    misses: u64,
    shared: u64,
    loads: u64,
    errors: BTreeMap<&'static str, u64>,
}

impl TableNumbers {
    fn of(table: &Table) -> Self {
        let stats = table.stats();
        Self {
            table: table.name().to_owned(),
            whole: table.is_whole(),
            entries: stats.entries,
            bytes: stats.bytes,
            age_seconds: stats.age.map(|age| age.as_secs_f64()),
            hits: stats.hits,
            negative: stats.negative,
            stale: stats.stale,
            misses: stats.misses,
            shared: stats.shared_hits,
            loads: stats.loads,
            errors: stats.errors.iter().map(|(trouble, count)| (trouble.word(), *count)).collect(),
        }
    }
}

async fn list<C: Control>(State(shared): Api<C>) -> Response {
    let tables = shared.control.lookups().map(|(tables, _)| tables).unwrap_or_default();
    let mut numbers: Vec<_> = tables.iter().map(|table| TableNumbers::of(table)).collect();
    numbers.sort_by(|a, b| a.table.cmp(&b.table));
    Json(numbers).into_response()
}

async fn one<C: Control>(State(shared): Api<C>, Path(table): Path<String>) -> Response {
    match find(&shared, &table) {
        Ok(table) => Json(TableNumbers::of(&table)).into_response(),
        Err(refused) => *refused,
    }
}

/// What memory holds for a key.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    table: &'a str,
    key: &'a str,
    /// Empty: the source has no such row.
    rows: Vec<BTreeMap<String, String>>,
    /// `fresh`, `stale`, `expired`, or `whole` for a table that is held whole.
    state: &'static str,
    /// `source` or `shared`, the second tier; `file` or `database` for a table that is held whole.
    from: Option<&'static str>,
    age_seconds: Option<f64>,
}

async fn show<C: Control>(State(shared): Api<C>, Path((table, key)): Path<(String, String)>) -> Response {
    let table = match find(&shared, &table) {
        Ok(table) => table,
        Err(refused) => return *refused,
    };
    let Some((rows, origin)) = table.peek(&key) else {
        return problem(StatusCode::NOT_FOUND, "memory holds nothing under this key: the next call asks the source");
    };
    let (state, from, age) = match origin {
        Origin::Memory { age, from } => ("whole", Some(from), age),
        Origin::Fresh { age, via } => ("fresh", Some(word(via)), Some(age)),
        Origin::Stale { age, via } => ("stale", Some(word(via)), Some(age)),
        Origin::Loaded => ("expired", None, None),
    };
    let rows = rows.iter().map(fields).collect();
    let age_seconds = age.map(|age| age.as_secs_f64());
    Json(Shown { table: table.name(), key: &key, rows, state, from, age_seconds }).into_response()
}

fn fields(row: &Row) -> BTreeMap<String, String> {
    row.fields.iter().map(|field| (field.name.to_string(), field.value.to_string())).collect()
}

fn word(via: Via) -> &'static str {
    match via {
        Via::Source => "source",
        Via::Shared => "shared",
    }
}

async fn purge_key<C: Control>(State(shared): Api<C>, Path((table, key)): Path<(String, String)>) -> Response {
    match find(&shared, &table) {
        Ok(table) => purge(table, Purge::Key(key)).await,
        Err(refused) => *refused,
    }
}

#[derive(Deserialize)]
struct Prefix {
    prefix: Option<String>,
}

async fn purge_prefix<C: Control>(
    State(shared): Api<C>,
    Path(table): Path<String>,
    Query(Prefix { prefix }): Query<Prefix>,
) -> Response {
    let table = match find(&shared, &table) {
        Ok(table) => table,
        Err(refused) => return *refused,
    };
    let Some(prefix) = prefix else {
        return problem(StatusCode::BAD_REQUEST, "say `?prefix=DIGITS`, or `?prefix=` to forget the whole table");
    };
    purge(table, Purge::Prefix(prefix)).await
}

/// Here at once, then in the second tier and on all other nodes, where there is one.
async fn purge(table: Arc<Table>, what: Purge) -> Response {
    let (own, of) = (Arc::clone(&table), what.clone());
    // Walks through all keys for a prefix.
    let count = match tokio::task::spawn_blocking(move || own.purge(&of)).await {
        Ok(Some(count)) => count,
        Ok(None) => {
            return problem(StatusCode::CONFLICT, "this table is held whole: change its source, or reload");
        }
        Err(_) => return problem(StatusCode::INTERNAL_SERVER_ERROR, "the purge failed within"),
    };
    match table.purge_shared(&what).await {
        None => Json(serde_json::json!({ "purged": count })).into_response(),
        Some(Ok(())) => Json(serde_json::json!({ "purged": count, "all-nodes": true })).into_response(),
        Some(Err(error)) => {
            let message = format!("purged on this node alone; the others were not told: {error}");
            problem(StatusCode::BAD_GATEWAY, &message)
        }
    }
}

async fn breaker<C: Control>(State(shared): Api<C>, Path(service): Path<String>, body: String) -> Response {
    let hold = match body.trim().trim_matches('"') {
        "open" => Hold::Open,
        "closed" => Hold::Closed,
        "auto" => Hold::Auto,
        _ => return problem(StatusCode::BAD_REQUEST, "the body is one word: `open`, `closed` or `auto`"),
    };
    let known = shared.control.lookups().is_some_and(|(_, services)| services.set_breaker(&service, hold));
    if !known {
        return problem(StatusCode::NOT_FOUND, "there is no such service");
    }
    tracing::info!(service, hold = ?hold, "an operator decides over the breaker");
    StatusCode::NO_CONTENT.into_response()
}

/// The error is boxed for its size.
fn find<C: Control>(shared: &Shared<C>, name: &str) -> Result<Arc<Table>, Box<Response>> {
    let tables = shared.control.lookups().map(|(tables, _)| tables);
    let table = tables.and_then(|tables| tables.get(name).cloned());
    table.ok_or_else(|| Box::new(problem(StatusCode::NOT_FOUND, "there is no such table")))
}
