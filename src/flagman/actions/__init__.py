"""What runs when a flag is raised: the built-in actions, and how actions are found and checked.

Each module is imported when one of its names is used.

May import: web, triggers, children, engine, text, exceptions, types, version.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.actions.command import ExecAction as ExecAction
    from flagman.actions.command import ShellAction as ShellAction
    from flagman.actions.counts import LogStatisticsAction as LogStatisticsAction
    from flagman.actions.dumping import DumpStatusAction as DumpStatusAction
    from flagman.actions.http import HttpAction as HttpAction
    from flagman.actions.itself import ReloadAction as ReloadAction
    from flagman.actions.itself import StopAction as StopAction
    from flagman.actions.logs import LogAction as LogAction
    from flagman.actions.print import DelayedPrintAction as DelayedPrintAction
    from flagman.actions.print import PrintAction as PrintAction
    from flagman.actions.print import PrintOnceAction as PrintOnceAction
    from flagman.actions.processes import RestartProcessAction as RestartProcessAction
    from flagman.actions.processes import StartProcessAction as StartProcessAction
    from flagman.actions.processes import StopProcessAction as StopProcessAction
    from flagman.actions.sending import SignalAction as SignalAction
    from flagman.actions.touching import TouchAction as TouchAction
    from flagman.engine.action import Action as Action

#: The built-in actions, by name; the catalog finds them here, and reads no metadata. The entry points say the same.
BUILT_IN = {
    "print": "flagman.actions.print:PrintAction",
    "delay_print": "flagman.actions.print:DelayedPrintAction",
    "print_once": "flagman.actions.print:PrintOnceAction",
    "exec": "flagman.actions.command:ExecAction",
    "sh": "flagman.actions.command:ShellAction",
    "http": "flagman.actions.http:HttpAction",
    "signal": "flagman.actions.sending:SignalAction",
    "start_process": "flagman.actions.processes:StartProcessAction",
    "stop_process": "flagman.actions.processes:StopProcessAction",
    "restart_process": "flagman.actions.processes:RestartProcessAction",
    "touch": "flagman.actions.touching:TouchAction",
    "log": "flagman.actions.logs:LogAction",
    "log_statistics": "flagman.actions.counts:LogStatisticsAction",
    "dump_status": "flagman.actions.dumping:DumpStatusAction",
    "reload": "flagman.actions.itself:ReloadAction",
    "stop": "flagman.actions.itself:StopAction",
}

_HOMES = {"Action": "flagman.engine.action"} | {
    name: module for module, _, name in (place.partition(":") for place in BUILT_IN.values())
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - a start of the command asks for no name

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
