//! Logging: for people on a terminal, JSON otherwise; phone numbers cut unless the operator asks for them whole.
//!
//! The filter is `TRUNKLINE_LOG`, else `log.filter`, else `info`. Secrets never reach a log line: they live in
//! [`crate::config::Loaded`], which logs nothing of itself.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::EnvFilter;

use crate::config::model::Log;

/// How many characters of a phone number stay: the country and area code, which a trouble ticket needs.
const SHOWN: usize = 5;

/// `log.full-numbers`. Read on call paths, so it is a flag and not a part of the subscriber.
static FULL_NUMBERS: AtomicBool = AtomicBool::new(false);

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `TRUNKLINE_LOG` or `log.filter` is no filter.
    #[error("{origin}: `{filter}` is not a filter, such as `info` or `trunkline=debug`: {reason}")]
    Filter {
        /// `TRUNKLINE_LOG` or `log.filter`.
        origin: &'static str,
        /// What stands there.
        filter: String,
        /// What the parser says.
        reason: String,
    },
    /// A subscriber is there already.
    #[error("logging was set up twice")]
    Twice,
}

/// Starts logging to standard error. Once per process.
pub fn start(log: &Log) -> Result<(), LogError> {
    show_full_numbers(log.full_numbers);
    let filter = filter(std::env::var("TRUNKLINE_LOG").ok().as_deref(), log)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    started.map_err(|_| LogError::Twice)
}

/// Takes over `log.full-numbers` after a reload.
pub fn show_full_numbers(full: bool) {
    FULL_NUMBERS.store(full, Ordering::Relaxed);
}

fn filter(environment: Option<&str>, log: &Log) -> Result<EnvFilter, LogError> {
    let (origin, filter) = match (environment, &log.filter) {
        (Some(filter), _) if !filter.is_empty() => ("TRUNKLINE_LOG", filter),
        (_, Some(filter)) => ("log.filter", filter.as_str()),
        _ => ("default", "info"),
    };
    EnvFilter::builder().parse(filter).map_err(|error| LogError::Filter {
        origin,
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

/// A phone number, or any user part, as it may stand in a log line: `12125…`.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a>(pub &'a str);

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.0, FULL_NUMBERS.load(Ordering::Relaxed))
    }
}

fn write_number(f: &mut impl fmt::Write, number: &str, full: bool) -> fmt::Result {
    // Never more than half: of a short number, the first five would be nearly all.
    let length = number.chars().count();
    let shown = SHOWN.min(length / 2);
    if full || number.is_empty() {
        return f.write_str(number);
    }
    number.chars().take(shown).try_for_each(|c| f.write_char(c))?;
    f.write_char('…')
}

#[cfg(test)]
mod tests {
    use super::{LogError, filter, write_number};
    use crate::config::model::Log;

    fn written(number: &str, full: bool) -> String {
        let mut text = String::new();
        write_number(&mut text, number, full).expect("a string takes everything");
        text
    }

    #[test]
    fn a_number_is_cut_after_its_first_digits() {
        assert_eq!(written("12125550123", false), "12125…");
        assert_eq!(written("+442079460000", false), "+4420…");
    }

    #[test]
    fn a_short_number_shows_at_most_its_half() {
        assert_eq!(written("911", false), "9…");
        assert_eq!(written("7", false), "…");
        assert_eq!(written("", false), "");
    }

    #[test]
    fn an_operator_who_asks_sees_the_whole_number() {
        assert_eq!(written("12125550123", true), "12125550123");
    }

    #[test]
    fn a_name_outside_ascii_is_cut_between_characters() {
        assert_eq!(written("жжжжжжжжжжжж", false), "жжжжж…");
    }

    #[test]
    fn the_environment_beats_the_configuration() {
        let log = Log { filter: Some("warn".to_owned()), full_numbers: false };
        assert_eq!(filter(Some("debug"), &log).expect("a filter").to_string(), "debug");
        assert_eq!(filter(None, &log).expect("a filter").to_string(), "warn");
        assert_eq!(filter(None, &Log::default()).expect("a filter").to_string(), "info");
    }

    #[test]
    fn a_filter_that_is_none_names_where_it_stands() {
        let error = filter(Some("trunkline=loud"), &Log::default()).expect_err("no filter");
        assert!(matches!(error, LogError::Filter { origin: "TRUNKLINE_LOG", .. }), "{error}");
    }
}
