//! `source` of `[tables]`.

use std::path::Path;

use super::super::model::{
    BodyFormat, CsvSource, HttpSource, JsonField, JsonSource, Named, RedisFormat, Source, SqlSource,
};
use super::super::problem::Report;
use super::{file, not_zero, reference};

pub(super) fn source(key: &str, source: &Source, folder: &Path, report: &mut Report<'_>) {
    match source {
        Source::Csv(csv) => csv_source(&format!("{key}.csv"), csv, folder, report),
        Source::Json(json) => json_source(&format!("{key}.json"), json, folder, report),
        Source::Http(http) => http_source(&format!("{key}.http"), http, report),
        Source::Redis(redis) => {
            let key = format!("{key}.redis");
            service(&key, &redis.service, report);
            template(&format!("{key}.key"), &redis.key, report);
            let format = if redis.format == RedisFormat::Text { BodyFormat::Text } else { BodyFormat::Json };
            shape(&key, format, &redis.field, &redis.fields, report);
        }
        Source::Memcached(memcached) => {
            let key = format!("{key}.memcached");
            service(&key, &memcached.service, report);
            template(&format!("{key}.key"), &memcached.key, report);
            shape(&key, memcached.format, &memcached.field, &memcached.fields, report);
        }
        Source::Sql(sql) => sql_source(&format!("{key}.sql"), sql, report),
        Source::Enum(of) => {
            let key = format!("{key}.enum");
            service(&key, &of.service, report);
            if of.suffix.trim_matches('.').is_empty() {
                report.error(&format!("{key}.suffix"), "is empty: name the zone, such as `e164.arpa`");
            }
        }
        Source::Dns(dns) => {
            let key = format!("{key}.dns");
            service(&key, &dns.service, report);
            template(&format!("{key}.name"), &dns.name, report);
        }
    }
}

/// The service is there. That its URL has the right scheme is seen when the table is built.
fn service(key: &str, name: &str, report: &mut Report<'_>) {
    reference(&format!("{key}.service"), name, "services", report);
}

fn template(key: &str, text: &str, report: &mut Report<'_>) {
    if text.matches("{key}").count() != 1 {
        report.error(key, format!("`{text}` does not say where the key goes: write `{{key}}` once"));
    }
}

fn csv_source(key: &str, csv: &CsvSource, folder: &Path, report: &mut Report<'_>) {
    file(&format!("{key}.path"), &csv.path, folder, report);
    if csv.key.is_empty() {
        report.error(&format!("{key}.key"), "is empty: name the column that is the key");
    }
}

fn json_source(key: &str, json: &JsonSource, folder: &Path, report: &mut Report<'_>) {
    file(&format!("{key}.path"), &json.path, folder, report);
    pointers(key, &json.fields, report);
}

fn http_source(key: &str, http: &HttpSource, report: &mut Report<'_>) {
    service(key, &http.service, report);
    let path = format!("{key}.path");
    if !http.path.starts_with('/') {
        report.error(&path, format!("`{}` does not begin with `/`", http.path));
    } else if !http.path.contains("{key}") {
        report.error(&path, format!("`{}` does not say where the key goes: write `{{key}}`", http.path));
    }
    shape(key, http.format, &http.field, &http.fields, report);
}

fn sql_source(key: &str, sql: &SqlSource, report: &mut Report<'_>) {
    service(key, &sql.service, report);
    if sql.fields.is_empty() {
        report.error(
            &format!("{key}.fields"),
            "is empty: name the columns that enter a row, such as `{ lrn = \"text\" }`",
        );
    }
    let asks = sql.query.contains("$1");
    if sql.key.is_none() && !asks {
        report.error(
            &format!("{key}.query"),
            "does not say where the key goes: write `$1`, or `key = \"COLUMN\"` to hold the table whole",
        );
    }
    if sql.key.is_some() && asks {
        report.error(
            &format!("{key}.query"),
            "has a parameter, but `key` makes the table be held whole: no key is asked for",
        );
    }
    for whole in ["match", "refresh", "listen", "load-deadline"] {
        let path = format!("{key}.{whole}");
        if sql.key.is_none() && report.places().has(&path) {
            report.warn(&path, "has no effect: without `key` the table is asked key by key");
        }
    }
    not_zero(&format!("{key}.load-deadline"), sql.load_deadline, report);
    if let Some(refresh) = sql.refresh {
        not_zero(&format!("{key}.refresh"), refresh, report);
    }
}

/// What becomes of a text or a JSON object.
fn shape(key: &str, format: BodyFormat, field: &str, fields: &Named<JsonField>, report: &mut Report<'_>) {
    if format == BodyFormat::Text && !fields.is_empty() {
        report.error(&format!("{key}.fields"), "are for `format = \"json\"`; a text becomes the one `field`");
    }
    if format == BodyFormat::Text && field.is_empty() {
        report.error(&format!("{key}.field"), "is empty: name the field that the text becomes");
    }
    pointers(key, fields, report);
}

fn pointers(key: &str, fields: &Named<JsonField>, report: &mut Report<'_>) {
    for (field, value) in fields {
        if !value.pointer.is_empty() && !value.pointer.starts_with('/') {
            report.error(
                &format!("{key}.fields.{field}.pointer"),
                format!("`{}` is not a JSON pointer (RFC 6901), such as `/caller/name`", value.pointer),
            );
        }
    }
}
