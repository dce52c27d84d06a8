"""From the table of a verifier to its check."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from flagman.engine.reports import log_cause
from flagman.exceptions import PluginError
from flagman.supervise.verifiers.check import Check
from flagman.supervise.verifiers.keys import Keys, Mistakes
from flagman.text.hints import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.supervise.verifiers.check import Numbers
    from flagman.supervise.verifiers.kind import Kind

#: The kinds of verifiers that come with flagman, by the value of ``type``: a module of this room and its class. Each is
#: imported only if it is used.
KINDS = {
    "started": "started:Started",
    "delay": "delay:Delay",
    "tcp": "tcp:Tcp",
    "unix": "unix:Unix",
    "http": "http:Http",
    "https": "http:Https",
    "file": "file:File",
    "exited": "exited:Exited",
    "command": "command:Command",
    "notify": "notify:Notify",
    "fd": "fd:Fd",
}


def read(table: object, *, liveness: bool) -> Check:
    """Read the value of ``ready`` or ``liveness``: a table, or only the type.

    The names of hosts are looked up here, and nothing else is asked for.

    :param liveness: it is that of ``liveness``
    :raises Mistakes: if it is wrong
    """
    if isinstance(table, str):
        table = {"type": table}
    if not isinstance(table, Mapping):
        raise Mistakes(['is not a table, such as { type = "tcp", address = "127.0.0.1:8000" }'])
    keys = Keys(table, liveness=liveness)
    name = keys.text("type", example='"tcp"')
    way = _kind(name, keys, liveness=liveness) if name else None
    if way is None:
        raise Mistakes(keys.mistakes)
    numbers = _for_liveness(keys) if liveness else _for_start(way, keys)
    found = None
    try:
        found = way.read(keys)
    except ValueError as error:
        if not keys.mistakes:
            raise Mistakes([str(error)]) from error
    keys.refuse_rest()
    if found is None or keys.mistakes:
        raise Mistakes(keys.mistakes)
    return Check(found, **numbers)


def _for_start(way: type[Kind], keys: Keys) -> Numbers:
    """Take the keys that are the same for all kinds."""
    return {
        "timeout": keys.span("timeout", 30.0) if way.has_timeout else 30.0,
        "attempt_timeout": 1.0 if way.is_patient else keys.span("attempt-timeout", 1.0),
    }


def _for_liveness(keys: Keys) -> Numbers:
    """Take the keys that are the same for all kinds, for liveness."""
    timeout = keys.span("timeout", 3.0)
    return {
        "timeout": timeout,
        "attempt_timeout": timeout,
        "every": keys.span("every", 10.0, shortest=0.1),
        "failures": keys.number("failures", 3, least=1, most=1_000_000),
        "restart": keys.switch("restart", default=False),
    }


def _kind(name: str, keys: Keys, *, liveness: bool) -> type[Kind] | None:
    """Find a kind; None if there is none, which is a mistake then."""
    way = _built_in(name)
    if way is None:
        from flagman.supervise.verifiers import foreign  # noqa: PLC0415 - it looks for plugins

        try:
            way = foreign.find(name)
        except PluginError as error:
            log_cause(error)
            keys.wrong("type", error)
            return None
        if way is None:
            known = (*KINDS, *foreign.names())
            hint = did_you_mean(name, known, otherwise=f"; there are {', '.join(known)}")
            keys.wrong("type", f"{name!r} is unknown{hint}")
    elif liveness and not way.is_for_liveness:
        keys.wrong("type", f"{name!r} tells of a start only, and not whether the process still works")
        return None
    return way


def _built_in(name: str) -> type[Kind] | None:
    """Import a kind; return None if flagman has none of this name."""
    if name not in KINDS:
        return None
    module, _, attribute = KINDS[name].partition(":")
    found: type[Kind] = getattr(import_module(f"flagman.supervise.verifiers.{module}"), attribute)
    return found
