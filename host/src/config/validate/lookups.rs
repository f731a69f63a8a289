//! `[services]`, `[tables]`.

use std::path::Path;

use reqwest::Url;

use super::super::model::{Config, Service, ServiceBreaker, Table, Warm, Webhook};
use super::super::problem::Report;
use super::sources::source;
use super::{at_least_one, file, headers, name, not_zero, peer_tls, reference};

pub(super) fn validate(config: &Config, folder: &Path, report: &mut Report<'_>) {
    for (service_name, value) in &config.services {
        name("services", service_name, report);
        service(&format!("services.{service_name}"), value, folder, report);
    }
    for (table_name, value) in &config.tables {
        name("tables", table_name, report);
        table(&format!("tables.{table_name}"), value, folder, report);
    }
}

fn service(key: &str, service: &Service, folder: &Path, report: &mut Report<'_>) {
    // A URL may hold a password: it is not shown.
    let scheme = service.url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "http" | "https" => match Url::parse(&service.url) {
            Err(error) => {
                report.error(&format!("{key}.url"), format!("is not a URL such as `http://127.0.0.1:8099`: {error}"));
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                report.error(&format!("{key}.url"), "has a query or a fragment: the request's path is appended to it");
            }
            Ok(_) => {}
        },
        "redis" | "rediss" | "memcached" | "postgres" | "postgresql" | "sqlite" | "dns" => {
            for http in ["headers", "hedge", "http2"] {
                let path = format!("{key}.{http}");
                if report.places().has(&path) {
                    report.warn(&path, "has no effect: this service is not asked by HTTP");
                }
            }
        }
        "" => report.error(&format!("{key}.url"), "is not a URL such as `http://127.0.0.1:8099`"),
        _ => {
            let known = "http, https, redis, rediss, memcached, postgres, sqlite or dns";
            report.error(&format!("{key}.url"), format!("has the scheme `{scheme}`: {known}"));
        }
    }
    if let Some(tls) = &service.tls {
        if scheme != "rediss" {
            report.error(&format!("{key}.tls"), format!("is for `rediss://`, and the URL says `{scheme}:`"));
        }
        peer_tls(&format!("{key}.tls"), tls, folder, report);
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
    headers(&format!("{key}.headers"), &service.headers, report);
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
const CACHE_KEYS: [&str; 9] = [
    "deadline",
    "ttl",
    "negative-ttl",
    "refresh-ahead",
    "refresh-used",
    "background-rate",
    "stale",
    "stale-if-error",
    "capacity",
];

fn warming(key: &str, warm: &Warm, folder: &Path, report: &mut Report<'_>) {
    if let Some(keys) = &warm.keys {
        file(&format!("{key}.keys"), keys, folder, report);
    } else if !warm.last_run {
        report.error(key, "says nothing: write `keys = \"FILE\"`, `last-run = true`, or both");
    }
    if !(1..=100).contains(&warm.share) {
        report.error(&format!("{key}.share"), "must be 1 to 100");
    }
}

fn table(key: &str, table: &Table, folder: &Path, report: &mut Report<'_>) {
    source(&format!("{key}.source"), &table.source, folder, report);
    not_zero(&format!("{key}.ttl"), table.ttl, report);
    if let Some(deadline) = table.deadline {
        not_zero(&format!("{key}.deadline"), deadline, report);
    }
    at_least_one(&format!("{key}.background-rate"), table.background_rate.into(), report);
    if table.capacity.is_zero() {
        report.error(&format!("{key}.capacity"), "must be at least 1, such as `100_000` rows or `\"512MiB\"`");
    }
    if !table.refresh_ahead.get().is_zero() && table.refresh_ahead >= table.ttl {
        report.error(&format!("{key}.refresh-ahead"), "must be shorter than `ttl`: it is the last part of it");
    }
    if let Some(shared) = &table.shared {
        reference(&format!("{key}.shared.service"), &shared.service, "services", report);
    }
    if let Some(warm) = &table.warm {
        warming(&format!("{key}.warm"), warm, folder, report);
    }
    if table.source.is_whole() {
        for cache_key in CACHE_KEYS {
            let path = format!("{key}.{cache_key}");
            if report.places().has(&path) {
                report.warn(&path, "has no effect: a table of this source is held whole in memory");
            }
        }
    }
}
