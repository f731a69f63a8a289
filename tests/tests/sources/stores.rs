//! Redis and Memcached: texts, JSON and hashes under a key; TLS, deadlines, and what a server that freezes costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trunkline::lookup::LookupError;
use trunkline_tests::{Fault, LrnServer, Memcached, Pki, Redis};

use super::Node;

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

/// The second tier hangs, and then the source hangs too.
#[test]
fn a_tier_and_a_source_that_both_hang_cost_a_load_its_deadline_and_no_more() -> Result<()> {
    let (redis, lrn) = (Redis::start()?, LrnServer::start()?);
    let node = Node::start(&format!(
        "[services.tier]\nurl = \"{}\"\ndeadline = \"20s\"\n\
         [services.api]\nurl = \"http://{}\"\ndeadline = \"20s\"\n\
         [tables.lrn]\nsource.http = {{ service = \"api\", path = \"/lrn/{{key}}\", field = \"lrn\" }}\n\
         deadline = \"1s\"\nshared = {{ service = \"tier\" }}\n",
        redis.url(),
        lrn.address
    ))?;
    node.wait_for("lrn", "1", "lrn=9195550000")?;
    redis.freeze()?;
    assert_eq!(node.row("lrn", "2")?, "lrn=9195550000", "half of the deadline is left for the source");
    lrn.fail(Fault::Hang);
    let asked = Instant::now();
    assert_eq!(node.ask("lrn", "3")?, Err(LookupError::Deadline));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(lrn.requests(), 3);
    Ok(())
}
