//! Calls for a router that counts what it does (`cargo xtask dist`): through the five stages, with both stores.

use anyhow::Result;
use trunkline_benches::load::{measure, warm};
use trunkline_benches::peer::{self, Stages, Stores};
use trunkline_tests::{Load, Sipp};

fn main() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = peer::trunkline(callee.address(), Stages::Five, Stores::FilesAndSqlite)?;
    warm(&router)?;
    measure(&router, Load { calls: 10_000, rate: 500 })?;
    router.end()
}
