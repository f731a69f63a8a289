//! Posts traces to the collector, in batches.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::otlp::{Attribute, Export, Resource, ResourceSpans, Scope, ScopeSpans};
use super::{Counts, Traced, tree};
use crate::cdr::Backoff;
use crate::config::model;
use crate::lookup::http_client;

/// Calls in a request, at most: some ten spans each, of some 500 bytes.
const BATCH: usize = 256;
/// How long the first of a batch waits for others.
const LINGER: Duration = Duration::from_millis(500);
/// Where a collector takes traces, below the URL of the configuration (OTLP/HTTP).
const PATH: &str = "v1/traces";
/// Bytes of an answer that are looked at.
const ANSWER: usize = 16 << 10;

/// Why traces could not be started.
#[derive(Debug, thiserror::Error)]
#[error("`tracing.{key}`: {problem}")]
pub struct StartError {
    key: String,
    problem: String,
}

/// The task behind the queue.
pub(super) struct Exporter {
    client: Client,
    url: Url,
    headers: HeaderMap,
    resource: Resource,
    counts: Arc<Counts>,
}

/// What a collector says that did not take all (`ExportTraceServiceResponse`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    partial_success: Option<PartialSuccess>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_spans: Count,
    error_message: String,
}

/// 64 bits: text, as Protocol Buffers have it in JSON, or a number, as some write it all the same.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// What the collector has of a batch.
enum Taken {
    Whole,
    InPart,
}

impl Exporter {
    pub(super) fn new(config: &model::Tracing, node: &Arc<str>, counts: Arc<Counts>) -> Result<Self, StartError> {
        let failed = |key: &str, problem: String| StartError { key: key.to_owned(), problem };
        let mut url = Url::parse(&config.url).map_err(|error| failed("url", error.to_string()))?;
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{PATH}"));
        let client = http_client(url.scheme(), |builder| builder.timeout(config.deadline.get()))
            .map_err(|error| failed("url", error.without_url().to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let pair = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            // Not the value: it may be a credential.
            let (header, mut value) =
                pair.ok_or_else(|| failed(&format!("headers.{name}"), "is not a header that HTTP allows".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let resource = Resource {
            attributes: vec![
                Attribute::text("service.name", "trunkline"),
                Attribute::text("service.instance.id", &**node),
                Attribute::text("service.version", env!("CARGO_PKG_VERSION")),
            ],
        };
        Ok(Self { client, url, headers, resource, counts })
    }

    /// Until nobody can hand over a trace any more. After a refusal it pauses, longer and longer, while the queue drops
    /// what it has no room for.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Traced>) {
        let mut backoff = Backoff::new();
        loop {
            let mut batch = Vec::new();
            if queue.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            let end = tokio::time::Instant::now() + LINGER;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                match tokio::time::timeout_at(end, queue.recv_many(&mut batch, room)).await {
                    Ok(1..) => {}
                    _ => break,
                }
            }
            let count = batch.len() as u64;
            match self.post(&batch).await {
                Ok(taken) => {
                    let counter = match taken {
                        Taken::Whole => &self.counts.exported,
                        Taken::InPart => &self.counts.partial,
                    };
                    counter.fetch_add(count, Relaxed);
                    backoff = Backoff::new();
                }
                Err(error) => {
                    self.counts.failed.fetch_add(count, Relaxed);
                    let error = format!("{error:#}");
                    tracing::warn!(%error, traces = count, "traces are not exported: they are dropped");
                    tokio::time::sleep(backoff.pause()).await;
                }
            }
        }
    }

    async fn post(&self, batch: &[Traced]) -> anyhow::Result<Taken> {
        let spans = batch.iter().flat_map(tree::spans).collect();
        let scope = Scope { name: "trunkline", version: env!("CARGO_PKG_VERSION") };
        let scope_spans = [ScopeSpans { scope, spans }];
        let export = Export { resource_spans: [ResourceSpans { resource: self.resource.clone(), scope_spans }] };
        let body = serde_json::to_vec(&export)?;
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let mut answer = request.send().await.map_err(reqwest::Error::without_url)?;
        ensure!(answer.status().is_success(), "the collector answered {}", answer.status());
        let mut said = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url).context("its answer")? {
            said.extend_from_slice(&chunk);
            if said.len() > ANSWER {
                break;
            }
        }
        Ok(taken(&said))
    }
}

/// What the collector's answer says.
fn taken(answer: &[u8]) -> Taken {
    // One of another kind, or none, is no refusal.
    let said: Answer = serde_json::from_slice(answer).unwrap_or_default();
    let Some(PartialSuccess { rejected_spans, error_message: error }) = said.partial_success else {
        return Taken::Whole;
    };
    let rejected = match rejected_spans {
        Count::Number(spans) => spans,
        Count::Text(spans) => spans.parse().unwrap_or(0),
    };
    match (rejected, error.is_empty()) {
        (1.., _) => {
            tracing::warn!(spans = rejected, error, "the collector rejected spans: they are not sent again");
            Taken::InPart
        }
        (0, false) => {
            tracing::warn!(error, "the collector took all spans, and warns");
            Taken::Whole
        }
        (0, true) => Taken::Whole,
    }
}
