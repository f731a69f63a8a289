//! The core with arbitrary messages in arbitrary order: every call ends with one record, and nothing of it is left.

mod script;
mod words;
mod world;

use self::script::Script;
use self::world::World;

/// Enough for several calls; more would cost speed and find nothing new.
const MOST_STEPS: usize = 200;

pub(crate) fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new();
    for _ in 0..MOST_STEPS {
        if script.is_over() {
            break;
        }
        world.step(&mut script);
    }
    world.end();
}
