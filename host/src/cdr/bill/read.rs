//! Reading a carrier's bill: a CSV file whose columns a person has named.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::cdr::record::UnixMicros;
use crate::ledger::money::Money;
use crate::lookup::row::Decimal;

/// Which column is what: `callee=Called Number,time=Start,duration=Seconds,rate=Rate,amount=Amount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    callee: String,
    time: String,
    duration: String,
    rate: Option<String>,
    amount: Option<String>,
    call_id: Option<String>,
}

impl FromStr for Columns {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        const KNOWN: &str = "callee, time, duration, rate, amount, call-id";
        let mut pairs = std::collections::BTreeMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (what, column) = pair.split_once('=').with_context(|| format!("`{pair}`: write WHAT=COLUMN"))?;
            let what = what.trim();
            if !KNOWN.split(", ").any(|known| known == what) {
                bail!("`{what}` is not one of {KNOWN}");
            }
            pairs.insert(what.to_owned(), column.trim().to_owned());
        }
        let mut need = |what: &str| pairs.remove(what).with_context(|| format!("`{what}=COLUMN` is missing"));
        let (callee, time, duration) = (need("callee")?, need("time")?, need("duration")?);
        let [rate, amount, call_id] = ["rate", "amount", "call-id"].map(|what| pairs.remove(what));
        Ok(Self { callee, time, duration, rate, amount, call_id })
    }
}

/// One call on the bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Of the file.
    pub number: u64,
    /// As written.
    pub callee: String,
    /// The beginning or the answer.
    pub time: UnixMicros,
    /// In microseconds.
    pub duration: u64,
    /// Per minute, where the bill has it.
    pub rate: Option<Decimal>,
    /// Where the bill has it.
    pub amount: Option<Money>,
    /// Where the bill has it.
    pub call_id: Option<String>,
}

/// Reads a bill. Times without an offset are UTC.
///
/// # Errors
///
/// It cannot be read, lacks a column, or a line is wrong: its number and what would be right.
pub fn read(path: &Path, columns: &Columns) -> anyhow::Result<Vec<Line>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let header = reader.headers()?.clone();
    let position = |name: &String| {
        let found = header.iter().position(|column| column == name);
        found.with_context(|| format!("{} has no column `{name}`: {}", path.display(), join(&header)))
    };
    let optional = |name: &Option<String>| name.as_ref().map(position).transpose();
    let (callee, time, duration) = (position(&columns.callee)?, position(&columns.time)?, position(&columns.duration)?);
    let (rate, amount) = (optional(&columns.rate)?, optional(&columns.amount)?);
    let call_id = optional(&columns.call_id)?;
    let mut lines = Vec::new();
    for row in reader.records() {
        let row = row.with_context(|| path.display().to_string())?;
        let number = row.position().map_or(0, csv::Position::line);
        let line = || -> anyhow::Result<Line> {
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let present = |column: Option<usize>| column.map(cell).filter(|text| !text.is_empty());
            Ok(Line {
                number,
                callee: cell(callee).to_owned(),
                time: moment(cell(time))?,
                duration: seconds(cell(duration))?,
                rate: present(rate)
                    .map(|text| text.parse().map_err(|wrong| anyhow!("`{text}` is {wrong}")))
                    .transpose()?,
                amount: present(amount)
                    .map(|text| text.parse().map_err(|wrong| anyhow!("`{text}` is {wrong}")))
                    .transpose()?,
                call_id: present(call_id).map(str::to_owned),
            })
        };
        lines.push(line().with_context(|| format!("{}:{number}", path.display()))?);
    }
    Ok(lines)
}

fn join(header: &csv::StringRecord) -> String {
    header.iter().collect::<Vec<_>>().join(", ")
}

/// `2026-01-31T12:00:00Z`, `2026-01-31 12:00:00`, or seconds since 1970.
fn moment(text: &str) -> anyhow::Result<UnixMicros> {
    let parsed = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    let parsed = parsed.or_else(|| Timestamp::from_second(text.parse().ok()?).ok());
    let micros = parsed.and_then(|moment| u64::try_from(moment.as_microsecond()).ok());
    micros.with_context(|| format!("`{text}` is no time such as `2026-01-31 12:00:00`"))
}

/// `73`, `72.5` or `0:01:13`, in microseconds.
fn seconds(text: &str) -> anyhow::Result<u64> {
    let wrong = || format!("`{text}` is no duration such as `73`, `72.5` or `0:01:13`");
    let mut micros: u64 = 0;
    let parts: Vec<&str> = text.split(':').collect();
    for part in &parts[..parts.len() - 1] {
        let part: u64 = part.parse().ok().with_context(wrong)?;
        micros = micros.checked_add(part).and_then(|sum| sum.checked_mul(60)).with_context(wrong)?;
    }
    let last: Money = parts[parts.len() - 1].parse().ok().with_context(wrong)?;
    let last = u64::try_from(last.billionths() / 1_000).ok().with_context(wrong)?;
    micros.checked_mul(1_000_000).and_then(|whole| whole.checked_add(last)).with_context(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_read_as_carriers_write_them() {
        assert_eq!(moment("2026-01-31T12:00:00Z").unwrap(), 1_769_860_800_000_000);
        assert_eq!(moment("2026-01-31 12:00:00").unwrap(), 1_769_860_800_000_000);
        assert_eq!(moment("2026-01-31T13:00:00+01:00").unwrap(), 1_769_860_800_000_000);
        assert_eq!(moment("1769860800").unwrap(), 1_769_860_800_000_000);
        assert!(moment("31/01/2026").is_err());
        assert_eq!(seconds("73").unwrap(), 73_000_000);
        assert_eq!(seconds("72.5").unwrap(), 72_500_000);
        assert_eq!(seconds("1:01:13").unwrap(), 3_673_000_000);
        assert!(seconds("-1").is_err() && seconds("").is_err() && seconds("1:x").is_err());
    }

    #[test]
    fn a_map_that_lacks_a_column_or_misspells_one_is_refused() {
        assert!("callee=Called Number, time=Start,duration=Seconds".parse::<Columns>().is_ok());
        let told = |text: &str| text.parse::<Columns>().unwrap_err().to_string();
        assert_eq!(told("callee=A,time=B"), "`duration=COLUMN` is missing");
        assert!(told("calle=A").contains("is not one of callee"));
    }
}
