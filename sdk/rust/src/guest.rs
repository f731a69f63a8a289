//! The component's side of the border: the host's imports as a [`Host`], and the exports that [`crate::export!`] makes.

use std::cell::RefCell;
use std::panic;

use crate::bindings::trunkline::routing::{clock, limits, lookups, message, services, telemetry};
use crate::error::{LookupFailure, ServiceFailure};
use crate::{Call, Host, Level, LookupError, Outcome, Plugin, Query, Request, Response, Row, ServiceError};
use crate::{config, error};

/// Export a type that implements [`Plugin`] as the component of world `stage`. Once per crate.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        #[allow(unsafe_code, missing_docs, unreachable_pub)]
        const _: () = {
            ::std::thread_local! {
                static STAGE: $crate::guest::Stage<$plugin> = const { $crate::guest::Stage::new() };
            }

            struct Component;

            impl $crate::bindings::Guest for Component {
                fn configure(config: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                    STAGE.with(|stage| stage.configure(&config))
                }

                fn handle(call: $crate::Call) -> ::std::result::Result<$crate::Outcome, ::std::string::String> {
                    STAGE.with(|stage| stage.handle(&call))
                }
            }

    $crate::bindings::export_stage!(Component with_types_in $crate::bindings);
        };
    };
}

/// The plugin of this instance, once it is configured.
pub struct Stage<P>(RefCell<Option<P>>);

impl<P> Stage<P> {
    /// Not configured yet.
    #[expect(clippy::new_without_default, reason = "made by the macro alone")]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }
}

impl<P: Plugin> Stage<P> {
    /// The export `configure`.
    pub fn configure(&self, config: &str) -> Result<(), String> {
        panic::set_hook(Box::new(|panic| telemetry::log(Level::Error, &panic.to_string())));
        let plugin = config::parse(config)?;
        *self.0.borrow_mut() = Some(plugin);
        Ok(())
    }

    /// The export `handle`.
    pub fn handle(&self, call: &Call) -> Result<Outcome, String> {
        let plugin = self.0.borrow();
        let plugin = plugin.as_ref().ok_or("handle was called before configure")?;
        plugin.handle(call, &Imports).map_err(|error: error::Error| error.to_string())
    }
}

/// The host itself.
struct Imports;

impl Host for Imports {
    fn lookup(&self, table: &str, key: &str) -> Result<Option<Row>, LookupError> {
        match lookups::lookup(table, key) {
            Ok(row) => Ok(row.map(Row::from)),
            Err(reason) => Err(failed(table, reason)),
        }
    }

    fn lookup_all(&self, queries: &[Query<'_>]) -> Vec<Result<Option<Row>, LookupError>> {
        let answers = lookups::lookup_all(queries).into_iter().zip(queries);
        answers
            .map(|(answer, query)| answer.map(|row| row.map(Row::from)).map_err(|e| failed(query.table, e)))
            .collect()
    }

    fn lookup_prefix(&self, table: &str, digits: &str) -> Result<Vec<Row>, LookupError> {
        let rows = lookups::lookup_prefix(table, digits).map_err(|reason| failed(table, reason))?;
        Ok(rows.into_iter().map(Row::from).collect())
    }

    fn header(&self, name: &str) -> Vec<String> {
        message::header(name)
    }

    fn call(&self, service: &str, request: &Request<'_>) -> Result<Response, ServiceError> {
        services::call(service, request.clone()).map_err(|reason| {
            let reason = match reason {
                services::ServiceError::UnknownService => ServiceFailure::UnknownService,
                services::ServiceError::Deadline => ServiceFailure::Deadline,
                services::ServiceError::Unavailable(why) => ServiceFailure::Unavailable(why),
                services::ServiceError::BadRequest(why) => ServiceFailure::BadRequest(why),
            };
            ServiceError { service: service.to_owned(), reason }
        })
    }

    fn take_rate(&self, key: &str, per_second: u32) -> bool {
        limits::take_rate(key, per_second)
    }

    fn take_permit(&self, key: &str, max: u32) -> bool {
        limits::take_permit(key, max)
    }

    fn log(&self, level: Level, message: &str) {
        telemetry::log(level, message);
    }

    fn metric(&self, name: &str, add: u64) {
        telemetry::metric(name, add);
    }

    fn now(&self) -> u64 {
        clock::now()
    }
}

fn failed(table: &str, reason: lookups::LookupError) -> LookupError {
    let reason = match reason {
        lookups::LookupError::UnknownTable => LookupFailure::UnknownTable,
        lookups::LookupError::Deadline => LookupFailure::Deadline,
        lookups::LookupError::Unavailable(why) => LookupFailure::Unavailable(why),
        lookups::LookupError::BadKey => LookupFailure::BadKey,
    };
    LookupError { table: table.to_owned(), reason }
}
