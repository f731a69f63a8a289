//! What a stage costs: each of the five alone, the five together, a stage that only proceeds, and one that asks for a
//! row, once and twice, through the router's own pipeline, warm and with a new instance for every call. One thread, no
//! sockets; every lookup is answered from memory.

use std::hint::black_box;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;
use clap::Parser;
use trunkline::plugin::Cancel;
use trunkline::routing::{NewCall, Routed, Router};
use trunkline::sip::flow::{Flow, Transport};
use trunkline::sip::message::Message;
use trunkline_benches::cpu;
use trunkline_benches::figures::{Aim, Figures};
use trunkline_benches::inside::{Inside, over_http};
use trunkline_tests::{LrnServer, Setup, plugins_folder};

const FIVE: [&str; 5] = ["auth", "blocklist", "lrn", "cnam", "rate"];

/// Calls of one round, warm and cold: some tenths of a second, well above the grain of the kernel's accounts.
const ROUND: (u32, u32) = (20_000, 1_000);

/// Of these the quickest counts: what else the machine does only ever adds.
const ROUNDS: usize = 7;

#[derive(Parser)]
struct Arguments {
    /// Only these: a stage's name, or `the five`
    pipelines: Vec<String>,
    /// Measure nothing, and only run so many warm calls, for a profiler
    #[arg(long)]
    warm: Option<u32>,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<()> {
    let Arguments { pipelines: asked, warm: only_warm, out } = Arguments::parse();
    let (bench, mut figures) = (Bench::new()?, Figures::default());
    let singles = ["proceeds", "asks"].into_iter().chain(FIVE).map(|stage| (stage, vec![stage]));
    let together = [("asks twice", vec!["asks", "asks-again"]), ("the five", FIVE.to_vec())];
    let mut asking = [None; 2];
    for (name, stages) in singles.chain(together) {
        if !asked.is_empty() && !asked.iter().any(|asked| asked == name) {
            continue;
        }
        if let Some(calls) = only_warm {
            bench.run(&stages, calls).await?;
        } else {
            let warm = bench.measure(&stages, "warm", ROUND.0).await?;
            let fresh = bench.measure(&stages, "fresh", ROUND.1).await?;
            figures.add(format!("{name}, warm"), warm.micros, "µs", (name == "the five").then_some(Aim::AtMost(12.0)));
            figures.add(format!("{name}, new instances"), fresh.micros, "µs", None);
            match name {
                "asks" => asking[0] = Some(warm.micros),
                "asks twice" => asking[1] = Some(warm.micros),
                _ => {}
            }
            figures.add(format!("{name}, fuel"), warm.fuel as f64, "instructions", None);
        }
    }
    // What the call itself takes is in both.
    if let [Some(once), Some(twice)] = asking {
        figures.add("into a guest, to a cached row and back", twice - once, "µs", Some(Aim::AtMost(1.5)));
    }
    if only_warm.is_none() {
        println!("{}", figures.write(&out, "stages")?);
    }
    Ok(())
}

/// What the measurements share.
struct Bench {
    inside: Inside,
    directory: LrnServer,
}

/// What one call cost.
struct Cost {
    micros: f64,
    fuel: u64,
}

impl Bench {
    fn new() -> Result<Self> {
        // Valgrind cannot reserve the addresses of many more instances.
        Ok(Self { inside: Inside::new(8)?, directory: LrnServer::start()? })
    }

    /// The processor time of one call through these stages.
    async fn measure(&self, stages: &[&str], isolation: &str, calls: u32) -> Result<Cost> {
        let router = self.router(stages, isolation).await?;
        let caller = Caller::new(&router)?;
        let sample = caller.sample(stages).await?;
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let before = cpu::of_this_thread()?;
            for _ in 0..calls {
                black_box(pin!(caller.call()).await);
            }
            best = best.min((cpu::of_this_thread()? - before) as f64 / f64::from(calls) / 1e3);
        }
        Ok(Cost { micros: best, fuel: sample.facts.stages.iter().map(|stage| stage.fuel).sum() })
    }

    /// So many calls through these stages, unmeasured.
    async fn run(&self, stages: &[&str], calls: u32) -> Result<()> {
        let router = self.router(stages, "warm").await?;
        let caller = Caller::new(&router)?;
        caller.sample(stages).await?;
        for _ in 0..calls {
            black_box(pin!(caller.call()).await);
        }
        Ok(())
    }

    async fn router(&self, stages: &[&str], isolation: &str) -> Result<Router> {
        let folder = plugins_folder()?;
        let component =
            |name: &str| format!("component = {:?}", folder.join("benches").join(name).display().to_string());
        let asks = format!("{}\nconfig = {{ table = \"lrn\" }}", component("asks.wasm"));
        let plugin = |config: &str| format!("isolation = \"{isolation}\"\ndeadline = \"5s\"\n{config}");
        let setup = over_http(Setup::new()?, &self.directory)
            .carrier("127.0.0.1:5070".parse()?)
            .section("[call]\nsetup-budget = \"10s\"")
            .plugin("auth", &plugin(r#"config = { table = "accounts" }"#))
            .plugin("blocklist", &plugin(r#"config = { table = "blocked" }"#))
            .plugin("lrn", &plugin(r#"config = { table = "lrn", header = "P-LRN" }"#))
            .plugin("cnam", &plugin(r#"config = { table = "cnam" }"#))
            .plugin("rate", &plugin(r#"config = { table = "deck", npa-nxx = "npanxx" }"#))
            .plugin("proceeds", &plugin(&component("proceeds.wasm")))
            .plugin("asks", &plugin(&asks))
            .plugin("asks-again", &plugin(&asks))
            .pipeline("default", stages);
        self.inside.router(&setup).await
    }
}

/// Makes the same call again and again.
struct Caller<'a> {
    router: &'a Router,
    invite: Arc<Message>,
    flow: Flow,
}

impl<'a> Caller<'a> {
    fn new(router: &'a Router) -> Result<Self> {
        let invite = Arc::new(Message::parse(Bytes::from_static(INVITE.as_bytes()))?);
        Ok(Self { router, invite, flow: Flow::to(0, Transport::Udp, "127.0.0.1:5060".parse()?) })
    }

    /// One that runs every stage, once the caches are full.
    async fn sample(&self, stages: &[&str]) -> Result<Routed> {
        let _cold = self.call().await;
        let sample = self.call().await;
        check(&sample, stages)?;
        Ok(sample)
    }

    async fn call(&self) -> Routed {
        let call = NewCall::received_now(Arc::clone(&self.invite), self.flow);
        pin!(self.router.route(call, Cancel::default())).await
    }
}

/// A stage that failed would be cheap.
fn check(routed: &Routed, stages: &[&str]) -> Result<()> {
    let ran: Vec<_> = routed.facts.stages.iter().map(|stage| (&*stage.stage, stage.outcome)).collect();
    let well = ran.len() == stages.len() && ran.iter().all(|(_, outcome)| outcome.is_verdict());
    ensure!(well, "the stages did not all give a verdict: {:?}", routed.facts.stages);
    Ok(())
}

const INVITE: &str = "INVITE sip:19195550123@127.0.0.1:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK-31415-1-0\r\n\
    Max-Forwards: 70\r\n\
    From: <sip:12125550100@127.0.0.1:5062>;tag=31415-caller-1\r\n\
    To: <sip:19195550123@127.0.0.1:5060>\r\n\
    Call-ID: 1-31415@127.0.0.1\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:12125550100@127.0.0.1:5062>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 109\r\n\r\n\
    v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
