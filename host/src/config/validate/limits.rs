//! `[limits]`.

use super::super::model::Config;
use super::super::problem::Report;
use super::{not_zero, reference};

pub(super) fn validate(config: &Config, report: &mut Report<'_>) {
    let Some(shared) = &config.limits.shared else { return };
    let key = |name: &str| format!("limits.shared.{name}");
    reference(&key("service"), &shared.service, "services", report);
    if config.services.get(&shared.service).is_some_and(|service| !service.url.starts_with("redis:")) {
        let message = format!("`{}` is no Redis by its URL; limits are shared through `redis://…`", shared.service);
        report.error(&key("service"), message);
    }
    not_zero(&key("interval"), shared.interval, report);
    if shared.lease.get() < shared.interval.get() * 3 {
        report.error(&key("lease"), "must be at least three times `interval`: one exchange may fail");
    }
}
