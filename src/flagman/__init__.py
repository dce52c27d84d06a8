"""flagman turns Unix signals into actions, safely.

Importing this package does nothing: every public name is looked up in its own module when it is first used
(:pep:`562`), so no plugin is loaded, no handler is touched and nothing is configured.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman import actions, types
    from flagman.core import KNOWN_ACTIONS, create_action_bundles, run, set_handlers
    from flagman.engine.action import Action
    from flagman.engine.engine import Engine
    from flagman.engine.signals import HANDLED_SIGNALS
    from flagman.exceptions import ActionClosed, ActionFailed, SkipRest
    from flagman.version import __version__

__all__ = [
    "HANDLED_SIGNALS",
    "KNOWN_ACTIONS",
    "Action",
    "ActionClosed",
    "ActionFailed",
    "Engine",
    "SkipRest",
    "__version__",
    "actions",
    "create_action_bundles",
    "run",
    "set_handlers",
    "types",
]

_HOMES = {
    "HANDLED_SIGNALS": "flagman.engine.signals",
    "KNOWN_ACTIONS": "flagman.core",
    "Action": "flagman.actions.action",
    "ActionClosed": "flagman.exceptions",
    "ActionFailed": "flagman.exceptions",
    "Engine": "flagman.engine.engine",
    "SkipRest": "flagman.exceptions",
    "__version__": "flagman.version",
    "create_action_bundles": "flagman.core",
    "run": "flagman.core",
    "set_handlers": "flagman.core",
}


def __getattr__(name: str) -> object:
    if name in ("actions", "types"):
        return import_module(f"flagman.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
