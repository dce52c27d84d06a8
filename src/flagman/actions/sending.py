"""The action that sends a signal to another process."""

from __future__ import annotations

import os
import signal
import stat

from flagman.actions.processes import ask, check_host
from flagman.children.pidfd import LARGEST_PID, open_pidfd, send
from flagman.engine.action import Action
from flagman.exceptions import ActionFailed
from flagman.text.shown import shown
from flagman.text.signames import name_of, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PID_FILE = "pidfile:"
_PROCESS = "process:"
# Bytes: a pid file holds a number; a longer text is something else.
_LONGEST = 64
_DIGITS = 10


class SignalAction(Action):
    """Sends a signal to a process.

    The target is a pid, or pidfile:PATH for the process that the file names when the action runs, or process:NAME for
    a process of the configuration file.
    """

    example = "signal HUP pidfile:/run/nginx.pid"

    def set_up(self, name: str, target: str) -> None:
        """Find the target.

        If the system has pidfds, a pid means the process that has it now: another one that gets the number later is not
        sent the signal.

        :param name: of the signal, with or without SIG, or its number
        :param target: a pid, or pidfile:PATH, or process:NAME
        :raises UsageError: for process:NAME, if nothing here keeps processes
        """
        self.check_arguments(name, target)
        self._signum = number_of(name)
        self._name = name
        self._target = target
        self._pidfd = -1
        if target.startswith(_PROCESS):
            check_host(self.engine)
        elif not target.startswith(_PID_FILE):
            try:
                self._pidfd = open_pidfd(int(target))
            except ProcessLookupError as error:
                raise ProcessLookupError(
                    error.errno, f"{error.strerror}: the process {target} cannot be found"
                ) from None

    @classmethod
    def check_arguments(cls, name: str, target: str) -> None:
        """Refuse a name that is no signal, and a target that is neither a pid nor a pid file nor a process."""
        number_of(name)
        if any(target.startswith(kind) and target != kind for kind in (_PID_FILE, _PROCESS)):
            return
        if not _is_pid(target):
            raise ValueError(f"{target!r} is neither a pid nor {_PID_FILE}PATH nor {_PROCESS}NAME")

    @classmethod
    def _names_processes(cls, arguments: Sequence[str]) -> tuple[str, ...]:
        return tuple(word.removeprefix(_PROCESS) for word in arguments[1:2] if word.startswith(_PROCESS))

    def run(self) -> None:
        """Send the signal.

        :raises ActionFailed: if it cannot be sent
        """
        if self._target.startswith(_PROCESS):
            ask(self.engine, "signal", self._target.removeprefix(_PROCESS), name_of(self._signum))
            return
        try:
            if self._target.startswith(_PID_FILE):
                self._send_to_file(self._target.removeprefix(_PID_FILE))
            elif self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, self._signum)
            else:
                os.kill(int(self._target), self._signum)
        except OSError as error:
            raise ActionFailed(
                f"cannot send {self._name} to {shown(self._target)}: {error.strerror or error}"
            ) from error

    def _send_to_file(self, path: str) -> None:
        pid = _read(path)
        if not send(pid, self._signum, lambda: _read(path) == pid):
            raise ProcessLookupError(f"the file has changed since it contained the pid {pid}")

    def tear_down(self) -> None:
        """Forget the target."""
        if self._pidfd >= 0:
            os.close(self._pidfd)


def _is_pid(text: str) -> bool:
    """Return whether a text is a pid: not 0 or a negative number, which mean process groups to kill(2)."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS and 0 < int(text) <= LARGEST_PID


def _read(path: str) -> int:
    """Read a pid file of any program: a number in its first line. That of flagman is read more strictly."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a regular file")
        text = os.read(descriptor, _LONGEST).partition(b"\n")[0].decode(errors="replace").strip()
    finally:
        os.close(descriptor)
    if not _is_pid(text):
        raise OSError(f"{text!r} is not a pid")
    return int(text)
