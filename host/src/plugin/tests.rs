//! Guests that fail in every way there is, and what the host makes of it.

mod instances;
mod limits;
mod load;
mod logs;
mod nonsense;
mod waits;

use super::testing::{Bed, Guest, proceed, reject, run, run_at, settings};
use super::{Cancel, LoadError, StageSettings};
use crate::cdr::record::StageOutcome;
