//! `cargo xtask bench`: installs the peers, builds all, and measures them beside Trunkline.

use std::process::Command;

use anyhow::Result;

use crate::{plugins, setup, tools};

/// `cargo xtask bench`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run this one alone
    #[arg(long, value_enum)]
    only: Option<Bench>,
    /// Calls per second, such as `500,1000,2000`
    #[arg(long)]
    rates: Option<String>,
    /// How long each rate is held
    #[arg(long)]
    seconds: Option<u32>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Bench {
    /// CPU time per call beside Kamailio and the kernel
    Cost,
    /// The highest rate without a failed call, beside Kamailio's
    Capacity,
    /// Records a second that the ledger writes to a private PostgreSQL, and sums alone
    Ledger,
    /// What a record costs the worker, and records a second of the journal and to RabbitMQ
    Records,
    /// What callers notice while LRN service, Redis, DNS or RabbitMQ hang, or a plugin loops, beside Kamailio
    Outage,
    /// Until a node with fifty plugins and a deck of a million rows is ready, and a reload of it under calls
    Start,
}

/// Every bench, in the order in which they run.
const ALL: [Bench; 6] = [Bench::Cost, Bench::Capacity, Bench::Outage, Bench::Ledger, Bench::Records, Bench::Start];

/// Run the benches; results go to `benches/results`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    plugins::run(&plugins::Arguments::default())?;
    for bench in ALL.into_iter().filter(|bench| arguments.only.is_none_or(|only| only == *bench)) {
        match bench {
            Bench::Cost => cost(arguments)?,
            Bench::Capacity => capacity(arguments)?,
            Bench::Outage => outage()?,
            Bench::Ledger => ledger()?,
            Bench::Records => records()?,
            Bench::Start => start()?,
        }
    }
    Ok(())
}

fn cost(arguments: &Arguments) -> Result<()> {
    build()?;
    let mut cost = program("cost");
    if let Some(rates) = &arguments.rates {
        cost.args(["--rates", rates]);
    }
    if let Some(seconds) = arguments.seconds {
        cost.args(["--seconds", &seconds.to_string()]);
    }
    setup::run(&mut cost)
}

fn capacity(arguments: &Arguments) -> Result<()> {
    build()?;
    let mut capacity = program("capacity");
    if let Some(seconds) = arguments.seconds {
        capacity.args(["--seconds", &seconds.to_string()]);
    }
    setup::run(&mut capacity)
}

fn outage() -> Result<()> {
    let servers =
        [("redis-server", "redis-server"), ("dnsmasq", "dnsmasq-base"), ("rabbitmq-server", "rabbitmq-server")];
    tools::need(&servers, "the servers that are to fail")?;
    build()?;
    // A module of Kamailio's, which no path leads to.
    let module = |folder: std::fs::DirEntry| folder.path().join("kamailio/modules/http_client.so").is_file();
    let there = std::fs::read_dir("/usr/lib").is_ok_and(|mut folders| folders.any(|folder| folder.is_ok_and(module)));
    if !there {
        setup::apt_install(&["kamailio-utils-modules"], "Kamailio's HTTP client")?;
    }
    setup::run(&mut program("outage"))
}

fn ledger() -> Result<()> {
    let servers = [("pg_createcluster", "postgresql"), ("rabbitmq-server", "rabbitmq-server")];
    tools::need(&servers, "the ledger's database and the broker before it")?;
    build()?;
    setup::run(&mut program("ledger"))
}

fn records() -> Result<()> {
    tools::need(&[("rabbitmq-server", "rabbitmq-server")], "the broker that records go to")?;
    build()?;
    setup::run(&mut program("records"))
}

fn start() -> Result<()> {
    build()?;
    setup::run(&mut program("start"))
}

/// One of the rig's programs, where it finds its files and leaves its results.
fn program(name: &str) -> Command {
    let mut program = Command::new(setup::target_dir().join("dist").join(name));
    program.current_dir(setup::root());
    program
}

fn build() -> Result<()> {
    tools::need(&[("sipp", "sip-tester"), ("kamailio", "kamailio")], "the load rig and its yardstick")?;
    setup::say("building the router and the rig as they are shipped (the first time takes a quarter of an hour)");
    setup::run(tools::cargo().args(["build", "--profile", "dist", "--workspace"]))
}
