"""What the host lends a plugin: all that it can reach."""

from __future__ import annotations

from decimal import Decimal
from typing import Iterable, Optional, Union

from componentize_py_types import Err, Ok
from wit_world.imports import clock, limits, lookups, message, services, telemetry, types

Value = Union[str, int, Decimal, bool]
"""A typed value of a row."""

Row = dict[str, Value]
"""The fields of a row by name. What the table has no value for is absent or an empty text."""


class LookupFailed(Exception):
    """A table gave no answer. `table` is its name, `reason` says why: `deadline`, `unavailable: ...` and so on."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"table {table}: {reason}")
        self.table = table
        self.reason = reason


class ServiceFailed(Exception):
    """A service gave no answer. `service` is its name, `reason` says why."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"service {service}: {reason}")
        self.service = service
        self.reason = reason


def lookup(table: str, key: str) -> Optional[Row]:
    """The row under exactly this key; `None` where the table has none. Raises `LookupFailed`."""
    try:
        row = lookups.lookup(table, key)
    except Err as failed:
        raise LookupFailed(table, _reason(failed.value)) from None
    return None if row is None else _row(row)


def lookup_all(queries: Iterable[tuple[str, str]]) -> list[Union[Row, None, LookupFailed]]:
    """Several lookups at once, pairs of table and key, at most 32. Answers in order; a failure is not raised."""
    asked = [lookups.Query(table, key) for table, key in queries]
    answers: list[Union[Row, None, LookupFailed]] = []
    for query, answer in zip(asked, lookups.lookup_all(asked)):
        if isinstance(answer, Ok):
            answers.append(None if answer.value is None else _row(answer.value))
        else:
            answers.append(LookupFailed(query.table, _reason(answer.value)))
    return answers


def lookup_prefix(table: str, digits: str) -> list[Row]:
    """Every row whose key is a prefix of `digits`, longest first. Raises `LookupFailed`."""
    try:
        return [_row(row) for row in lookups.lookup_prefix(table, digits)]
    except Err as failed:
        raise LookupFailed(table, _reason(failed.value)) from None


def header(name: str) -> list[str]:
    """The values of every header field of this name, long or compact form, as received."""
    return message.header(name)


def attribute(call: types.Call, name: str) -> Optional[str]:
    """What an earlier stage or the customer's configuration left under a name."""
    for held in reversed(call.attributes):
        if held.name == name:
            return held.value
    return None


def call_service(
    service: str, path: str, *, body: Optional[bytes] = None, headers: Iterable[tuple[str, str]] = ()
) -> tuple[int, bytes]:
    """Ask a named HTTP service, with POST where there is a body: status and body. Raises `ServiceFailed`.

    A network round trip while the stage waits: prefer a table, which is cached.
    """
    method = services.Method.GET if body is None else services.Method.POST
    try:
        response = services.call(service, services.Request(method, path, list(headers), body or b""))
    except Err as failed:
        raise ServiceFailed(service, _reason(failed.value)) from None
    return response.status, response.body


def take_rate(key: str, per_second: int) -> bool:
    """Take one of `per_second` events of this second for `key`; false when they are used up."""
    return limits.take_rate(key, per_second)


def take_permit(key: str, maximum: int) -> bool:
    """Take one of so many permits for `key`; false when all are out. The host gives it back when the call ends."""
    return limits.take_permit(key, maximum)


def debug(text: str) -> None:
    """A line for the operator's log: at most 1,024 bytes, at most 16 lines per call."""
    telemetry.log(telemetry.Level.DEBUG, text)


def info(text: str) -> None:
    """As `debug`."""
    telemetry.log(telemetry.Level.INFO, text)


def warn(text: str) -> None:
    """As `debug`."""
    telemetry.log(telemetry.Level.WARN, text)


def error(text: str) -> None:
    """As `debug`."""
    telemetry.log(telemetry.Level.ERROR, text)


def metric(name: str, add: int = 1) -> None:
    """Add to a counter of this plugin; its name is `[a-z_]{1,48}`."""
    telemetry.metric(name, add)


def now() -> int:
    """Microseconds since 1970-01-01 00:00 UTC, the same throughout one call."""
    return clock.now()


def _row(row: list[types.Field]) -> Row:
    return {field.name: _value(field.value) for field in row}


def _value(value: types.Value) -> Value:
    if isinstance(value, types.Value_Decimal):
        return Decimal(value.value.digits).scaleb(-value.value.scale)
    return value.value


def _reason(failure: object) -> str:
    """`LookupError_Unavailable("closed")` as `unavailable: closed`."""
    kind = type(failure).__name__.partition("_")[2]
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()
    text = getattr(failure, "value", "")
    return f"{words}: {text}" if text else words
