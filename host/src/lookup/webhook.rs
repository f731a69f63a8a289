//! Tells another service when a breaker has opened or closed.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use super::client::{Method, Request, is_healthy};
use super::error::ServiceError;
use super::events::BreakerEvent;
use super::services::{Named, Services};

impl Services {
    /// These are the ones in use now: their webhooks are told, where there are any. Only in a node that runs.
    pub fn begin(&self) {
        let current = self.current();
        if current.swap(Some(self.named())).is_some() {
            return;
        }
        let (mut events, current) = (self.events().listen(), Arc::clone(current));
        self.back_office().spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => {
                        if let Some(services) = current.load_full() {
                            tell(&services, &event).await;
                        }
                    }
                    Err(RecvError::Lagged(lost)) => tracing::warn!(lost, "breaker events not told to webhooks"),
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}

async fn tell(services: &Named, event: &BreakerEvent) {
    let Some(hook) = services.get(&*event.service).and_then(|service| service.config().webhook.as_ref()) else {
        return;
    };
    let told = async {
        let service = services.get(&hook.service).ok_or(ServiceError::UnknownService)?;
        let body = serde_json::to_vec(event).unwrap_or_default();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let request = Request { method: Method::Post, path: hook.path.clone(), headers, body };
        let request = service.prepare(request)?;
        let admission = service.gate().admit()?;
        service.call(admission, request).await
    };
    match told.await {
        Ok(answer) if is_healthy(answer.status) => {}
        Ok(answer) => tracing::warn!(webhook = hook.service, status = answer.status, "a breaker event was not taken"),
        Err(error) => tracing::warn!(webhook = hook.service, %error, "a breaker event was not told"),
    }
}
