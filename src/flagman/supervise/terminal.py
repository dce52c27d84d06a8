"""The terminal, lent to a wrapped command: handed over when it starts, taken back when it stops or ends.

A shell runs each of its jobs in a process group of its own, and says which one is *in front*: only that one may read
the terminal, and Ctrl-C, Ctrl-Z and changes of the window go to it, see :manpage:`tcsetpgrp(3)`. The wrapped command
has a group of its own, too, or Ctrl-C would reach flagman and the command. So flagman does for it what a shell does,
and is itself the job that the user's shell sees: if the command stops, flagman stops; if ``fg`` continues flagman, the
command goes on in front.

The thread that calls this has TTOU blocked, because a change of the terminal from behind would stop the process. The
process ignores TTIN and TTOU, because so would a log record under ``stty tostop``.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from _thread import allocate_lock
from contextlib import suppress

from flagman.engine.threads import start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

    #: What :func:`termios.tcgetattr` returns.
    Modes = list[int | list[bytes | int]]
    #: Calls a function later in the thread that uses the terminal, as :meth:`ControlLoop.call` does.
    Post = Callable[[Callable[[], object]], object]

logger = logging.getLogger("flagman.service")

# The signals of a process that needs the terminal while another group is in front, see termios(3).
_WANTS = (signal.SIGTTIN, signal.SIGTTOU)
# Our standard input.
_TERMINAL = 0
# The number of moments, in seconds, after which flagman, which has sent itself TSTP, would have stopped.
_MOMENTS = 10
_MOMENT = 0.005


class Terminal:
    """The terminal of a job of a shell, which this process is, and which it lends to one command at a time.

    All methods but :meth:`find` are for one thread, which has all signals blocked. None of them blocks, and none raises
    an exception if the terminal has gone.

    :param group: this process's group
    :param modes: what the terminal is set to
    """

    def __init__(self, group: int, modes: Modes) -> None:
        self._group = group
        # What the terminal is set to for us and our shell, and for a stopped command that was in front.
        self._modes = modes
        self._its_modes: Modes | None = None
        # The command, which leads a group of the same number; 0 if there is none.
        self._pid = 0
        # Whether the command, or a job of it, is in front.
        self._is_lent = False
        # Whether it goes on if we cannot stop with it.
        self._goes_on = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{f' lent to {self._pid}' if self._is_lent else ''}>"

    @classmethod
    def find(cls) -> Terminal | None:
        """Return the terminal, or None if there is none that can be lent.

        It can if standard input and output are the controlling terminal; it is lent only while our group is in front.
        In a pipeline, such as ``flagman -- x | less``, it belongs to another process of the same group, which would be
        stopped.
        """
        group = os.getpgrp()
        try:
            # Both fail for a terminal that is not the controlling one, and there is only one of these.
            is_ours = os.tcgetpgrp(0) == os.tcgetpgrp(1)
        except OSError:
            return None
        modes = _modes()
        # A group of another pid namespace has the number 0, and the terminal could not be taken back.
        if not is_ours or not group or modes is None or not hasattr(os, "waitid"):
            return None
        return cls(group, modes)

    def begin(self, pid: int, post: Post) -> None:
        """Lend the terminal to a command that has just been started, and watch for its stops from now on.

        :param pid: it, and the process group that it leads in our session
        :param post: calls functions in this thread
        """
        self._pid = pid
        self._its_modes = None
        if _in_front() == self._group:
            self._lend()
        try:
            # It inherits the signal mask. It also sees a command that has stopped because it was too early.
            start_new_thread(self._watch, (pid, post))
        except RuntimeError as error:
            logger.warning("Ctrl-Z will not work, because a thread cannot be started: %s", error)
            self._continue()

    def resume(self) -> None:
        """Lend the terminal again, because this process has been continued: after ``fg``, not after ``bg``.

        The caller continues the command then, once: a second CONT could undo a stop that has come meanwhile.
        """
        self._goes_on = False
        if not self._pid:
            return
        front = _in_front()
        if front == self._group:
            self._lend()
        elif front != self._pid and _is_of_ancestor(front):
            self._is_lent = False  # we alone were stopped, and the shell has taken the terminal

    def end(self, *, killed: bool) -> None:
        """Take the terminal back, because the command has ended.

        :param killed: whether a signal has ended it, so that it had no chance to restore the modes of the terminal
        """
        self._pid = 0
        front = _in_front()
        # A job of the command may be in front, or a group that has gone; but our shell may have been quicker, too.
        if self._is_lent and (front == self._group or not _is_of_ancestor(front)):
            _set_in_front(self._group)
            if killed:
                _set_modes(self._modes)
        self._is_lent = False

    def _watch(self, pid: int, post: Post) -> None:
        """See the stops of the command, in a thread of its own; leave it a zombie when it has ended."""
        with suppress(ChildProcessError):
            while True:
                event = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
                if event is None or event.si_code != os.CLD_STOPPED:
                    return
                stop = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
                if stop is not None:  # None: it has been continued
                    self._report(pid, stop.si_status, post)

    def _report(self, pid: int, signum: int, post: Post) -> None:
        done = allocate_lock()
        done.acquire()
        post(lambda: self._on_stop(pid, signum, done))
        done.acquire()
        moments = 0
        while self._goes_on and pid == self._pid and moments < _MOMENTS:
            # Here we stop, and go on in an hour; then CONT makes the caller of resume() quicker than all moments.
            time.sleep(_MOMENT)
            # The signal is blocked here; as long as it is pending, the main thread has not seen it.
            if signal.SIGTSTP not in signal.sigpending():
                moments += 1
        post(lambda: self._go_on(pid))

    def _on_stop(self, pid: int, signum: int, done: LockType) -> None:
        try:
            if pid == self._pid:
                self._stop_with(signum)
        finally:
            done.release()

    def _stop_with(self, signum: int) -> None:
        front = _in_front()
        if signum in _WANTS and front in {self._group, self._pid} and self._lend():
            self._continue()  # it has stopped before the terminal was handed over, or `fg` has not told us anything
            return
        if self._is_lent:
            self._its_modes = _modes()
            _set_in_front(self._group)
            _set_modes(self._modes)
            self._is_lent = False
        # Without a shell that could continue it, a group does not stop at TSTP, only at STOP; see setpgid(2).
        self._goes_on = signum != signal.SIGSTOP
        with suppress(OSError):
            os.killpg(0, signal.SIGTSTP)  # the shell's whole job, as Ctrl-Z does

    def _go_on(self, pid: int) -> None:
        """Continue the command in front, because nothing has stopped us."""
        if self._goes_on and pid == self._pid and _in_front() == self._group:
            self.resume()
            self._continue()

    def _lend(self) -> bool:
        """Put the command in front, with the modes that it had; return whether it is."""
        ours = _modes() if self._its_modes else None
        try:
            # What has left its group would want the terminal again at once.
            self._is_lent = os.getpgid(self._pid) == self._pid and _set_in_front(self._pid)
        except ProcessLookupError:
            self._is_lent = False
        if self._is_lent and self._its_modes and ours:
            _set_modes(self._its_modes)
            self._modes, self._its_modes = ours, None
        return self._is_lent

    def _continue(self) -> None:
        with suppress(OSError):
            os.killpg(self._pid, signal.SIGCONT)


def _in_front() -> int:
    """Return the process group in front; -1 if the terminal has gone."""
    try:
        return os.tcgetpgrp(_TERMINAL)
    except OSError:
        return -1


def _set_in_front(group: int) -> bool:
    """Put a process group in front; return whether it is there."""
    try:
        os.tcsetpgrp(_TERMINAL, group)
    except OSError:
        return False
    return True


def _modes() -> Modes | None:
    """Return what the terminal is set to; None if it has gone."""
    import termios  # noqa: PLC0415 - only where there is a terminal

    try:
        return termios.tcgetattr(_TERMINAL)
    except termios.error:
        return None


def _set_modes(modes: Modes) -> None:
    import termios  # noqa: PLC0415 - only where there is a terminal

    with suppress(termios.error):
        # At once: output that is held back by Ctrl-S would make this wait.
        termios.tcsetattr(_TERMINAL, termios.TCSANOW, modes)


def _is_of_ancestor(group: int) -> bool:
    """Return whether a process group is that of a process from which we descend, such as our shell."""
    pid = os.getppid()
    with suppress(OSError, ValueError):  # it has gone, or /proc is missing
        while pid > 0:
            if os.getpgid(pid) == group:
                return True
            with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib costs 5 ms
                # The name of the program, in brackets, may contain anything; see proc_pid_stat(5).
                pid = int(file.read().rpartition(b")")[2].split()[1])
    return False
