"""Write a routing stage of the Trunkline SIP router in Python.

A plugin is a file `plugin.py` with one function, and a second one where it has a configuration:

    from trunkline import Call, Outcome, lookup, proceed

    def configure(config: dict) -> None: ...      # once per instance; an exception refuses the load
    def handle(call: Call) -> Outcome: ...        # one call; an exception is a failure of the stage

What `handle` answers is applied whole when it returns, else not at all. An exception's type, text and place stand in the
host's log and in the call's record, and the stage's `on-failure` decides what becomes of the call: to refuse a call on
purpose, answer `reject`.

One instance handles one call at a time; module variables live as long as the instance, which can be thrown away at any
moment. There is no WASI: no files, sockets, threads, environment; `random` repeats itself, `time` traps: use `now`.
"""

from .answer import Outcome, challenge, proceed, redirect, reject, route, to
from .host import (
    LookupFailed,
    ServiceFailed,
    attribute,
    call_service,
    debug,
    error,
    header,
    info,
    lookup,
    lookup_all,
    lookup_prefix,
    metric,
    now,
    take_permit,
    take_rate,
    warn,
)
from wit_world.imports.types import Call

__all__ = [
    "Call",
    "LookupFailed",
    "Outcome",
    "ServiceFailed",
    "attribute",
    "call_service",
    "challenge",
    "debug",
    "error",
    "header",
    "info",
    "lookup",
    "lookup_all",
    "lookup_prefix",
    "metric",
    "now",
    "proceed",
    "redirect",
    "reject",
    "route",
    "take_permit",
    "take_rate",
    "to",
    "warn",
]
