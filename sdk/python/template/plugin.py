"""Marks the calls to the numbers in a table: the header field X-Vip and the attribute `vip` tell their level.

`config = { table = "vips" }`
"""

from trunkline import Call, Outcome, lookup, proceed

table = "vips"


def configure(config: dict) -> None:
    global table
    unknown = config.keys() - {"table"}
    if unknown:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))}: there is only `table`")
    table = config.get("table", table)


def handle(call: Call) -> Outcome:
    row = lookup(table, call.callee)
    if row is None:
        return proceed()
    level = str(row["level"])
    return proceed().set_header("X-Vip", level).attribute("vip", level)
