"""What an action offers about itself, copied, so that other threads can read it."""

from __future__ import annotations

import json
from math import isfinite

from flagman.engine.titles import conceal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagman.engine.action import Action
    from flagman.types import ActionArgument

# Characters of the JSON of statistics, and of a state; and how deep this may be nested.
_LONGEST = 65_536
_DEEPEST = 32


def look_at(action: Action, hidden: Iterable[ActionArgument]) -> tuple[Mapping[str, float], Mapping[str, object]]:
    """Return the statistics and the state of an action, which can be written as JSON.

    :param hidden: secrets that must not be in the state
    :raises ValueError: if they cannot
    :raises TypeError: likewise
    """
    # By the class: an instance of a plugin may have attributes of these names that mean something else.
    said = {name: getattr(type(action), name)(action) for name in action._offers}  # noqa: SLF001 - the engine's side
    statistics = dict(said.get("statistics", {}))
    for name, value in statistics.items():
        if type(name) is not str or type(value) not in (int, float) or not isfinite(value):
            raise ValueError(f"statistics(): {name!r}: {value!r} is not a number with a name")
    texts = {"statistics": json.dumps(statistics), "state": json.dumps(dict(said.get("state", {})), allow_nan=False)}
    for name, text in texts.items():
        if len(text) > _LONGEST:
            raise ValueError(f"{name}(): its JSON is longer than {_LONGEST} characters")
    loaded: dict[str, object] = json.loads(texts["state"])
    return statistics, {conceal(name, hidden): _cleaned(value, hidden, _DEEPEST - 1) for name, value in loaded.items()}


def _cleaned(value: object, hidden: Iterable[ActionArgument], levels: int) -> object:
    """Return a part of a state without secrets.

    :raises ValueError: if it has more levels than this: programs that read or write it may fail then
    """
    if isinstance(value, str):
        return conceal(value, hidden)
    if not isinstance(value, dict | list):
        return value
    if not levels:
        raise ValueError(f"state(): it has more than {_DEEPEST} levels")
    if isinstance(value, list):
        return [_cleaned(part, hidden, levels - 1) for part in value]
    return {conceal(name, hidden): _cleaned(part, hidden, levels - 1) for name, part in value.items()}
