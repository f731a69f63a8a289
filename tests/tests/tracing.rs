//! Traces of calls, at a collector that takes them, one that refuses, and one that hangs.

use std::time::Duration;

use anyhow::{Context, Result};
use trunkline_tests::{
    Fault, Load, LrnServer, Manner, Otlp, Phone, Router, Setup, Sipp, Span, Webhook, answered, hang_up, until,
};

const PATIENCE: Duration = Duration::from_secs(20);
const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "100")];

fn traced(collector: &Webhook, keys: &str) -> String {
    format!("[tracing]\nurl = \"{}\"\n{keys}", collector.collector_url())
}

/// The trace of a call, once the collector has it.
fn trace(collector: &Webhook, call_id: &str) -> Result<Vec<Span>> {
    until("the trace", PATIENCE, || {
        let exports = collector.deliveries().iter().map(Otlp::of).collect::<Result<Vec<_>>>()?;
        for export in &exports {
            assert_eq!(export.resource["service.name"], "trunkline");
            assert_eq!(export.resource["service.instance.id"], "test");
        }
        let found = exports.iter().map(|export| export.trace_of(call_id)).find(|trace| !trace.is_empty());
        Ok(found)
    })
}

fn named<'a>(trace: &'a [Span], name: &str) -> Result<&'a Span> {
    trace.iter().find(|span| span.name == name).with_context(|| format!("no span `{name}` in {trace:#?}"))
}

/// Places a call from `caller` and hangs up; its Call-ID.
fn call(router: &Router, callee: &mut Phone) -> Result<String> {
    let mut caller = Phone::calling(router.sip())?;
    let invite = caller.invite("12125550100", "19195550123");
    caller.say(&invite)?;
    let got = callee.hear("INVITE")?;
    let (mut near, _far) = answered(&mut caller, callee, &got)?;
    hang_up(&mut caller, &mut near, callee)?;
    Ok(invite.header("Call-ID").to_owned())
}

#[test]
fn a_call_is_seen_with_its_stages_their_lookups_and_its_attempts() -> Result<()> {
    let (collector, directory, mut callee) = (Webhook::start()?, LrnServer::start()?, Phone::waiting()?);
    let dead = Phone::waiting()?.address();
    let router = Setup::new()?
        .lrn(&directory, 500)
        .gateway("first", dead)
        .gateway("second", callee.address())
        .route("1", "first", "0.0040")
        .route("1", "second", "0.0050")
        .section(&traced(&collector, "share = \"100%\"\nheaders = { authorization = \"Bearer x\" }"))
        .start()?;
    let call_id = call(&router, &mut callee)?;
    let trace = trace(&collector, &call_id)?;

    let root = &trace[0];
    assert_eq!((root.name.as_str(), root.kind, root.failed), ("call", 2, false));
    assert_eq!(root.attributes["sip.response.status_code"], "200");
    assert_eq!(root.attributes["trunkline.customer"], "acme");
    assert!(root.events.iter().any(|(name, at)| name == "answered" && (root.began..=root.ended).contains(at)));
    for stage in ["auth", "blocklist", "lrn", "cnam", "rate"] {
        let span = named(&trace, &format!("stage {stage}"))?;
        assert_eq!((span.parent.as_ref(), span.kind, span.failed), (Some(&root.id), 1, false), "{stage}");
        assert!(root.began <= span.began && span.ended <= root.ended, "{stage}");
    }
    let lrn = named(&trace, "stage lrn")?;
    let asked = named(&trace, "lookup lrn")?;
    assert_eq!((asked.parent.as_ref(), asked.kind, asked.failed), (Some(&lrn.id), 3, false));
    assert_eq!(asked.attributes["trunkline.lookup.origin"], "source", "the directory was asked");
    // Clocks are read in microseconds, one after the other.
    assert!(lrn.began <= asked.began + 2_000 && asked.ended <= lrn.ended + 2_000, "{lrn:?} {asked:?}");
    assert!(trace.iter().any(|span| span.name == "lookup-prefix deck"));
    let (first, second) = (named(&trace, "attempt first")?, named(&trace, "attempt second")?);
    assert!(first.failed && !second.failed && first.ended <= second.ended);
    assert_eq!(second.attributes["network.peer.port"], callee.address().port().to_string());
    assert!(collector.deliveries().iter().all(|export| export.headers["authorization"] == "Bearer x"));
    assert!(!format!("{:?}", collector.deliveries()).contains("12125550100"), "nobody's number is told");
    Ok(())
}

#[test]
fn a_call_that_went_wrong_is_traced_though_no_other_is() -> Result<()> {
    let (collector, directory, mut callee) = (Webhook::start()?, LrnServer::start()?, Phone::waiting()?);
    let router = Setup::new()?
        .lrn(&directory, 100)
        .carrier(callee.address())
        .section(&traced(&collector, "share = \"0%\""))
        .start()?;
    let well = call(&router, &mut callee)?;
    directory.fail(Fault::Hang);
    let mut caller = Phone::calling(router.sip())?;
    let invite = caller.invite("12125550100", "19195550199");
    caller.say(&invite)?;
    let got = callee.hear("INVITE")?;
    let (mut near, _far) = answered(&mut caller, &mut callee, &got)?;
    hang_up(&mut caller, &mut near, &mut callee)?;
    let trace = trace(&collector, invite.header("Call-ID"))?;
    assert!(named(&trace, "stage lrn")?.failed, "it was skipped, since the directory hangs");
    let all: Vec<Otlp> = collector.deliveries().iter().map(Otlp::of).collect::<Result<_>>()?;
    assert!(all.iter().all(|export| export.trace_of(&well).is_empty()), "the other went well");
    Ok(())
}

#[test]
fn calls_notice_nothing_of_a_collector_that_hangs_and_what_is_dropped_is_counted() -> Result<()> {
    let (collector, callee) = (Webhook::start()?, Sipp::callee("callee", &[])?);
    collector.answers(Manner::Hangs);
    let keys = "share = \"100%\"\nqueue = 10\ndeadline = \"500ms\"";
    let router = Setup::new()?.carrier(callee.address()).section(&traced(&collector, keys)).start()?;
    let load = Load { calls: 200, rate: 100 };
    let counts = Sipp::caller("caller", &NUMBERS, router.sip(), load)?.wait()?;
    assert_eq!((counts.failed, counts.retransmissions), (0, 0));
    let count = |result: &str| router.metric(&format!("trunkline_traces_total{{result=\"{result}\"}}"));
    // What the queue held, and what was on its way, is all that can have gone another way.
    let lost = || Ok((count("dropped")? + count("failed")? + 10.0 >= 200.0).then_some(()));
    until("traces to be dropped", PATIENCE, lost)?;
    assert!(count("dropped")? > 0.5 && count("failed")? > 0.5 && count("exported")? < 0.5);

    collector.answers(Manner::Takes);
    until("the collector to be well again", PATIENCE, || Ok((count("exported")? > 0.0).then_some(())))?;
    Ok(())
}

#[test]
fn traces_of_which_a_collector_rejects_spans_do_not_count_as_exported() -> Result<()> {
    let (collector, mut callee) = (Webhook::start()?, Phone::waiting()?);
    collector.answers(Manner::TakesInPart);
    let keys = traced(&collector, "share = \"100%\"");
    let router = Setup::new()?.carrier(callee.address()).section(&keys).start()?;
    call(&router, &mut callee)?;
    let count = |result: &str| router.metric(&format!("trunkline_traces_total{{result=\"{result}\"}}"));
    until("the trace", PATIENCE, || Ok((count("partial")? + count("exported")? > 0.5).then_some(())))?;
    assert!(count("partial")? > 0.5 && count("exported")? < 0.5);
    assert!(router.log().contains("the collector rejected spans"), "the log says so");
    Ok(())
}
