//! `[abuse]`.

use super::super::model::Config;
use super::super::problem::Report;
use super::at_least_one;

/// No INVITE with a session description is shorter.
const LEAST_MESSAGE: u64 = 1 << 10;
/// A part of a name that is shorter stands in the names of honest telephones.
const LEAST_AGENT: usize = 3;

pub(super) fn validate(config: &Config, report: &mut Report<'_>) {
    let abuse = &config.abuse;
    at_least_one("abuse.rate", abuse.rate.into(), report);
    at_least_one("abuse.burst", abuse.burst.into(), report);
    at_least_one("abuse.malformed", abuse.malformed.into(), report);
    if abuse.max_message.bytes() < LEAST_MESSAGE {
        report.error("abuse.max-message", "is less than an ordinary INVITE: at least `1KiB`");
    }
    for (index, agent) in abuse.user_agents.iter().enumerate() {
        if agent.trim().len() < LEAST_AGENT {
            let message = format!("`{agent}` would fit too many: at least {LEAST_AGENT} letters of the name");
            report.error(&format!("abuse.user-agents[{index}]"), message);
        }
    }
}
