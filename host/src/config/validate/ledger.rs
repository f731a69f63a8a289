//! `[ledger]`.

use std::path::Path;

use super::super::model::{Config, Ledger, Named};
use super::super::problem::Report;
use super::records::amqp_url;
use super::{at_least_one, file, name, not_zero, reference};
use crate::ledger::money::PLACES;
use crate::ledger::rating::EVERYBODY;
use crate::ledger::rating::deck::is_currency;

/// More would be one transaction that all wait for.
const MAX_BATCH: usize = 50_000;
/// A connection to the database each.
const MAX_CONSUMERS: usize = 32;

pub(super) fn validate(config: &Config, folder: &Path, report: &mut Report<'_>) {
    let Some(ledger) = &config.ledger else { return };
    process(ledger, report);
    if !is_currency(&ledger.currency) {
        report.error("ledger.currency", format!("`{}` is no ISO 4217 code such as USD", ledger.currency));
    }
    if ledger.places > PLACES {
        report.error("ledger.places", format!("at most {PLACES} places after the point"));
    }
    for (deck_name, deck) in &ledger.decks {
        name("ledger.decks", deck_name, report);
        let key = format!("ledger.decks.{deck_name}.versions");
        if deck.versions.is_empty() {
            report.error(&key, "is empty: write `[{ from = \"2026-01-01T00:00:00Z\", csv = \"deck.csv\" }]`");
        }
        for (index, version) in deck.versions.iter().enumerate() {
            file(&format!("{key}[{index}].csv"), &version.csv, folder, report);
            if deck.versions[..index].iter().any(|other| other.from == version.from) {
                report.error(&format!("{key}[{index}].from"), "another version begins at the same moment");
            }
        }
    }
    raters(ledger, report);
    decks_of("ledger.prices", "customers", &ledger.prices, report);
    decks_of("ledger.costs", "gateways", &ledger.costs, report);
}

fn process(ledger: &Ledger, report: &mut Report<'_>) {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=32).contains(&ledger.name.len()) || !ledger.name.bytes().all(letters) {
        report.error("ledger.name", "must be 1 to 32 of the letters a-z and A-Z, the digits, `-`, `_` and `.`");
    }
    amqp_url("ledger.amqp.url", &ledger.amqp.url, report);
    if !(1..=255).contains(&ledger.amqp.queue.len()) {
        report.error("ledger.amqp.queue", "must have 1 to 255 bytes");
    }
    let scheme = ledger.sql.url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "postgres" | "postgresql") {
        report.error("ledger.sql.url", "is not a PostgreSQL database: write `postgres://USER:PASSWORD@HOST/DATABASE`");
    }
    if ledger.lease.get().as_millis() < 500 {
        report.error("ledger.lease", "must be at least `500ms`: a busy machine is silent for that long");
    }
    not_zero("ledger.linger", ledger.linger, report);
    at_least_one("ledger.consumers", ledger.consumers as u64, report);
    at_least_one("ledger.batch", ledger.batch as u64, report);
    if ledger.consumers > MAX_CONSUMERS {
        report.error("ledger.consumers", format!("at most {MAX_CONSUMERS}: each holds a connection to the database"));
    }
    if ledger.batch > MAX_BATCH {
        report.error("ledger.batch", format!("at most {MAX_BATCH} records in one transaction"));
    }
}

fn raters(ledger: &Ledger, report: &mut Report<'_>) {
    let mut rated: Vec<(&str, &str)> = Vec::new();
    for (rater_name, rater) in &ledger.raters {
        name("ledger.raters", rater_name, report);
        let key = format!("ledger.raters.{rater_name}");
        at_least_one(&format!("{key}.fuel"), rater.fuel, report);
        not_zero(&format!("{key}.deadline"), rater.deadline, report);
        if rater.memory.bytes() < 64 << 10 {
            report.error(&format!("{key}.memory"), "must be at least `64KiB`: one page");
        }
        for (index, customer) in rater.customers.iter().enumerate() {
            if let Some((_, other)) = rated.iter().find(|(known, _)| known == customer) {
                let key = format!("{key}.customers[{index}]");
                report.error(&key, format!("`{customer}` is rated by `ledger.raters.{other}` already"));
            }
            rated.push((customer, rater_name));
        }
    }
}

/// A customer or a gateway to the deck that rates it.
fn decks_of(table: &str, kind: &str, decks: &Named<String>, report: &mut Report<'_>) {
    // The ledger may have a file of its own, without customers and gateways: then any name may be right.
    let known = !report.places().names(kind).is_empty();
    for (who, deck) in decks {
        let key = format!("{table}.{who}");
        if known && who != EVERYBODY && !report.places().names(kind).contains(&who.as_str()) {
            report.warn(&key, format!("`{who}` is not one of `[{kind}]`: `\"*\"` stands for all that are not named"));
        }
        reference(&key, deck, "ledger.decks", report);
    }
}
