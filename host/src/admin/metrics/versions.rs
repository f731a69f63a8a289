//! Versions of stages, what they count of their own, and the use that customers make of them, read at every scrape. The
//! labels are names of the configuration, whose number it bounds, and names of plugins' own, whose number `bound` does.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::bound;
use super::samples::{CountersSample, Samples, counters, gauges};
use crate::plugin::account::Usage;

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

    counted(encoder, &samples.counters)?;

    let used = samples.usage.iter().map(|(customer, used)| {
        let Usage { calls, stages, fuel, micros, refused, memory, memory_peak } = *used;
        (customer.as_str(), [calls, stages, fuel, micros, refused, memory, memory_peak])
    });
    let used = bound::fold(used, bound::CUSTOMERS, bound::OTHER);
    let of = |place: usize| used.iter().map(move |(customer, values)| ([("customer", *customer)], values[place]));
    for (place, name, help) in [
        (0, "usage_calls", "Calls of a customer that came to its pipeline"),
        (1, "usage_stages", "Stages run for a customer"),
        (2, "usage_fuel", "WebAssembly instructions run for a customer"),
        (3, "usage_microseconds", "Wall clock of a customer's stages"),
        (4, "usage_refused", "Stages not run because a customer had used up its share"),
    ] {
        counters(encoder, name, help, of(place))?;
    }
    gauges(encoder, "usage_memory_bytes", "Memory of a customer's own components", of(5))?;
    gauges(encoder, "usage_memory_peak_bytes", "The most memory of them", of(6))
}

fn counted(encoder: &mut DescriptorEncoder<'_>, samples: &[CountersSample]) -> fmt::Result {
    let all = samples.iter().flat_map(|CountersSample { plugin, values, .. }| {
        values.iter().map(|(name, count)| ((plugin.as_str(), &**name), [*count]))
    });
    let kept = bound::fold(all, bound::COUNTERS, (bound::OTHER, bound::OTHER));
    let kept = kept.iter().map(|((plugin, name), [count])| ([("plugin", *plugin), ("name", *name)], *count));
    counters(encoder, "plugin_counter", "What plugins count of their own", kept)?;
    let dropped = samples.iter().map(|sample| ([("plugin", sample.plugin.as_str())], sample.dropped));
    let help = "Log lines and counts of plugins that were too many or ill-named";
    counters(encoder, "plugin_telemetry_dropped", help, dropped)
}

fn kind(kind: crate::plugin::trial::Kind) -> &'static str {
    use crate::plugin::trial::Kind;
    match kind {
        Kind::Shadow => "shadow",
        Kind::Canary => "canary",
        Kind::Probation => "probation",
    }
}
