//! Rate decks in versions: what a minute to a prefix costs, and since when.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};

use super::increment::Increment;
use crate::cdr::record::UnixMicros;
use crate::lookup::row::Decimal;

/// Nothing.
const NOTHING: Decimal = Decimal { digits: 0, scale: 0 };
/// Longer than any number, and short enough to try every length.
const MOST_DIGITS: usize = 32;

/// Where the rate of a call is looked up: by its prefix, in the version that held when the call came.
#[derive(Debug, Clone)]
pub struct Deck {
    name: Arc<str>,
    /// The oldest first.
    versions: Vec<Version>,
}

/// One whole deck.
#[derive(Debug, Clone)]
pub struct Version {
    /// Calls received at this moment or later, up to the next version's.
    pub from: UnixMicros,
    /// By prefix.
    rows: HashMap<Box<str>, Row>,
    longest: usize,
}

#[derive(Debug, Clone)]
struct Row {
    rate: Option<Decimal>,
    inter: Option<Decimal>,
    intra: Option<Decimal>,
    fee: Decimal,
    increment: Option<Increment>,
    currency: Option<Arc<str>>,
}

/// What a deck says about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// The deck's name and the prefix that matched: `retail/1415`.
    pub origin: String,
    /// Per minute.
    pub rate: Decimal,
    /// For the connection.
    pub fee: Decimal,
    /// Where the row has its own.
    pub increment: Option<Increment>,
    /// Where the row has its own.
    pub currency: Option<Arc<str>>,
}

impl Deck {
    /// A deck of these versions, in any order.
    pub fn new(name: &str, mut versions: Vec<Version>) -> Self {
        versions.sort_by_key(|version| version.from);
        Self { name: name.into(), versions }
    }

    /// The row for `number` in the version that held at `at`; the reason where there is none.
    pub fn find(&self, at: UnixMicros, number: &str, jurisdiction: &str) -> Result<Tariff, String> {
        let name = &self.name;
        let later = self.versions.partition_point(|version| version.from <= at);
        let version = later.checked_sub(1).and_then(|index| self.versions.get(index));
        let version = version.ok_or_else(|| format!("no version of the deck `{name}` held at the time of the call"))?;
        let (prefix, row) =
            version.find(number).ok_or_else(|| format!("the deck `{name}` has no prefix of `{number}`"))?;
        let rate = row.rate(jurisdiction);
        let rate = rate
            .ok_or_else(|| format!("the deck `{name}` has no rate for `{prefix}` in jurisdiction `{jurisdiction}`"))?;
        Ok(Tariff {
            origin: format!("{name}/{prefix}"),
            rate,
            fee: row.fee,
            increment: row.increment,
            currency: row.currency.clone(),
        })
    }
}

impl Version {
    /// Reads a CSV file with a header line: `prefix`, `rate` and/or `rate-inter` and `rate-intra`, and where wanted
    /// `fee`, `increment`, `currency`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a line is wrong: its number and what would be right.
    pub fn load(path: &Path, from: UnixMicros) -> anyhow::Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let columns = Columns::of(reader.headers()?).with_context(|| path.display().to_string())?;
        let mut version = Self { from, rows: HashMap::new(), longest: 0 };
        for line in reader.records() {
            let line = line.with_context(|| path.display().to_string())?;
            let number = line.position().map_or(0, csv::Position::line);
            version.add(&columns, &line).with_context(|| format!("{}:{number}", path.display()))?;
        }
        ensure!(!version.rows.is_empty(), "{} has no rates", path.display());
        Ok(version)
    }

    fn add(&mut self, columns: &Columns, line: &csv::StringRecord) -> anyhow::Result<()> {
        let cell = |column: Option<usize>| column.and_then(|column| line.get(column)).filter(|text| !text.is_empty());
        let decimal = |column: Option<usize>| {
            cell(column).map(|text| text.parse().map_err(|wrong| anyhow!("`{text}` is {wrong}"))).transpose()
        };
        let prefix = cell(Some(columns.prefix)).unwrap_or_default().trim_start_matches('+');
        if prefix.len() > MOST_DIGITS || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("`{prefix}` is no prefix: digits, at most {MOST_DIGITS}");
        }
        let row = Row {
            rate: decimal(columns.rate)?,
            inter: decimal(columns.inter)?,
            intra: decimal(columns.intra)?,
            fee: decimal(columns.fee)?.unwrap_or(NOTHING),
            increment: match cell(columns.increment) {
                Some(text) => Some(text.parse().map_err(|wanted| anyhow!("`{text}` is not {wanted}"))?),
                None => None,
            },
            currency: cell(columns.currency).map(currency).transpose()?,
        };
        ensure!(row.rate.or(row.inter).or(row.intra).is_some(), "prefix `{prefix}` has no rate");
        self.longest = self.longest.max(prefix.len());
        let double = self.rows.insert(prefix.into(), row);
        ensure!(double.is_none(), "prefix `{prefix}` stands twice: whose rate holds?");
        Ok(())
    }

    /// The longest prefix of `number`.
    fn find<'a>(&self, number: &'a str) -> Option<(&'a str, &Row)> {
        let digits = number.bytes().take_while(u8::is_ascii_digit).count().min(self.longest);
        (0..=digits).rev().find_map(|length| self.rows.get(&number[..length]).map(|row| (&number[..length], row)))
    }
}

impl Row {
    /// The jurisdiction's own rate, else the plain one; the dearer where the jurisdiction is unknown.
    fn rate(&self, jurisdiction: &str) -> Option<Decimal> {
        match jurisdiction {
            "inter" => self.inter.or(self.rate),
            "intra" => self.intra.or(self.rate),
            _ => match (self.inter.or(self.rate), self.intra.or(self.rate)) {
                (Some(inter), Some(intra)) => Some(if is_less(inter, intra) { intra } else { inter }),
                (inter, intra) => inter.or(intra),
            },
        }
    }
}

/// Exactly: neither product of a 64-bit and a 60-bit number overflows 128 bits.
fn is_less(a: Decimal, b: Decimal) -> bool {
    let at = |decimal: Decimal, other: Decimal| {
        i128::from(decimal.digits) * 10_i128.pow(u32::from(other.scale.saturating_sub(decimal.scale)))
    };
    at(a, b) < at(b, a)
}

/// ISO 4217.
fn currency(text: &str) -> anyhow::Result<Arc<str>> {
    ensure!(is_currency(text), "`{text}` is no ISO 4217 code such as USD");
    Ok(text.into())
}

/// Whether it looks like a code of ISO 4217.
pub fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

struct Columns {
    prefix: usize,
    rate: Option<usize>,
    inter: Option<usize>,
    intra: Option<usize>,
    fee: Option<usize>,
    increment: Option<usize>,
    currency: Option<usize>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> anyhow::Result<Self> {
        const KNOWN: [&str; 7] = ["prefix", "rate", "rate-inter", "rate-intra", "fee", "increment", "currency"];
        // A misspelt column would charge nothing for what it names.
        if let Some(unknown) = header.iter().find(|name| !KNOWN.contains(name)) {
            bail!("there is no column `{unknown}` in a deck: {}", KNOWN.join(", "));
        }
        let column = |name: &str| header.iter().position(|column| column == name);
        let columns = Self {
            prefix: column("prefix").context("the header line has no `prefix`")?,
            rate: column("rate"),
            inter: column("rate-inter"),
            intra: column("rate-intra"),
            fee: column("fee"),
            increment: column("increment"),
            currency: column("currency"),
        };
        ensure!(columns.rate.or(columns.inter).or(columns.intra).is_some(), "the header line has no `rate`");
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(from: UnixMicros, text: &str) -> anyhow::Result<Version> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deck.csv");
        std::fs::write(&file, text).unwrap();
        Version::load(&file, from)
    }

    fn deck() -> Deck {
        let old = version(1_000, "prefix,rate\n1,0.0100\n").unwrap();
        let new = version(
            2_000,
            "prefix,rate,rate-inter,rate-intra,fee,increment,currency\n1,0.0090,,,,,\n1415,,0.0030,0.0250,0.01,30/6,EUR\n",
        );
        Deck::new("retail", vec![new.unwrap(), old])
    }

    #[test]
    fn a_call_is_rated_by_the_version_that_held_when_it_came() {
        let rate = |at| deck().find(at, "12125550100", "").map(|tariff| tariff.rate.to_string());
        assert_eq!(rate(1_000).unwrap(), "0.0100");
        assert_eq!(rate(1_999).unwrap(), "0.0100");
        assert_eq!(rate(2_000).unwrap(), "0.0090");
        assert!(rate(999).unwrap_err().contains("no version"), "before the first version");
    }

    #[test]
    fn the_longest_prefix_and_the_jurisdiction_decide() {
        let rate = |number, jurisdiction| deck().find(2_000, number, jurisdiction).map(|found| found.rate.to_string());
        assert_eq!(rate("14155550100", "inter").unwrap(), "0.0030");
        assert_eq!(rate("14155550100", "intra").unwrap(), "0.0250");
        assert_eq!(rate("14155550100", "indeterminate").unwrap(), "0.0250", "the dearer where it is unknown");
        assert_eq!(rate("1415", "inter").unwrap(), "0.0030");
        assert_eq!(rate("141", "inter").unwrap(), "0.0090");
        assert!(rate("4930123", "").unwrap_err().contains("no prefix of `4930123`"));
        let tariff = deck().find(2_000, "14155550100", "inter").unwrap();
        assert_eq!((tariff.origin.as_str(), tariff.increment.unwrap().to_string().as_str()), ("retail/1415", "30/6"));
        assert_eq!((tariff.fee.to_string().as_str(), tariff.currency.as_deref()), ("0.01", Some("EUR")));
    }

    #[test]
    fn a_wrong_line_is_told_with_its_number_and_what_would_be_right() {
        let told = |text| format!("{:#}", version(0, text).unwrap_err());
        assert!(
            told("prefix,rate\n1,0.01\n12a,1\n").contains(":3: `12a` is no prefix"),
            "{}",
            told("prefix,rate\n12a,1\n")
        );
        assert!(told("prefix,rate\n1,1e-3\n").contains("not a decimal"));
        assert!(told("prefix,rate\n1,0.01\n1,0.02\n").contains("stands twice"));
        assert!(told("prefix,rate,incremnet\n1,0.01,30/6\n").contains("no column `incremnet`"));
        assert!(told("prefix,rate,increment\n1,0.01,30\n").contains("`30` is not an increment"));
        assert!(told("prefix,rate\n1,\n").contains("has no rate"));
        assert!(told("prefix,rate\n").contains("has no rates"));
        assert!(told("number,rate\n1,1\n").contains("no column `number`"));
    }
}
