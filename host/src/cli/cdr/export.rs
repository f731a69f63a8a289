//! `trunkline cdr export`

use std::io::{self, BufWriter, Write};

use clap::ValueEnum;

use crate::cdr::query::{Filter, Scan, Source};
use crate::cdr::record::CallRecord;
use crate::cli::render::word;
use crate::ledger::rating;
use crate::ledger::usage::post_dial_delay;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One line a call, for a spreadsheet.
    Csv,
    /// Whole records, one JSON object a line.
    Jsonl,
}

const HEADER: [&str; 24] = [
    "node",
    "epoch",
    "sequence",
    "call_id",
    "customer",
    "source",
    "caller",
    "caller_sent",
    "callee",
    "callee_sent",
    "received",
    "answered",
    "ended",
    "seconds",
    "pdd_seconds",
    "code",
    "end",
    "gateway",
    "attempts",
    "jurisdiction",
    "cost_per_minute",
    "price_per_minute",
    "currency",
    "skipped_stages",
];

/// Writes every record that passes to standard output, in the order of their keys.
///
/// # Errors
///
/// The store cannot be read, or nobody reads any more.
pub(super) async fn export(source: &Source, filter: &Filter, format: Format) -> anyhow::Result<()> {
    let mut scan = Scan::open(source).await?;
    let mut out = BufWriter::new(io::stdout().lock());
    if format == Format::Csv {
        csv_line(&mut out, &HEADER.map(str::to_owned))?;
    }
    scan.pages(|page| {
        for record in page.iter().filter(|record| filter.passes(record)) {
            match format {
                Format::Csv => csv_line(&mut out, &cells(record))?,
                Format::Jsonl => {
                    serde_json::to_writer(&mut out, record)?;
                    out.write_all(b"\n")?;
                }
            }
        }
        Ok(())
    })
    .await?;
    Ok(out.flush()?)
}

fn csv_line(out: &mut impl Write, cells: &[String; 24]) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(cells)?;
    out.write_all(&line.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

fn cells(record: &CallRecord) -> [String; 24] {
    let attempt = rating::carrying(record);
    let time = |moment: Option<u64>| moment.map_or_else(String::new, crate::cli::render::time);
    let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let skipped: Vec<&str> =
        record.stages.iter().filter(|stage| !stage.outcome.is_verdict()).map(|stage| &*stage.stage).collect();
    [
        record.key.node.to_string(),
        record.key.epoch.to_string(),
        record.key.sequence.to_string(),
        record.call_id.clone(),
        record.customer.clone(),
        record.source.to_string(),
        record.caller.received.clone(),
        record.caller.sent.clone(),
        record.callee.received.clone(),
        record.callee.sent.clone(),
        time(Some(record.times.received)),
        time(record.times.answered),
        time(Some(record.times.ended)),
        seconds(record.duration_micros()),
        post_dial_delay(record).map_or_else(String::new, seconds),
        record.code.to_string(),
        word(&record.end),
        attempt.map_or_else(String::new, |attempt| attempt.gateway.to_string()),
        record.attempts.len().to_string(),
        rating::jurisdiction(record).to_owned(),
        attempt.and_then(|attempt| attempt.cost.clone()).unwrap_or_default(),
        attempt.and_then(|attempt| attempt.price.clone()).unwrap_or_default(),
        attempt.and_then(|attempt| attempt.currency.clone()).unwrap_or_default(),
        skipped.join(" "),
    ]
    .map(harmless)
}

/// A spreadsheet takes a text that begins so for a formula, and callers choose their numbers.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '@', '\t', '\r']) || (text.starts_with(['+', '-']) && !text[1..].bytes().all(is_number)) {
        format!("'{text}")
    } else {
        text
    }
}

fn is_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_a_number_and_a_formula_becomes_a_text() {
        let harmless = |text: &str| super::harmless(text.to_owned());
        assert_eq!((harmless("+12125550123"), harmless("-1.5")), ("+12125550123".to_owned(), "-1.5".to_owned()));
        assert_eq!(
            (harmless("=HYPERLINK(1)"), harmless("+1-cmd|x")),
            ("'=HYPERLINK(1)".to_owned(), "'+1-cmd|x".to_owned())
        );
    }

    #[test]
    fn every_column_has_a_cell() {
        let cells = cells(&crate::cdr::testing::call(1));
        let cell = |name| &cells[HEADER.iter().position(|column| *column == name).unwrap()];
        assert_eq!((cell("seconds").as_str(), cell("gateway").as_str()), ("30.000000", "carrier-b"));
        assert_eq!((cell("pdd_seconds").as_str(), cell("callee_sent").as_str()), ("0.020000", "+12125550123"));
    }
}
