//! Versions of stages and the use that customers make of them, read at every scrape. The labels are names of the
//! configuration: their number is bounded by it.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::samples::{Samples, counters, gauges};

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, samples: &Samples) -> fmt::Result {
    let turns =
        samples.turns.iter().map(|(plugin, event, count)| ([("plugin", plugin.as_str()), ("event", event)], *count));
    counters(encoder, "plugin_turns", "Versions swapped in, put on trial, promoted or rolled back", turns)?;

    let compared = samples.trials.iter().flat_map(|(plugin, trial)| {
        let results = [
            ("same", trial.same),
            ("different", trial.different),
            ("failed", trial.own.failures),
            ("withheld", trial.withheld),
            ("dropped", trial.dropped),
        ];
        results.map(|(result, count)| {
            ([("plugin", plugin.as_str()), ("kind", kind(trial.kind)), ("result", result)], count)
        })
    });
    gauges(encoder, "plugin_trial", "Calls of the versions on trial, by how they compare", compared)?;

    let usage = &samples.usage;
    let of = |read: fn(&crate::plugin::account::Usage) -> u64| {
        usage.iter().map(move |(customer, used)| ([("customer", customer.as_str())], read(used)))
    };
    counters(encoder, "usage_calls", "Calls of a customer that came to its pipeline", of(|used| used.calls))?;
    counters(encoder, "usage_stages", "Stages run for a customer", of(|used| used.stages))?;
    counters(encoder, "usage_fuel", "WebAssembly instructions run for a customer", of(|used| used.fuel))?;
    counters(encoder, "usage_microseconds", "Wall clock of a customer's stages", of(|used| used.micros))?;
    counters(
        encoder,
        "usage_refused",
        "Stages not run because a customer had used up its share",
        of(|used| used.refused),
    )?;
    gauges(encoder, "usage_memory_bytes", "Memory of a customer's own components", of(|used| used.memory))?;
    gauges(encoder, "usage_memory_peak_bytes", "The most memory of them", of(|used| used.memory_peak))
}

fn kind(kind: crate::plugin::trial::Kind) -> &'static str {
    use crate::plugin::trial::Kind;
    match kind {
        Kind::Shadow => "shadow",
        Kind::Canary => "canary",
        Kind::Probation => "probation",
    }
}
