//! The protocols that services speak.

mod dns;
mod http;
mod memcached;
mod redis;
mod resolve;
mod sql;

pub(super) use self::dns::DnsClient;
pub(super) use self::http::HttpClient;
pub use self::http::{Method, Request, Response};
pub(crate) use self::http::{http_client, is_healthy};
pub(super) use self::memcached::{LONGEST_KEY, MemcachedClient};
pub(super) use self::redis::RedisClient;
pub(super) use self::sql::{SqlClient, Texts};
