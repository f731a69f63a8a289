//! Fixtures for end-to-end tests: real processes and real sockets on loopback.
//!
//! [`Setup`] describes a configuration and starts a [`Router`] with it; [`Sipp`] runs a scenario of `scenarios/`;
//! [`Phone`] speaks SIP word by word; [`Rabbit`], [`Redis`] and [`Postgres`] are private servers, [`Kamailio`] a neighbour;
//! [`LrnServer`] is a number directory that can fail in several ways. Every process belongs to the fixture that started it and ends with it, by its id.

mod acceptor;
mod compiled;
mod component;
mod dns;
mod http;
mod kamailio;
mod ledger;
mod link;
mod lrn;
mod memcached;
mod phone;
mod pki;
mod ports;
mod postgres;
mod process;
mod prometheus;
mod rabbit;
mod redis;
mod router;
mod setup;
mod sipp;
mod small_disk;
mod talk;
mod wait;
mod webhook;
mod wire;

pub use component::marked;
pub use dns::Dns;
pub use http::{request, request_with};
pub use kamailio::Kamailio;
pub use ledger::{Ledger, run};
pub use link::Link;
pub use lrn::{Fault, LrnServer};
pub use memcached::Memcached;
pub use phone::{Dialog, Message, Phone};
pub use pki::{Certificate, Pki};
pub use ports::{free_tcp, free_tcp_on, free_udp, is_bound};
pub use postgres::Postgres;
pub use process::{Process, statistic, tree};
pub use prometheus::{Prometheus, Sample};
pub use rabbit::Rabbit;
pub use redis::Redis;
pub use router::Router;
pub use setup::{Setup, plugins_folder};
pub use sipp::{Counts, Load, Sipp};
pub use small_disk::SmallDisk;
pub use talk::{answered, hang_up};
pub use wait::until;
pub use webhook::{Delivery, Manner, Webhook};
