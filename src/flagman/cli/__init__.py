"""The commands ``flagman`` and ``flagmanctl``: arguments in, exit status out; nothing else prints or parses arguments.

The public names are imported when they are first used.

May import: control, supervise, service, systemd, log, config, daemon, actions, web, triggers, children, engine, text,
core, exceptions, types, version.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.cli.answers import list_actions as list_actions
    from flagman.cli.command import main as main
    from flagman.cli.command import main_wrapper as main_wrapper
    from flagman.cli.command import parse_args as parse_args
    from flagman.core import create_action_bundles as create_action_bundles
    from flagman.core import run as run
    from flagman.core import set_handlers as set_handlers

_HOMES = {
    "list_actions": "flagman.cli.answers",
    "main": "flagman.cli.command",
    "main_wrapper": "flagman.cli.command",
    "parse_args": "flagman.cli.command",
    # Programs have always imported these from here, too.
    "create_action_bundles": "flagman.core",
    "run": "flagman.core",
    "set_handlers": "flagman.core",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - a start of the command asks for no name

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
