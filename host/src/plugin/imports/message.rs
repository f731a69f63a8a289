//! `message`: header fields on demand.

use crate::plugin::bindings::trunkline::routing::message::Host;
use crate::plugin::state::State;
use crate::plugin::trace::story::{Answer, Question};

impl Host for State {
    fn header(&mut self, name: String) -> Vec<String> {
        let open = self.ask(|| Question::Header { name: name.clone() });
        let values = self.call.as_ref().map_or_else(Vec::new, |call| call.headers.values(&name));
        self.write_down(|recording| recording.heard_header(&name, &values));
        if let Some(open) = open {
            open.hear(Answer::Values(values.clone()));
        }
        values
    }
}
