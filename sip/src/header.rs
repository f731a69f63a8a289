//! Values inside header fields: lists, parameters, Via, and addresses with a display name.

mod items;
mod name_addr;
mod params;
#[cfg(test)]
mod tests;
mod via;

pub use self::items::{Item, Items};
pub use self::name_addr::NameAddr;
pub use self::params::{Param, Params};
pub use self::via::{Rport, Via, via_fixup};

pub(crate) use self::name_addr::AddressSpans;
pub(crate) use self::via::ViaSpans;
