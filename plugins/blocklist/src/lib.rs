//! The stage `blocklist`: refuses callers (ANI) and called numbers (DNIS) that the operator blocks, before anything is
//! dipped for the call. Leaves the attribute `blocked`: the table that had it.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `table` | `blocked`, when no table is named | exact table of numbers, blocked whether they call or are called |
//! | `callers`, `callees` | none | exact tables of calling or called numbers |
//! | `caller-prefixes`, `callee-prefixes` | none | prefix tables |
//! | `caller-npa-nxx`, `callee-npa-nxx` | none | exact tables of NPA and NXX: `202555` |
//! | `code` | 603 | the answer |
//! | `reason` | the standard one | its reason phrase |
//! | `country-code` | `"1"` | the plan of numbers without `+` |
//!
//! A number is looked for as dialled, with its country code and without, so that no other way of dialling gets round
//! the list. A row may say `code` and `reason` itself; a code that is no refusal is ignored.
//! Prefixes are matched against the number with its country code, then as dialled.
//!
//! A table that does not answer is a failure of the stage: `on-failure` says what becomes of the call.

use std::borrow::Cow;

use serde::Deserialize;
use trunkline_plugin::number::{Form, Plan};
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, Query, Row, export};

/// The stage, as configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Blocklist {
    table: Option<String>,
    callers: Option<String>,
    callees: Option<String>,
    caller_prefixes: Option<String>,
    callee_prefixes: Option<String>,
    caller_npa_nxx: Option<String>,
    callee_npa_nxx: Option<String>,
    code: u16,
    reason: String,
    country_code: Plan,
}

impl Default for Blocklist {
    fn default() -> Self {
        Self {
            table: None,
            callers: None,
            callees: None,
            caller_prefixes: None,
            callee_prefixes: None,
            caller_npa_nxx: None,
            callee_npa_nxx: None,
            code: 603,
            reason: String::new(),
            country_code: Plan::default(),
        }
    }
}

impl Plugin for Blocklist {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        let plan = &self.country_code;
        let caller = Number::of(plan, &call.caller, call.caller_is_global(), self.caller_npa_nxx.is_some());
        let callee = Number::of(plan, &call.callee, call.callee_is_global(), self.callee_npa_nxx.is_some());
        let blocked = match self.exact(&caller, &callee, host)? {
            None => self.prefixes(&caller, &callee, host)?,
            blocked => blocked,
        };
        Ok(match blocked {
            Some((table, row)) => self.refuse(&row).attribute("blocked", table),
            None => Outcome::proceed(),
        })
    }

    fn check(&self) -> Result<(), String> {
        if is_refusal(self.code) {
            Ok(())
        } else {
            Err(format!("code: {} is no final response that refuses; 300 to 699", self.code))
        }
    }
}

/// The ways in which a table may hold a number, without repeats.
struct Number<'a> {
    forms: Vec<Cow<'a, str>>,
    npa_nxx: Option<String>,
}

impl<'a> Number<'a> {
    /// The form with country code comes first. `exchange`: also find out NPA and NXX.
    fn of(plan: &Plan, number: &'a str, global: bool, exchange: bool) -> Self {
        let mut forms: Vec<Cow<'a, str>> = Vec::with_capacity(3);
        for form in [Form::E164, Form::National, Form::AsDialled] {
            if let Some(written) = plan.write(number, global, form).filter(|written| !forms.contains(written)) {
                forms.push(written);
            }
        }
        let e164 = forms.first().filter(|_| exchange);
        let npa_nxx = e164.and_then(|e164| plan.npa_nxx(e164)).map(str::to_owned);
        Self { forms, npa_nxx }
    }
}

impl Blocklist {
    /// One round trip for all exact tables.
    fn exact(&self, caller: &Number<'_>, callee: &Number<'_>, host: &dyn Host) -> Result<Option<(&str, Row)>, Error> {
        let either = self.either();
        let sides = [(caller, &self.callers, &self.caller_npa_nxx), (callee, &self.callees, &self.callee_npa_nxx)];
        // Both sides in both tables, and their exchanges.
        let mut queries: Vec<Query<'_>> = Vec::with_capacity(14);
        for (number, numbers, npa_nxx) in sides {
            for table in either.into_iter().chain(numbers.as_deref()) {
                queries.extend(number.forms.iter().map(|key| Query { table, key }));
            }
            let npa_nxx = npa_nxx.as_deref().zip(number.npa_nxx.as_deref());
            queries.extend(npa_nxx.map(|(table, key)| Query { table, key }));
        }
        if queries.is_empty() {
            return Ok(None);
        }
        let answers = host.lookup_all(&queries);
        let mut failed = None;
        for (query, answer) in queries.iter().zip(answers) {
            match answer {
                Ok(Some(row)) => return Ok(self.table_named(query.table).map(|table| (table, row))),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        // One table that blocks is enough; one that is silent is not an all-clear.
        failed.map_or(Ok(None), |error| Err(error.into()))
    }

    fn prefixes(
        &self,
        caller: &Number<'_>,
        callee: &Number<'_>,
        host: &dyn Host,
    ) -> Result<Option<(&str, Row)>, Error> {
        for (number, table) in [(caller, &self.caller_prefixes), (callee, &self.callee_prefixes)] {
            let Some(table) = table else { continue };
            for digits in &number.forms {
                if let Some(longest) = host.lookup_prefix(table, digits)?.into_iter().next() {
                    return Ok(Some((table, longest)));
                }
            }
        }
        Ok(None)
    }

    /// The table for both sides.
    fn either(&self) -> Option<&str> {
        self.table.as_deref().or_else(|| self.named().next().is_none().then_some("blocked"))
    }

    /// The tables that the configuration names for one side.
    fn named(&self) -> impl Iterator<Item = &str> {
        let exact = [&self.callers, &self.callees, &self.caller_npa_nxx, &self.callee_npa_nxx];
        let prefix = [&self.caller_prefixes, &self.callee_prefixes];
        exact.into_iter().chain(prefix).filter_map(|table| table.as_deref())
    }

    /// The configuration's own text for a table that was asked.
    fn table_named(&self, name: &str) -> Option<&str> {
        self.either().into_iter().chain(self.named()).find(|table| *table == name)
    }

    fn refuse(&self, row: &Row) -> Outcome {
        let own = row.integer("code").ok().flatten().and_then(|code| u16::try_from(code).ok());
        let reason = row.text("reason").map_or_else(|| self.reason.clone(), std::borrow::Cow::into_owned);
        Outcome::reject(own.filter(|code| is_refusal(*code)).unwrap_or(self.code), reason)
    }
}

fn is_refusal(code: u16) -> bool {
    (300..700).contains(&code)
}

export!(Blocklist);

#[cfg(test)]
mod tests;
