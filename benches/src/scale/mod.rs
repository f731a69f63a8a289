//! What many calls at once, and much configuration, cost.
//!
//! | file | what |
//! |---|---|
//! | `simulation` | a million calls in one core, by a clock of its own |
//! | `standing` | a hundred thousand calls on the wire |
//! | `carrier` | who answers those |
//! | `growth` | a call's cost beside ever more customers, gateways, rows, plugins |
//! | `report` | the results |

mod carrier;
mod growth;
mod report;
mod simulation;
mod standing;

pub use self::carrier::Carrier;
pub use self::growth::{Dimension, Growth, grow};
pub use self::report::Report;
pub use self::simulation::{Simulated, simulate};
pub use self::standing::{Stood, stand};
