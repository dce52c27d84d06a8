"""The base class of all actions and the built-in ones; each module is imported when one of its names is used."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.actions.action import Action
    from flagman.actions.printing import DelayedPrintAction, PrintAction, PrintOnceAction

__all__ = ["Action", "DelayedPrintAction", "PrintAction", "PrintOnceAction"]

_HOMES = {
    "Action": "action",
    "DelayedPrintAction": "printing",
    "PrintAction": "printing",
    "PrintOnceAction": "printing",
}

#: The built-in actions, by name; the catalog finds them here, at no cost in metadata.
BUILT_IN = {
    "print": "flagman.actions.printing:PrintAction",
    "delay_print": "flagman.actions.printing:DelayedPrintAction",
    "print_once": "flagman.actions.printing:PrintOnceAction",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
