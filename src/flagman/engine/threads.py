"""Threads without the module ``threading``, which takes 4 ms to import; they can be traced all the same."""

from __future__ import annotations

import signal
import sys
from _thread import start_new_thread as _start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVarTuple

    from _typeshed import TraceFunction

    Ts = TypeVarTuple("Ts")


# Signals that a fault of a thread itself causes: blocked ones would hide where it was.
_OF_ITS_OWN = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


def start_new_thread(code: Callable[[*Ts], object], arguments: tuple[*Ts]) -> int:
    """Start a thread as :func:`_thread.start_new_thread` does.

    A debugger, a profiler or coverage that has called :func:`threading.settrace` gets its function called there, too.

    :returns: the identifier of the thread
    :raises RuntimeError: if there can be no more threads
    """
    threading = sys.modules.get("threading")
    trace = threading.gettrace() if threading is not None else None
    if trace is None:
        return _start_new_thread(code, arguments)
    return _start_new_thread(_traced, (trace, code, arguments))


def start_deaf_thread(code: Callable[[*Ts], object], arguments: tuple[*Ts]) -> int:
    """Start a thread that gets no signals: one that was delivered to it would not end a system call of the main thread.

    :returns: the identifier of the thread
    :raises RuntimeError: if there can be no more threads
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OF_ITS_OWN)
    try:
        return start_new_thread(code, arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _traced(trace: TraceFunction, code: Callable[[*Ts], object], arguments: tuple[*Ts]) -> None:
    sys.settrace(trace)  # it is called first for the next function
    code(*arguments)
