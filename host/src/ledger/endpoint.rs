//! How a ledger fares, over HTTP: `GET /metrics` for Prometheus, `GET /healthz` for its supervisor.
//!
//! It can be read and nothing else, so it asks for no token.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::counters::Counters;
use crate::admin::{Admin, AdminError};

/// Opens it. Call it within the ledger's runtime.
///
/// # Errors
///
/// The address cannot be listened on.
pub(super) async fn open(bind: SocketAddr, counters: Arc<Counters>) -> Result<Admin, AdminError> {
    let mut registry = Registry::with_prefix("trunkline_ledger");
    registry.register_collector(Box::new(Page(counters)));
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Arc::new(registry));
    Admin::open(bind, router).await
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut page = String::new();
    match text::encode(&mut page, &registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

struct Page(Arc<Counters>);

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.read();
        for (name, help, value) in [
            ("primary", "1 in the process that writes, 0 in one that stands by", u64::from(self.0.is_primary())),
            ("age_seconds", "From a call's end to its transaction, of the newest call in the last one", self.0.age()),
        ] {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, value) in [
            ("records", "Calls written", counts.records),
            (
                "rated",
                "Calls written that have what they come to, those that cost nothing too",
                counts.records - counts.unrated,
            ),
            ("unrated", "Answered calls written without a price or a cost", counts.unrated),
            ("duplicates", "Calls that were there already", counts.duplicates),
            ("rejects", "Messages that are no call, kept apart", counts.rejects),
            ("batches", "Transactions", counts.batches),
            ("database_failures", "Attempts to write that failed", counts.database_failures),
            ("broker_failures", "Connections to the broker that failed", counts.broker_failures),
        ] {
            ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
