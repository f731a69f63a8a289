//! The stage `cnam`: the caller's name, into the display name of From and P-Asserted-Identity. It never fails a call:
//! what it cannot find out is left as it came. Leaves the attribute `cnam`: `found`, `none` (the table has no name),
//! `private`, `unavailable` (no answer), `kept` (the caller brought one).
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `table` | `cnam` | exact table by calling number |
//! | `field` | `name` | its field with the name |
//! | `key` | `national` | form of the number in the dip: `national`, `e164`, `plus-e164`, `as-dialled` |
//! | `country-code` | `"1"` | the plan of numbers without `+` |
//! | `max-length` | 15 | characters shown, as in the telephone network's CNAM; 1 to 64 |
//! | `overwrite` | true | also where the caller brought a display name |
//!
//! A caller who asked for privacy (Privacy `id`, `user`, `header` or `full`, or an anonymous From: RFC 3323, RFC 3325)
//! is neither dipped nor named.

use serde::Deserialize;
use trunkline_plugin::number::{Form, Plan};
use trunkline_plugin::{Call, Error, Host, Level, Outcome, Plugin, export, privacy};

/// The stage, as configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Cnam {
    table: String,
    field: String,
    key: Form,
    country_code: Plan,
    max_length: usize,
    overwrite: bool,
}

impl Default for Cnam {
    fn default() -> Self {
        Self {
            table: "cnam".to_owned(),
            field: "name".to_owned(),
            key: Form::National,
            country_code: Plan::default(),
            max_length: 15,
            overwrite: true,
        }
    }
}

impl Plugin for Cnam {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        Ok(match self.find(call, host) {
            Finding::Found(name) => Outcome::proceed().caller_name(name).attribute("cnam", "found"),
            Finding::Left(why) => Outcome::proceed().attribute("cnam", why),
        })
    }

    fn check(&self) -> Result<(), String> {
        if (1..=64).contains(&self.max_length) {
            Ok(())
        } else {
            Err(format!("max-length: {} is not 1 to 64", self.max_length))
        }
    }
}

enum Finding {
    Found(String),
    Left(&'static str),
}

impl Cnam {
    fn find(&self, call: &Call, host: &dyn Host) -> Finding {
        if privacy::asked(call, host) {
            return Finding::Left("private");
        }
        if !self.overwrite && host.header("From").iter().any(|from| has_display_name(from)) {
            return Finding::Left("kept");
        }
        let Some(key) = self.country_code.write(&call.caller, call.caller_is_global(), self.key) else {
            return Finding::Left("none");
        };
        match host.lookup(&self.table, &key) {
            Ok(row) => {
                let name = row.as_ref().and_then(|row| row.text(&self.field)).map(|name| self.shown(&name));
                name.filter(|name| !name.is_empty()).map_or(Finding::Left("none"), Finding::Found)
            }
            Err(error) => {
                host.log(Level::Warn, &format!("going on without a name: {error}"));
                Finding::Left("unavailable")
            }
        }
    }

    /// The name as a telephone can show it: no control characters, runs of blanks as one, cut to length.
    fn shown(&self, name: &str) -> String {
        let mut shown = String::with_capacity(name.len().min(4 * self.max_length));
        let mut left = self.max_length;
        let mut blank = false;
        for character in name.chars() {
            if character.is_whitespace() || character.is_control() {
                blank = !shown.is_empty();
                continue;
            }
            // A blank that nothing could follow is none.
            let needed = 1 + usize::from(blank);
            if left < needed {
                break;
            }
            left -= needed;
            if blank {
                shown.push(' ');
                blank = false;
            }
            shown.push(character);
        }
        shown
    }
}

/// Whether something stands before the address in a From value: `"Alice" <sip:…>` or `Alice <sip:…>`.
fn has_display_name(from: &str) -> bool {
    let name = from.split_once('<').map_or("", |(name, _)| name).trim();
    !name.trim_matches('"').trim().is_empty()
}

export!(Cnam);

#[cfg(test)]
mod tests;
