//! The highest rate at which no call fails and nothing is sent again, for Trunkline and for Kamailio, and how evenly
//! Trunkline's workers share the load there.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use trunkline_benches::awake::Awake;
use trunkline_benches::load::{measure, warm};
use trunkline_benches::peer::{self, Peer, Stages, Stores};
use trunkline_benches::report::Report;
use trunkline_tests::{Load, Sipp};

#[derive(Parser)]
struct Arguments {
    /// The first rate, in calls per second
    #[arg(long, default_value_t = 1_000)]
    from: u32,
    /// The last rate that is tried
    #[arg(long, default_value_t = 10_000)]
    to: u32,
    /// The highest rate is told to this many calls per second
    #[arg(long, default_value_t = 250)]
    grain: u32,
    /// How long each rate is held
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let callee = Sipp::callee("callee", &[])?;
    let _awake = Awake::keep()?;
    let mut report = Report::new(true);
    // One after the other: a system that runs beside it takes a little even when it is idle.
    for start in [kamailio as fn(_) -> _, trunkline] {
        let peer = start(callee.address())?;
        warm(&peer)?;
        let best = search(&peer, &arguments, &mut report)?;
        eprintln!("{}: {best} calls/s without a failed call", peer.name);
    }
    println!("{}", report.write(&arguments.out, "capacity")?);
    Ok(())
}

fn kamailio(carrier: std::net::SocketAddr) -> Result<Peer> {
    peer::kamailio(carrier)
}

fn trunkline(carrier: std::net::SocketAddr) -> Result<Peer> {
    peer::trunkline(carrier, Stages::Five, Stores::Files)
}

/// Doubles the step until a rate fails, then halves it down to the grain. 0 where the first rate fails.
fn search(peer: &Peer, arguments: &Arguments, report: &mut Report) -> Result<u32> {
    let (mut best, mut rate, mut step) = (0, arguments.from, arguments.grain * 4);
    let mut failed = false;
    while rate <= arguments.to {
        let row = measure(peer, Load { calls: rate * arguments.seconds, rate })?;
        let clean = row.failed == 0 && row.retransmissions == 0;
        report.rows.push(row);
        if clean {
            best = rate;
        } else {
            failed = true;
        }
        if failed {
            step /= 2;
        }
        if step < arguments.grain {
            break;
        }
        rate = best + step;
    }
    Ok(best)
}
