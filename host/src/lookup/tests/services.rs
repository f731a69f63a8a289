//! Calls of plugins to named services.

use super::server::{Behaviour, Server};
use super::{PATIENT, Rig, rig};
use crate::lookup::{Method, Request, Response, ServiceError, Trouble};

fn post(path: &str) -> Request {
    Request { method: Method::Post, path: path.to_owned(), headers: Vec::new(), body: b"{\"n\":1}".to_vec() }
}

async fn call(rig: &Rig, request: Request) -> Result<Response, ServiceError> {
    rig.services.call("api", request).await
}

#[track_caller]
fn refused(answer: &Result<Response, ServiceError>) -> &str {
    match answer {
        Err(ServiceError::BadRequest(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_plugin_gets_status_and_body_and_cannot_touch_the_operators_headers() {
    let server = Server::start(Behaviour::Answer(402, "no credit")).await;
    let rig = rig(
        &format!("{}/v1/", server.url),
        &format!("{PATIENT}\nheaders = {{ authorization = \"Bearer operator\" }}"),
        "",
    );
    let headers =
        [("Authorization", "Bearer plugin"), ("x-call", "7")].map(|(name, value)| (name.into(), value.into()));
    let answer = call(&rig, Request { headers: headers.into(), ..post("/score?n=1") }).await;
    assert_eq!(answer, Ok(Response { status: 402, body: b"no credit".to_vec() }));
    let request = server.last_request();
    assert!(request.starts_with("POST /v1/score?n=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"n\":1}"), "{request}");
    assert!(request.contains("authorization: Bearer operator\r\n"), "{request}");
    assert!(request.contains("x-call: 7\r\n"), "{request}");
    assert!(!request.contains("Bearer plugin"), "{request}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_never_sent() {
    let server = Server::start(Behaviour::Answer(200, "")).await;
    let rig = rig(&format!("{}/v1", server.url), PATIENT, "");
    for path in ["score", "/../admin", "/%2e%2E/admin", "/a b", "/a\r\nx: y", "/a#b", "/\\admin", "/é"] {
        assert!(refused(&call(&rig, post(path)).await).starts_with("path "), "{path}");
    }
    for (name, value) in [("x y", "1"), ("x", "1\r\ny: 2"), ("Host", "other"), ("content-length", "0")] {
        let headers = vec![(name.to_owned(), value.to_owned())];
        let answer = call(&rig, Request { headers, ..post("/") }).await;
        assert_eq!(refused(&answer), format!("`{name}` is not a header that HTTP allows"));
    }
    let answer = call(&rig, Request { body: vec![0; 65_537], ..post("/") }).await;
    assert_eq!(refused(&answer), "the body has 65537 bytes; at most 65536");
    assert_eq!(rig.services.call("other", post("/")).await, Err(ServiceError::UnknownService));
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn failing_answers_reach_the_plugin_and_open_the_breaker_for_the_tables_too() {
    let server = Server::start(Behaviour::Answer(503, "down")).await;
    let rig = rig(&server.url, PATIENT, "");
    for _ in 0..5 {
        assert_eq!(call(&rig, post("/")).await.unwrap().status, 503);
    }
    let open = ServiceError::Unavailable(Trouble::Breaker, "service `api`: breaker open".into());
    assert_eq!(call(&rig, post("/")).await, Err(open));
    assert_eq!(super::unavailable(rig.at_once("5")), "service `api`: breaker open");
    assert_eq!(server.requests(), 5);
}

#[tokio::test]
async fn a_call_that_hangs_ends_at_the_services_deadline() {
    let server = Server::start(Behaviour::Hang).await;
    let rig = rig(&server.url, "deadline = \"20ms\"", "");
    assert_eq!(call(&rig, post("/")).await, Err(ServiceError::Deadline));
}
