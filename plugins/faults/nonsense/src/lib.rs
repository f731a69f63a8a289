//! A stage that ends well and answers nonsense: the host must refuse the whole outcome.
//!
//! `answer` says which: `header-injection` (default: CR and LF in a header value), `header-name` (no token),
//! `foreign-header` (edits Via), `unknown-gateway`, `many-routes` (10,000), `code` (a final response 99),
//! `huge-attribute` (1 MiB).

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, Route, export};

/// The stage.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nonsense {
    #[serde(default)]
    answer: Answer,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    #[default]
    HeaderInjection,
    HeaderName,
    ForeignHeader,
    UnknownGateway,
    ManyRoutes,
    Code,
    HugeAttribute,
}

impl Plugin for Nonsense {
    fn handle(&self, _: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        Ok(match self.answer {
            Answer::HeaderInjection => Outcome::proceed().set_header("X-Note", "a\r\nVia: SIP/2.0/UDP 203.0.113.9"),
            Answer::HeaderName => Outcome::proceed().set_header("X Note:", "a"),
            Answer::ForeignHeader => Outcome::proceed().set_header("Via", "SIP/2.0/UDP 203.0.113.9"),
            Answer::UnknownGateway => Outcome::route(vec![Route::to("no-such-gateway")]),
            Answer::ManyRoutes => Outcome::route(vec![Route::to("carrier-a"); 10_000]),
            Answer::Code => Outcome::reject(99, "No such code"),
            Answer::HugeAttribute => Outcome::proceed().attribute("huge", "x".repeat(1 << 20)),
        })
    }
}

export!(Nonsense);
