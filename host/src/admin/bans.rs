//! The bans of the guard, for the operator: to see them and to end one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};

use super::Control;
use super::routes::{Api, Shared, only, problem};
use crate::guard::Ban;

pub(super) fn routes<C: Control>() -> Router<Arc<Shared<C>>> {
    Router::new()
        .route("/v1/bans", only(get(all::<C>), &Method::GET))
        .route("/v1/bans/{address}", only(delete(end::<C>), &Method::DELETE))
}

async fn all<C: Control>(State(shared): Api<C>) -> Json<Vec<Ban>> {
    Json(shared.control.guard().map(crate::guard::Guard::bans).unwrap_or_default())
}

async fn end<C: Control>(State(shared): Api<C>, Path(address): Path<String>) -> Response {
    let Ok(address) = address.parse::<IpAddr>() else {
        return problem(StatusCode::BAD_REQUEST, "not an address, such as 192.0.2.7 or 2001:db8::1");
    };
    if shared.control.guard().is_some_and(|guard| guard.pardon(address)) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        problem(StatusCode::NOT_FOUND, "this address is not banned")
    }
}
