"""Building the answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Iterable, Optional

from wit_world.imports import types


class Outcome(types.Outcome):
    """A verdict, and what is changed and left with it. Every method returns the outcome itself."""

    def __init__(self, verdict: types.Verdict) -> None:
        super().__init__(verdict, [], [])

    def attribute(self, name: str, value: str) -> Outcome:
        """Leave a text for later stages and the call record."""
        self.attributes.append(types.Attribute(name, value))
        return self

    def caller_name(self, name: str) -> Outcome:
        """Set the display name in From and P-Asserted-Identity."""
        return self._edit(types.Edit_CallerName(name))

    def caller_number(self, number: str) -> Outcome:
        """Set the number in From and P-Asserted-Identity: digits, may begin with `+`."""
        return self._edit(types.Edit_CallerNumber(number))

    def callee_number(self, number: str) -> Outcome:
        """Set the number in the Request-URI: digits, may begin with `+`, may hold `*` and `#`."""
        return self._edit(types.Edit_CalleeNumber(number))

    def user_parameter(self, name: str, value: str = "") -> Outcome:
        """Set a parameter in the user part of the Request-URI, such as `rn` (RFC 4694)."""
        return self._edit(types.Edit_UserParameter(types.Header(name, value)))

    def set_header(self, name: str, value: str) -> Outcome:
        """Replace every header field of this name by one, or add it."""
        return self._edit(types.Edit_SetHeader(types.Header(name, value)))

    def add_header(self, name: str, value: str) -> Outcome:
        """Add a header field after those of the same name."""
        return self._edit(types.Edit_AddHeader(types.Header(name, value)))

    def remove_header(self, name: str) -> Outcome:
        """Remove every header field of this name."""
        return self._edit(types.Edit_RemoveHeader(name))

    def _edit(self, edit: types.Edit) -> Outcome:
        self.edits.append(edit)
        return self


def proceed() -> Outcome:
    """Go on with the next stage."""
    return Outcome(types.Verdict_Proceed())


def reject(code: int, reason: str = "") -> Outcome:
    """Refuse the call with this final response, 300 to 699; without a reason, with the standard one."""
    return Outcome(types.Verdict_Reject(types.Rejection(code, reason, [])))


def challenge(realm: str) -> Outcome:
    """Ask for digest credentials in this realm."""
    return Outcome(types.Verdict_Challenge(realm))


def redirect(contacts: Iterable[str]) -> Outcome:
    """Answer 302 with these Contact URIs, in order."""
    return Outcome(types.Verdict_Redirect(list(contacts)))


def route(routes: Iterable[types.Route]) -> Outcome:
    """Hunt these gateways in order, at most 32; see `to`."""
    return Outcome(types.Verdict_Route(list(routes)))


def to(
    gateway: str,
    *,
    callee: Optional[str] = None,
    caller: Optional[str] = None,
    cost: Optional[Decimal] = None,
    price: Optional[Decimal] = None,
    currency: str = "USD",
    attempt_timeout: Optional[int] = None,
    ring_timeout: Optional[int] = None,
    headers: Iterable[tuple[str, str]] = (),
    parallel: bool = False,
) -> types.Route:
    """One attempt of the hunt, over a gateway by its name in the configuration.

    Numbers where they differ from the call's; `cost` and `price` per minute; timeouts in milliseconds, where they
    differ from the gateway's and the configuration's. `parallel` rings it together with the route before it.
    """
    rate = None
    if cost is not None:
        rate = types.Rate(_decimal(cost), None if price is None else _decimal(price), currency)
    fields = [types.Header(name, value) for name, value in headers]
    return types.Route(
        gateway=gateway,
        callee=callee,
        caller=caller,
        rate=rate,
        attempt_timeout=attempt_timeout,
        ring_timeout=ring_timeout,
        headers=fields,
        parallel=parallel,
    )


def _decimal(value: Decimal) -> types.Decimal:
    if isinstance(value, float):
        raise TypeError("money is never a float: write Decimal(\"0.012\")")
    sign, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no amount of money")
    number = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
    return types.Decimal(-number if sign else number, max(-exponent, 0))
