//! `services`: the HTTP services that the operator named.

use crate::lookup;
use crate::plugin::bindings::trunkline::routing::services::{Host, Method, Request, Response, ServiceError};
use crate::plugin::recorded::Asked;
use crate::plugin::state::State;
use crate::plugin::trace::story::{Answer, Question};

impl Host for State {
    async fn call(&mut self, service: String, request: Request) -> Result<Response, ServiceError> {
        if let Some((recording, _)) = self.told() {
            let told = recording.service(&service, &request.path).unwrap_or_else(|| {
                let (service, path) = (service.clone(), request.path.clone());
                recording.withhold(Asked::Service { service, path, status: 0, body: String::new(), error: None });
                Err(ServiceError::Unavailable("not in the recording".to_owned()))
            });
            if matches!(told, Err(ServiceError::Deadline | ServiceError::Unavailable(_))) {
                self.met_outage();
            }
            return told;
        }
        let Some(call) = &self.call else { return Err(ServiceError::UnknownService) };
        let path = request.path.clone();
        let open = self.ask(|| {
            let method = if request.method == Method::Get { "GET" } else { "POST" };
            Question::Call { service: service.clone(), method, path: request.path.clone() }
        });
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
        let answer = tokio::time::timeout_at(call.wait_until.into(), answer).await;
        let answer = answer.unwrap_or(Err(lookup::ServiceError::Deadline));
        if let Some(open) = open {
            open.hear(match &answer {
                Ok(response) => Answer::Response { status: response.status, bytes: response.body.len() },
                Err(error) => Answer::of_error(&error.clone().into()),
            });
        }
        if match &answer {
            Ok(response) => !lookup::is_healthy(response.status),
            Err(error) => matches!(error, lookup::ServiceError::Deadline | lookup::ServiceError::Unavailable(..)),
        } {
            self.met_outage();
        }
        let answer = answer.map(|response| Response { status: response.status, body: response.body });
        let answer = answer.map_err(of_error);
        self.write_down(|recording| recording.heard_service(&service, &path, &answer));
        answer
    }
}

fn of_error(error: lookup::ServiceError) -> ServiceError {
    match error {
        lookup::ServiceError::UnknownService => ServiceError::UnknownService,
        lookup::ServiceError::Deadline => ServiceError::Deadline,
        lookup::ServiceError::Unavailable(_, why) => ServiceError::Unavailable(why.to_string()),
        lookup::ServiceError::BadRequest(why) => ServiceError::BadRequest(why.to_string()),
    }
}
