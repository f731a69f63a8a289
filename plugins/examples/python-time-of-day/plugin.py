"""Least-cost routing by the time of day: the deck has two costs for each gateway and prefix, and the hour says which one
counts.

| key | default | meaning |
|---|---|---|
| `deck` | `deck` | prefix table with the columns `gateway`, `peak`, `off-peak` (decimal) and, where it is there, `currency` |
| `peak-from`, `peak-until` | `08:00`, `18:00` | local time; the first minute is peak, the last one is not |
| `utc-offset` | `+00:00` | of local time; the operator changes it with the clocks |
| `peak-on-weekends` | false | else Saturday and Sunday are off-peak |

Leaves the attribute `tariff`: `peak` or `off-peak`. The longest prefix of a gateway counts. A number that the deck does
not know goes on to the next stage.
"""

from datetime import datetime, time, timedelta, timezone
from decimal import Decimal

from trunkline import Call, Outcome, lookup_prefix, now, proceed, route, to

KEYS = {"deck", "peak-from", "peak-until", "utc-offset", "peak-on-weekends"}

deck = "deck"
peak_from = time(8)
peak_until = time(18)
zone = timezone.utc
weekends = False


def configure(config: dict) -> None:
    global deck, peak_from, peak_until, zone, weekends
    unknown = config.keys() - KEYS
    if unknown:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))}: there are {', '.join(sorted(KEYS))}")
    deck = config.get("deck", deck)
    peak_from = time.fromisoformat(config.get("peak-from", "08:00"))
    peak_until = time.fromisoformat(config.get("peak-until", "18:00"))
    zone = offset(config.get("utc-offset", "+00:00"))
    weekends = config.get("peak-on-weekends", False)


def offset(text: str) -> timezone:
    if text[:1] not in ("+", "-"):
        raise ValueError(f"utc-offset: {text!r} is no offset; write it as -05:00")
    ahead = time.fromisoformat(text[1:])
    difference = timedelta(hours=ahead.hour, minutes=ahead.minute)
    return timezone(-difference if text[0] == "-" else difference)


def is_peak(micros: int) -> bool:
    local = datetime.fromtimestamp(micros / 1_000_000, zone)
    if local.weekday() >= 5 and not weekends:
        return False
    if peak_from <= peak_until:
        return peak_from <= local.time() < peak_until
    return local.time() >= peak_from or local.time() < peak_until


def handle(call: Call) -> Outcome:
    tariff = "peak" if is_peak(now()) else "off-peak"
    offers: dict[str, tuple[Decimal, str]] = {}
    # Longest prefix first: the first row of a gateway is the one that counts.
    for row in lookup_prefix(deck, call.callee):
        offers.setdefault(str(row["gateway"]), (Decimal(row[tariff]), str(row.get("currency") or "USD")))
    if not offers:
        return proceed()
    cheapest = sorted(offers.items(), key=lambda offer: offer[1][0])
    routes = [to(gateway, cost=cost, currency=currency) for gateway, (cost, currency) in cheapest[:32]]
    return route(routes).attribute("tariff", tariff)
