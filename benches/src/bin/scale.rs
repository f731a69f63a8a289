//! What many calls at once cost, in simulation and on the wire, and what a call costs as the configuration grows.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use trunkline_benches::heap::Counted;
use trunkline_benches::peer::{self, Stages, Stores};
use trunkline_benches::scale::{Carrier, Dimension, Growth, Report, Simulated, grow, simulate, stand};

/// What is on the heap for a call is counted.
#[global_allocator]
static HEAP: Counted = Counted;

#[derive(Parser)]
struct Arguments {
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::value_variants().to_vec())]
    parts: Vec<Part>,
    /// Calls at once in simulation
    #[arg(long, default_value_t = 1_000_000)]
    simulated: u32,
    /// Calls at once on the wire
    #[arg(long, default_value_t = 100_000)]
    calls: u32,
    /// Calls set up each second on the wire
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
    /// One measurement in this process, printed as JSON: `simulation=1000000`, `customers=1000`
    #[arg(long, hide = true)]
    one: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A million calls in one core
    Simulation,
    /// A hundred thousand calls on the wire, beside Kamailio
    Wire,
    /// Customers, gateways, rows, plugins
    Growth,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(one) = &arguments.one {
        println!("{}", measured(one)?);
        return Ok(());
    }
    let mut report = Report::default();
    if arguments.parts.contains(&Part::Simulation) {
        let seen: Simulated = in_its_own_process(&format!("simulation={}", arguments.simulated))?;
        report.simulated = Some(seen);
    }
    if arguments.parts.contains(&Part::Wire) {
        let carrier = Carrier::start()?;
        for start in [peer::kamailio, |carrier| peer::trunkline(carrier, Stages::Five, Stores::Files)] {
            let peer = start(carrier.address())?;
            report.standing.push(stand(&peer, &carrier, arguments.calls, arguments.rate)?);
            peer.end()?;
        }
    }
    if arguments.parts.contains(&Part::Growth) {
        for of in Dimension::value_variants() {
            for size in of.sizes() {
                let name = of.to_possible_value().context("a name")?;
                let seen: Growth = in_its_own_process(&format!("{}={size}", name.get_name()))?;
                eprintln!("{} {size}: {:.1} µs a call", name.get_name(), seen.call_nanos as f64 / 1e3);
                report.growth.push(seen);
            }
        }
    }
    println!("{}", report.write(&arguments.out)?);
    Ok(())
}

/// Memory is that of the process: each measurement has one of its own.
fn in_its_own_process<T: serde::de::DeserializeOwned>(one: &str) -> Result<T> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--one", one])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start this program again")?;
    ensure!(output.status.success(), "{one}: {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{one} printed no result"))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn measured(one: &str) -> Result<String> {
    let (name, size) = one.split_once('=').context("NAME=SIZE")?;
    let size = size.parse()?;
    if name == "simulation" {
        return Ok(serde_json::to_string(&simulate(size).await?)?);
    }
    let of = Dimension::from_str(name, true).map_err(anyhow::Error::msg)?;
    Ok(serde_json::to_string(&grow(of, size).await?)?)
}
