//! The core as its driver sees it: messages in, actions out, time by hand.
//!
//! The scenarios drive it one message at a time ([`rig`]); the simulation lets many clients and carriers loose on it
//! over a bad network ([`sim`]).

mod cancel;
mod challenges;
mod claims;
mod dialogs;
mod failover;
mod forks;
mod fuzz;
mod heap;
mod itself;
mod late;
mod limits;
mod measure;
mod names;
mod order;
mod redirects;
mod refusals;
mod rig;
mod round_trip;
mod routes;
mod sessions;
mod setup;
mod sim;
mod sizes;
mod taken_up;
mod timers;
mod told;
mod ua;
mod way;
