"""Programs that stand behind the init; each namespace needs a process of its own, which this module forks."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from flagman.supervise.init import stand_in_front

if TYPE_CHECKING:
    from collections.abc import Callable

_CLONE_NEWPID = 0x20000000
_STOPS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_NOT_SENT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}


def behind_init(daemon: Callable[[Callable[[], object]], None]) -> int:
    """Run a function behind the init of a namespace of its own, and return the exit status of the init.

    :param daemon: it is called with what it calls when its handlers are armed
    """
    outside = os.fork()
    if not outside:
        new_namespace()
        init = os.fork()
        if init:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]) & 0xFF)
        daemon(stand_in_front())
        os._exit(254)
    return os.waitstatus_to_exitcode(os.waitpid(outside, 0)[1])


def new_namespace() -> None:
    """Make the next child of this process the first one of a pid namespace; ``os.unshare`` came with Python 3.12."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWPID):
        raise OSError(ctypes.get_errno(), "no pid namespaces here")


def as_main_process(*command: str) -> None:
    """Become the parent of a command as process 1, and make that the main process of the service that this one is."""
    new_namespace()
    reader, writer = os.pipe()
    init = os.fork()
    if not init:
        os.read(reader, 1)
        os.execv(command[0], command)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(os.environ["NOTIFY_SOCKET"])
        manager.send(b"MAINPID=%d" % init)
    os.write(writer, b"\n")  # only now does the command begin, so its messages come after this one
    os._exit(os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]) & 0xFF)


def statuses() -> None:
    """Print the exit status of the init for each one of the daemon."""

    def end(armed: Callable[[], object]) -> None:
        armed()
        os._exit(status)

    found = []
    for number in range(256):
        status = number
        found.append(behind_init(end))
    print(json.dumps(found))


def deaths() -> None:
    """Print the exit status of the init for each signal that kills the daemon."""

    def die(armed: Callable[[], object]) -> None:
        armed()
        with suppress(OSError):  # those that cannot have another handler
            signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
        os._exit(0)  # this one kills nothing

    found = {}
    for each in signal.valid_signals() - _STOPS:
        signum = each
        found[int(signum)] = behind_init(die)
    print(json.dumps(found))


def early_deaths() -> None:
    """Print the exit status of the init if the daemon ends before it has armed its handlers."""
    print(behind_init(lambda _: os._exit(5)))


def forwarding() -> None:
    """Print the number of each signal that process 1 gets and the daemon does not, and "done"."""

    def listen(armed: Callable[[], object]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        for signum in sorted(signal.valid_signals() - _NOT_SENT):
            os.kill(1, signum)
            if signum == signal.SIGHUP:  # the first of them
                armed()
            info = signal.sigtimedwait([signum], 60)
            if info is None or info.si_pid != 1:
                print(signum, flush=True)
        print("done", flush=True)
        os._exit(0)

    behind_init(listen)


def numbers() -> None:
    """Print what the daemon finds in its environment, and its mask."""

    def show(armed: Callable[[], object]) -> None:
        armed()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        names = ("WATCHDOG_PID", "LISTEN_PID")
        print(json.dumps([os.getpid(), *(os.environ.get(name) for name in names), sorted(mask)]), flush=True)
        os._exit(0)

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
    behind_init(show)


def in_terminal(times: int) -> None:
    """Print "ready" and the origin of each INT, in the session of a terminal, as often as asked for."""

    def listen(armed: Callable[[], object]) -> None:
        signals = (signal.SIGINT, signal.SIGUSR1)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        armed()
        for _ in range(times):
            print("ready", flush=True)
            origins = [signal.sigwaitinfo(signals).si_signo]
            os.kill(1, signal.SIGUSR1)  # is forwarded after an INT that process 1 has got before
            origins.append(signal.sigwaitinfo(signals).si_signo)
            print(*map(int, origins), flush=True)
        os._exit(0)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the processes outside, which the terminal interrupts, too
    behind_init(listen)
