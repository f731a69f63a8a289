//! Logging: for people on a terminal, JSON otherwise; phone numbers cut unless the operator asks for them whole.
//!
//! The filter is `TRUNKLINE_LOG`, else `log.filter`, else `info`. Secrets never reach a log line: they live in
//! [`crate::config::Loaded`], which logs nothing of itself. A line waits for nobody: see `log/writer.rs`.

#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

use crate::config::model::Log;

pub use self::writer::Guard;

/// So many digits in a row are a phone number.
const NUMBER: usize = 7;
/// How many of them stay: about the country and area code, which a trouble ticket needs.
const SHOWN: usize = 4;

/// `log.full-numbers`. Read on call paths, so it is a flag and not a part of the subscriber.
static FULL_NUMBERS: AtomicBool = AtomicBool::new(false);

/// Lines that standard error had no room for.
static DROPPED: AtomicU64 = AtomicU64::new(0);

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
    /// The system gives no thread to write it.
    #[error("logging did not start: {0}")]
    Thread(#[from] io::Error),
    /// A subscriber is there already.
    #[error("logging was set up twice")]
    Twice,
}

/// Starts logging to standard error. Once per process; the guard is for its end.
pub fn start(log: &Log) -> Result<Guard, LogError> {
    show_full_numbers(log.full_numbers);
    let filter = filter(std::env::var("TRUNKLINE_LOG").ok().as_deref(), log)?;
    let (writer, guard) = writer::start(io::stderr(), &DROPPED)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = if io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    started.map(|()| guard).map_err(|_| LogError::Twice)
}

/// Lines that were dropped since the start because nobody read those before them.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
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

/// Text of others as it may stand in a log line: seven digits or more in a row are cut after the fourth, `1212…`, unless
/// the operator asks for numbers whole.
pub fn masked(text: &str) -> Cow<'_, str> {
    if FULL_NUMBERS.load(Ordering::Relaxed) { Cow::Borrowed(text) } else { mask(text) }
}

fn mask(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    // What stands before here is in `shown`.
    let mut taken = 0;
    let mut digits = 0;
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        if byte.is_ascii_digit() {
            digits += 1;
            continue;
        }
        if digits >= NUMBER {
            shown.push_str(&text[taken..at - digits + SHOWN]);
            shown.push('…');
            taken = at;
        }
        digits = 0;
    }
    if taken == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[taken..]);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::{LogError, filter, mask};
    use crate::config::model::Log;

    #[test]
    fn a_number_is_cut_after_its_first_digits_wherever_it_stands() {
        assert_eq!(mask("12125550123"), "1212…");
        assert_eq!(mask("lrn of +442079460000 is 5550123, not 13105550199."), "lrn of +4420… is 5550…, not 1310….");
        assert_eq!(mask("жж13105550199жж"), "жж1310…жж");
    }

    #[test]
    fn what_is_too_short_for_a_number_stays() {
        for text in ["", "911", "code 503 after 150000 us", "192.0.2.1:5060", "555-0123", "жжжжжжжжжжжж"] {
            assert_eq!(mask(text), text);
        }
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
