//! The pieces of work. Each makes ready what it needs and then runs through [`counted_work`], outside of which
//! callgrind does not count.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use trunkline::cdr::journal::{Journal, Options};
use trunkline::cdr::record::CallRecord;
use trunkline::lookup::{self, Probe};
use trunkline::sip::core::{Action, Core};
use trunkline::sip::decision::Decision;
use trunkline::sip::flow::{Flow, Transport};
use trunkline::sip::message::Message;
use trunkline::sip::time::Time;
use trunkline_tests::plain;
use trunkline_tests::script::{self, Caller};

use crate::record::message;

/// What is counted, by name. "stage" is counted in fuel: see [`super::fuel_of_stages`].
pub const WORKS: [&str; 5] = ["parse", "forward", "lookup", "prefix", "record"];

/// How often each is done under the counter, so that what is done once does not show.
const TIMES: u32 = 200;

/// That the core has room for.
const CALLS: usize = 100_000;

/// Everything that this calls is counted, and nothing else: callgrind is told its name.
#[inline(never)]
fn counted_work(work: &mut dyn FnMut()) {
    work();
}

/// Does one piece of work; how often.
///
/// # Errors
/// When it does not come out as it should: work that fails is cheap.
pub fn run(name: &str) -> Result<u32> {
    match name {
        "parse" => parse()?,
        "forward" => forward()?,
        "lookup" => lookup()?,
        "prefix" => prefix()?,
        "record" => record()?,
        _ => bail!("nothing of the name {name} is counted"),
    }
    Ok(TIMES)
}

fn caller() -> Result<Caller> {
    let [address, router, carrier] = ["127.0.0.1:5062", "127.0.0.1:5060", "127.0.0.1:5070"].map(str::parse);
    Ok(Caller { address: address?, router: router?, carrier: carrier? })
}

/// An INVITE is indexed and checked.
fn parse() -> Result<()> {
    let raw = Bytes::from(caller()?.invite(7));
    let mut good = 0;
    counted_work(&mut || {
        for _ in 0..TIMES {
            let message = Message::parse(black_box(raw.clone()));
            good += u32::from(message.is_ok_and(|message| message.check().is_ok()));
        }
    });
    ensure!(good == TIMES, "an INVITE was refused");
    Ok(())
}

/// All seven messages of a call go through the core, its timers not.
fn forward() -> Result<()> {
    let caller = caller()?;
    let mut world =
        World { core: Core::new(plain::settings(caller.router, CALLS), 1), carrier: caller.carrier, sent: Vec::new() };
    for call in 0..TIMES {
        world.receive(caller.address, caller.invite(call));
        let invite = world.taken(caller.carrier).context("no INVITE")?;
        for code in [180, 200] {
            world.receive(caller.carrier, script::response(&invite, code, caller.carrier));
        }
        let answer = world.taken(caller.address).context("no answer")?;
        let route = script::route_of(&answer);
        world.receive(caller.address, caller.within("ACK", call, &route));
        world.taken(caller.carrier).context("no ACK")?;
        world.receive(caller.address, caller.within("BYE", call, &route));
        let bye = world.taken(caller.carrier).context("no BYE")?;
        world.receive(caller.carrier, script::response(&bye, 200, caller.carrier));
        world.taken(caller.address).context("no answer to BYE")?;
    }
    Ok(())
}

struct World {
    core: Core<u32>,
    carrier: SocketAddr,
    sent: Vec<(SocketAddr, Bytes)>,
}

impl World {
    fn receive(&mut self, from: SocketAddr, text: String) {
        let (now, flow, bytes) = (Time::from_micros(1_000_000), Flow::to(0, Transport::Udp, from), Bytes::from(text));
        let Self { core, carrier, sent } = self;
        counted_work(&mut || {
            core.receive(now, flow, bytes.clone());
            while let Some(action) = core.poll_action() {
                match action {
                    Action::Send { flow, bytes, .. } => sent.push((flow.remote, bytes)),
                    Action::Route(request) => {
                        let targets = vec![plain::target(*carrier)];
                        let decision = Decision::Hunt {
                            message: request.message,
                            targets,
                            customer: "".into(),
                            believed: true,
                            realm: None,
                        };
                        core.decide(now, request.call, decision, 0);
                    }
                    _ => {}
                }
            }
        });
    }

    /// The last that left to a peer.
    fn taken(&mut self, to: SocketAddr) -> Option<Message> {
        let sent = std::mem::take(&mut self.sent).into_iter().rfind(|(whither, _)| *whither == to)?;
        Message::parse(sent.1).ok()
    }
}

/// A row of a file in memory.
fn lookup() -> Result<()> {
    let rows = (0..1_000).fold("number,lrn\n".to_owned(), |text, at| text + &format!("1212{at:07},12125550000\n"));
    with_table("numbers", "match = \"exact\", key = \"number\"", &rows, |table| {
        let keys: Vec<String> = (0..TIMES).map(|at| format!("1212{at:07}")).collect();
        let mut found = 0;
        counted_work(&mut || {
            for key in &keys {
                found += usize::from(matches!(table.probe(black_box(key)), Probe::Ready(Ok(Some(_)))));
            }
        });
        found
    })
}

/// The longest prefix of a number in a deck.
fn prefix() -> Result<()> {
    let rows =
        (0..10_000).fold("prefix,gateway,cost\n".to_owned(), |text, at| text + &format!("1{at:06},carrier,0.005\n"));
    with_table("deck", "match = \"prefix\", key = \"prefix\"", &rows, |table| {
        let numbers: Vec<String> = (0..TIMES).map(|at| format!("1{:06}1234", at * 49)).collect();
        let mut found = 0;
        counted_work(&mut || {
            for number in &numbers {
                found += usize::from(table.prefix(black_box(number)).is_ok_and(|rows| !rows.is_empty()));
            }
        });
        found
    })
}

/// Asks a table that is read from a file; every question must find something.
fn with_table(name: &str, keys: &str, rows: &str, ask: impl FnOnce(&Arc<lookup::Table>) -> usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("rows.csv"), rows)?;
    let text = format!("[tables.{name}]\nsource = {{ csv = {{ path = \"rows.csv\", {keys} }} }}");
    let office = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let built = lookup::build(&toml::from_str(&text)?, folder.path(), office.handle(), Arc::default());
    let (tables, _services) = built.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let found = ask(tables.get(name).context("the table is there")?);
    ensure!(found == TIMES as usize, "{found} of {TIMES} questions found a row");
    Ok(())
}

/// A record of five stages and two attempts is encoded and handed to the journal's thread.
fn record() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (journal, handle) = Journal::open(folder.path(), "bench", Options::default())?;
    let record: CallRecord = serde_json::from_str(&message(1))?;
    let mut taken = 0;
    counted_work(&mut || {
        for call in 1..=TIMES {
            taken += u32::from(handle.append(u64::from(call), black_box(&record)));
        }
    });
    ensure!(taken == TIMES, "the journal took {taken} of {TIMES} records");
    journal.close(Duration::from_mins(1)).map(drop).context("the journal")
}
