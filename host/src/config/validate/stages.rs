//! `[plugins]`, `[pipelines]`, `[customers]`.

use std::path::Path;

use super::super::BUILT_IN_STAGES;
use super::super::model::{Config, Customer, OnFailure, OwnPlugin, Plugin};
use super::super::problem::Report;
use super::super::wording::{nearest, quoted};
use super::{at_least_one, breaker, customers, file, name, network, not_zero, reference};

/// A page of WebAssembly memory: no instance can have less.
const MIN_MEMORY: u64 = 64 << 10;

/// The contract's bounds on attributes (`wit/types.wit`).
const MAX_ATTRIBUTES: usize = 64;
const MAX_ATTRIBUTE_NAME: usize = 64;
const MAX_ATTRIBUTE_VALUE: usize = 1024;

pub(super) fn validate(config: &Config, folder: &Path, report: &mut Report<'_>) {
    for (plugin_name, value) in &config.plugins {
        name("plugins", plugin_name, report);
        plugin(plugin_name, value, config, folder, report);
    }
    for (pipeline_name, stages) in &config.pipelines {
        name("pipelines", pipeline_name, report);
        pipeline(&format!("pipelines.{pipeline_name}"), stages, report);
    }
    for (customer_name, value) in &config.customers {
        name("customers", customer_name, report);
        customer(&format!("customers.{customer_name}"), value, config, folder, report);
    }
    network::shared_sources(config, report);
    unused(config, report);
    // The names as written: broken ones are there too.
    if report.places().names("customers").is_empty() && !config.is_ledger_alone() {
        report.warn("customers", "there is no customer: every call will be refused with 403");
    }
}

fn plugin(plugin_name: &str, plugin: &Plugin, config: &Config, folder: &Path, report: &mut Report<'_>) {
    let key = format!("plugins.{plugin_name}");
    let component_key = format!("{key}.component");
    match &plugin.component {
        Some(value) => component(&component_key, value, folder, report),
        None if BUILT_IN_STAGES.contains(&plugin_name) => {}
        None => report.error(
            &key,
            format!(
                "`{plugin_name}` is no built-in stage ({}): set `component` to one of those or to a .wasm file",
                quoted(&BUILT_IN_STAGES)
            ),
        ),
    }
    at_least_one(&format!("{key}.fuel"), plugin.fuel, report);
    not_zero(&format!("{key}.deadline"), plugin.deadline, report);
    at_least_one(&format!("{key}.max-concurrent"), plugin.max_concurrent as u64, report);
    breaker(&format!("{key}.breaker"), &plugin.breaker, report);
    if plugin.memory.bytes() < MIN_MEMORY {
        report.error(&format!("{key}.memory"), "is less than one page of WebAssembly memory: at least `64KiB`");
    }
    if let Some(OnFailure::Reject(code)) = plugin.on_failure
        && !(400..=699).contains(&code)
    {
        report.error(&format!("{key}.on-failure.reject"), format!("`{code}` is no failure code: 400 to 699"));
    }
    if plugin.deadline > config.call.setup_budget {
        // One that refuses the call where it fails is not cut: it only waits for nothing more.
        let ends = match plugin.on_failure(plugin_name) {
            OnFailure::Skip => "which ends the stage first",
            OnFailure::Reject(_) => "which ends its lookups first",
        };
        report.warn(
            &format!("{key}.deadline"),
            format!(
                "{:?} is longer than `call.setup-budget`, {:?}, {ends}",
                plugin.deadline.get(),
                config.call.setup_budget.get()
            ),
        );
    }
    tables_of_config(&format!("{key}.config"), &plugin.config, report);
    trials(&key, plugin, folder, report);
}

/// A rule cannot be judged by fewer calls than this.
const MIN_CALLS: u64 = 10;

fn trials(key: &str, plugin: &Plugin, folder: &Path, report: &mut Report<'_>) {
    if let Some(calls) = &plugin.recorded_calls {
        file(&format!("{key}.recorded-calls"), calls, folder, report);
    }
    if let Some(shadow) = &plugin.shadow {
        component(&format!("{key}.shadow.component"), &shadow.component, folder, report);
        at_least_one(&format!("{key}.shadow.share"), shadow.share.millionths().into(), report);
    }
    if let Some(canary) = &plugin.canary {
        component(&format!("{key}.canary.component"), &canary.component, folder, report);
        at_least_one(&format!("{key}.canary.share"), canary.share.millionths().into(), report);
        if canary.promote_after < MIN_CALLS {
            report.error(&format!("{key}.canary.promote-after"), format!("must be at least {MIN_CALLS} calls"));
        }
    }
    if (1..MIN_CALLS).contains(&plugin.probation.calls) {
        let message = format!("must be at least {MIN_CALLS} calls, or 0 to watch none");
        report.error(&format!("{key}.probation.calls"), message);
    }
    let rules = [
        ("probation", Some(&plugin.probation.roll_back)),
        ("canary", plugin.canary.as_ref().map(|canary| &canary.roll_back)),
    ];
    for (kind, rule) in rules {
        let Some(rule) = rule else { continue };
        for (name, ratio) in [("fuel-ratio", rule.fuel_ratio), ("latency-ratio", rule.latency_ratio)] {
            if ratio.is_some_and(|ratio| ratio.thousandths() < 1_000) {
                let key = format!("{key}.{kind}.roll-back.{name}");
                report.error(&key, "must be at least 1: the version before would not pass it either");
            }
        }
    }
}

fn own_plugin(key: &str, own: &OwnPlugin, folder: &Path, report: &mut Report<'_>) {
    let own = &own.0;
    if let Some(value) = &own.component {
        let inner = format!("{key}.component");
        let key = if report.places().has(&inner) { &inner } else { key };
        component(key, value, folder, report);
    }
    if let Some(fuel) = own.fuel {
        at_least_one(&format!("{key}.fuel"), fuel, report);
    }
    if let Some(deadline) = own.deadline {
        not_zero(&format!("{key}.deadline"), deadline, report);
    }
    if let Some(max) = own.max_concurrent {
        at_least_one(&format!("{key}.max-concurrent"), max as u64, report);
    }
    if own.memory.is_some_and(|memory| memory.bytes() < MIN_MEMORY) {
        report.error(&format!("{key}.memory"), "is less than one page of WebAssembly memory: at least `64KiB`");
    }
    if let Some(OnFailure::Reject(code)) = own.on_failure
        && !(400..=699).contains(&code)
    {
        report.error(&format!("{key}.on-failure.reject"), format!("`{code}` is no failure code: 400 to 699"));
    }
    if let Some(config) = &own.config {
        tables_of_config(&format!("{key}.config"), config, report);
    }
}

fn limits(key: &str, customer: &Customer, report: &mut Report<'_>) {
    let limits = &customer.limits;
    if let Some(fuel) = limits.fuel_per_second {
        at_least_one(&format!("{key}.fuel-per-second"), fuel, report);
    }
    if let Some(instances) = limits.instances {
        at_least_one(&format!("{key}.instances"), instances.into(), report);
    }
    if let Some(messages) = limits.messages_per_second {
        at_least_one(&format!("{key}.messages-per-second"), messages.into(), report);
    }
    if limits.memory.is_some_and(|memory| memory.bytes() < MIN_MEMORY) {
        report.error(&format!("{key}.memory"), "is less than one page of WebAssembly memory: at least `64KiB`");
    }
}

/// A built-in name, or a file.
fn component(key: &str, component: &str, folder: &Path, report: &mut Report<'_>) {
    let is_path = component.contains('/') || Path::new(component).extension().is_some();
    if is_path {
        file(key, Path::new(component), folder, report);
    } else if !BUILT_IN_STAGES.contains(&component) {
        let near = nearest(component, BUILT_IN_STAGES)
            .map_or_else(|| format!("one of {}", quoted(&BUILT_IN_STAGES)), |near| format!("did you mean `{near}`?"));
        report.error(key, format!("`{component}` is neither a built-in stage nor the path of a .wasm file; {near}"));
    }
}

/// A plugin reads its configuration itself; but a key that is called `table`, or ends so, most probably names one, and
/// so does `npa-nxx` of the built-in `rate`.
fn tables_of_config(key: &str, config: &toml::Table, report: &mut Report<'_>) {
    for (name, value) in config {
        let key = format!("{key}.{name}");
        let is_table = matches!(name.as_str(), "table" | "tables" | "npa-nxx") || name.ends_with("-table");
        match value {
            toml::Value::String(table) if is_table => table_name(&key, table, report),
            toml::Value::Array(tables) if is_table => {
                for (index, table) in tables.iter().enumerate() {
                    if let Some(table) = table.as_str() {
                        table_name(&format!("{key}[{index}]"), table, report);
                    }
                }
            }
            toml::Value::Table(tables) if is_table => {
                for (name, table) in tables {
                    if let Some(table) = table.as_str() {
                        table_name(&format!("{key}.{name}"), table, report);
                    }
                }
            }
            _ => {}
        }
    }
}

fn table_name(key: &str, table: &str, report: &mut Report<'_>) {
    let names = report.places().names("tables");
    if !names.contains(&table) {
        let near = nearest(table, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        report.warn(key, format!("`{table}` is not one of `[tables]`{near}"));
    }
}

fn pipeline(key: &str, stages: &[String], report: &mut Report<'_>) {
    if stages.is_empty() {
        report.error(key, "is empty: name the stages in their order, the last one a stage that routes");
    }
    for (index, stage) in stages.iter().enumerate() {
        let key = format!("{key}[{index}]");
        reference(&key, stage, "plugins", report);
        if stages[..index].contains(stage) {
            report.error(&key, format!("`{stage}` stands in this pipeline twice"));
        }
    }
}

fn customer(key: &str, customer: &Customer, config: &Config, folder: &Path, report: &mut Report<'_>) {
    customers::identity(key, customer, config, report);
    customers::trust(&format!("{key}.trust-identity"), customer, report);
    let pipeline_key = format!("{key}.pipeline");
    reference(&pipeline_key, &customer.pipeline, "pipelines", report);
    for (stage, value) in &customer.plugins {
        let stage_key = format!("{key}.plugins.{stage}");
        let stages = config.pipelines.get(&customer.pipeline);
        if stages.is_some_and(|stages| !stages.contains(stage)) {
            report.error_at_key(&stage_key, format!("`{stage}` is no stage of the pipeline `{}`", customer.pipeline));
        }
        own_plugin(&stage_key, value, folder, report);
    }
    limits(&format!("{key}.limits"), customer, report);
    attributes(&format!("{key}.attributes"), customer, report);
    if let Some(digest) = &customer.digest {
        if digest.realm.is_empty() || digest.realm.contains(['"', '\\']) || digest.realm.contains(char::is_control) {
            report.error(&format!("{key}.digest.realm"), "must be a text without quotes and control characters");
        }
        if digest.users.is_empty() {
            report.error(&format!("{key}.digest.users"), "is empty: nobody could ever be verified");
        }
    }
}

fn attributes(key: &str, customer: &Customer, report: &mut Report<'_>) {
    if customer.attributes.len() > MAX_ATTRIBUTES {
        report.error(key, format!("has {} attributes: at most {MAX_ATTRIBUTES}", customer.attributes.len()));
    }
    for (name, value) in &customer.attributes {
        let key = format!("{key}.{name}");
        if name.is_empty() || name.len() > MAX_ATTRIBUTE_NAME {
            report.error_at_key(&key, format!("an attribute's name has 1 to {MAX_ATTRIBUTE_NAME} bytes"));
        }
        if value.len() > MAX_ATTRIBUTE_VALUE {
            report.error(&key, format!("has {} bytes: at most {MAX_ATTRIBUTE_VALUE}", value.len()));
        }
    }
}

fn unused(config: &Config, report: &mut Report<'_>) {
    // A pipeline that could not be read, or that misspells a stage, may have meant any of them.
    if report.is_broken("pipelines") {
        return;
    }
    for plugin in config.plugins.keys() {
        if !config.pipelines.values().any(|stages| stages.contains(plugin)) {
            report.warn(&format!("plugins.{plugin}"), "stands in no pipeline");
        }
    }
}
