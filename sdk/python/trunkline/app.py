"""The component's side of the border: what the host calls, and how `plugin` is called in turn."""

import json

import plugin
import wit_world
from componentize_py_types import Err
from wit_world.imports import types

from .host import error


class WitWorld(wit_world.WitWorld):
    """The exports of world `stage`."""

    def configure(self, config: str) -> None:
        try:
            # The host writes `null` where the operator wrote no `config`.
            settings = json.loads(config) or {}
            if hasattr(plugin, "configure"):
                plugin.configure(settings)
        except Exception as raised:
            raise Err(_told(raised)) from None

    def handle(self, call: types.Call) -> types.Outcome:
        try:
            outcome = plugin.handle(call)
            if not isinstance(outcome, types.Outcome):
                raise TypeError(f"handle returned {outcome!r}: it must return an Outcome, such as proceed()")
            return outcome
        except Exception as raised:
            # Left to itself, an exception would end the instance without a word.
            error(f"{_told(raised)}, by way of {_way(raised)}")
            raise Err(_told(raised)) from None


def _told(raised: Exception) -> str:
    """`KeyError: 'table' (plugin.py, line 12)`: the innermost place in the plugin itself."""
    text = f"{type(raised).__name__}: {raised}" if str(raised) else type(raised).__name__
    own = [place for path, place in _places(raised) if "trunkline" not in path.split("/")]
    return f"{text} ({own[-1]})" if own else text


def _way(raised: Exception) -> str:
    """Every place from the call to the exception."""
    return " > ".join(place for _, place in _places(raised))


def _places(raised: Exception) -> list[tuple[str, str]]:
    # Not by `traceback`, which reads the sources' lines: there are no files to read.
    places = []
    step = raised.__traceback__
    while step is not None:
        path = step.tb_frame.f_code.co_filename
        places.append((path, f"{path.rpartition('/')[2]}, line {step.tb_lineno}"))
        step = step.tb_next
    return places
