//! Tables against real servers: Redis, Memcached, PostgreSQL, SQLite, DNS, and files that change.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use trunkline::config::model::Config;
use trunkline::lookup::{self, Answer, LookupError, Probe, Services, Table, Tables};
use trunkline_tests::{Dns, Fault, LrnServer, Memcached, Pki, Postgres, Redis, until};

/// The tables of a configuration, as a running node has them.
struct Node {
    office: Runtime,
    tables: Tables,
    services: Services,
    folder: TempDir,
}

impl Node {
    fn start(text: &str) -> Result<Self> {
        Self::in_folder(TempDir::new()?, text)
    }

    fn in_folder(folder: TempDir, text: &str) -> Result<Self> {
        let office = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let config: Config = toml::from_str(text)?;
        let built = lookup::build(&config, folder.path(), office.handle(), Arc::default());
        let (tables, services) = built.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        tables.begin(&folder.path().join("state"));
        Ok(Self { office, tables, services, folder })
    }

    fn table(&self, name: &str) -> Result<&Arc<Table>> {
        self.tables.get(name).with_context(|| format!("no table {name}"))
    }

    fn ask(&self, table: &str, key: &str) -> Result<Answer> {
        Ok(match self.table(table)?.probe(key) {
            Probe::Ready(answer) => answer,
            Probe::Pending(load) => self.office.block_on(load),
        })
    }

    /// The row as `name=value` pairs; `none` where there is no such row.
    fn row(&self, table: &str, key: &str) -> Result<String> {
        let found = self.ask(table, key)?.map_err(|error| anyhow::anyhow!("{table}[{key}]: {error}"))?;
        Ok(told(found.as_ref()))
    }

    fn wait_for(&self, table: &str, key: &str, row: &str) -> Result<()> {
        until(&format!("{table}[{key}] to be {row}"), Duration::from_secs(10), || {
            Ok(self.ask(table, key)?.is_ok_and(|found| told(found.as_ref()) == row).then_some(()))
        })
    }
}

fn told(row: Option<&Arc<lookup::row::Row>>) -> String {
    let Some(row) = row else { return "none".to_owned() };
    let fields = row.fields.iter().map(|field| format!("{}={}", field.name, field.value));
    fields.collect::<Vec<_>>().join(" ")
}

#[test]
fn redis_gives_texts_json_and_hashes() -> Result<()> {
    let redis = Redis::start()?;
    redis.command(&["SET", "lrn:1212", "12125550000"])?;
    redis.command(&["SET", "cnam:1212", r#"{"caller": {"name": "ACME"}, "score": 7}"#])?;
    redis.command(&["HSET", "account:acme", "status", "active", "cps", "30"])?;
    redis.command(&["SET", "cnam:bad", "<html>"])?;
    let node = Node::start(&format!(
        r#"
        [services.redis]
        url = "{}"
        deadline = "5s"
        [tables.lrn]
        source = {{ redis = {{ service = "redis", key = "lrn:{{key}}", field = "lrn" }} }}
        [tables.cnam]
        source.redis = {{ service = "redis", key = "cnam:{{key}}", format = "json", fields = {{ name = {{ pointer = "/caller/name" }}, score = {{ pointer = "/score", type = "integer" }} }} }}
        [tables.account]
        source.redis = {{ service = "redis", key = "account:{{key}}", format = "hash", fields = {{ status = {{ pointer = "/status" }}, cps = {{ pointer = "/cps", type = "integer" }} }} }}
        "#,
        redis.url()
    ))?;
    assert_eq!(node.row("lrn", "1212")?, "lrn=12125550000");
    assert_eq!(node.row("lrn", "1213")?, "none");
    assert_eq!(node.row("cnam", "1212")?, "name=ACME score=7");
    assert_eq!(node.row("account", "acme")?, "cps=30 status=active");
    assert_eq!(node.row("account", "nobody")?, "none");
    assert!(matches!(node.ask("cnam", "bad")?, Err(LookupError::Unavailable(..))), "a page is no row");
    Ok(())
}

#[test]
fn a_frozen_redis_is_cut_at_the_deadline_flown_past_and_found_again() -> Result<()> {
    let mut redis = Redis::start()?;
    redis.command(&["SET", "1", "one"])?;
    let node = Node::start(&format!(
        "[services.redis]\nurl = \"{}\"\ndeadline = \"60ms\"\nbreaker = {{ failures = 3, open = \"200ms\" }}\n\
         [tables.t]\nsource.redis = {{ service = \"redis\" }}\n",
        redis.url()
    ))?;
    node.wait_for("t", "1", "value=one")?;
    redis.freeze()?;
    for key in ["2", "3", "4"] {
        let asked = Instant::now();
        assert!(node.ask("t", key)?.is_err());
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    let asked = Instant::now();
    let open = node.ask("t", "5")?.unwrap_err().to_string();
    assert!(open.contains("breaker open") || open.contains("no"), "{open}");
    assert!(asked.elapsed() < Duration::from_millis(50), "an open breaker waits for nothing");
    assert_eq!(node.row("t", "1")?, "value=one", "what is cached is served all the while");
    redis.thaw()?;
    redis.command(&["SET", "6", "six"])?;
    node.wait_for("t", "6", "value=six")?;

    redis.kill()?;
    assert!(node.ask("t", "7")?.is_err());
    redis.resume()?;
    redis.command(&["SET", "8", "eight"])?;
    node.wait_for("t", "8", "value=eight")?;
    ensure!(node.services.stats("redis").context("its service")?.times_opened >= 1);
    Ok(())
}

#[test]
fn memcached_gives_values() -> Result<()> {
    let memcached = Memcached::start()?;
    memcached.set("lrn:1212", "12125550000")?;
    let node = Node::start(&format!(
        "[services.mc]\nurl = \"{}\"\ndeadline = \"5s\"\n\
         [tables.lrn]\nsource.memcached = {{ service = \"mc\", key = \"lrn:{{key}}\", field = \"lrn\" }}\n",
        memcached.url()
    ))?;
    assert_eq!(node.row("lrn", "1212")?, "lrn=12125550000");
    for number in 0..20 {
        assert_eq!(node.row("lrn", &format!("999{number}"))?, "none");
    }
    assert_eq!(node.ask("lrn", "1 2")?, Err(LookupError::BadKey), "it would be two keys");
    Ok(())
}

#[test]
fn postgres_answers_a_query_for_each_key_and_survives_its_restart() -> Result<()> {
    let mut postgres = Postgres::start()?;
    postgres.query(
        "create table ported (number text primary key, lrn text, cost numeric(12,6), active boolean, n bigint);
         insert into ported values ('1212', '12125550000', 0.005000, true, 7), ('1213', null, null, false, null)",
    )?;
    let node = Node::start(&format!(
        r#"
        [services.db]
        url = "{}"
        deadline = "5s"
        breaker = {{ failures = 1000 }}
        [tables.lrn]
        source.sql = {{ service = "db", query = "select * from ported where number = $1;", fields = {{ lrn = "text", cost = "decimal", active = "boolean", n = "integer" }} }}
        "#,
        postgres.url()
    ))?;
    assert_eq!(node.row("lrn", "1212")?, "active=true cost=0.005000 lrn=12125550000 n=7");
    assert_eq!(node.row("lrn", "1213")?, "active=false", "NULL is no field");
    assert_eq!(node.row("lrn", "1'; drop table ported; --")?, "none", "a key is a parameter, never text of the query");
    postgres.stop()?;
    assert!(node.ask("lrn", "2")?.is_err());
    postgres.resume()?;
    postgres.query("insert into ported values ('3', 'back', 1, true, 1)")?;
    node.wait_for("lrn", "3", "active=true cost=1.000000 lrn=back n=1")
}

#[test]
fn a_table_of_postgres_is_held_whole_and_follows_its_notifications() -> Result<()> {
    let mut postgres = Postgres::start()?;
    postgres.query(
        "create table deck (prefix text, gateway text, cost numeric);
         insert into deck values ('1', 'a', 0.0100), ('1212', 'b', 0.0050)",
    )?;
    let url = postgres.url();
    let text = format!(
        r#"
        [services.db]
        url = "{url}"
        [tables.deck]
        source.sql = {{ service = "db", query = "select * from deck order by prefix", key = "prefix", match = "prefix", fields = {{ gateway = "text", cost = "decimal" }}, listen = "deck" }}
        "#
    );
    let node = Node::start(&text)?;
    node.wait_for("deck", "1212", "cost=0.0050 gateway=b")?;
    let gateways = |number: &str| -> Result<Vec<String>> {
        let rows = node.table("deck")?.prefix(number)?;
        Ok(rows.iter().filter_map(|row| row.get("gateway").map(ToString::to_string)).collect())
    };
    assert_eq!(gateways("12125550100")?, ["b", "a"]);

    postgres.query("insert into deck values ('121255', 'c', 0.0001); notify deck")?;
    until("the notified row", Duration::from_secs(5), || {
        Ok((gateways("12125550100")? == ["c", "b", "a"]).then_some(()))
    })?;

    // The test's database does not wait for its disk: what a crash must not take is written out first.
    postgres.query("checkpoint")?;
    postgres.kill()?;
    assert_eq!(gateways("12125550100")?, ["c", "b", "a"], "the rows stay while the database is away");
    postgres.resume()?;
    postgres.query("delete from deck where prefix = '1'")?;
    // It hears again by itself; what changed meanwhile is read then.
    until("the listener to be back", Duration::from_secs(20), || {
        postgres.query("notify deck")?;
        Ok((gateways("12125550100")? == ["c", "b"]).then_some(()))
    })
}

#[test]
fn a_table_without_its_database_says_so_until_the_database_is_there() -> Result<()> {
    let mut postgres = Postgres::start()?;
    postgres.query("create table t (k text, v text); insert into t values ('1', 'one')")?;
    postgres.stop()?;
    let node = Node::start(&format!(
        "[services.db]\nurl = \"{}\"\n[tables.t]\nsource.sql = {{ service = \"db\", query = \"select * from t\", key = \"k\", \
         fields = {{ v = \"text\" }}, refresh = \"1s\" }}\n",
        postgres.url()
    ))?;
    let why = node.ask("t", "1")?.unwrap_err().to_string();
    assert!(why.contains("table `t` has no rows yet"), "{why}");
    assert!(!node.table("t")?.is_loaded());
    postgres.resume()?;
    node.wait_for("t", "1", "v=one")?;
    postgres.query("update t set v = 'two'")?;
    node.wait_for("t", "1", "v=two")
}

#[test]
fn sqlite_answers_by_key_and_whole_and_cannot_be_written() -> Result<()> {
    let folder = TempDir::new()?;
    let output = std::process::Command::new("sqlite3")
        .arg(folder.path().join("numbers.db"))
        .arg("create table n (k text, v integer); insert into n values ('1', 11), ('2', 22)")
        .output()
        .context("sqlite3")?;
    ensure!(output.status.success());
    let node = Node::in_folder(
        folder,
        r#"
        [services.db]
        url = "sqlite:numbers.db"
        deadline = "5s"
        [tables.keyed]
        source.sql = { service = "db", query = "select v from n where k = $1", fields = { v = "integer" } }
        [tables.whole]
        source.sql = { service = "db", query = "select k, v from n", key = "k", fields = { v = "integer" } }
        [tables.writes]
        source.sql = { service = "db", query = "select v from missing where k = $1", fields = { v = "integer" } }
        "#,
    )?;
    assert_eq!(node.row("keyed", "2")?, "v=22");
    assert_eq!(node.row("keyed", "3")?, "none");
    node.wait_for("whole", "1", "v=11")?;
    let why = node.ask("writes", "1")?.unwrap_err().to_string();
    assert!(why.contains("no such table"), "{why}");
    Ok(())
}

#[test]
fn enum_makes_a_uri_of_a_number_and_plain_records_become_rows() -> Result<()> {
    let records = [
        "naptr-record=0.0.1.0.5.5.5.2.1.2.1.e164.test,20,10,u,E2U+sip,!^.*$!sip:second@example.com!",
        r"naptr-record=0.0.1.0.5.5.5.2.1.2.1.e164.test,10,10,u,E2U+sip,!^\+1(.*)$!sip:\1@first.example.com!",
        "naptr-record=0.0.1.0.5.5.5.2.1.2.1.e164.test,1,1,u,E2U+mailto,!^.*$!mailto:x@example.com!",
        "txt-record=1212.lists.test,blocked",
        "host-record=1212.hosts.test,192.0.2.7",
    ];
    let dns = Dns::start(&records.map(str::to_owned))?;
    let node = Node::start(&format!(
        r#"
        [services.dns]
        url = "dns://{}"
        deadline = "5s"
        [tables.enum]
        source.enum = {{ service = "dns", suffix = "e164.test" }}
        [tables.lists]
        source.dns = {{ service = "dns", name = "{{key}}.lists.test", field = "why" }}
        [tables.hosts]
        source.dns = {{ service = "dns", name = "{{key}}.hosts.test", record = "a" }}
        "#,
        dns.address
    ))?;
    assert_eq!(node.row("enum", "+12125550100")?, "uri=sip:2125550100@first.example.com service=E2U+sip");
    assert_eq!(node.row("enum", "12125550199")?, "none");
    assert_eq!(node.ask("enum", "alice")?, Err(LookupError::BadKey));
    assert_eq!(node.row("lists", "1212")?, "why=blocked");
    assert_eq!(node.row("lists", "1213")?, "none");
    assert_eq!(node.row("hosts", "1212")?, "value=192.0.2.7");
    Ok(())
}

#[test]
fn a_file_that_changes_is_swapped_whole_and_a_bad_one_changes_nothing() -> Result<()> {
    let folder = TempDir::new()?;
    let put = |folder: &Path, name: &str, text: &str| -> Result<()> {
        let aside = folder.join("aside");
        std::fs::write(&aside, text)?;
        Ok(std::fs::rename(aside, folder.join(name))?)
    };
    put(folder.path(), "b.csv", "number,why\n1,fraud\n")?;
    put(folder.path(), "c.json", r#"{"1": {"n": "old"}}"#)?;
    let node = Node::in_folder(
        folder,
        r#"
        [tables.b]
        source.csv = { path = "b.csv", key = "number", fields = { why = "text" }, watch = "20ms" }
        [tables.c]
        source.json = { path = "c.json", fields = { n = { pointer = "/n" } }, watch = "20ms" }
        "#,
    )?;
    assert_eq!((node.row("b", "1")?, node.row("c", "1")?), ("why=fraud".to_owned(), "n=old".to_owned()));
    put(node.folder.path(), "b.csv", "number,why\n2,robocalls\n")?;
    put(node.folder.path(), "c.json", r#"{"1": {"n": "newer"}}"#)?;
    node.wait_for("b", "2", "why=robocalls")?;
    node.wait_for("c", "1", "n=newer")?;
    assert_eq!(node.row("b", "1")?, "none");

    put(node.folder.path(), "b.csv", "number,why\n3\n")?;
    until("the bad file to be refused", Duration::from_secs(5), || {
        let stats = node.table("b")?.stats();
        Ok((stats.errors_of(lookup::Trouble::Nonsense) > 0).then_some(()))
    })?;
    assert_eq!(node.row("b", "2")?, "why=robocalls", "the rows stay as they were");
    Ok(())
}

#[test]
fn redis_is_reached_by_tls_with_certificates_on_both_sides_and_a_stranger_s_is_not_believed() -> Result<()> {
    let (pki, stranger) = (Pki::new()?, Pki::new()?);
    let server = pki.sign("redis", "localhost", "DNS:localhost,IP:127.0.0.1")?;
    let own = pki.sign("node", "node", "")?;
    let (redis, url) = Redis::start_with_tls(&server, &pki.authority())?;
    redis.command(&["SET", "1212", "12125550000"])?;
    let node = |authority: &Pki| {
        Node::start(&format!(
            r#"
            [services.redis]
            url = "{url}"
            deadline = "5s"
            tls = {{ ca = "{}", certificate = "{}", key = "{}" }}
            [tables.lrn]
            source.redis = {{ service = "redis", field = "lrn" }}
            "#,
            authority.authority().display(),
            own.certificate.display(),
            own.key.display()
        ))
    };
    assert_eq!(node(&pki)?.row("lrn", "1212")?, "lrn=12125550000");
    let wary = node(&stranger)?.ask("lrn", "1212")?;
    assert!(matches!(wary, Err(LookupError::Unavailable(..))), "{wary:?}");
    Ok(())
}

#[test]
fn a_table_s_own_deadline_is_longer_than_its_redis_lets_others_wait() -> Result<()> {
    let redis = Redis::start()?;
    redis.command(&["MSET", "1", "one", "2", "two"])?;
    let node = Node::start(&format!(
        "[services.redis]\nurl = \"{}\"\ndeadline = \"100ms\"\nbreaker = {{ failures = 1000 }}\n\
         [tables.hasty]\nsource.redis = {{ service = \"redis\" }}\n\
         [tables.patient]\nsource.redis = {{ service = \"redis\" }}\ndeadline = \"20s\"\n",
        redis.url()
    ))?;
    node.wait_for("hasty", "1", "value=one")?;
    // It answers nobody for a second.
    redis.command(&["CLIENT", "PAUSE", "1000"])?;
    assert_eq!(node.ask("hasty", "2")?, Err(LookupError::Deadline));
    assert_eq!(node.row("patient", "2")?, "value=two");
    Ok(())
}

/// As many calls as never come at once: each asks for another key, and none waits for longer than its own deadline.
#[test]
fn ten_thousand_keys_asked_for_at_once_keep_their_deadline_and_reach_the_source_a_few_at_a_time() -> Result<()> {
    const KEYS: usize = 10_000;
    const AT_ONCE: usize = 16;
    let deadline = Duration::from_millis(500);
    let lrn = LrnServer::start()?;
    lrn.fail(Fault::Slow);
    let node = Node::start(&format!(
        "[services.api]\nurl = \"http://{}\"\ndeadline = \"1s\"\nmax-concurrent = {AT_ONCE}\n\
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
