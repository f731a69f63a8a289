//! Starts a plugin's project ([`project::create`]) and makes a component of it ([`build::build`]).
//!
//! The SDKs, their templates and the contract are inside this library ([`embedded`]), so that it needs no repository.
//! Compilers are found on the machine or fetched once, in pinned versions, into the [`Workshop`]'s folder. Whatever the
//! language, what comes out passes [`component::check`]: it exports a stage and imports nothing but the router.

pub mod build;
pub mod component;
pub mod embedded;
mod language;
pub mod process;
pub mod project;
mod workshop;

pub use language::Language;
pub use workshop::Workshop;
