//! The protocols that services speak.

mod dns;
mod http;
mod memcached;
mod redis;
mod resolve;
mod sql;

pub(super) use self::dns::DnsClient;
pub(super) use self::http::HttpClient;
pub(crate) use self::http::is_healthy;
pub use self::http::{Method, Request, Response};
pub(super) use self::memcached::{LONGEST_KEY, MemcachedClient};
pub(super) use self::redis::RedisClient;
pub(super) use self::sql::{SqlClient, Texts};
