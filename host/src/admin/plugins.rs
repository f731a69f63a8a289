//! Versions of stages by the API: what runs, swapping one in, promoting it, taking it back; what customers use.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Control;
use super::routes::{Api, Shared, problem};
use crate::config::model::Share;
use crate::plugin::account::Usage;
use crate::plugin::trial::{Difference, Kind, TrialStatus};
use crate::plugin::versions::SeatName;

/// The largest component that is taken: a Python plugin has 18 MB.
const MAX_COMPONENT: usize = 64 << 20;

/// What the API can do to the versions of stages; the node implements it. Whatever changes something may block.
pub trait Plugins: Send + Sync {
    /// Every stage's place.
    fn seats(&self) -> Vec<SeatStatus>;

    /// Puts a component into a place, or on trial there.
    ///
    /// # Errors
    ///
    /// Why not. Nothing has changed then.
    fn swap(&self, swap: Swap) -> Result<SeatStatus, Refusal>;

    /// The version on trial takes the place over.
    ///
    /// # Errors
    ///
    /// There is none.
    fn promote(&self, seat: &SeatName) -> Result<SeatStatus, Refusal>;

    /// The version on trial is taken back; where there is none, the one before the running one runs again.
    ///
    /// # Errors
    ///
    /// There is none before, or it can no longer run.
    fn roll_back(&self, seat: &SeatName) -> Result<SeatStatus, Refusal>;

    /// The shadow ends.
    ///
    /// # Errors
    ///
    /// There is none.
    fn end_shadow(&self, seat: &SeatName) -> Result<SeatStatus, Refusal>;

    /// The trial whose outcomes are compared, with samples of the differences.
    fn comparison(&self, seat: &SeatName) -> Option<(TrialStatus, Vec<Difference>)>;

    /// What a customer's calls have used since the process began.
    fn usage(&self, customer: &str) -> Option<Usage>;
}

/// A component for a place.
#[derive(Debug)]
pub struct Swap {
    /// Where to.
    pub seat: SeatName,
    /// How it begins.
    pub kind: Kind,
    /// Of the calls, for a canary or a shadow.
    pub share: Option<Share>,
    /// The component.
    pub bytes: Vec<u8>,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// For people.
    pub why: String,
}

impl Refusal {
    /// There is no such plugin or customer.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { status: 404, why: why.into() }
    }

    /// Not in this state.
    pub fn conflict(why: impl Into<String>) -> Self {
        Self { status: 409, why: why.into() }
    }

    /// The component is not fit.
    pub fn unfit(why: impl Into<String>) -> Self {
        Self { status: 422, why: why.into() }
    }
}

/// What sits in a stage's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SeatStatus {
    /// By its name in `[plugins]`.
    pub plugin: String,
    /// Whose own it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// First 16 hexadecimal digits of the running component's SHA-256, as in the records; empty while it is compiled.
    pub digest: String,
    /// As `digest`, of the component that the configuration names.
    pub configured: String,
    /// `closed`, `open`, `half-open`, or `loading`.
    pub breaker: String,
    /// As `digest`, of the versions that a rollback goes back to, the last one last.
    pub before: Vec<String>,
    /// A canary, or a version on probation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialStatus>,
    /// A version that is compared only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<TrialStatus>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    customer: Option<String>,
    /// `swap`, `canary` or `shadow`.
    #[serde(rename = "as")]
    how: Option<String>,
    share: Option<String>,
}

impl Wanted {
    fn seat(&self, plugin: &str) -> SeatName {
        SeatName::new(plugin, self.customer.as_deref())
    }
}

pub(super) fn routes<C: Control>() -> Router<Arc<Shared<C>>> {
    let none = async || problem(StatusCode::METHOD_NOT_ALLOWED, "this page does not answer to that method");
    Router::new()
        .route("/v1/plugins", get(list::<C>).fallback(none))
        .route("/v1/plugins/{plugin}", post(swap::<C>).layer(DefaultBodyLimit::max(MAX_COMPONENT)).fallback(none))
        .route("/v1/plugins/{plugin}/promote", post(promote::<C>).fallback(none))
        .route("/v1/plugins/{plugin}/rollback", post(roll_back::<C>).fallback(none))
        .route("/v1/plugins/{plugin}/shadow", get(shadow::<C>).delete(end_shadow::<C>).fallback(none))
        .route("/v1/customers/{customer}/usage", get(usage::<C>).fallback(none))
}

async fn list<C: Control>(State(shared): Api<C>) -> Response {
    Json(shared.control.plugins().map(Plugins::seats).unwrap_or_default()).into_response()
}

async fn swap<C: Control>(
    State(shared): Api<C>,
    Path(plugin): Path<String>,
    Query(wanted): Query<Wanted>,
    body: Bytes,
) -> Response {
    let kind = match wanted.how.as_deref() {
        None | Some("swap") => Kind::Probation,
        Some("canary") => Kind::Canary,
        Some("shadow") => Kind::Shadow,
        Some(_) => return problem(StatusCode::BAD_REQUEST, "`as` is `swap`, `canary` or `shadow`"),
    };
    let share = match wanted.share.as_deref().map(Share::parse) {
        None => None,
        Some(Some(share)) if kind != Kind::Probation && share.millionths() > 0 => Some(share),
        Some(_) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "`share` of a canary or a shadow is `5%` or `0.05`, at most `100%`",
            );
        }
    };
    let swap = Swap { seat: wanted.seat(&plugin), kind, share, bytes: body.into() };
    change(shared, move |plugins| plugins.swap(swap)).await
}

async fn promote<C: Control>(
    State(shared): Api<C>,
    Path(plugin): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    change(shared, move |plugins| plugins.promote(&wanted.seat(&plugin))).await
}

async fn roll_back<C: Control>(
    State(shared): Api<C>,
    Path(plugin): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    change(shared, move |plugins| plugins.roll_back(&wanted.seat(&plugin))).await
}

async fn end_shadow<C: Control>(
    State(shared): Api<C>,
    Path(plugin): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    change(shared, move |plugins| plugins.end_shadow(&wanted.seat(&plugin))).await
}

/// The comparison of two versions.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Comparison {
    #[serde(flatten)]
    trial: TrialStatus,
    /// The last calls that they answered differently.
    differences: Vec<Difference>,
}

async fn shadow<C: Control>(
    State(shared): Api<C>,
    Path(plugin): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let seat = wanted.seat(&plugin);
    match shared.control.plugins().and_then(|plugins| plugins.comparison(&seat)) {
        Some((trial, differences)) => Json(Comparison { trial, differences }).into_response(),
        None => problem(StatusCode::NOT_FOUND, &format!("{seat} has no shadow and no canary")),
    }
}

async fn usage<C: Control>(State(shared): Api<C>, Path(customer): Path<String>) -> Response {
    match shared.control.plugins().and_then(|plugins| plugins.usage(&customer)) {
        Some(usage) => Json(usage).into_response(),
        None => problem(StatusCode::NOT_FOUND, &format!("there is no customer `{customer}`")),
    }
}

/// On a thread that may block, one at a time with reloads.
async fn change<C: Control>(
    shared: Arc<Shared<C>>,
    work: impl FnOnce(&dyn Plugins) -> Result<SeatStatus, Refusal> + Send + 'static,
) -> Response {
    let Ok(permit) = Arc::clone(&shared.reload).try_acquire_owned() else {
        return problem(StatusCode::CONFLICT, "a reload or a swap is going on");
    };
    let control = Arc::clone(&shared.control);
    // The permit goes with the work: when the request's deadline passes, the work still goes on.
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        control.plugins().map_or_else(|| Err(Refusal::unknown("this node has no plugins")), work)
    });
    match done.await {
        Ok(Ok(seat)) => Json(seat).into_response(),
        Ok(Err(refusal)) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            problem(status, &refusal.why)
        }
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "it failed within; nothing has changed"),
    }
}
