//! `cargo xtask bench`: installs the peers, builds all, measures them beside Trunkline, and draws what came of it.

mod chart;
mod plots;

use std::process::Command;

use anyhow::Result;

use crate::{dist, plugins, setup, tools};

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
    /// Of `cost`: let the processor's cores sleep while there is nothing to do; else they are kept awake
    #[arg(long)]
    asleep: bool,
    /// Keep the instructions that are counted: `benches/instructions.toml`
    #[arg(long)]
    record: bool,
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
    /// A million calls at once in simulation, 100,000 on the wire beside Kamailio, and ever more configuration
    Scale,
    /// What a stage costs, and a question that memory answers, within the process
    Stages,
    /// What a look-up costs, and a deck of ten million rows
    Lookups,
    /// Size, fuel and time of a call of the plugin that `trunkline plugin new` makes, in each language
    Languages,
    /// Until a node with fifty plugins and a deck of a million rows is ready, and a reload of it under calls
    Start,
    /// Instructions of what every call needs, by callgrind, beside those that are kept; `cargo xtask test` looks at them too
    Instructions,
    /// Nothing: the results that are there are drawn again
    Plots,
}

/// Every measurement, in the order in which they run; the count of instructions is a gate, and only asked for.
const ALL: [Bench; 10] = [
    Bench::Cost,
    Bench::Capacity,
    Bench::Outage,
    Bench::Ledger,
    Bench::Records,
    Bench::Scale,
    Bench::Start,
    Bench::Stages,
    Bench::Lookups,
    Bench::Languages,
];

/// Run the benches; results go to `benches/results`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.only != Some(Bench::Plots) {
        plugins::run(&plugins::Arguments::default())?;
    }
    for bench in arguments.only.map_or(ALL.to_vec(), |only| vec![only]) {
        match bench {
            Bench::Cost => cost(arguments)?,
            Bench::Capacity => capacity(arguments)?,
            Bench::Outage => outage()?,
            Bench::Ledger => ledger()?,
            Bench::Records => records()?,
            Bench::Scale => scale()?,
            Bench::Start => start()?,
            Bench::Stages => inside("stages")?,
            Bench::Lookups => inside("lookups")?,
            Bench::Languages => languages()?,
            Bench::Instructions => instructions(arguments.record)?,
            Bench::Plots => {}
        }
    }
    let results = setup::root().join("benches/results");
    let drawn = plots::draw(&results)?;
    setup::say(format!("drawn: {} in {}", drawn.join(", "), results.display()));
    Ok(())
}

fn cost(arguments: &Arguments) -> Result<()> {
    rig("floor")?;
    let mut cost = rig_and_router("cost")?;
    if let Some(rates) = &arguments.rates {
        cost.args(["--rates", rates]);
    }
    if let Some(seconds) = arguments.seconds {
        cost.args(["--seconds", &seconds.to_string()]);
    }
    if arguments.asleep {
        cost.arg("--asleep");
    }
    setup::run(&mut cost)
}

fn capacity(arguments: &Arguments) -> Result<()> {
    let mut capacity = rig_and_router("capacity")?;
    if let Some(seconds) = arguments.seconds {
        capacity.args(["--seconds", &seconds.to_string()]);
    }
    setup::run(&mut capacity)
}

fn outage() -> Result<()> {
    let servers = [
        ("redis-server", "redis-server"),
        ("dnsmasq", "dnsmasq-base"),
        ("rabbitmq-server", "rabbitmq-server"),
        ("strace", "strace"),
    ];
    tools::need(&servers, "the servers that are to fail")?;
    // A module of Kamailio's, which no path leads to.
    let module = |folder: std::fs::DirEntry| folder.path().join("kamailio/modules/http_client.so").is_file();
    let there = std::fs::read_dir("/usr/lib").is_ok_and(|mut folders| folders.any(|folder| folder.is_ok_and(module)));
    if !there {
        setup::apt_install(&["kamailio-utils-modules"], "Kamailio's HTTP client")?;
    }
    setup::run(&mut rig_and_router("outage")?)
}

fn ledger() -> Result<()> {
    let servers = [("pg_createcluster", "postgresql"), ("rabbitmq-server", "rabbitmq-server")];
    tools::need(&servers, "the ledger's database and the broker before it")?;
    setup::run(&mut rig("ledger")?)
}

fn records() -> Result<()> {
    tools::need(&[("rabbitmq-server", "rabbitmq-server")], "the broker that records go to")?;
    setup::run(&mut rig("records")?)
}

fn scale() -> Result<()> {
    setup::run(&mut rig_and_router("scale")?)
}

fn start() -> Result<()> {
    setup::run(&mut rig_and_router("start")?)
}

/// What is measured within the process of the rig: the router's own code there is laid out by the profile too.
fn inside(name: &str) -> Result<()> {
    let mut program = Command::new(dist::inside(name)?);
    setup::run(program.current_dir(setup::root()))
}

fn languages() -> Result<()> {
    // Brings every language's compiler.
    plugins::run(&plugins::Arguments::everything())?;
    dist::router()?;
    setup::run(&mut rig("languages")?)
}

/// Counts instructions, in the build that the tests run too, and fails where they are too far from those that are kept.
pub(crate) fn instructions(record: bool) -> Result<()> {
    tools::need(&[("valgrind", "valgrind")], "the count of instructions")?;
    // The whole workspace's features, as in `cargo xtask test`: nothing is compiled twice. An incremental build is cut into
    // other units, and inlines other things.
    let mut cargo = tools::cargo();
    cargo.args(["build", "--release", "--workspace", "--bin", "instructions"]).env("CARGO_INCREMENTAL", "0");
    setup::run(&mut cargo)?;
    let mut count = Command::new(setup::target_dir().join("release/instructions"));
    count.current_dir(setup::root()).arg("--plugins-by").arg(plugins::compiler()?);
    if record {
        count.arg("--record");
    }
    setup::run(&mut count)
}

/// As [`rig`], for those that measure the router beside its peers.
fn rig_and_router(name: &str) -> Result<Command> {
    tools::need(&[("sipp", "sip-tester"), ("kamailio", "kamailio")], "the load rig and its yardstick")?;
    dist::router()?;
    rig(name)
}

/// Builds one of the rig's programs, and has it find its files and leave its results in the repository.
fn rig(name: &str) -> Result<Command> {
    let mut program = Command::new(dist::rig(name)?);
    program.current_dir(setup::root());
    Ok(program)
}
