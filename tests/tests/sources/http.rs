//! HTTP services: many keys at once, and one connection for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Builder;
use trunkline::lookup::{self, Probe};
use trunkline_tests::{Fault, LrnServer};

use super::{Node, told};

/// As many calls as never come at once: each asks for another key, and none waits for longer than its own deadline.
#[test]
fn ten_thousand_keys_asked_for_at_once_keep_their_deadline_and_reach_the_source_a_few_at_a_time() -> Result<()> {
    const KEYS: usize = 10_000;
    const AT_ONCE: usize = 16;
    let deadline = Duration::from_millis(500);
    let lrn = LrnServer::start()?;
    lrn.fail(Fault::Slow);
    let node = Node::start(&format!(
        "[services.api]\nurl = \"http://{}\"\ndeadline = \"4s\"\nmax-concurrent = {AT_ONCE}\n\
         [tables.lrn]\nsource.http = {{ service = \"api\", path = \"/lrn/{{key}}\", field = \"lrn\" }}\n",
        lrn.address
    ))?;
    let table = node.table("lrn")?;
    let until = Instant::now() + deadline;
    let loads: Vec<_> = (0..KEYS)
        .map(|key| match table.probe(&format!("20255{key:05}")) {
            Probe::Pending(load) => Ok(load),
            Probe::Ready(answer) => Err(anyhow::anyhow!("{key}: {answer:?}")),
        })
        .collect::<Result<_>>()?;
    let asked = loads.into_iter().map(|load| tokio::time::timeout_at(until.into(), load));
    let answers = node.office.block_on(async { futures_util::future::join_all(asked).await });
    let late = until.elapsed();
    assert!(late < Duration::from_secs(5), "the last was told {late:?} after its deadline");
    let answered = answers.iter().filter(|answer| matches!(answer, Ok(Ok(Some(_))))).count();
    let cut = answers.iter().filter(|answer| answer.is_err()).count();
    assert!(answered >= AT_ONCE, "{answered} were answered in time");
    assert_eq!(answered + cut, KEYS, "nobody is refused while there is room to wait");

    // The rest goes on without them: each key once, until its own wait for a turn is over.
    trunkline_tests::until("the queue to be worked off", Duration::from_secs(30), || {
        let stats = table.stats();
        let ended = stats.entries + stats.errors_of(lookup::Trouble::Busy);
        Ok((ended == KEYS as u64).then_some(()))
    })?;
    assert!(lrn.most_at_once() <= AT_ONCE && lrn.requests() <= KEYS, "{} requests", lrn.requests());
    assert_eq!(lrn.requests() as u64, table.stats().entries);
    ensure!(node.services.stats("api").context("its service")?.times_opened == 0, "to be busy is not to be down");
    assert_eq!(node.row("lrn", "99")?, "lrn=9195550000");
    Ok(())
}

/// One HTTP/2 server without TLS, which answers each request with the last segment of its path; how many connections it
/// got.
async fn http2_server(listener: tokio::net::TcpListener, connections: Arc<AtomicUsize>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(stream).await?;
            while let Some(request) = connection.accept().await {
                let (request, mut respond) = request?;
                let key = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
                respond.send_response(http::Response::new(()), false)?.send_data(key.into(), true)?;
            }
            anyhow::Ok(())
        });
    }
}

#[test]
fn a_service_is_asked_by_http_2_over_one_connection_for_many_keys_at_once() -> Result<()> {
    let office = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = office.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let (address, connections) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
    office.spawn(http2_server(listener, Arc::clone(&connections)));
    let node = Node::start(&format!(
        "[services.api]\nurl = \"http://{address}\"\ndeadline = \"10s\"\nhttp2 = true\n\
         [tables.echo]\nsource.http = {{ service = \"api\", path = \"/echo/{{key}}\", field = \"of\" }}\n"
    ))?;
    assert_eq!(node.row("echo", "1212")?, "of=1212");
    let table = node.table("echo")?;
    let loads: Vec<_> = (0..100).map(|key| (key, table.probe(&key.to_string()))).collect();
    for (key, load) in loads {
        let Probe::Pending(load) = load else { anyhow::bail!("{key} came from nowhere") };
        let row = node.office.block_on(load).map_err(|error| anyhow::anyhow!("{key}: {error}"))?;
        assert_eq!(told(row.as_ref()), format!("of={key}"));
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    Ok(())
}
