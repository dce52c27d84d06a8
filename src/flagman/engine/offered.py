"""What an action offers about itself, copied, so that other threads can read it."""

from __future__ import annotations

import json
from math import isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagman.engine.action import Action

# Characters of the JSON of a state.
_LONGEST = 65_536


def look_at(action: Action) -> tuple[Mapping[str, float], Mapping[str, object]]:
    """Return the statistics and the state of an action, which can be written as JSON.

    :raises ValueError: if they cannot
    :raises TypeError: likewise
    """
    # By the class: an instance of a plugin may have attributes of these names that mean something else.
    said = {name: getattr(type(action), name)(action) for name in action._offers}  # noqa: SLF001 - the engine's side
    statistics = dict(said.get("statistics", {}))
    for name, value in statistics.items():
        if type(name) is not str or type(value) not in (int, float) or not isfinite(value):
            raise ValueError(f"statistics(): {name!r}: {value!r} is not a number with a name")
    text = json.dumps(dict(said.get("state", {})), allow_nan=False)
    if len(text) > _LONGEST:
        raise ValueError(f"state(): its JSON is longer than {_LONGEST} characters")
    state: dict[str, object] = json.loads(text)
    return statistics, state
