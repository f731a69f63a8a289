//! A core as the router makes it by default, with one UDP listener and one carrier: for simulations.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use trunkline::sip::codes::CodeSet;
use trunkline::sip::core::{Listener, Settings};
use trunkline::sip::decision::{Destination, NextHop, Redirects, Target};
use trunkline::sip::flow::Transport;

/// Of a core that listens on this address and holds so many calls.
pub fn settings(address: SocketAddr, max_calls: usize) -> Settings {
    Settings {
        worker: 0,
        listeners: vec![Listener {
            transport: Transport::Udp,
            bound: address,
            host: address.ip().to_string().into(),
            port: address.port(),
        }],
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        max_duration: Duration::from_hours(4),
        late_answers: Duration::from_secs(5),
        hang_up_expired: false,
        max_attempts: 10,
        max_calls,
    }
}

/// The one attempt of a call: this carrier, whose every failure is the call's.
pub fn target(carrier: SocketAddr) -> Target {
    let hop = NextHop {
        name: "carrier".into(),
        continues: CodeSet::of(&[]),
        redirects: Redirects::Pass,
        login: None,
        tcp_above: None,
        trusted: true,
        gate: None,
    };
    Target {
        destination: Some(Destination { transport: Transport::Udp, address: carrier }),
        request_host: None,
        edits: Vec::new(),
        attempt_timeout: Duration::from_secs(3),
        ring_timeout: Duration::from_mins(1),
        parallel: false,
        hop: Arc::new(hop),
    }
}
