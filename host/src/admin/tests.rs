//! The API over real HTTP on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::metrics::{
    BreakerSample, BreakerState, CountersSample, NodeSample, QueueSample, Samples, StoreSample, TableSample,
    WorkerMetrics,
};
use super::{Admin, Control, GatewayStatus, Metrics, Plugins, Status, Token, router};
use crate::cdr::chain::ChainHash;
use crate::cdr::record::{
    Attempt, AttemptOutcome, CallRecord, End, RecordKey, Sides, StageOutcome, StageRecord, Times,
};
use crate::guard::{Guard, GuardSample};
use crate::lookup::{Services, Tables};
use crate::plugin::SharingStats;
use crate::plugin::account::Usage;
use crate::spans::Tally;
use crate::transport::stream::{Event, StreamSample};

#[derive(Default)]
struct Node {
    ready: AtomicBool,
    refuses: AtomicBool,
}

impl Control for Node {
    fn status(&self) -> Status {
        Status { node: "edge-1".into(), calls: 7, ..Status::default() }
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn lookups(&self) -> Option<(Tables, Services)> {
        None
    }

    fn plugins(&self) -> Option<&dyn Plugins> {
        None
    }

    fn guard(&self) -> Option<&Guard> {
        None
    }

    fn switch_gateway(&self, name: &str, on: bool) -> bool {
        name == "carrier-a" && !on
    }

    fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(vec!["trunkline.toml:3:1: listen: there is no listener".to_owned()]);
        }
        Ok(vec!["a warning".to_owned()])
    }
}

fn samples() -> Samples {
    Samples {
        node: NodeSample {
            version: "1.2.3",
            ready: true,
            memory: 4096,
            cpu: 1.5,
            worker_cpu: vec![("0".to_owned(), 0.5)],
            queues: vec![QueueSample { name: "journal".to_owned(), depth: 3, limit: 100 }],
            ..NodeSample::default()
        },
        journal_failing: true,
        journal_age: Duration::from_millis(1_250),
        journal_bytes: (900, 1_000),
        notes_lost: 4,
        unguarded: 6,
        events: (7, 8),
        log_lines_dropped: 3,
        copies: Some((9, 1)),
        traces: Some(Tally { exported: 5, partial: 8, dropped: 6, failed: 7 }),
        limits: SharingStats { nodes: 2, exchanges: 20, failures: 1, untold: 0 },
        guard: GuardSample { dropped: [("banned", 5); 6], begun: [("rate", 2); 2], holding: 1 },
        dns: [("asked", 5), ("timeout", 1), ("error", 0), ("stale", 1)],
        gateways: vec![GatewayStatus {
            name: "carrier-a".to_owned(),
            state: "aside",
            calls: 3,
            ..GatewayStatus::default()
        }],
        streams: StreamSample {
            connections: 2,
            traffic: vec![("tcp", "received", 7, 700)],
            events: vec![(Event::Handshake, "timeout", 1)],
        },
        stores: vec![StoreSample {
            name: "main".to_owned(),
            behind: 12,
            age: Duration::from_millis(2_500),
            failing: true,
            ..StoreSample::default()
        }],
        tables: vec![TableSample { name: "lrn".to_owned(), hits: 40, stale: 2, entries: 5, ..TableSample::default() }],
        breakers: vec![BreakerSample {
            kind: "service",
            name: "lrn-api".to_owned(),
            state: BreakerState::Open,
            opened: Some(4),
        }],
        turns: vec![("lrn".to_owned(), "promoted", 2)],
        trials: Vec::new(),
        counters: vec![CountersSample { plugin: "lrn".to_owned(), values: vec![("dips".into(), 9)], dropped: 10 }],
        usage: vec![("acme".to_owned(), Usage { fuel: 700, ..Usage::default() })],
    }
}

struct Api {
    node: Arc<Node>,
    metrics: Arc<Metrics>,
    admin: Admin,
}

impl Api {
    async fn open(token: Option<&str>) -> Self {
        let node = Arc::new(Node::default());
        let metrics = Arc::new(Metrics::new(samples));
        let router = router(Arc::clone(&node), Arc::clone(&metrics), token.map(Token::new));
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let admin = Admin::open(bind, router).await.expect("a free port");
        Self { node, metrics, admin }
    }

    /// The status code, the head and the body of one request.
    async fn ask(&self, request: &str, headers: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.admin.address()).await.expect("the API listens");
        let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the answer is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
        (code, head.to_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn a_node_is_healthy_before_it_is_ready() {
    let api = Api::open(None).await;
    assert_eq!(api.ask("GET /healthz", "").await.0, 200);
    assert_eq!(api.ask("GET /readyz", "").await.0, 503);
    api.node.ready.store(true, Ordering::Relaxed);
    assert_eq!(api.ask("GET /readyz", "").await.0, 200);
}

#[tokio::test]
async fn the_token_guards_all_but_health() {
    let api = Api::open(Some("s3cret")).await;
    for page in ["GET /metrics", "GET /v1/status", "POST /v1/reload"] {
        let (code, head, _) = api.ask(page, "").await;
        assert_eq!(code, 401, "{page}");
        assert!(head.contains("www-authenticate: bearer"), "{head}");
        for wrong in ["Bearer s3cre", "Bearer s3cret0", "Bearer ", "Basic s3cret", "s3cret"] {
            assert_eq!(api.ask(page, &format!("Authorization: {wrong}\r\n")).await.0, 401, "{page} {wrong}");
        }
        assert_eq!(api.ask(page, "Authorization: bearer s3cret\r\n").await.0, 200, "{page}");
    }
    assert_eq!(api.ask("GET /healthz", "").await.0, 200);
    assert_eq!(api.ask("GET /readyz", "").await.0, 503);
}

#[tokio::test]
async fn status_is_json() {
    let api = Api::open(None).await;
    let (code, _, body) = api.ask("GET /v1/status", "").await;
    let status: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((code, &status["node"], &status["calls"]), (200, &"edge-1".into(), &7.into()));
}

#[tokio::test]
async fn a_refused_reload_tells_every_error() {
    let api = Api::open(None).await;
    let (code, _, body) = api.ask("POST /v1/reload", "").await;
    assert_eq!(code, 200);
    assert!(body.contains("a warning"), "{body}");
    api.node.refuses.store(true, Ordering::Relaxed);
    let (code, _, body) = api.ask("POST /v1/reload", "").await;
    assert_eq!(code, 422);
    assert!(body.contains("there is no listener"), "{body}");
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_says_so() {
    let api = Api::open(None).await;
    assert_eq!(api.ask("GET /v2/status", "").await.0, 404);
    let (code, head, _) = api.ask("GET /v1/reload", "").await;
    assert_eq!(code, 405);
    assert!(head.contains("allow: post"), "{head}");
}

#[tokio::test]
async fn the_page_of_metrics_counts_what_workers_and_samples_say() {
    let api = Api::open(None).await;
    let mut worker = WorkerMetrics::new(Arc::clone(&api.metrics));
    let record = record();
    for _ in 0..2 {
        worker.staged(&record.stages);
        worker.set_up("acme", Duration::from_millis(5));
        worker.heard("acme", Duration::from_millis(50));
        worker.attempted("a", AttemptOutcome::Timeout);
        worker.attempted("b", AttemptOutcome::Response);
        worker.ended(&record);
    }
    api.metrics.drops("malformed").inc();
    let (_, head, page) = api.ask("GET /metrics", "").await;
    assert!(head.contains("application/openmetrics-text"), "{head}");
    for line in [
        r#"trunkline_calls_total{customer="acme",gateway="b",code="200"} 2"#,
        r#"trunkline_post_dial_delay_seconds_count{customer="acme"} 2"#,
        r#"trunkline_post_dial_delay_seconds_bucket{le="0.05",customer="acme"} 2"#,
        r#"trunkline_post_dial_delay_seconds_bucket{le="0.025",customer="acme"} 0"#,
        r#"trunkline_setup_seconds_bucket{le="0.005",customer="acme"} 2"#,
        r#"trunkline_setup_seconds_bucket{le="0.0025",customer="acme"} 0"#,
        r#"trunkline_attempts_total{gateway="a",outcome="timeout"} 2"#,
        r#"trunkline_attempts_total{gateway="b",outcome="response"} 2"#,
        r#"trunkline_stages_total{stage="lrn",outcome="deadline"} 2"#,
        r#"trunkline_stage_fuel_total{stage="lrn"} 5000"#,
        r#"trunkline_drops_total{reason="malformed"} 1"#,
        "trunkline_connections 2",
        r#"trunkline_hep_copies_total{result="dropped"} 1"#,
        r#"trunkline_traces_total{result="exported"} 5"#,
        r#"trunkline_traces_total{result="partial"} 8"#,
        r#"trunkline_traces_total{result="dropped"} 6"#,
        r#"trunkline_traces_total{result="failed"} 7"#,
        r#"trunkline_limits_shared_total{result="failed"} 1"#,
        "trunkline_limits_nodes 2",
        r#"trunkline_abuse_drops_total{reason="banned"} 5"#,
        r#"trunkline_abuse_bans_begun_total{reason="rate"} 2"#,
        "trunkline_abuse_bans 1",
        r#"trunkline_dns_queries_total{result="timeout"} 1"#,
        r#"trunkline_messages_total{transport="tcp",direction="received"} 7"#,
        r#"trunkline_message_bytes_total{transport="tcp",direction="received"} 700"#,
        r#"trunkline_tls_handshakes_failed_total{reason="timeout"} 1"#,
        "trunkline_journal_failing 1",
        "trunkline_journal_lag_seconds 1.25",
        "trunkline_journal_bytes 900",
        "trunkline_journal_limit_bytes 1000",
        "trunkline_journal_notes_lost_total 4",
        "trunkline_journal_unguarded_total 6",
        "trunkline_events_published_total 7",
        "trunkline_events_dropped_total 8",
        "trunkline_log_lines_dropped_total 3",
        r#"trunkline_store_behind{store="main"} 12"#,
        r#"trunkline_store_lag_seconds{store="main"} 2.5"#,
        r#"trunkline_store_failing{store="main"} 1"#,
        r#"trunkline_store_missing_total{store="main"} 0"#,
        r#"trunkline_build_info{version="1.2.3"} 1"#,
        "trunkline_ready 1",
        "trunkline_memory_bytes 4096",
        "trunkline_cpu_seconds_total 1.5",
        r#"trunkline_worker_cpu_seconds_total{worker="0"} 0.5"#,
        r#"trunkline_queue_depth{queue="journal"} 3"#,
        r#"trunkline_queue_limit{queue="journal"} 100"#,
        "trunkline_dialogs 0",
        r#"trunkline_lookups_total{table="lrn",result="stale"} 2"#,
        r#"trunkline_table_entries{table="lrn"} 5"#,
        r#"trunkline_breaker_state{kind="service",name="lrn-api"} 2"#,
        r#"trunkline_plugin_turns_total{plugin="lrn",event="promoted"} 2"#,
        r#"trunkline_plugin_counter_total{plugin="lrn",name="dips"} 9"#,
        r#"trunkline_plugin_telemetry_dropped_total{plugin="lrn"} 10"#,
        r#"trunkline_usage_fuel_total{customer="acme"} 700"#,
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\nis not in\n{page}");
    }
}

#[test]
fn ten_thousand_customers_have_a_thousand_series_and_no_call_goes_uncounted() {
    let metrics = Arc::new(Metrics::new(Samples::default));
    let mut worker = WorkerMetrics::new(Arc::clone(&metrics));
    for number in 0..10_000 {
        worker.ended(&CallRecord { customer: format!("customer-{number}"), ..record() });
    }
    let page = metrics.encode().expect("a page");
    let calls: Vec<&str> = page.lines().filter(|line| line.starts_with("trunkline_calls_total{")).collect();
    let counted: u64 = calls.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!((calls.len(), counted), (1_001, 10_000));
    assert!(calls.contains(&r#"trunkline_calls_total{customer="_other",gateway="b",code="200"} 9000"#));
}

#[tokio::test]
async fn a_closed_api_takes_no_more_requests() {
    let api = Api::open(None).await;
    let address = api.admin.address();
    api.admin.close().await;
    assert!(TcpStream::connect(address).await.is_err());
}

fn record() -> CallRecord {
    let attempt = |gateway: &str, outcome| Attempt {
        gateway: gateway.into(),
        destination: None,
        callee: "13105550199".to_owned(),
        started: 1_010_000,
        ringing: None,
        ended: 1_020_000,
        code: 200,
        outcome,
        released: None,
        cost: None,
        price: None,
        currency: None,
    };
    let stage = StageRecord {
        stage: "lrn".into(),
        digest: "0123456789abcdef".into(),
        outcome: StageOutcome::Deadline,
        micros: 30_000,
        fuel: 2_500,
        detail: None,
    };
    CallRecord {
        hash: ChainHash::NONE,
        key: RecordKey::default(),
        call_id: "a@b".to_owned(),
        customer: "acme".to_owned(),
        source: SocketAddr::from(([127, 0, 0, 1], 5060)),
        transport: "udp".into(),
        caller: Sides::default(),
        callee: Sides::default(),
        times: Times {
            received: 1_000_000,
            routed: Some(1_005_000),
            ringing: Some(1_050_000),
            answered: Some(2_000_000),
            ended: 3_000_000,
        },
        code: 200,
        end: End::CallerHungUp,
        attempts: vec![attempt("a", AttemptOutcome::Timeout), attempt("b", AttemptOutcome::Response)],
        stages: vec![stage],
        attributes: Vec::new(),
    }
}
