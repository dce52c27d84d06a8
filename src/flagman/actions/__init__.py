"""The base class of all actions and the built-in ones; each module is imported when one of its names is used."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.actions.command import ExecAction, ShellAction
    from flagman.actions.control import ReloadAction, StopAction
    from flagman.actions.http import HttpAction
    from flagman.actions.logs import LogAction
    from flagman.actions.print import DelayedPrintAction, PrintAction, PrintOnceAction
    from flagman.actions.sending import SignalAction
    from flagman.actions.touching import TouchAction
    from flagman.engine.action import Action

__all__ = [
    "Action",
    "DelayedPrintAction",
    "ExecAction",
    "HttpAction",
    "LogAction",
    "PrintAction",
    "PrintOnceAction",
    "ReloadAction",
    "ShellAction",
    "SignalAction",
    "StopAction",
    "TouchAction",
]

_HOMES = {
    "Action": "action",
    "DelayedPrintAction": "print",
    "ExecAction": "command",
    "HttpAction": "http",
    "LogAction": "logs",
    "PrintAction": "print",
    "PrintOnceAction": "print",
    "ReloadAction": "control",
    "ShellAction": "command",
    "SignalAction": "sending",
    "StopAction": "control",
    "TouchAction": "touching",
}

#: The built-in actions, by name; the catalog finds them here, at no cost in metadata.
BUILT_IN = {
    "print": "flagman.actions.print:PrintAction",
    "delay_print": "flagman.actions.print:DelayedPrintAction",
    "print_once": "flagman.actions.print:PrintOnceAction",
    "exec": "flagman.actions.command:ExecAction",
    "sh": "flagman.actions.command:ShellAction",
    "http": "flagman.actions.http:HttpAction",
    "signal": "flagman.actions.sending:SignalAction",
    "touch": "flagman.actions.touching:TouchAction",
    "log": "flagman.actions.logs:LogAction",
    "reload": "flagman.actions.control:ReloadAction",
    "stop": "flagman.actions.control:StopAction",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
