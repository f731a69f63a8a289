//! Cached lookups: tables that answer from memory, and load what they lack without holding any other call.

pub mod row;
