"""The start of a program by posix_spawn: apart from this process, with clean signals and no stray descriptors."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from flagman.types import SignalNumber

_CATCHABLE = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
_CLOSE_FROM: int | None = getattr(os, "POSIX_SPAWN_CLOSEFROM", None)
# On Linux, /dev/fd leads to /proc/self/fd.
_DESCRIPTORS = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_FIRST = 3
# Descriptors below this number are closed even if none are listed.
_MOST_STRAYS = 4096


def spawn(  # noqa: PLR0913 - what a start takes
    program: str,
    words: tuple[str, ...],
    environment: Mapping[bytes, bytes],
    actions: Iterable[tuple[int, ...]],
    *,
    ignored: Iterable[SignalNumber] = (),
    blocked: Iterable[SignalNumber] = (),
    has_session: bool = True,
) -> int:
    """Start a program in a session of its own, or in a process group of its own where the C library is too old.

    :param program: a path, or a name to look for in the PATH of this process
    :param words: the program's name and its arguments, as the program sees them
    :param environment: all of it
    :param actions: what is done with its descriptors, see :func:`os.posix_spawn`
    :param ignored: the signals that it ignores; all others do what they do by default
    :param blocked: the signals that it begins with blocked
    :param has_session: False for a process group of its own in this session
    :returns: the number of the process, of its group, and of its session if it has one
    :raises OSError: if it cannot be started
    :raises ValueError: if a word cannot be passed on
    """

    def start(*, session: bool) -> int:
        # Not both: the leader of a session cannot set a process group, see setpgid(2).
        apart = {"setsid": True} if session else {"setpgroup": 0}
        return os.posix_spawnp(
            program,
            words,
            environment,
            file_actions=list(actions),
            setsigmask=blocked,
            setsigdef=_CATCHABLE.difference(ignored),
            **apart,
        )

    if not has_session:
        return start(session=False)
    try:
        return start(session=True)
    except NotImplementedError:
        return start(session=False)


def closing(
    kept: Collection[int] = (), close_from: int | None = _CLOSE_FROM, listing: str = _DESCRIPTORS
) -> list[tuple[int, ...]]:
    """Return the file actions that close what a child would inherit by accident.

    Python's own descriptors are never inherited (:pep:`446`); these come from what started flagman, or from a library.

    :param kept: the numbers that it does get, beside its standard streams
    :param close_from: the action that closes all descriptors from a number on; None if there is none
    :param listing: the directory in which a process finds its descriptors
    """
    if close_from is not None:  # Python 3.13, with a recent C library
        first = max(_FIRST, *(number + 1 for number in kept)) if kept else _FIRST
        between = [number for number in range(_FIRST, first) if number not in kept and _is_inheritable(number)]
        return [*((os.POSIX_SPAWN_CLOSE, number) for number in between), (close_from, first)]
    most = os.sysconf("SC_OPEN_MAX")
    try:
        numbers = [int(name) for name in os.listdir(listing)]  # noqa: PTH208 - pathlib costs 5 ms
    except OSError:  # a bare chroot
        numbers = list(range(min(most, _MOST_STRAYS)))
    strays = [number for number in numbers if number >= _FIRST and number not in kept and _is_inheritable(number)]
    for stray in strays:
        if stray >= most >= 0:  # the limit was lowered since, and posix_spawn(3) refuses such a number
            os.set_inheritable(stray, False)  # noqa: FBT003 - the only parameter there is
    return [(os.POSIX_SPAWN_CLOSE, stray) for stray in strays if stray < most or most < 0]


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # it has been closed: that of listdir itself
        return False
