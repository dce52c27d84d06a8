"""The environment of commands: that of this process, without what was put into it for this process alone.

These are the variables of the service manager, and a locale. If none is set, as under cron or in a container, Python
sets LC_CTYPE in its own environment before any code of a program runs, see :pep:`538`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: What the manager meant for this process and for none of its children, see sd_notify(3), sd_watchdog_enabled(3) and
#: sd_listen_fds(3).
PRIVATE = frozenset(
    (
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
    )
)
_PRIVATE = frozenset(map(os.fsencode, PRIVATE))
# What another flagman has told this process about its own turn, see :func:`of_details`.
_DETAILS = ("FILE", "CHANGE", "PROCESS", "EVENT", "STATUS", "PROCESS_PID", "REASON")
_NOT_FOR_COMMANDS = _PRIVATE | {f"FLAGMAN_{name}".encode() for name in _DETAILS}
_LC_CTYPE = b"LC_CTYPE"
# The values that Python sets it to.
_COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")
# Its value when this process was started; None if it was not set. Empty until remember() has found out.
_before: list[bytes | None] = []


def for_commands() -> dict[bytes, bytes]:
    """Return the environment as it is now, with LC_CTYPE as it was when this process was started."""
    environment = {name: value for name, value in os.environb.items() if name and name not in _NOT_FOR_COMMANDS}
    remember()
    if environment.get(_LC_CTYPE) in _COERCED and _before:
        (before,) = _before
        environment.pop(_LC_CTYPE)
        if before is not None:
            environment[_LC_CTYPE] = before
    return environment


def of_details(details: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return the details of a turn as variables: FLAGMAN_FILE for ``file``."""
    return {f"FLAGMAN_{name.upper()}".encode(): encoded(value) for name, value in details.items()}


def given(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return variables that a user has given to commands."""
    return {name.encode(): encoded(value) for name, value in variables.items()}


def encoded(name: str) -> bytes:
    """Return a name as the value of a variable, in UTF-8 if the locale has no characters for it."""
    name = name.replace("\0", r"\x00")  # no variable can hold it, and UTF-8 cannot hold half a surrogate pair
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:
        return name.encode(errors="backslashreplace")


def remember() -> None:
    """Find out what LC_CTYPE was: in another root, or as another user, this process cannot see that any more."""
    if _before or os.environb.get(_LC_CTYPE) not in _COERCED:
        return
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - pathlib costs 5 ms
            entries = file.read().split(b"\0")
    except OSError:  # it cannot be known: then LC_CTYPE is left as it is
        return
    values = [value for name, _, value in (entry.partition(b"=") for entry in entries) if name == _LC_CTYPE]
    _before.append(values[0] if values else None)
