//! The requests of the API and their answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{Control, Metrics, Token, bans, gateways, lookups, plugins};

/// No request of this API has a body worth reading.
const MAX_BODY: usize = 4 << 10;

/// A page of metrics is encoded in milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// A reload or a swap compiles components: seconds for a large one.
const RELOAD_DEADLINE: Duration = Duration::from_mins(2);

/// Requests at once; one more is told 503.
const MAX_REQUESTS: usize = 64;

pub(super) struct Shared<C> {
    pub(super) control: Arc<C>,
    metrics: Arc<Metrics>,
    token: Option<Token>,
    requests: Semaphore,
    /// One reload at a time: two would compile the same components twice.
    pub(super) reload: Arc<Semaphore>,
}

pub(super) type Api<C> = State<Arc<Shared<C>>>;

/// The API over `control`. Without a token every request is answered: bind it to a loopback address.
pub fn router<C: Control>(control: Arc<C>, metrics: Arc<Metrics>, token: Option<Token>) -> Router {
    let shared = Arc::new(Shared {
        control,
        metrics,
        token,
        requests: Semaphore::new(MAX_REQUESTS),
        reload: Arc::new(Semaphore::new(1)),
    });
    let guarded = Router::new()
        .route("/metrics", only(get(metrics_page::<C>), &Method::GET))
        .route("/v1/status", only(get(status::<C>), &Method::GET))
        .route("/v1/reload", only(post(reload::<C>), &Method::POST))
        .merge(lookups::routes())
        .merge(plugins::routes())
        .merge(gateways::routes())
        .merge(bans::routes())
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), require_token::<C>));
    Router::new()
        .route("/healthz", only(get(healthz), &Method::GET))
        .route("/readyz", only(get(readyz::<C>), &Method::GET))
        .merge(guarded)
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such page"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), bound::<C>))
        .with_state(shared)
}

/// RFC 9110 section 15.5.6: a 405 names what is allowed.
pub(super) fn only<S: Clone + Send + Sync + 'static>(
    route: MethodRouter<S, Infallible>,
    method: &Method,
) -> MethodRouter<S, Infallible> {
    let allow = method.to_string();
    route.fallback(async move || {
        let message = format!("only {allow} is allowed here");
        ([(ALLOW, allow)], problem(StatusCode::METHOD_NOT_ALLOWED, &message)).into_response()
    })
}

/// Bounds how many requests there are and how long each may take.
async fn bound<C: Control>(State(shared): Api<C>, request: Request, next: Next) -> Response {
    let Ok(_permit) = shared.requests.try_acquire() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once");
    };
    let path = request.uri().path();
    let compiles = request.method() == Method::POST && (path == "/v1/reload" || path.starts_with("/v1/plugins/"));
    let deadline = if compiles { RELOAD_DEADLINE } else { DEADLINE };
    tokio::time::timeout(deadline, next.run(request))
        .await
        .unwrap_or_else(|_| problem(StatusCode::GATEWAY_TIMEOUT, "not answered in time"))
}

async fn require_token<C: Control>(State(shared): Api<C>, request: Request, next: Next) -> Response {
    if shared.token.as_ref().is_none_or(|token| token.is_in(request.headers())) {
        return next.run(request).await;
    }
    let refused = problem(StatusCode::UNAUTHORIZED, "this needs `Authorization: Bearer` with admin.token");
    ([(WWW_AUTHENTICATE, "Bearer")], refused).into_response()
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz<C: Control>(State(shared): Api<C>) -> Response {
    if shared.control.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn metrics_page<C: Control>(State(shared): Api<C>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match shared.metrics.encode() {
        Ok(page) => ([(CONTENT_TYPE, OPEN_METRICS)], page).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn status<C: Control>(State(shared): Api<C>) -> Response {
    Json(shared.control.status()).into_response()
}

#[derive(Serialize)]
struct ReloadAnswer {
    reloaded: bool,
    warnings: Vec<String>,
    errors: Vec<String>,
}

async fn reload<C: Control>(State(shared): Api<C>) -> Response {
    let Ok(permit) = Arc::clone(&shared.reload).try_acquire_owned() else {
        return problem(StatusCode::CONFLICT, "a reload is going on");
    };
    let control = Arc::clone(&shared.control);
    // The permit goes with the work: when the request's deadline passes, the work still goes on.
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        control.reload()
    });
    match done.await {
        Ok(Ok(warnings)) => Json(ReloadAnswer { reloaded: true, warnings, errors: Vec::new() }).into_response(),
        Ok(Err(errors)) => {
            let refused = ReloadAnswer { reloaded: false, warnings: Vec::new(), errors };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(refused)).into_response()
        }
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed within; nothing has changed"),
    }
}

pub(super) fn problem(status: StatusCode, message: &str) -> Response {
    (status, Json(serde_json::json!({ "error": message }))).into_response()
}
