//! The stage `lrn`: number portability. Dips the called number and leaves its location routing number for the rating
//! and the carriers. Leaves the attributes `npdi` (`yes` once the number's portability is known) and, for a ported
//! number, `lrn` (national digits: `2025550000`).
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `table` | `lrn` | exact table by called number |
//! | `field` | `lrn` | its field with the routing number; empty, absent or the number itself: not ported |
//! | `key` | `national` | form of the number in the dip: `national`, `e164`, `plus-e164`, `as-dialled` |
//! | `country-code` | `"1"` | the plan whose numbers are dipped; others go on undipped |
//! | `user-parameters` | false | write `rn` and `npdi` into the Request-URI (RFC 4694) |
//! | `header` | none | also write the routing number to this header field, such as `P-LRN` |
//! | `optional` | false | go on without the dip when the table does not answer, instead of failing |
//!
//! A request that carries `npdi` or `rn` has been dipped before: that answer is taken and no dip made (RFC 4694
//! section 5.2). Numbers of 10 digits, 11 with a leading 1, and with `+` are one number. Numbers of other countries,
//! short codes and what is no number are not dipped and leave no attribute.
//!
//! With `user-parameters`, `rn` is written in its global form, `+12025550000`, as RFC 4694 wants it where no
//! `rn-context` goes with it.

use serde::Deserialize;
use trunkline_plugin::number::{self, Form, Plan};
use trunkline_plugin::uri::User;
use trunkline_plugin::{Call, Error, Host, Level, Outcome, Plugin, export};

/// The stage, as configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Lrn {
    table: String,
    field: String,
    key: Form,
    country_code: Plan,
    user_parameters: bool,
    header: Option<String>,
    optional: bool,
}

impl Default for Lrn {
    fn default() -> Self {
        Self {
            table: "lrn".to_owned(),
            field: "lrn".to_owned(),
            key: Form::National,
            country_code: Plan::default(),
            user_parameters: false,
            header: None,
            optional: false,
        }
    }
}

impl Plugin for Lrn {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        match self.carried(call) {
            Carried::Ported(routing) => return Ok(self.leave(Some(&routing), false)),
            Carried::NotPorted => return Ok(self.leave(None, false)),
            Carried::Nothing => {}
        }
        let plan = &self.country_code;
        let global = call.callee_is_global();
        let Some(e164) = plan.e164(&call.callee, global) else { return Ok(Outcome::proceed()) };
        let Some(called) = plan.national(&e164) else { return Ok(Outcome::proceed()) };
        let Some(key) = plan.write(&call.callee, global, self.key) else { return Ok(Outcome::proceed()) };
        let answer = match host.lookup(&self.table, &key) {
            Ok(answer) => answer,
            Err(error) if self.optional => {
                host.log(Level::Warn, &format!("going on without a dip: {error}"));
                return Ok(Outcome::proceed());
            }
            Err(error) => return Err(error.into()),
        };
        let found = answer.as_ref().and_then(|row| row.text(&self.field));
        let Some(found) = found else { return Ok(self.leave(None, true)) };
        let routing = self.national(&found).ok_or_else(|| {
            format!("table {}: field {}: {found:?} is no routing number of this plan", self.table, self.field)
        })?;
        Ok(self.leave(Some(routing.as_str()).filter(|routing| *routing != called), true))
    }

    fn check(&self) -> Result<(), String> {
        match &self.header {
            Some(name)
                if name.is_empty()
                    || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!%*+'`~".contains(&b)) =>
            {
                Err(format!("header: {name:?} is no name of a header field, such as P-LRN"))
            }
            _ => Ok(()),
        }
    }
}

/// The answer of a dip that was made before this node.
enum Carried {
    Nothing,
    NotPorted,
    Ported(String),
}

impl Lrn {
    fn carried(&self, call: &Call) -> Carried {
        let user = User::of(&call.request_uri);
        match user.parameter("rn") {
            // A routing number that cannot be read counts as none: better to ask twice than to route by nonsense.
            Some(rn) => self.national(rn).map_or(Carried::Nothing, Carried::Ported),
            None if user.parameter("npdi").is_some() => Carried::NotPorted,
            None => Carried::Nothing,
        }
    }

    /// The national digits of a routing number, with or without country code and separators.
    fn national(&self, number: &str) -> Option<String> {
        let digits = number::digits(number)?;
        let e164 = self.country_code.e164(&digits, number.starts_with('+'))?;
        self.country_code.national(&e164).map(str::to_owned)
    }

    /// What is known about the number; `dipped` here and so not yet in the request.
    fn leave(&self, routing: Option<&str>, dipped: bool) -> Outcome {
        let mut outcome = Outcome::proceed().attribute("npdi", "yes");
        if let Some(routing) = routing {
            outcome = outcome.attribute("lrn", routing);
            if let Some(header) = &self.header {
                outcome = outcome.set_header(header, routing);
            }
        }
        if self.user_parameters && dipped {
            if let Some(routing) = routing {
                outcome = outcome.user_parameter("rn", self.country_code.global(routing));
            }
            outcome = outcome.user_parameter("npdi", "");
        }
        outcome
    }
}

export!(Lrn);

#[cfg(test)]
mod tests;
