"""The component's side of the border: what the host calls, and how `plugin` is called in turn."""

import json
import traceback

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
            error("".join(traceback.format_exception(raised))[-1024:])
            raise Err(_told(raised)) from None


def _told(raised: Exception) -> str:
    """`KeyError: 'table' (plugin.py, line 12)`: the innermost place in the plugin itself."""
    text = f"{type(raised).__name__}: {raised}" if str(raised) else type(raised).__name__
    own = [frame for frame in traceback.extract_tb(raised.__traceback__) if "trunkline" not in frame.filename.split("/")]
    if not own:
        return text
    return f"{text} ({own[-1].filename.rpartition('/')[2]}, line {own[-1].lineno})"
