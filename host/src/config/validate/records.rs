//! `[cdr]`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use reqwest::Url;

use super::super::model::{AmqpFanout, Config, Fanout, HttpStore, PeerTls, SqlStore, Store};
use super::super::problem::Report;
use super::super::units::TimeSpan;
use super::{at_least_one, name, not_zero, peer_tls, queue};

/// Four segments.
const MIN_LIMIT: u64 = 256 << 20;
/// Bytes of a webhook's secret.
const SECRET: usize = 16;
/// A message that is sent again is sent whole.
const RECORDS_PER_MESSAGE: RangeInclusive<usize> = 1..=1_000;
/// A store's name names its cursor's file in the journal's folder; this one is the broker's.
const RESERVED: &str = "fanout";

pub(super) fn validate(config: &Config, folder: &Path, report: &mut Report<'_>) {
    let cdr = &config.cdr;
    if cdr.journal.as_os_str().is_empty() {
        report.error("cdr.journal", "is empty: name a folder");
    }
    queue("cdr.queue", cdr.queue, 10_000_000, report);
    if cdr.journal_limit.bytes() < MIN_LIMIT {
        report.error("cdr.journal-limit", "must be at least `256MiB`: a segment of the journal takes 64 MiB");
    }
    let mut places: HashMap<String, &str> = HashMap::new();
    for (store_name, store) in &cdr.stores {
        name("cdr.stores", store_name, report);
        let key = format!("cdr.stores.{store_name}");
        if store_name == RESERVED {
            report.error_at_key(&key, "`fanout` is the name of the broker's own cursor: choose another");
        }
        let place = match store {
            Store::Sql(sql) => sql_place(&format!("{key}.sql.url"), sql, report),
            Store::Files(files) => {
                if files.rotate.bytes() == 0 {
                    report.error(&format!("{key}.files.rotate"), "must be at least 1 byte");
                }
                if let Some(every) = files.rotate_every {
                    whole_part_of_a_day(&format!("{key}.files.rotate-every"), every, report);
                }
                Some(format!("folder {}", files.folder.display()))
            }
            Store::Http(http) => webhook(&format!("{key}.http"), http, report),
        };
        if let Some(place) = place
            && let Some(other) = places.insert(place, store_name)
        {
            report.error(&key, format!("writes to the same place as `cdr.stores.{other}`"));
        }
    }
    if let Some(Fanout::Amqp(amqp)) = &cdr.fanout {
        validate_amqp("cdr.fanout.amqp", amqp, folder, report);
    }
    if report.places().names("cdr.stores").is_empty() && cdr.fanout.is_none() && !config.is_ledger_alone() {
        report.warn("cdr", "has neither stores nor a fanout: records stay in the journal");
    }
}

/// Periods begin at the same times every day, or tell nobody anything.
fn whole_part_of_a_day(key: &str, every: TimeSpan, report: &mut Report<'_>) {
    let (day, every) = (24 * 60 * 60, every.get());
    if every.subsec_nanos() > 0 || every.as_secs() == 0 || day % every.as_secs() != 0 {
        report.error(key, "must go into a day without a rest: such as `15m`, `1h`, `24h`");
    }
}

fn webhook(key: &str, http: &HttpStore, report: &mut Report<'_>) -> Option<String> {
    not_zero(&format!("{key}.deadline"), http.deadline, report);
    at_least_one(&format!("{key}.batch"), http.batch as u64, report);
    if http.secret.len() < SECRET {
        report
            .error(&format!("{key}.secret"), format!("must have at least {SECRET} bytes: it signs what is billed by"));
    }
    let url = Url::parse(&http.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        report.error(&format!("{key}.url"), "is no URL of a webhook: write `https://HOST/PATH`");
        return None;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if url.scheme() == "http" && !is_local {
        report.warn(&format!("{key}.url"), "sends call records in the clear: write `https://…`");
    }
    Some(http.url.clone())
}

fn sql_place(key: &str, sql: &SqlStore, report: &mut Report<'_>) -> Option<String> {
    // The URL may hold a password: only its scheme is shown.
    let (scheme, path) = sql.url.split_once(':').unwrap_or((&sql.url, ""));
    match scheme {
        "sqlite" if path.contains(":memory:") => {
            report.error(key, "is a database in memory: records would end with the process; write `sqlite:PATH`");
        }
        "sqlite" if path.trim_start_matches('/').is_empty() => {
            report.error(key, "names no file: write `sqlite:PATH`");
        }
        "sqlite" => return Some(sql.url.clone()),
        "postgres" | "postgresql" if Url::parse(&sql.url).is_ok_and(|url| url.has_host()) => {
            return Some(sql.url.clone());
        }
        "postgres" | "postgresql" => {
            report.error(key, "names no host: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`");
        }
        _ => report.error(key, "is not the URL of a database: write `sqlite:PATH` or `postgres://…`"),
    }
    None
}

pub(super) fn validate_events(config: &Config, folder: &Path, report: &mut Report<'_>) {
    let Some(events) = &config.events else { return };
    queue("events.queue", events.queue, 1_000_000, report);
    broker("events.amqp", &events.amqp.url, events.amqp.tls.as_ref(), folder, report);
    if !fits(&events.amqp.exchange) {
        report.error("events.amqp.exchange", "must have 1 to 255 bytes");
    }
}

/// AMQP 0-9-1, short string: 255 bytes.
fn fits(name: &str) -> bool {
    (1..=255).contains(&name.len())
}

/// The way to a RabbitMQ.
fn broker(key: &str, url: &str, tls: Option<&PeerTls>, folder: &Path, report: &mut Report<'_>) {
    amqp_url(&format!("{key}.url"), url, report);
    let Some(tls) = tls else { return };
    if url.starts_with("amqp:") {
        report.error(&format!("{key}.tls"), "is for `amqps://`, and the URL says `amqp://`");
    }
    peer_tls(&format!("{key}.tls"), tls, folder, report);
}

fn validate_amqp(key: &str, amqp: &AmqpFanout, folder: &Path, report: &mut Report<'_>) {
    broker(key, &amqp.url, amqp.tls.as_ref(), folder, report);
    exchange(key, &amqp.exchange, &amqp.queues, report);
    if !RECORDS_PER_MESSAGE.contains(&amqp.records_per_message) {
        let (least, most) = RECORDS_PER_MESSAGE.into_inner();
        report.error(&format!("{key}.records-per-message"), format!("must be from {least} to {most}"));
    }
    if let Some(missed) = &amqp.missed {
        exchange(&format!("{key}.missed"), &missed.exchange, &missed.queues, report);
        if missed.exchange == amqp.exchange {
            let said = "is the exchange of all records: choose another, or leave `missed` out";
            report.error(&format!("{key}.missed.exchange"), said);
        }
    }
}

/// A fanout exchange and the queues that are bound to it.
fn exchange(key: &str, name: &str, queues: &[String], report: &mut Report<'_>) {
    if !fits(name) {
        report.error(&format!("{key}.exchange"), "must have 1 to 255 bytes");
    }
    for (index, queue) in queues.iter().enumerate() {
        let key = format!("{key}.queues[{index}]");
        if !fits(queue) {
            report.error(&key, "must have 1 to 255 bytes");
        }
        if queues[..index].contains(queue) {
            report.error(&key, format!("`{queue}` is listed twice"));
        }
    }
}

pub(super) fn amqp_url(key: &str, url: &str, report: &mut Report<'_>) {
    match Url::parse(url) {
        Err(error) => {
            report.error(key, format!("is not a URL such as `amqp://user:password@host:5672/%2f`: {error}"));
        }
        Ok(url) if !matches!(url.scheme(), "amqp" | "amqps") => {
            report.error(key, format!("has the scheme `{}`: amqp or amqps", url.scheme()));
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => report.error(key, "names no host"),
        Ok(_) => {}
    }
}
