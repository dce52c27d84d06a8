"""The daemon's side of the guardian: starts it, starts it again if it dies, and ends it when all is in order."""

from __future__ import annotations

import logging
import os
import time

from flagman.children import front
from flagman.supervise.guard.former import Wait
from flagman.supervise.guard.lock import Lock
from flagman.supervise.guard.register import Register
from flagman.supervise.guard.running import Running, program
from flagman.supervise.guard.seen import VARIABLE, look_at
from flagman.supervise.policy import Spacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call
    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.guard.lock import Holder
    from flagman.types import SignalNumber

logger = logging.getLogger("flagman.supervise")


def is_needed(manager_is_open: bool) -> bool:  # noqa: FBT001 - the only argument
    """Return whether something would be left if this process was killed.

    The kernel ends all that is behind process 1, and systemd all that is in the control group of a service.

    :param manager_is_open: whether the service manager is told of this process
    """
    is_service = manager_is_open or os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())
    return front.pid() != 1 and not is_service


class Guard:
    """Leaves nothing behind if this process is killed; all but the constructor is for the control loop.

    :param name: of the daemon
    :param directory: where its lock is; None for no lock
    :param loop: watches the guardian
    :param grace: the seconds for processes that were not told of
    """

    def __init__(self, name: str, directory: str | None, loop: ControlLoop, grace: float = 10.0) -> None:
        self._name = name
        self._loop = loop
        self._grace = grace
        #: What the marks of all processes of this daemon begin with.
        self.marker = os.urandom(8).hex().encode()
        self._program = program()
        self._lock = None if directory is None else Lock(directory, name)
        self._wait: Wait | None = None
        self._register: Register | None = None
        self._guardian: Running | None = None
        self._sweeper: Running | None = None
        self._next: Call | None = None
        self._spacing = Spacing()
        self._begun = 0.0
        self._is_over = False

    def environment(self, process: str, instance: int) -> dict[bytes, bytes]:
        """Return the variables that mark one instance of a process, and all that it starts."""
        return {VARIABLE: b"%b:%b:%d" % (self.marker, process.encode(), instance)}

    def wait_for_former(self, on_free: Callable[[], object]) -> None:
        """Wait until nothing is left of a former daemon of this name that was killed.

        :param on_free: called in the control loop when processes may be started: at once, if there is nothing; in the
            end it is called in any case, unless :meth:`close` comes before
        """
        if self._lock is None:
            self._loop.call(on_free)
            return
        self._wait = Wait(self._lock, self._loop, self._sweep, on_free)
        self._loop.call(self._wait.look)

    def begin(self) -> None:
        """Start the guardian; nothing waits for it."""
        if self._is_over or self._guardian is not None:
            return
        self._next = None
        self._begun = time.monotonic()
        self._spacing.started(self._begun)
        pid, me = os.getpid(), look_at(os.getpid())
        start = 0 if me is None else me.start
        try:
            self._register = self._register or Register(self.marker)
            self._guardian = self._start(pid, start, self._register, self._ended)
        except OSError as error:
            logger.warning("There is no guardian, so processes would be left if this one was killed: %s", error)
            self._plan()
            return
        if self._lock is not None and self._lock.descriptor >= 0:
            self._lock.note(pid, start, self._guardian.pid, self.marker)

    def _start(self, pid: int, start: int, register: Register, on_end: Callable[[], object]) -> Running:
        return Running(
            (*self._program, self._name, str(pid), str(start), str(self._grace)),
            memory=register.descriptor,
            lock=-1 if self._lock is None else self._lock.descriptor,
            loop=self._loop,
            on_end=on_end,
        )

    def _ended(self) -> None:
        """Start another guardian, which finds the same register."""
        self._guardian = None
        if not self._is_over:
            logger.warning("The guardian has died, and another one is started")
            self._plan()

    def _plan(self) -> None:
        now = time.monotonic()
        self._next = self._loop.call_at(max(now, self._spacing.next_start(now, self._begun)), self.begin)

    def add(self, pid: int, grace: float, stop_signal: SignalNumber) -> None:
        """Enter a group, right after its start.

        :param pid: of the leader, which nothing has waited for
        :param grace: the seconds between the signal and KILL
        :param stop_signal: asks it to end
        """
        if self._register is not None:
            try:
                self._register.add(pid, grace, stop_signal)
            except OSError as error:  # it is found by its mark
                logger.warning("The guardian cannot be told of the process %d: %s", pid, error)

    def remove(self, pid: int) -> None:
        """Take a group out when it is empty, right before its leader is waited for."""
        if self._register is not None:
            self._register.remove(pid)

    def close(self) -> None:
        """End the guardian, because nothing is left that it should end; in the control loop, or after its end."""
        self._is_over = True
        if self._next is not None:
            self._next.cancel()
        if self._wait is not None:
            self._wait.cancel()
        if self._guardian is not None:
            self._guardian.kill()
        if self._sweeper is not None:  # it still has something to do, and the lock
            self._sweeper.forget()
            if self._lock is not None:
                self._lock.hand_over()
        self._guardian = self._sweeper = None
        if self._lock is not None:
            self._lock.release()
        if self._register is not None:
            self._register.close()
            self._register = None

    def _sweep(self, former: Holder, on_free: Callable[[], object]) -> None:
        """End what a former daemon has left that died together with its guardian: its mark is known from the lock."""
        try:
            register = Register(former.random)
            try:
                self._sweeper = self._start(0, former.start, register, lambda: self._swept(on_free))
            finally:
                register.close()
        except OSError as error:
            logger.warning("What a former daemon has left cannot be ended: %s", error)
            on_free()

    def _swept(self, on_free: Callable[[], object]) -> None:
        self._sweeper = None
        if not self._is_over:
            on_free()
