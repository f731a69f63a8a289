//! What an operator watches a node by: the dashboard and the alerts of `docs/operations`, in a real Prometheus that
//! scrapes a real router under calls.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use regex_lite::Regex;
use serde_json::Value;
use trunkline_tests::{Fault, Load, LrnServer, Prometheus, Setup, Sipp, free_tcp, place, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "100")];
const PATIENCE: Duration = Duration::from_secs(30);

fn operations(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations").join(path)
}

/// The expressions of every panel, with the dashboard's variables filled in.
fn dashboard() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(operations("grafana/trunkline.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().context("no panels")? {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().context("a panel without a title")?;
            let expression = target["expr"].as_str().context("a target without an expression")?;
            let filled = expression.replace("$__rate_interval", "1m").replace("$instance", ".*");
            ensure!(!filled.contains('$'), "{title}: a variable that is not filled in: {filled}");
            found.push((title.to_owned(), filled));
        }
    }
    Ok(found)
}

/// The names of the router's metrics in an expression.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let name = Regex::new("trunkline_[a-z_]+").expect("a pattern");
    name.find_iter(expression).map(|found| found.as_str().to_owned()).collect()
}

/// An alert's expression without what makes an alert of it: what it watches.
fn watched(expression: &str) -> Result<&str> {
    let comparisons = [" > ", " == "].into_iter().filter_map(|sign| expression.rfind(sign));
    let at = comparisons.max().with_context(|| format!("no comparison in {expression}"))?;
    Ok(&expression[..at])
}

fn name_and_labels(alerts: &[std::collections::BTreeMap<String, String>], name: &str, label: (&str, &str)) -> bool {
    alerts.iter().any(|alert| alert["alertname"] == name && alert.get(label.0).is_some_and(|value| value == label.1))
}

#[test]
fn the_dashboard_and_the_alerts_see_a_router_under_calls_and_what_befalls_it() -> Result<()> {
    let directory = LrnServer::start()?;
    let callee = Sipp::callee("callee", &[])?;
    let dead = free_tcp()?;
    let router = Setup::new()?
        .lrn(&directory, 200)
        .table(
            "lrn",
            r#"source = { http = { service = "lrn-api", path = "/lrn/{key}", format = "text", field = "lrn" } }
ttl = "1ms"
stale = "1ms""#,
        )
        .fanout(&format!("amqp://127.0.0.1:{}/%2f", dead.port()))
        .carrier(callee.address())
        .start()?;
    let prometheus = Prometheus::start(router.admin_address(), &operations("prometheus/trunkline.rules.yml"))?;
    until("the first scrape", PATIENCE, || Ok((!prometheus.query("trunkline_ready == 1")?.is_empty()).then_some(())))?;
    place("caller", &NUMBERS, router.sip(), Load { calls: 20, rate: 20 })?;

    let (_, page) = router.admin("GET", "/metrics")?;
    let rules = prometheus.rules()?;
    ensure!(rules.len() > 20, "{rules:?}");
    let panels = dashboard()?;
    ensure!(panels.len() > 40, "{panels:?}");
    let expressions = rules.iter().map(|(name, expression, _)| (name, expression));
    for (what, expression) in expressions.chain(panels.iter().map(|(title, expression)| (title, expression))) {
        for metric in metrics_of(expression) {
            let scraped =
                page.lines().any(|line| line.strip_prefix(&metric).is_some_and(|rest| rest.starts_with(['{', ' '])));
            ensure!(scraped, "`{what}` asks for {metric}, which no scrape has:\n{page}");
        }
    }

    // Calls go on while it is asked, so that rates are there; and the number directory hangs.
    let calls = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 60, rate: 20 })?;
    directory.fail(Fault::Hang);
    let label = Regex::new(r"\$labels\.([a-z]+)").expect("a pattern");
    for (name, expression, summary) in &rules {
        let watched = watched(expression)?.replace("[5m]", "[1m]").replace("[10m]", "[1m]");
        let samples = until(&format!("`{name}` to see something by `{watched}`"), PATIENCE, || {
            let samples = prometheus.query(&watched)?;
            Ok((!samples.is_empty()).then_some(samples))
        })?;
        for label in label.captures_iter(summary) {
            let missing = samples.iter().find(|sample| !sample.labels.contains_key(&label[1]));
            ensure!(missing.is_none(), "`{name}` speaks of {}, which {missing:?} has not", &label[1]);
        }
    }
    for (title, expression) in &panels {
        prometheus.query(expression).with_context(|| format!("the panel `{title}`"))?;
    }
    ensure!(calls.wait()?.failed == 0, "a hung directory costs no call");

    let alerts = until("the alerts of a dead broker and of a hung directory", PATIENCE, || {
        let alerts = prometheus.alerts()?;
        let seen = name_and_labels(&alerts, "TrunklineStoreFailing", ("store", "fanout"))
            && name_and_labels(&alerts, "TrunklineStageFailing", ("stage", "lrn"))
            && name_and_labels(&alerts, "TrunklineBreakerOpen", ("name", "lrn-api"));
        Ok(seen.then_some(alerts))
    })?;
    let quiet = ["TrunklineRecordsLost", "TrunklineDown", "TrunklineNotReady", "TrunklineGatewayDown"];
    ensure!(alerts.iter().all(|alert| !quiet.contains(&alert["alertname"].as_str())), "{alerts:?}");
    Ok(())
}

#[test]
fn promtool_accepts_the_rules_and_sees_them_fire_when_they_should() -> Result<()> {
    for words in [["check", "rules", "trunkline.rules.yml"], ["test", "rules", "trunkline.rules.test.yml"]] {
        let output = Command::new("promtool").args(words).current_dir(operations("prometheus")).output()?;
        let told = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    }
    Ok(())
}
