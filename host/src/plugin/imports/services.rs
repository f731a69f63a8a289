//! `services`: the HTTP services that the operator named.

use crate::lookup;
use crate::plugin::bindings::trunkline::routing::services::{Host, Method, Request, Response, ServiceError};
use crate::plugin::state::State;

impl Host for State {
    async fn call(&mut self, service: String, request: Request) -> Result<Response, ServiceError> {
        let Some(call) = &self.call else { return Err(ServiceError::UnknownService) };
        let request = lookup::Request {
            method: match request.method {
                Method::Get => lookup::Method::Get,
                Method::Post => lookup::Method::Post,
            },
            path: request.path,
            headers: request.headers,
            body: request.body,
        };
        let answer = self.lent.services.call(&service, request);
        match tokio::time::timeout_at(call.wait_until.into(), answer).await {
            Ok(Ok(response)) => Ok(Response { status: response.status, body: response.body }),
            Ok(Err(error)) => Err(of_error(error)),
            Err(_) => Err(ServiceError::Deadline),
        }
    }
}

fn of_error(error: lookup::ServiceError) -> ServiceError {
    match error {
        lookup::ServiceError::UnknownService => ServiceError::UnknownService,
        lookup::ServiceError::Deadline => ServiceError::Deadline,
        lookup::ServiceError::Unavailable(why) => ServiceError::Unavailable(why.to_string()),
        lookup::ServiceError::BadRequest(why) => ServiceError::BadRequest(why.to_string()),
    }
}
