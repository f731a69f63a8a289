//! What a call costs: the same SIPp load through Trunkline, through Debian's Kamailio, and through a relay that reads
//! nothing, one after the other in the same run.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use trunkline_benches::awake::Awake;
use trunkline_benches::load::{measure, warm};
use trunkline_benches::peer::{self, Peer, Stages, Stores};
use trunkline_benches::report::Report;
use trunkline_tests::{Load, Sipp};

#[derive(Parser)]
struct Arguments {
    /// Calls per second
    #[arg(long, value_delimiter = ',', default_value = "500,1000,2000")]
    rates: Vec<u32>,
    /// How long each rate is held
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Which::value_variants().to_vec())]
    peers: Vec<Which>,
    /// Let cores sleep while there is nothing to do; else they are kept awake, so that each call runs at the same speed
    #[arg(long)]
    asleep: bool,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// The systems by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// A relay that reads nothing
    Floor,
    /// Debian's Kamailio
    Kamailio,
    /// Trunkline with the file store
    Trunkline,
    /// Trunkline with the file store and SQLite
    TrunklineSqlite,
    /// Trunkline with the one stage that routes, and the file store
    TrunklineBare,
}

impl Which {
    fn start(self, carrier: SocketAddr) -> Result<Peer> {
        match self {
            Self::Floor => peer::floor(carrier),
            Self::Kamailio => peer::kamailio(carrier),
            Self::Trunkline => peer::trunkline(carrier, Stages::Five, Stores::Files),
            Self::TrunklineSqlite => peer::trunkline(carrier, Stages::Five, Stores::FilesAndSqlite),
            Self::TrunklineBare => peer::trunkline(carrier, Stages::RateAlone, Stores::Files),
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let callee = Sipp::callee("callee", &[])?;
    let peers: Vec<Peer> = arguments.peers.iter().map(|which| which.start(callee.address())).collect::<Result<_>>()?;
    for peer in &peers {
        warm(peer)?;
    }
    let awake = if arguments.asleep { None } else { Some(Awake::keep()?) };
    let mut report = Report::new(awake.is_some());
    for rate in &arguments.rates {
        for peer in &peers {
            report.rows.push(measure(peer, Load { calls: rate * arguments.seconds, rate: *rate })?);
        }
    }
    println!("{}", report.write(&arguments.out, "cost")?);
    Ok(())
}
