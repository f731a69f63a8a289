//! `trunkline demo`: a router between a stand-in carrier and stand-in directories on loopback, five calls over real UDP,
//! and a check that each came to what it should.

mod caller;
mod calls;
mod carrier;
mod directory;
mod records;
mod report;
mod router;
mod scene;
mod text;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use calls::Play;
use router::Router;
use scene::{CONFIG, SCENARIO, Scene};
use tokio::signal::unix::{SignalKind, signal};

/// Places five calls through a router of its own and shows the way of each through the stages.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Args {
    /// Leave the router and its stand-ins running until Ctrl-C, and print how to call it with SIPp.
    #[arg(long)]
    keep: bool,
}

/// Runs the demo. The exit code is 0 when every call came to what it should, else 1.
///
/// # Errors
/// When the router, a stand-in or a call could not be brought about at all.
pub fn run(args: Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        tokio::select! {
            ended = play(args) => ended,
            stopped = told_to_stop() => {
                stopped?;
                println!("\nstopped");
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

/// Ctrl-C or SIGTERM: either way the router and the stand-ins are ended with us.
async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

async fn play(args: Args) -> Result<ExitCode> {
    let begin = Instant::now();
    let scene = Scene::set().await?;
    println!("Trunkline demo: five calls over UDP on loopback, each through its customer's WebAssembly stages.");
    let mut router = Router::start(&scene).await?;
    println!(
        "router ready after {:.1} s: sip:{} (process {}), configuration {}",
        begin.elapsed().as_secs_f64(),
        scene.sip,
        router.id(),
        scene.file(CONFIG).display()
    );
    let (mut checks, mut failed) = (0, 0);
    for (index, play) in calls::all().iter().enumerate() {
        let (checked, wrong) = place(&scene, index + 1, play).await.with_context(|| {
            format!(
                "call {} ({}) could not be followed; the router's log ends:\n{}",
                index + 1,
                play.title,
                router.last_lines()
            )
        })?;
        checks += checked;
        failed += wrong;
    }
    if !router.is_running() {
        bail!("the router crashed; its log ends:\n{}", router.last_lines());
    }
    println!("\n{checks} checks, {failed} failed, in {:.1} s", begin.elapsed().as_secs_f64());
    if failed > 0 {
        println!("What failed is marked ✗ above. The router's log ends:\n{}", router.last_lines());
    }
    if args.keep {
        keep(&scene, &mut router).await?;
    } else {
        router.stop().await?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Places one call and prints it; returns how many expectations were checked and how many of them failed.
async fn place(scene: &Scene, number: usize, play: &Play) -> Result<(usize, usize)> {
    scene.lrn.hang(play.lrn_hangs);
    let heard = caller::place(scene.sip, &play.dial).await?;
    scene.lrn.hang(false);
    let record = records::of_call(&scene.file("var/cdr"), &heard.call_id).await?;
    let checks = (play.expect)(&heard, &record);
    print!("{}", report::call(number, play, &heard, &record, &checks));
    Ok((checks.len(), checks.iter().filter(|check| !check.holds).count()))
}

async fn keep(scene: &Scene, router: &mut Router) -> Result<()> {
    println!(
        "\nLeft running until Ctrl-C. Call it with SIPp (Debian: apt-get install sip-tester):\n\n  \
         sipp {} -sf {} -i 127.0.0.1 -r 10 -m 100\n\n\
         metrics  http://{}/metrics\nrecords  sqlite3 {} 'select * from calls'\n",
        scene.sip,
        scene.file(SCENARIO).display(),
        scene.admin,
        scene.file("var/cdr.db").display(),
    );
    let status = router.ended().await?;
    bail!("the router ended by itself ({status}); its log ends:\n{}", router.last_lines())
}
