//! The gateways, for the operator: how they are, and taking one out of the hunt by hand.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::routes::{Api, Shared, only, problem};
use super::{Control, GatewayStatus};

pub(super) fn routes<C: Control>() -> Router<Arc<Shared<C>>> {
    Router::new()
        .route("/v1/gateways", only(get(all::<C>), &Method::GET))
        .route("/v1/gateways/{name}/{action}", only(post(switch::<C>), &Method::POST))
}

async fn all<C: Control>(State(shared): Api<C>) -> Json<Vec<GatewayStatus>> {
    Json(shared.control.status().gateways)
}

async fn switch<C: Control>(State(shared): Api<C>, Path((name, action)): Path<(String, String)>) -> Response {
    let on = match action.as_str() {
        "enable" => true,
        "disable" => false,
        _ => return problem(StatusCode::NOT_FOUND, "a gateway can be told `enable` and `disable`"),
    };
    if !shared.control.switch_gateway(&name, on) {
        return problem(StatusCode::NOT_FOUND, "there is no gateway of this name");
    }
    let status = shared.control.status().gateways.into_iter().find(|gateway| gateway.name == name);
    Json(status).into_response()
}
