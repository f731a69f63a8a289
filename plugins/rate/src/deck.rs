//! Reading a row of the deck.

use trunkline_plugin::{Decimal, Error, FieldError, Row};

use crate::Indeterminate;

/// Between which states the call goes, as far as the numbers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jurisdiction {
    /// Two states.
    Inter,
    /// One state.
    Intra,
    /// Not known.
    Indeterminate,
}

impl Jurisdiction {
    /// As the attribute says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inter => "inter",
            Self::Intra => "intra",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// One gateway's offer for the number.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) prefix: Option<String>,
    pub(crate) gateway: String,
    pub(crate) cost: Decimal,
    pub(crate) price: Option<Decimal>,
    pub(crate) currency: String,
    pub(crate) strip: usize,
    pub(crate) prepend: String,
    pub(crate) priority: i64,
    pub(crate) attempt_timeout: Option<u32>,
    pub(crate) ring_timeout: Option<u32>,
}

impl Entry {
    /// Read a row; what is wrong with it otherwise.
    pub(crate) fn read(
        row: &Row,
        jurisdiction: Option<Jurisdiction>,
        indeterminate: Indeterminate,
        currency: &str,
    ) -> Result<Self, Error> {
        let text = |name| row.text(name).map(std::borrow::Cow::into_owned);
        let prepend = text("prepend").unwrap_or_default();
        let dialled = prepend.strip_prefix('+').unwrap_or(&prepend);
        if !dialled.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#') {
            return Err(format!("field prepend: {prepend:?} is no part of a dialled number").into());
        }
        let currency = text("currency").unwrap_or_else(|| currency.to_owned());
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("field currency: {currency:?} is no ISO 4217 code such as USD").into());
        }
        let cost = amount(row, &COST, jurisdiction, indeterminate)?;
        Ok(Self {
            prefix: text("prefix"),
            gateway: text("gateway").ok_or("it names no gateway")?,
            cost: cost.ok_or("it has no cost")?,
            price: amount(row, &PRICE, jurisdiction, indeterminate)?,
            currency,
            strip: whole(row, "strip")?.unwrap_or(0),
            prepend,
            priority: row.integer("priority")?.unwrap_or(0),
            attempt_timeout: whole(row, "attempt-timeout")?,
            ring_timeout: whole(row, "ring-timeout")?,
        })
    }
}

/// The fields of an amount: the plain one, and those for a jurisdiction.
pub(crate) struct Amount {
    plain: &'static str,
    inter: &'static str,
    intra: &'static str,
}

const COST: Amount = Amount { plain: "cost", inter: "cost-inter", intra: "cost-intra" };

/// What the customer pays, in a deck and in a price table.
pub(crate) const PRICE: Amount = Amount { plain: "price", inter: "price-inter", intra: "price-intra" };

/// The cost or the price for a jurisdiction: its own field where the row has it, else the plain one.
pub(crate) fn amount(
    row: &Row,
    of: &Amount,
    jurisdiction: Option<Jurisdiction>,
    indeterminate: Indeterminate,
) -> Result<Option<Decimal>, FieldError> {
    let plain = row.decimal(of.plain)?;
    let inter = row.decimal(of.inter)?.or(plain);
    let intra = row.decimal(of.intra)?.or(plain);
    Ok(match (jurisdiction.unwrap_or(Jurisdiction::Indeterminate), indeterminate) {
        (Jurisdiction::Inter, _) | (Jurisdiction::Indeterminate, Indeterminate::Inter) => inter,
        (Jurisdiction::Intra, _) | (Jurisdiction::Indeterminate, Indeterminate::Intra) => intra,
        (Jurisdiction::Indeterminate, Indeterminate::Highest) => inter.max(intra),
    })
}

/// A count: not below zero.
fn whole<T: TryFrom<i64>>(row: &Row, name: &str) -> Result<Option<T>, FieldError> {
    let Some(integer) = row.integer(name)? else { return Ok(None) };
    let expected = "a whole number from 0";
    let wrong = |_| FieldError { field: name.to_owned(), value: integer.to_string(), expected };
    T::try_from(integer).map(Some).map_err(wrong)
}
