//! What of a WIT package a component built against it depends on, as texts that can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use wit_parser::{Function, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, WorldItem};

/// Types and functions of every interface, imports and exports of every world, each under its name.
pub(crate) struct Shape {
    pub(crate) version: String,
    /// `interface lookups: type row`, `interface clock: func now`, `world stage: import clock`.
    lent: BTreeMap<String, String>,
    /// By world: `configure`, `handle`.
    exports: BTreeMap<String, BTreeMap<String, String>>,
}

impl Shape {
    pub(crate) fn of(folder: &Path) -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(folder).unwrap_or_else(|error| panic!("{}: {error:#}", folder.display()));
        let package = &resolve.packages[package];
        let (mut lent, mut exports) = (BTreeMap::new(), BTreeMap::new());
        for (name, id) in &package.interfaces {
            let interface = &resolve.interfaces[*id];
            for (type_name, id) in &interface.types {
                lent.insert(format!("interface {name}: type {type_name}"), definition(&resolve, &resolve.types[*id]));
            }
            for (function_name, function) in &interface.functions {
                lent.insert(format!("interface {name}: func {function_name}"), signature(&resolve, function));
            }
        }
        for (name, id) in &package.worlds {
            let world = &resolve.worlds[*id];
            for (key, item) in &world.imports {
                let key = resolve.name_world_key(key);
                // A type that a world uses is the interface's, which is compared above.
                if !matches!(item, WorldItem::Type { .. }) {
                    lent.insert(format!("world {name}: import {key}"), described(&resolve, item));
                }
            }
            let its = world.exports.iter().map(|(key, item)| (resolve.name_world_key(key), described(&resolve, item)));
            exports.insert(name.clone(), its.collect());
        }
        let version = package.name.version.as_ref().expect("the package has a version").to_string();
        Self { version, lent, exports }
    }

    /// What a component built against this finds otherwise in `host`: nothing may be gone or different of what the host
    /// lends, and exactly these exports are what the host asks for.
    pub(crate) fn broken_by(&self, host: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, shape) in &self.lent {
            match host.lent.get(name) {
                None => broken.push(format!("{name} is gone")),
                Some(now) if now != shape => broken.push(format!("{name} was {shape}, is {now}")),
                Some(_) => {}
            }
        }
        for (world, exports) in &self.exports {
            match host.exports.get(world) {
                None => broken.push(format!("world {world} is gone")),
                Some(now) if now != exports => {
                    broken.push(format!("world {world}: its exports were {exports:?}, are {now:?}"));
                }
                Some(_) => {}
            }
        }
        broken
    }
}

fn described(resolve: &Resolve, item: &WorldItem) -> String {
    match item {
        WorldItem::Interface { id, .. } => resolve.id_of(*id).expect("interfaces of ours have names"),
        WorldItem::Function(function) => signature(resolve, function),
        WorldItem::Type { .. } => "a type".to_owned(),
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params = function.params.iter().map(|param| format!("{}: {}", param.name, name_of(resolve, &param.ty)));
    let params: Vec<String> = params.collect();
    let result = function.result.as_ref().map_or_else(String::new, |ty| format!(" -> {}", name_of(resolve, ty)));
    format!("func({}){result}", params.join(", "))
}

/// A type in a place that uses it: a named one by its owner and name, for its shape is compared on its own.
fn name_of(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return format!("{ty:?}") };
    let found = &resolve.types[*id];
    match (&found.name, &found.kind) {
        // A `use` of another interface's type, under this or another name.
        (Some(_), TypeDefKind::Type(of @ Type::Id(_))) => name_of(resolve, of),
        (Some(name), _) => match found.owner {
            TypeOwner::Interface(owner) => {
                format!("{}/{name}", resolve.interfaces[owner].name.as_deref().unwrap_or(""))
            }
            _ => name.clone(),
        },
        (None, _) => definition(resolve, found),
    }
}

fn definition(resolve: &Resolve, found: &TypeDef) -> String {
    let name = |ty: &Type| name_of(resolve, ty);
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), name);
    let listed = |parts: Vec<String>| parts.join(", ");
    match &found.kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, name(&field.ty)));
            format!("record {{ {} }}", listed(fields.collect()))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| format!("{}({})", case.name, optional(&case.ty)));
            format!("variant {{ {} }}", listed(cases.collect()))
        }
        TypeDefKind::Enum(of) => {
            format!("enum {{ {} }}", listed(of.cases.iter().map(|case| case.name.clone()).collect()))
        }
        TypeDefKind::Flags(flags) => {
            format!("flags {{ {} }}", listed(flags.flags.iter().map(|flag| flag.name.clone()).collect()))
        }
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", listed(tuple.types.iter().map(name).collect())),
        TypeDefKind::Option(of) => format!("option<{}>", name(of)),
        TypeDefKind::List(of) => format!("list<{}>", name(of)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", optional(&result.ok), optional(&result.err)),
        TypeDefKind::Type(of) => name(of),
        // The contract has no resources, streams or futures; whoever brings them in says here how to compare them.
        other => panic!("{} is not compared yet", other.as_str()),
    }
}
