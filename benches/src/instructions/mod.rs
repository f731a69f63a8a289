//! How many instructions the processor takes for what every call needs, counted by callgrind: a regression of a few
//! percent shows in them, as it never would in seconds of a shared machine.
//!
//! | file | what |
//! |---|---|
//! | `work` | what is counted |
//! | `count` | one piece of work under callgrind, or its fuel |
//! | `kept` | the counts of the repository, and how far others may be from them |

mod count;
mod kept;
mod work;

pub use self::count::{count, fuel_of_stages};
pub use self::kept::{Compilers, Counts, Finding, Kept, rustc};
pub use self::work::{WORKS, run};
