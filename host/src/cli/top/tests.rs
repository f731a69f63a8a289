//! A node's page, as it is shown.

use std::time::Duration;

use super::*;

fn look(at: Instant, text: &str) -> Look {
    Look { at, page: Page::read(text) }
}

/// A node after so many calls, of which as many again were flown past the LRN stage for want of time.
fn page(calls: u32, late: u32) -> String {
    format!(
        "trunkline_build_info{{version=\"0.1.0\"}} 1\ntrunkline_ready 1\ntrunkline_active_calls 40\ntrunkline_dialogs 30\n\
         trunkline_transactions 12\ntrunkline_memory_bytes 104857600\n\
         trunkline_calls_total{{customer=\"acme\",gateway=\"a\",code=\"200\"}} {calls}\n\
         trunkline_calls_total{{customer=\"acme\",gateway=\"a\",code=\"486\"}} {calls}\n\
         trunkline_stages_total{{stage=\"lrn\",outcome=\"proceed\"}} {calls}\n\
         trunkline_stages_total{{stage=\"lrn\",outcome=\"deadline\"}} {late}\n\
         trunkline_stage_seconds_bucket{{le=\"0.001\",stage=\"lrn\"}} {calls}\n\
         trunkline_stage_seconds_bucket{{le=\"0.05\",stage=\"lrn\"}} {all}\n\
         trunkline_stage_seconds_bucket{{le=\"+Inf\",stage=\"lrn\"}} {all}\n\
         trunkline_stage_fuel_total{{stage=\"lrn\"}} {fuel}\n\
         trunkline_lookups_total{{table=\"lrn\",result=\"hit\"}} {calls}\n\
         trunkline_lookups_total{{table=\"lrn\",result=\"miss\"}} {late}\n\
         trunkline_gateway_calls{{gateway=\"a\"}} 30\ntrunkline_gateway_state{{gateway=\"a\",state=\"up\"}} 0\n\
         trunkline_gateway_state{{gateway=\"a\",state=\"aside\"}} 1\n\
         trunkline_attempts_total{{gateway=\"a\",outcome=\"timeout\"}} {late}\n\
         trunkline_breaker_state{{kind=\"service\",name=\"lrn-api\"}} 2\n\
         trunkline_store_behind{{store=\"fanout\"}} 1234\ntrunkline_store_failing{{store=\"fanout\"}} 1\n\
         trunkline_store_lag_seconds{{store=\"fanout\"}} 61.25\n\
         trunkline_store_records_total{{store=\"fanout\"}} 7\n\
         trunkline_worker_cpu_seconds_total{{worker=\"0\"}} {cpu}\n\
         trunkline_queue_depth{{queue=\"journal\"}} 5\ntrunkline_queue_limit{{queue=\"journal\"}} 100\n# EOF\n",
        all = calls + late,
        fuel = 8_000 * (calls + late),
        cpu = f64::from(calls) / 1_000.0,
    )
}

fn frame() -> String {
    let began = Instant::now();
    let (before, after) = (look(began, &page(1_000, 0)), look(began + Duration::from_secs(2), &page(1_500, 100)));
    as_text(&View::between(&before, &after)).expect("a frame")
}

/// The line that begins with this word, its words apart by one blank.
fn line(frame: &str, word: &str) -> String {
    let line = frame.lines().find(|line| line.starts_with(word)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn rates_are_those_of_the_interval() {
    let frame = frame();
    assert_eq!(
        line(&frame, "calls"),
        "calls 500.0/s answered 50.0 % in progress 40 dialogs 30 transactions 12",
        "{frame}"
    );
    assert_eq!(
        line(&frame, "workers"),
        "workers 25 % memory 100 MiB fullest queue journal 5/100 dropped 0.0/s records lost 0"
    );
}

#[test]
fn a_slow_stage_shows_by_its_p99_and_by_why_it_is_flown_past() {
    let frame = frame();
    assert_eq!(line(&frame, "lrn"), "lrn 300.0 600 µs 47.1 ms 8000 deadline 50.0/s", "{frame}");
}

#[test]
fn breakers_gateways_and_stores_show_their_state() {
    let frame = frame();
    assert_eq!(line(&frame, "a "), "a 50.0 aside 30 no answer 50.0/s", "{frame}");
    assert_eq!(line(&frame, "fanout"), "fanout 0.0 refuses 1234 61.2 s", "{frame}");
    assert_eq!(line(&frame, "lrn-api"), "lrn-api service open", "{frame}");
}

#[test]
fn a_node_without_anything_is_shown_too() {
    let empty = look(Instant::now(), "");
    let frame = as_text(&View::between(&empty, &empty)).expect("a frame");
    assert!(frame.contains("not ready") && frame.contains("stages"), "{frame}");
}

#[test]
fn a_terminal_that_is_too_small_gets_what_fits() {
    let view = View::between(&look(Instant::now(), &page(1, 1)), &look(Instant::now(), &page(2, 2)));
    for (width, height) in [(20, 3), (1, 1), (80, 8)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw::draw(frame, &view)).expect("a frame");
    }
}

#[test]
fn a_node_that_does_not_answer_is_an_error_with_its_address() {
    let source = Source { address: SocketAddr::from(([127, 0, 0, 1], 1)), token: None };
    let error = super::look(&source).expect_err("nobody listens there");
    assert!(format!("{error:#}").contains("127.0.0.1:1"), "{error:#}");
}
