//! `[services]`, `[tables]`.

use std::path::Path;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::super::model::{BodyFormat, Config, CsvSource, HttpSource, Service, ServiceBreaker, Source, Table, Webhook};
use super::super::problem::Report;
use super::{at_least_one, file, name, not_zero, reference};

pub(super) fn validate(config: &Config, folder: &Path, report: &mut Report<'_>) {
    for (service_name, value) in &config.services {
        name("services", service_name, report);
        service(&format!("services.{service_name}"), value, report);
    }
    for (table_name, value) in &config.tables {
        name("tables", table_name, report);
        table(&format!("tables.{table_name}"), value, folder, report);
    }
}

fn service(key: &str, service: &Service, report: &mut Report<'_>) {
    // A URL may hold a password: it is not shown.
    match Url::parse(&service.url) {
        Err(error) => {
            report.error(&format!("{key}.url"), format!("is not a URL such as `http://127.0.0.1:8099`: {error}"));
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            report.error(&format!("{key}.url"), format!("has the scheme `{}`: http or https", url.scheme()));
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            report.error(&format!("{key}.url"), "has a query or a fragment: the request's path is appended to it");
        }
        Ok(_) => {}
    }
    not_zero(&format!("{key}.deadline"), service.deadline, report);
    at_least_one(&format!("{key}.max-concurrent"), service.max_concurrent as u64, report);
    service_breaker(&format!("{key}.breaker"), &service.breaker, report);
    if let Some(hedge) = service.hedge {
        not_zero(&format!("{key}.hedge"), hedge, report);
        if hedge >= service.deadline {
            report.warn(&format!("{key}.hedge"), "has no effect: it is not shorter than the deadline");
        }
    }
    if let Some(hook) = &service.webhook {
        webhook(&format!("{key}.webhook"), hook, report);
    }
    for (header, value) in &service.headers {
        let header_key = format!("{key}.headers.{header}");
        if header.parse::<HeaderName>().is_err() {
            report.error_at_key(&header_key, format!("`{header}` is not a header's name"));
        } else if value.parse::<HeaderValue>().is_err() {
            report.error(&header_key, "is not a header's value: control characters are not allowed");
        }
    }
}

fn service_breaker(key: &str, breaker: &ServiceBreaker, report: &mut Report<'_>) {
    at_least_one(&format!("{key}.failures"), breaker.failures.into(), report);
    not_zero(&format!("{key}.window"), breaker.window, report);
    not_zero(&format!("{key}.open"), breaker.open, report);
    if let Some(slow) = breaker.slow {
        not_zero(&format!("{key}.slow"), slow, report);
    }
    if !(1..=100).contains(&breaker.slow_percent) {
        report.error(&format!("{key}.slow-percent"), "must be 1 to 100");
    }
}

fn webhook(key: &str, webhook: &Webhook, report: &mut Report<'_>) {
    reference(&format!("{key}.service"), &webhook.service, "services", report);
    if !webhook.path.starts_with('/') {
        report.error(&format!("{key}.path"), format!("`{}` does not begin with `/`", webhook.path));
    }
}

/// What only a table that is asked key by key heeds.
const CACHE_KEYS: [&str; 8] =
    ["ttl", "negative-ttl", "refresh-ahead", "refresh-used", "background-rate", "stale", "stale-if-error", "capacity"];

fn table(key: &str, table: &Table, folder: &Path, report: &mut Report<'_>) {
    match &table.source {
        Source::Csv(csv) => csv_source(&format!("{key}.source.csv"), csv, folder, report),
        Source::Http(http) => http_source(&format!("{key}.source.http"), http, report),
    }
    not_zero(&format!("{key}.ttl"), table.ttl, report);
    at_least_one(&format!("{key}.background-rate"), table.background_rate.into(), report);
    if table.capacity.is_zero() {
        report.error(&format!("{key}.capacity"), "must be at least 1, such as `100_000` rows or `\"512MiB\"`");
    }
    if table.refresh_ahead >= table.ttl {
        report.error(&format!("{key}.refresh-ahead"), "must be shorter than `ttl`: it is the last part of it");
    }
    if matches!(table.source, Source::Csv(_)) {
        for cache_key in CACHE_KEYS {
            let path = format!("{key}.{cache_key}");
            if report.places().has(&path) {
                report.warn(&path, "has no effect: a CSV table is held whole in memory until the next reload");
            }
        }
    }
}

fn csv_source(key: &str, csv: &CsvSource, folder: &Path, report: &mut Report<'_>) {
    file(&format!("{key}.path"), &csv.path, folder, report);
    if csv.key.is_empty() {
        report.error(&format!("{key}.key"), "is empty: name the column that is the key");
    }
}

fn http_source(key: &str, http: &HttpSource, report: &mut Report<'_>) {
    reference(&format!("{key}.service"), &http.service, "services", report);
    let path = format!("{key}.path");
    if !http.path.starts_with('/') {
        report.error(&path, format!("`{}` does not begin with `/`", http.path));
    } else if !http.path.contains("{key}") {
        report.error(&path, format!("`{}` does not say where the key goes: write `{{key}}`", http.path));
    }
    if http.format == BodyFormat::Text && !http.fields.is_empty() {
        report.error(&format!("{key}.fields"), "are for `format = \"json\"`; a text becomes the one `field`");
    }
    if http.format == BodyFormat::Text && http.field.is_empty() {
        report.error(&format!("{key}.field"), "is empty: name the field that the text becomes");
    }
    for (field, value) in &http.fields {
        if !value.pointer.is_empty() && !value.pointer.starts_with('/') {
            report.error(
                &format!("{key}.fields.{field}.pointer"),
                format!("`{}` is not a JSON pointer (RFC 6901), such as `/caller/name`", value.pointer),
            );
        }
    }
}
