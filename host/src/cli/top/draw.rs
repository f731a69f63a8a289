//! A view as a frame.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use super::view::{Times, View};
use crate::cli::render::printable;

/// What a table takes beside its rows: the title and the header.
const TITLES: u16 = 2;

/// Lines of the head.
const HEAD: u16 = 5;

/// Lines that show everything.
pub(super) fn height(view: &View) -> u16 {
    let rows = [&view.stages.len(), &view.tables.len(), &view.gateways.len(), &view.stores.len(), &view.breakers.len()];
    HEAD + rows.into_iter().map(|rows| u16::try_from(*rows).unwrap_or(u16::MAX / 8) + TITLES).sum::<u16>()
}

/// Fills the frame: the head, then a table for each kind of thing; what does not fit is cut at the bottom of its table.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let rows = |count: usize| Constraint::Max(u16::try_from(count).unwrap_or(u16::MAX / 8) + TITLES);
    let places = Layout::vertical([
        Constraint::Length(HEAD),
        rows(view.stages.len()),
        rows(view.tables.len()),
        rows(view.gateways.len()),
        rows(view.stores.len()),
        Constraint::Min(0),
    ])
    .split(frame.area());
    let parts = [stages(view), tables(view), gateways(view), stores(view), breakers(view)];
    frame.render_widget(Paragraph::new(head(view)), places[0]);
    for (part, place) in parts.into_iter().zip(&places[1..]) {
        frame.render_widget(part, *place);
    }
}

fn head(view: &View) -> Vec<Line<'static>> {
    let state = if view.ready { Span::styled("ready", good()) } else { Span::styled("not ready", bad()) };
    let mut title = vec![
        Span::styled(format!("trunkline {}", printable(&view.version)), Style::new().add_modifier(Modifier::BOLD)),
        Span::raw("  "),
        state,
        Span::raw(format!("  up {}", uptime(view.uptime))),
    ];
    if let Some(trouble) = &view.trouble {
        title.push(Span::styled(format!("  {}", printable(trouble)), bad()));
    }
    let (ended, answered) = view.calls;
    let share = if ended > 0.0 { format!("{:.1} %", answered / ended * 100.0) } else { "-".to_owned() };
    let busy: Vec<String> = view.workers.iter().map(|busy| format!("{:.0} %", busy * 100.0)).collect();
    let queue = view.queue.as_ref().map_or_else(String::new, |(name, depth, limit)| {
        format!("  fullest queue {} {depth:.0}/{limit:.0}", printable(name))
    });
    let lost = format!("  records lost {:.0}", view.records_lost);
    vec![
        Line::from(title),
        Line::raw(format!(
            "calls {ended:.1}/s  answered {share}  in progress {:.0}  dialogs {:.0}  transactions {:.0}",
            view.active, view.dialogs, view.transactions
        )),
        Line::raw(format!("post-dial delay {}  all stages {}", both(view.post_dial), both(view.setup))),
        Line::from(vec![
            Span::raw(format!(
                "workers {}  memory {:.0} MiB{queue}  dropped {:.1}/s",
                busy.join(" "),
                view.memory / f64::from(1 << 20),
                view.drops
            )),
            Span::styled(lost, if view.records_lost > 0.0 { bad() } else { Style::new() }),
        ]),
    ]
}

fn stages(view: &View) -> Table<'static> {
    let rows = view.stages.iter().map(|stage| {
        let skips: Vec<String> =
            stage.skips.iter().map(|(why, rate)| format!("{} {rate:.1}/s", printable(why))).collect();
        Row::new([
            name(&stage.name),
            number(format!("{:.1}", stage.rate)),
            number(time(stage.times.p50)),
            number(time(stage.times.p99)),
            number(format!("{:.0}", stage.fuel)),
            Cell::from(skips.join("  ")).style(bad()),
        ])
    });
    let titles = ["stages", "calls/s", "p50", "p99", "fuel a call", "flown past"];
    part(titles, rows.collect())
}

fn tables(view: &View) -> Table<'static> {
    let rows = view.tables.iter().map(|table| {
        let hits = table.hits.map_or_else(|| "-".to_owned(), |hits| format!("{:.1} %", hits * 100.0));
        let told = [("stale", table.stale), ("errors", table.errors)].into_iter().filter(|(_, rate)| *rate > 0.0);
        let told: Vec<String> = told.map(|(what, rate)| format!("{what} {rate:.1}/s")).collect();
        Row::new([
            name(&table.name),
            number(format!("{:.1}", table.rate)),
            number(hits),
            number(time(table.source.p99)),
            number(format!("{:.0}", table.rows)),
            Cell::from(told.join("  ")).style(bad()),
        ])
    });
    part(["tables", "lookups/s", "memory", "source p99", "rows", "trouble"], rows.collect())
}

fn gateways(view: &View) -> Table<'static> {
    let rows = view.gateways.iter().map(|gateway| {
        let state = if gateway.state == "up" { good() } else { bad() };
        let told = [("no answer", gateway.silent), ("went past", gateway.passed)];
        let told: Vec<String> =
            told.iter().filter(|(_, rate)| *rate > 0.0).map(|(what, rate)| format!("{what} {rate:.1}/s")).collect();
        Row::new([
            name(&gateway.name),
            number(format!("{:.1}", gateway.attempts)),
            Cell::from(printable(&gateway.state)).style(state),
            number(format!("{:.0}", gateway.calls)),
            Cell::from(""),
            Cell::from(told.join("  ")).style(bad()),
        ])
    });
    part(["gateways", "attempts/s", "state", "calls", "", "trouble"], rows.collect())
}

fn stores(view: &View) -> Table<'static> {
    let rows = view.stores.iter().map(|store| {
        let (word, style) = if store.failing { ("refuses", bad()) } else { ("takes", good()) };
        Row::new([
            name(&store.name),
            number(format!("{:.1}", store.rate)),
            Cell::from(word).style(style),
            number(format!("{:.0}", store.behind)),
            number(format!("{:.1} s", store.age)),
        ])
    });
    part(["stores", "records/s", "state", "behind", "oldest", ""], rows.collect())
}

fn breakers(view: &View) -> Table<'static> {
    let rows = view.breakers.iter().map(|breaker| {
        let style = if breaker.state == "closed" { good() } else { bad() };
        let kind = Cell::from(printable(&breaker.kind));
        Row::new([name(&breaker.name), kind, Cell::from(breaker.state).style(style)])
    });
    part(["breakers", "kind", "state", "", "", ""], rows.collect())
}

fn part(titles: [&'static str; 6], rows: Vec<Row<'static>>) -> Table<'static> {
    let header = titles
        .into_iter()
        .enumerate()
        .map(|(place, title)| if (1..5).contains(&place) { number(title.to_owned()) } else { Cell::from(title) });
    let header = Row::new(header.collect::<Vec<_>>()).style(Style::new().add_modifier(Modifier::BOLD));
    let lengths = [24, 11, 11, 11, 12].map(Constraint::Length).into_iter().chain([Constraint::Min(20)]);
    Table::new(rows, lengths).header(header).block(Block::new().borders(Borders::TOP))
}

fn name(text: &str) -> Cell<'static> {
    Cell::from(printable(text))
}

fn number(text: String) -> Cell<'static> {
    Cell::from(Line::raw(text).right_aligned())
}

fn good() -> Style {
    Style::new().fg(Color::Green)
}

fn bad() -> Style {
    Style::new().fg(Color::Red)
}

fn both(times: Times) -> String {
    format!("p50 {} p99 {}", time(times.p50), time(times.p99))
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        Some(seconds) if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.2} s"),
    }
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {} s", seconds % 60),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
