//! `[call]`, `[timers]`, `[log]`.

use tracing_subscriber::EnvFilter;

use super::super::model::Config;
use super::super::problem::Report;
use super::not_zero;

/// The contract's bound on routes: more attempts than routes cannot be.
const MAX_ATTEMPTS: usize = 32;

pub(super) fn validate(config: &Config, report: &mut Report<'_>) {
    let call = &config.call;
    not_zero("call.setup-budget", call.setup_budget, report);
    not_zero("call.ring-timeout", call.ring_timeout, report);
    not_zero("call.attempt-timeout", call.attempt_timeout, report);
    not_zero("call.max-duration", call.max_duration, report);
    if !(1..=MAX_ATTEMPTS).contains(&call.max_attempts) {
        report.error("call.max-attempts", format!("`{}` is out of range: 1 to {MAX_ATTEMPTS}", call.max_attempts));
    }
    if call.max_calls == Some(0) {
        report.error(
            "call.max-calls",
            "`0` would refuse every call: 1 or more, or leave it out for what the memory holds",
        );
    }
    if call.attempt_timeout > call.ring_timeout {
        report.warn(
            "call.attempt-timeout",
            format!(
                "{:?} is longer than `call.ring-timeout`, {:?}, which ends the attempt first",
                call.attempt_timeout.get(),
                call.ring_timeout.get()
            ),
        );
    }
    timers(config, report);
    if let Some(filter) = &config.log.filter
        && let Err(error) = EnvFilter::builder().parse(filter)
    {
        report.error("log.filter", format!("`{filter}` is not a filter, such as `info` or `trunkline=debug`: {error}"));
    }
}

/// RFC 3261 section 17.1.1.1: T1 is a round trip, T2 the longest interval, T4 the longest life of a message.
fn timers(config: &Config, report: &mut Report<'_>) {
    let timers = &config.timers;
    not_zero("timers.t1", timers.t1, report);
    not_zero("timers.t2", timers.t2, report);
    not_zero("timers.t4", timers.t4, report);
    if timers.t1 > timers.t2 {
        report.error(
            "timers.t1",
            format!(
                "{:?} is longer than `timers.t2`, {:?}: retransmissions start at t1 and double up to t2",
                timers.t1.get(),
                timers.t2.get()
            ),
        );
    }
}
