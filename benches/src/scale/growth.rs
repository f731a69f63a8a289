//! What a call costs, and what a router takes of memory, as its configuration grows: pipelines within this process, one
//! process for each size, so that none finds the memory of another.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trunkline::plugin::Cancel;
use trunkline::routing::{NewCall, Router};
use trunkline::sip::flow::{Flow, Transport};
use trunkline::sip::message::Message;
use trunkline_tests::script::Caller;
use trunkline_tests::{Setup, marked, plugins_folder};

use crate::cpu;
use crate::inside::Inside;

/// Different calls, one after the other: as many customers, gateways and rows as there are take part.
const CALLS: u32 = 10_000;
/// Of these the quickest counts: what else the machine does only ever adds.
const ROUNDS: usize = 5;
const STAGES: [&str; 5] = ["auth", "blocklist", "lrn", "cnam", "rate"];

/// What grows; the rest stays as small as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// Customers, each known by its address.
    Customers,
    /// Gateways, each with a row in the deck.
    Gateways,
    /// Rows of the rate deck.
    Rows,
    /// Plugins, each a component of its own; five of them in the calls' pipeline.
    Plugins,
}

impl Dimension {
    /// The sizes that are measured.
    pub const fn sizes(self) -> [u32; 3] {
        match self {
            Self::Customers => [10, 1_000, 10_000],
            Self::Gateways => [1, 100, 1_000],
            Self::Rows => [1_000, 100_000, 1_000_000],
            Self::Plugins => [5, 25, 50],
        }
    }
}

/// What one size costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Growth {
    /// What has grown.
    pub of: Dimension,
    /// To how many.
    pub size: u32,
    /// From the configuration to a warm router, in ms.
    pub built_millis: u64,
    /// Memory of the process with it, in KiB.
    pub resident_kib: u64,
    /// Processor time of a call through the five stages, in ns.
    pub call_nanos: u64,
}

/// Builds a router of this size in this process and routes calls through it. Within a tokio runtime.
///
/// # Errors
/// When a stage gives no verdict.
pub async fn grow(of: Dimension, size: u32) -> Result<Growth> {
    let setup = setup(of, size)?;
    let begin = Instant::now();
    let router = Inside::new(256)?.router(&setup).await?;
    let built = begin.elapsed();
    let calls: Vec<(Arc<Message>, Flow)> = (0..CALLS).map(|call| one(of, size, call)).collect::<Result<_>>()?;
    let mut best = u64::MAX;
    for _ in 0..=ROUNDS {
        let begin = cpu::of_this_thread()?;
        for (invite, flow) in &calls {
            black_box(route(&router, invite, *flow).await?);
        }
        best = best.min((cpu::of_this_thread()? - begin) / u64::from(CALLS));
    }
    Ok(Growth {
        of,
        size,
        built_millis: built.as_millis() as u64,
        resident_kib: cpu::pss_kib(std::process::id()),
        call_nanos: best,
    })
}

/// A stage that failed would be cheap.
async fn route(router: &Router, invite: &Arc<Message>, flow: Flow) -> Result<usize> {
    let routed = router.route(NewCall::received_now(Arc::clone(invite), flow), Cancel::default()).await;
    let well = routed.facts.stages.iter().all(|stage| stage.outcome.is_verdict());
    ensure!(well && routed.facts.targets.len() == 1, "not routed by five stages: {:?}", routed.facts);
    Ok(routed.facts.targets.len())
}

/// The call `number`: its customer, gateway and row follow from it.
fn one(of: Dimension, size: u32, number: u32) -> Result<(Arc<Message>, Flow)> {
    let source = if of == Dimension::Customers { customer(number % size) } else { Ipv4Addr::LOCALHOST };
    let address = SocketAddr::from((source, 5062));
    let caller = Caller { address, router: "127.0.0.1:5060".parse()?, carrier: "127.0.0.1:5070".parse()? };
    let mut text = caller.invite(number);
    if of == Dimension::Rows {
        // A row far from the last one.
        let row = u64::from(number) * 7_919 % u64::from(size);
        text = text.replace(&format!("sip:1919555{:04}@", number % 10_000), &format!("sip:1{row:06}1234@"));
    }
    let invite = Message::parse(Bytes::from(text)).ok().context("an INVITE")?;
    Ok((Arc::new(invite), Flow::to(0, Transport::Udp, address)))
}

fn customer(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number)
}

fn setup(of: Dimension, size: u32) -> Result<Setup> {
    // The first call of each instance is a slow one, and so is one that loses its processor to somebody.
    let mut setup = Setup::new()?.section("[call]\nsetup-budget = \"30s\"");
    for stage in STAGES {
        let config = if stage == "rate" { "table = \"deck\", npa-nxx = \"npanxx\"" } else { table_of(stage) };
        setup = setup.plugin(stage, &format!("deadline = \"5s\"\nconfig = {{ {config} }}"));
    }
    match of {
        Dimension::Customers => customers(setup, size),
        Dimension::Gateways => Ok((0..size).fold(setup, |setup, number| {
            let name = format!("gateway-{number}");
            let address = SocketAddr::from((Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 1)) + number), 5060));
            (number..10_000).step_by(size as usize).fold(setup.gateway(&name, address), |setup, line| {
                setup.route(&format!("1919555{line:04}"), &name, "0.005")
            })
        })),
        Dimension::Rows => {
            let setup = setup.carrier("127.0.0.1:5070".parse()?);
            Ok((0..size).fold(setup, |setup, row| setup.route(&format!("1{row:06}"), "carrier", "0.0050")))
        }
        Dimension::Plugins => plugins(setup.carrier("127.0.0.1:5070".parse()?), size),
    }
}

fn table_of(stage: &str) -> &'static str {
    match stage {
        "auth" => "table = \"accounts\"",
        "blocklist" => "table = \"blocked\"",
        "lrn" => "table = \"lrn\"",
        _ => "table = \"cnam\"",
    }
}

fn customers(setup: Setup, size: u32) -> Result<Setup> {
    let mut accounts = "source,account,status\n".to_owned();
    let mut setup = setup.carrier("127.0.0.1:5070".parse()?);
    for number in 0..size {
        let address = customer(number);
        let _infallible = writeln!(accounts, "{address},customer-{number},active");
        setup = setup.customer(&format!("customer-{number}"), &format!("{address}/32"), "");
    }
    fs::write(setup.folder().join("many.csv"), accounts)?;
    Ok(setup.table("accounts", r#"source = { csv = { path = "many.csv", key = "source" } }"#))
}

/// Beside the five of the calls' pipeline: copies with a custom section more, in pipelines and with customers of theirs.
fn plugins(mut setup: Setup, size: u32) -> Result<Setup> {
    for set in 1..size / STAGES.len() as u32 {
        let names = STAGES.map(|stage| format!("{stage}-{set}"));
        for (stage, name) in STAGES.iter().zip(&names) {
            let bytes = marked(&plugins_folder()?.join(format!("{stage}.wasm")), &set.to_le_bytes())?;
            let file = setup.folder().join(format!("{name}.wasm"));
            fs::write(&file, bytes)?;
            let config = if *stage == "rate" { "table = \"deck\"" } else { table_of(stage) };
            setup = setup.plugin(name, &format!("component = \"{}\"\nconfig = {{ {config} }}", file.display()));
        }
        let stages: Vec<&str> = names.iter().map(String::as_str).collect();
        let keys = format!("pipeline = \"set-{set}\"");
        setup = setup.pipeline(&format!("set-{set}"), &stages);
        setup = setup.customer(&format!("customer-{set}"), &format!("192.0.2.{set}/32"), &keys);
    }
    Ok(setup)
}
