//! The protocols that services speak.

mod http;

pub(super) use http::HttpClient;
pub(crate) use http::is_healthy;
pub use http::{Method, Request, Response};
