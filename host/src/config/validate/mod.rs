//! What serde cannot see: names that lead nowhere, numbers out of range, files that are not there.

mod abuse;
mod calls;
mod customers;
mod gateways;
mod ledger;
mod limits;
mod lookups;
mod network;
mod overload;
mod records;
mod sources;
mod stages;
mod streams;
mod tracing;

use std::path::Path;

use reqwest::header::{HeaderName, HeaderValue};

use super::model::{Config, Named, PeerTls};
use super::problem::Report;
use super::units::TimeSpan;
use super::wording::{nearest, quoted};

/// Tells `report` about everything that is wrong in `config`; `folder` is the file's.
pub(super) fn validate(config: &Config, folder: &Path, report: &mut Report<'_>) {
    network::validate(config, report);
    streams::validate(config, folder, report);
    abuse::validate(config, report);
    overload::validate(config, report);
    calls::validate(config, report);
    lookups::validate(config, folder, report);
    limits::validate(config, report);
    stages::validate(config, folder, report);
    ledger::validate(config, folder, report);
    records::validate(config, folder, report);
    records::validate_events(config, folder, report);
    tracing::validate(config, report);
}

/// Names go into metrics, records and file names.
fn name(kind: &str, name: &str, report: &mut Report<'_>) {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !letters || name.is_empty() || name.len() > 64 {
        let key = format!("{kind}.{name}");
        report.error_at_key(
            &key,
            format!("`{name}` cannot be a name: 1 to 64 of the letters a-z and A-Z, the digits, `-`, `_` and `.`"),
        );
    }
}

/// `key` refers to a name of the table `kind`.
fn reference(key: &str, name: &str, kind: &str, report: &mut Report<'_>) {
    let names = report.places().names(kind);
    if names.contains(&name) {
        return;
    }
    let near = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => format!("there is no `[{kind}.{name}]`, nor any other"),
        None => format!("there are {}", quoted(&names)),
    };
    report.error(key, format!("`{name}` is not one of `[{kind}]`; {near}"));
}

/// The files of a connection by TLS that this node opens.
fn peer_tls(key: &str, tls: &PeerTls, folder: &Path, report: &mut Report<'_>) {
    for (name, path) in [("ca", &tls.ca), ("certificate", &tls.certificate), ("key", &tls.key)] {
        if let Some(path) = path {
            file(&format!("{key}.{name}"), path, folder, report);
        }
    }
    if tls.certificate.is_some() != tls.key.is_some() {
        report.error(key, "needs both `certificate` and `key`, or neither");
    }
}

/// A time of nothing would fail every call.
fn not_zero(key: &str, span: TimeSpan, report: &mut Report<'_>) {
    if span.get().is_zero() {
        report.error(key, "must be longer than nothing");
    }
}

/// A limit of nothing would fail every call.
fn at_least_one(key: &str, value: u64, report: &mut Report<'_>) {
    if value == 0 {
        report.error(key, "must be at least 1");
    }
}

/// A queue in memory: some of what waits must have room, and all of it.
fn queue(key: &str, places: usize, most: usize, report: &mut Report<'_>) {
    if !(1..=most).contains(&places) {
        report.error(key, format!("`{places}` is out of range: 1 to {most}"));
    }
}

/// Header fields of requests by HTTP.
fn headers(key: &str, fields: &Named<String>, report: &mut Report<'_>) {
    for (header, value) in fields {
        let header_key = format!("{key}.{header}");
        if header.parse::<HeaderName>().is_err() {
            report.error_at_key(&header_key, format!("`{header}` is not a header's name"));
        } else if value.parse::<HeaderValue>().is_err() {
            // It is not repeated: it may be a credential.
            report.error(&header_key, "is not a header's value: control characters are not allowed");
        }
    }
}

/// The file at `path` must be there.
fn file(key: &str, path: &Path, folder: &Path, report: &mut Report<'_>) {
    let resolved = folder.join(path);
    if !resolved.is_file() {
        let what = if resolved.is_dir() { "is a folder, not a file" } else { "is not there" };
        report.error(key, format!("the file `{}` {what} (looked for {})", path.display(), resolved.display()));
    }
}

fn breaker(key: &str, breaker: &super::model::Breaker, report: &mut Report<'_>) {
    at_least_one(&format!("{key}.failures"), breaker.failures.into(), report);
    not_zero(&format!("{key}.window"), breaker.window, report);
    not_zero(&format!("{key}.open"), breaker.open, report);
}
