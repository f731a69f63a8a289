//! The project's own commands: `cargo xtask plugins`, and those that build on it.

mod bench;
mod chaos;
mod demo;
mod dist;
mod fuzz;
mod plugins;
mod setup;
mod test;
mod tools;

use clap::{Parser, Subcommand};

/// Build and try out Trunkline.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the Rust plugins to WebAssembly components
    Plugins(plugins::Arguments),
    /// Place a handful of calls through a router of its own, and show the way of each through the stages
    Demo(demo::Arguments),
    /// Run every test, end to end too; installs what they need
    Test(test::Arguments),
    /// Look for messages that break what must hold, guided by coverage, for a bounded time
    Fuzz(fuzz::Arguments),
    /// Measure Trunkline beside its peers; installs what they need
    Bench(bench::Arguments),
    /// Build the router as it is shipped: optimised by what it was seen to do with calls
    Dist(dist::Arguments),
    /// Place calls while broker, database, disk and router die in turn; every completed call must have its record
    Chaos(chaos::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Plugins(arguments) => plugins::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Dist(arguments) => dist::run(&arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
    }
}
