//! The stage `rate`: the gateways that can carry the call, least cost first, from a rate deck by longest prefix.
//! Leaves the attributes `rated-number`, `jurisdiction` (`inter`, `intra`, `indeterminate`; where a table for it is
//! configured) and `rate-prefix` (of the first route, where the deck projects its `prefix`).
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `table` | `deck` | prefix table: the deck |
//! | `use-lrn` | true | rate on the attribute `lrn`, where there is one, instead of the called number |
//! | `form` | `e164` | form of the deck's prefixes: `e164`, `national`, `plus-e164`, `as-dialled` |
//! | `send` | `as-dialled` | form of the called number before `strip` and `prepend` |
//! | `country-code` | `"1"` | the plan of numbers without `+` |
//! | `npa-nxx` | none | exact table of NPA and NXX (`202555`) with a field `state`, for the jurisdiction |
//! | `indeterminate` | `highest` | cost where the jurisdiction is unknown: `highest`, `inter`, `intra` |
//! | `currency` | `USD` | of rows that name none |
//! | `price-attribute` | `price` | attribute with the customer's price per minute, for every destination |
//! | `price-table` | none | prefix table with the customer's prices, by the called number |
//! | `min-margin` | none | least price − cost, as a decimal in quotes (`"0.002"`) or per cent of the price (`"10%"`) |
//! | `max-routes` | 8 | routes handed to the hunt; 1 to 32 |
//! | `parallel` | 1 | routes that ring at once, the cheapest first; 1 to 8 |
//! | `no-route-code` | 404 | the answer where the deck has no gateway for the number |
//! | `no-margin-code` | 503 | the answer where it has, but none with the margin |
//!
//! Fields of a deck row: `prefix`, `gateway`, `cost` or `cost-inter` and `cost-intra`, `price` or `price-inter` and
//! `price-intra`, `currency`, `strip` (digits taken off the front of the number sent), `prepend` (then put before it),
//! `priority` (lower first among equal costs), `attempt-timeout` and `ring-timeout` (ms). A price table has the same
//! price fields and `currency`.
//!
//! For each gateway its longest prefix counts. The price is the attribute's, else the price table's, else the row's.
//! Money is exact; a price in another currency than the cost cannot be compared with it and counts as unknown, and
//! with `min-margin` a route of unknown price is left out. Rows in another currency than `currency` come last: costs
//! in two currencies have no order. A row that cannot be read is left out and logged: one bad line must not stop the
//! deck. Rows of a gateway that the configuration does not have are handed over, and the host leaves them out of the
//! hunt (`route.gateway` in `wit/types.wit`). The jurisdiction is the routing number's where the call was dipped, and
//! never fails the stage.

mod deck;
mod margin;

use serde::Deserialize;
use trunkline_plugin::number::{Form, Plan};
use trunkline_plugin::{
    Call, Decimal, Error, Host, Level, Outcome, Plugin, Query, Rate as CallRate, Route, Row, export,
};

use deck::{Entry, Jurisdiction, PRICE};
use margin::Margin;

/// The stage, as configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Rate {
    table: String,
    use_lrn: bool,
    form: Form,
    send: Form,
    country_code: Plan,
    npa_nxx: Option<String>,
    indeterminate: Indeterminate,
    currency: String,
    price_attribute: String,
    price_table: Option<String>,
    min_margin: Option<Margin>,
    max_routes: usize,
    parallel: usize,
    no_route_code: u16,
    no_margin_code: u16,
}

/// What a call of unknown jurisdiction costs.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Indeterminate {
    Highest,
    Inter,
    Intra,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            table: "deck".to_owned(),
            use_lrn: true,
            form: Form::E164,
            send: Form::AsDialled,
            country_code: Plan::default(),
            npa_nxx: None,
            indeterminate: Indeterminate::Highest,
            currency: "USD".to_owned(),
            price_attribute: "price".to_owned(),
            price_table: None,
            min_margin: None,
            max_routes: 8,
            parallel: 1,
            no_route_code: 404,
            no_margin_code: 503,
        }
    }
}

impl Plugin for Rate {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        let rated = self.rated(call);
        let Some(key) = self.country_code.write(rated.digits, rated.global, self.form) else {
            return Ok(Outcome::reject(self.no_route_code, ""));
        };
        let rows = host.lookup_prefix(&self.table, &key)?;
        let jurisdiction = self.jurisdiction(call, &rated, host);
        let price = self.price(call, &key, jurisdiction, host)?;

        let mut entries = self.entries(&rows, jurisdiction, host);
        let known = !entries.is_empty();
        if let Some(price) = &price {
            for entry in &mut entries {
                price.apply(entry);
            }
        }
        if let Some(margin) = &self.min_margin {
            entries.retain(|entry| margin.is_kept(entry.cost, entry.price));
        }
        let sent = self.country_code.write(&call.callee, call.callee_is_global(), self.send);
        let sent = sent.as_deref().unwrap_or(&call.callee);
        entries.sort_by_key(|entry| (entry.currency != self.currency, entry.cost, entry.priority));

        let (routes, prefix) = self.routes(entries, sent, call, host);
        let outcome = if !routes.is_empty() {
            Outcome::route(routes)
        } else if known {
            Outcome::reject(self.no_margin_code, "")
        } else {
            Outcome::reject(self.no_route_code, "")
        };
        let outcome = outcome.attribute("rated-number", key.as_ref());
        let outcome = match jurisdiction {
            Some(jurisdiction) => outcome.attribute("jurisdiction", jurisdiction.name()),
            None => outcome,
        };
        Ok(match prefix {
            Some(prefix) => outcome.attribute("rate-prefix", prefix),
            None => outcome,
        })
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=32).contains(&self.max_routes) {
            return Err(format!("max-routes: {} is not 1 to 32", self.max_routes));
        }
        if !(1..=8).contains(&self.parallel) {
            return Err(format!("parallel: {} is not 1 to 8", self.parallel));
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("currency: {:?} is no ISO 4217 code such as USD", self.currency));
        }
        for (key, code) in [("no-route-code", self.no_route_code), ("no-margin-code", self.no_margin_code)] {
            if !(300..700).contains(&code) {
                return Err(format!("{key}: {code} is no final response that refuses; 300 to 699"));
            }
        }
        Ok(())
    }
}

/// The number that decides the rate.
struct Rated<'a> {
    digits: &'a str,
    global: bool,
}

/// What the customer pays, and in what.
struct Price {
    amount: Decimal,
    /// `None`: in that of the route, whichever it is.
    currency: Option<String>,
}

impl Price {
    /// Instead of what the deck says; unknown where it is in another currency than the cost.
    fn apply(&self, entry: &mut Entry) {
        let same = self.currency.as_ref().is_none_or(|currency| *currency == entry.currency);
        entry.price = same.then_some(self.amount);
    }
}

impl Rate {
    fn rated<'a>(&self, call: &'a Call) -> Rated<'a> {
        match call.attribute("lrn").filter(|lrn| self.use_lrn && !lrn.is_empty()) {
            Some(lrn) => Rated { digits: lrn.trim_start_matches('+'), global: lrn.starts_with('+') },
            None => Rated { digits: &call.callee, global: call.callee_is_global() },
        }
    }

    /// The attempts, in order, and the deck's prefix of the first.
    fn routes(&self, entries: Vec<Entry>, sent: &str, call: &Call, host: &dyn Host) -> (Vec<Route>, Option<String>) {
        let mut prefix = None;
        let mut routes = Vec::new();
        for entry in entries {
            if routes.len() == self.max_routes {
                break;
            }
            match route(&entry, sent, &call.callee) {
                Ok(route) => {
                    if routes.is_empty() {
                        prefix = entry.prefix;
                    }
                    let parallel = routes.len() % self.parallel != 0;
                    routes.push(Route { parallel, ..route });
                }
                Err(why) => {
                    host.log(Level::Warn, &format!("table {}: gateway {}: {why}", self.table, entry.gateway));
                }
            }
        }
        (routes, prefix)
    }

    /// Whether caller and callee are in one state; `None` where no table tells. A number that no table knows, and a
    /// table that does not answer, leave it indeterminate: the call can still be carried.
    fn jurisdiction(&self, call: &Call, rated: &Rated<'_>, host: &dyn Host) -> Option<Jurisdiction> {
        let table = self.npa_nxx.as_deref()?;
        let plan = &self.country_code;
        let caller = plan.e164(&call.caller, call.caller_is_global());
        let callee = plan.e164(rated.digits, rated.global);
        let exchanges = caller
            .as_deref()
            .and_then(|number| plan.npa_nxx(number))
            .zip(callee.as_deref().and_then(|number| plan.npa_nxx(number)));
        let Some((caller, callee)) = exchanges else { return Some(Jurisdiction::Indeterminate) };
        let mut states = host
            .lookup_all(&[Query { table, key: caller }, Query { table, key: callee }])
            .into_iter()
            .map(|answer| answer.ok().flatten()?.text("state").map(|state| state.to_ascii_uppercase()));
        Some(match (states.next().flatten(), states.next().flatten()) {
            (Some(caller), Some(callee)) if caller == callee => Jurisdiction::Intra,
            (Some(_), Some(_)) => Jurisdiction::Inter,
            _ => Jurisdiction::Indeterminate,
        })
    }

    /// The price that holds for every route, where there is one.
    fn price(
        &self,
        call: &Call,
        key: &str,
        jurisdiction: Option<Jurisdiction>,
        host: &dyn Host,
    ) -> Result<Option<Price>, Error> {
        if let Some(text) = call.attribute(&self.price_attribute) {
            let amount = text.parse().map_err(|_| {
                Error::new(format!("attribute {}: {text:?} is not a decimal number", self.price_attribute))
            })?;
            return Ok(Some(Price { amount, currency: None }));
        }
        let Some(table) = &self.price_table else { return Ok(None) };
        let Some(row) = host.lookup_prefix(table, key)?.into_iter().next() else { return Ok(None) };
        let amount = deck::amount(&row, &PRICE, jurisdiction, self.indeterminate)?;
        let currency = row.text("currency").map_or_else(|| self.currency.clone(), std::borrow::Cow::into_owned);
        Ok(amount.map(|amount| Price { amount, currency: Some(currency) }))
    }

    /// The deck's rows that can be read, the longest prefix of each gateway alone.
    fn entries(&self, rows: &[Row], jurisdiction: Option<Jurisdiction>, host: &dyn Host) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut bad = 0_u64;
        for row in rows {
            match Entry::read(row, jurisdiction, self.indeterminate, &self.currency) {
                Ok(entry) if entries.iter().all(|known| known.gateway != entry.gateway) => entries.push(entry),
                Ok(_) => {}
                Err(error) => {
                    bad += 1;
                    host.log(Level::Warn, &format!("table {}: a row is left out: {error}", self.table));
                }
            }
        }
        if bad > 0 {
            host.metric("bad_deck_rows", bad);
        }
        entries
    }
}

/// One attempt; the number only where it differs from the call's own.
fn route(entry: &Entry, sent: &str, callee: &str) -> Result<Route, String> {
    let kept = sent.get(entry.strip..).filter(|kept| !kept.is_empty());
    let kept = kept.ok_or_else(|| format!("strip: {} leaves nothing of the number", entry.strip))?;
    let number = [&*entry.prepend, kept].concat();
    Ok(Route {
        callee: (number != callee).then_some(number),
        rate: Some(CallRate { cost: entry.cost, price: entry.price, currency: entry.currency.clone() }),
        attempt_timeout: entry.attempt_timeout,
        ring_timeout: entry.ring_timeout,
        ..Route::to(entry.gateway.clone())
    })
}

export!(Rate);

#[cfg(test)]
mod tests;
