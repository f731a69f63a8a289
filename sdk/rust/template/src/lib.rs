//! Marks the calls to the numbers in a table: the header field X-Vip and the attribute `vip` tell their level.
//!
//! `config = { table = "vips" }`

use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Vip {
    table: String,
}

impl Default for Vip {
    fn default() -> Self {
        Self { table: "vips".to_owned() }
    }
}

impl Plugin for Vip {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        let Some(row) = host.lookup(&self.table, &call.callee)? else {
            return Ok(Outcome::proceed());
        };
        let level = row.text("level").ok_or_else(|| Error::new("a row without a level"))?;
        Ok(Outcome::proceed().set_header("X-Vip", level.clone()).attribute("vip", level))
    }
}

export!(Vip);

#[cfg(test)]
mod tests {
    use trunkline_plugin::testing::{FakeHost, call, configured};
    use trunkline_plugin::{Outcome, Plugin, Row};

    use super::Vip;

    #[test]
    fn a_number_in_the_table_is_marked() {
        let vip: Vip = configured("{}");
        let host = FakeHost::new().row("vips", "13105550199", Row::new().with("level", "gold"));
        let outcome = vip.handle(&call("12125550100", "13105550199"), &host).unwrap();
        assert_eq!(outcome, Outcome::proceed().set_header("X-Vip", "gold").attribute("vip", "gold"));
    }

    #[test]
    fn any_other_number_goes_on_unmarked() {
        let vip: Vip = configured("{}");
        let outcome = vip.handle(&call("12125550100", "13105550188"), &FakeHost::new().table("vips")).unwrap();
        assert_eq!(outcome, Outcome::proceed());
    }
}
