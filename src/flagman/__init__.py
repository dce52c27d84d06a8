"""flagman turns Unix signals into actions, safely.

Importing this package does nothing: every public name is looked up in its own module when it is first used
(:pep:`562`), so no plugin is loaded, no handler is touched and nothing is configured.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman import actions as actions
    from flagman import types as types
    from flagman.core import KNOWN_ACTIONS as KNOWN_ACTIONS
    from flagman.core import create_action_bundles as create_action_bundles
    from flagman.core import run as run
    from flagman.core import set_handlers as set_handlers
    from flagman.engine.action import Action as Action
    from flagman.engine.action import Host as Host
    from flagman.engine.engine import Engine as Engine
    from flagman.engine.signals import HANDLED_SIGNALS as HANDLED_SIGNALS
    from flagman.exceptions import ActionClosed as ActionClosed
    from flagman.exceptions import ActionFailed as ActionFailed
    from flagman.exceptions import SkipRest as SkipRest
    from flagman.supervise.verifiers.verifier import Verifier as Verifier
    from flagman.version import __version__ as __version__

_MODULES = ("actions", "types")
_HOMES = {
    "Action": "flagman.engine.action",
    "ActionClosed": "flagman.exceptions",
    "ActionFailed": "flagman.exceptions",
    "Engine": "flagman.engine.engine",
    "HANDLED_SIGNALS": "flagman.engine.signals",
    "Host": "flagman.engine.action",
    "KNOWN_ACTIONS": "flagman.core",
    "SkipRest": "flagman.exceptions",
    "Verifier": "flagman.supervise.verifiers.verifier",
    "__version__": "flagman.version",
    "create_action_bundles": "flagman.core",
    "run": "flagman.core",
    "set_handlers": "flagman.core",
}

__all__ = [name for name in (*_HOMES, *_MODULES) if not name.startswith("_")]


# Each package with public names has these lines, because a shared module would make every start slower.
def __getattr__(name: str) -> object:
    if name not in _HOMES and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - a start of the command asks for no name

    if name in _MODULES:
        return import_module(f"flagman.{name}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
