//! Where traces go.

use reqwest::Url;

use super::{headers, not_zero, queue};
use crate::config::model::Config;
use crate::config::problem::Report;

pub(super) fn validate(config: &Config, report: &mut Report<'_>) {
    let Some(tracing) = &config.tracing else { return };
    let url = Url::parse(&tracing.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match url {
        None => report.error("tracing.url", "is no collector: write `http://HOST:4318`, where it takes OTLP over HTTP"),
        Some(url) if url.path().trim_end_matches('/').ends_with("/v1/traces") => {
            report.error("tracing.url", "ends with `/v1/traces`, which is appended: leave it out");
        }
        Some(url) if url.port() == Some(4317) => {
            report.warn("tracing.url", "has the port of OTLP by gRPC; by HTTP, as here, it is 4318");
        }
        Some(_) => {}
    }
    queue("tracing.queue", tracing.queue, 100_000, report);
    not_zero("tracing.deadline", tracing.deadline, report);
    headers("tracing.headers", &tracing.headers, report);
}
