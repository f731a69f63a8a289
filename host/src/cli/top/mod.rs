//! `trunkline top`: a node as it lives, on a terminal.
//!
//! | file | what |
//! |---|---|
//! | `fetch` | one page of the admin API |
//! | `page` | OpenMetrics text as series |
//! | `view` | what two pages say: rates, quantiles, states |
//! | `draw` | a view as a frame |

mod draw;
mod fetch;
mod page;
mod view;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui_crossterm::CrosstermBackend;
use ratatui_crossterm::crossterm::cursor::{Hide, Show};
use ratatui_crossterm::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui_crossterm::crossterm::execute;
use ratatui_crossterm::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use self::fetch::Source;
use self::page::Page;
use self::view::View;
use crate::config;

/// Of a frame that is printed.
const WIDTH: u16 = 110;

/// Show a running node: rates, stages, lookups, breakers, gateways and stores.
///
/// It reads the metrics page of the node's admin API. Times of stages are those of the last interval, or since the start
/// of the node where nothing came in it. `q` ends it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  trunkline top -c /etc/trunkline/trunkline.toml
  trunkline top --admin 192.0.2.7:9060 --token-file /run/secrets/trunkline
  trunkline top -c trunkline.toml --once")]
pub struct Top {
    /// The node's configuration file: tells where its admin API is, and the token.
    #[arg(short = 'c', long = "config", value_name = "FILE", required_unless_present = "admin")]
    config: Option<PathBuf>,
    /// Where the admin API is, in place of what a configuration says.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "config")]
    admin: Option<SocketAddr>,
    /// A file with the API's token.
    #[arg(long, value_name = "FILE", requires = "admin")]
    token_file: Option<PathBuf>,
    /// Print one frame as text and end.
    #[arg(long)]
    once: bool,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

impl Top {
    /// Returns when the person has seen enough.
    ///
    /// # Errors
    ///
    /// The API does not answer, or there is no terminal.
    pub fn execute(&self) -> anyhow::Result<()> {
        let source = self.source()?;
        let every = Duration::from_secs(self.every);
        let first = look(&source)?;
        if self.once {
            std::thread::sleep(every);
            let second = look(&source)?;
            print!("{}", as_text(&View::between(&first, &second))?);
            return Ok(());
        }
        if !std::io::stdout().is_terminal() {
            bail!("standard output is no terminal: `--once` prints one frame");
        }
        let _screen = Screen::enter()?;
        watch(&source, first, every)
    }

    fn source(&self) -> anyhow::Result<Source> {
        if let Some(address) = self.admin {
            let token = match &self.token_file {
                Some(file) => {
                    let text = std::fs::read_to_string(file);
                    let text = text.with_context(|| format!("cannot read --token-file {}", file.display()))?;
                    Some(text.trim().to_owned())
                }
                None => None,
            };
            return Ok(Source { address, token });
        }
        let file = self.config.as_deref().context("-c FILE or --admin ADDRESS:PORT")?;
        let loaded = config::load(file)?;
        let admin = &loaded.config.admin;
        let Some(address) = admin.bind else { bail!("{}: `admin.bind` is not set", file.display()) };
        Ok(Source { address, token: admin.token.clone() })
    }
}

/// A page and when it was read.
#[derive(Debug)]
struct Look {
    at: Instant,
    page: Page,
}

fn look(source: &Source) -> anyhow::Result<Look> {
    let text = source.get("/metrics")?;
    Ok(Look { at: Instant::now(), page: Page::read(&text) })
}

fn watch(source: &Source, mut before: Look, every: Duration) -> anyhow::Result<()> {
    let mut terminal = Terminal::new(CrosstermBackend::new(std::io::stdout())).context("no terminal")?;
    let mut view = View::between(&before, &before);
    loop {
        terminal.draw(|frame| draw::draw(frame, &view)).context("the terminal takes no frame")?;
        let next = Instant::now() + every;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if !event::poll(left).context("no keys from the terminal")? {
                break;
            }
            match event::read().context("no keys from the terminal")? {
                Event::Key(key) if is_end(key) => return Ok(()),
                Event::Resize(..) => {
                    terminal.draw(|frame| draw::draw(frame, &view)).context("the terminal takes no frame")?;
                }
                _ => {}
            }
        }
        // A node that restarts comes back: what is shown stays until then, with what is wrong.
        match look(source) {
            Ok(after) => {
                view = View::between(&before, &after);
                before = after;
            }
            Err(error) => view.trouble = Some(format!("{error:#}")),
        }
    }
}

fn is_end(key: KeyEvent) -> bool {
    let stop = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (stop || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

/// A frame as lines of text, as long as it needs.
fn as_text(view: &View) -> anyhow::Result<String> {
    let backend = TestBackend::new(WIDTH, draw::height(view));
    let mut terminal = Terminal::new(backend).context("no frame")?;
    terminal.draw(|frame| draw::draw(frame, view)).context("no frame")?;
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in buffer.content().chunks(usize::from(WIDTH)) {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// The terminal's other screen, with keys as they come. Given back when dropped.
struct Screen;

impl Screen {
    fn enter() -> anyhow::Result<Self> {
        enable_raw_mode().context("no terminal")?;
        let screen = Self;
        execute!(std::io::stdout(), EnterAlternateScreen, Hide).context("no terminal")?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = execute!(std::io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

#[cfg(test)]
mod tests;
