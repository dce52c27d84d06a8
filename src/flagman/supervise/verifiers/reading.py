"""From the table of a verifier to its check."""

from __future__ import annotations

from collections.abc import Mapping

from flagman.engine.reports import log_cause
from flagman.exceptions import PluginError
from flagman.supervise.verifiers.check import Check
from flagman.supervise.verifiers.keys import Keys, Mistakes
from flagman.text.hints import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.supervise.verifiers.check import Numbers
    from flagman.supervise.verifiers.kind import Kind

#: The kinds of verifiers that come with flagman, by the value of ``type``.
KINDS = ("started", "delay", "tcp", "unix", "http", "https", "file", "exited", "command", "notify", "fd")


def read(table: object, *, liveness: bool, directory: str = "") -> Check:
    """Read the value of ``ready`` or ``liveness``: a table, or only the type.

    The names of hosts are looked up here, and nothing else is asked for.

    :param liveness: it is that of ``liveness``
    :param directory: where relative paths begin; by default the current directory
    :raises Mistakes: if it is wrong
    """
    if isinstance(table, str):
        table = {"type": table}
    if not isinstance(table, Mapping):
        raise Mistakes(['is not a table, such as { type = "tcp", address = "127.0.0.1:8000" }'])
    keys = Keys(table, directory, liveness=liveness)
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
        from flagman.supervise.verifiers import foreign

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


# ruff: noqa: PLC0415 - each kind is imported only if it is used
def _built_in(name: str) -> type[Kind] | None:
    """Import a kind; None if flagman has none of this name."""
    return _that_tells(name) or _that_is_asked(name)


def _that_tells(name: str) -> type[Kind] | None:
    """Import a kind for which the process itself does something."""
    found: type[Kind] | None = None
    match name:
        case "started":
            from flagman.supervise.verifiers import started

            found = started.Started
        case "delay":
            from flagman.supervise.verifiers import delay

            found = delay.Delay
        case "exited":
            from flagman.supervise.verifiers import exited

            found = exited.Exited
        case "notify":
            from flagman.supervise.verifiers import notify

            found = notify.Notify
        case "fd":
            from flagman.supervise.verifiers import fd

            found = fd.Fd
        case _:
            pass
    return found


def _that_is_asked(name: str) -> type[Kind] | None:
    """Import a kind that asks again and again."""
    found: type[Kind] | None = None
    match name:
        case "tcp":
            from flagman.supervise.verifiers import tcp

            found = tcp.Tcp
        case "unix":
            from flagman.supervise.verifiers import unix

            found = unix.Unix
        case "http" | "https":
            from flagman.supervise.verifiers import http

            found = http.Http if name == "http" else http.Https
        case "file":
            from flagman.supervise.verifiers import file

            found = file.File
        case "command":
            from flagman.supervise.verifiers import command

            found = command.Command
        case _:
            pass
    return found
