"""The control loop: a second loop, in a second thread, that goes on while the main loop runs an action.

It answers requests and looks after processes. It never runs or touches an action: it raises flags, and reads records
that the main loop only replaces as a whole. Neither loop waits for the other.
"""

from __future__ import annotations

import logging
import os
import signal
import weakref
from _thread import allocate_lock, get_ident, start_new_thread
from collections import deque
from contextlib import suppress

from flagman.engine.polling import Poller
from flagman.engine.wakeup import Wakeup
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec

    from flagman.engine.calls import Call
    from flagman.engine.polling import Attachment

    P = ParamSpec("P")

logger = logging.getLogger("flagman.service")


class ControlLoop:
    """Waits for descriptors and calls, in a thread of its own.

    While it runs, programs are started only by posix_spawn, because a fork copies locks that its thread may hold. If a
    plugin forks all the same, the loop's descriptors lead to the null device in the child.

    :param on_wake: called in its thread after each wait
    :param on_failure: called in its thread if it cannot go on
    """

    def __init__(self, on_wake: Callable[[], object], on_failure: Callable[[], object]) -> None:
        self._on_wake = on_wake
        self._on_failure = on_failure
        self._wakeup = Wakeup()
        self._poller = Poller(self._wakeup, self._make)
        self._posted: deque[Callable[[], object]] = deque()
        self._kept: set[int] = set()
        self._is_over = False
        # Held while the thread runs.
        self._running = allocate_lock()
        #: The thread's identifier, as :func:`threading.get_ident` returns it; 0 before the thread runs.
        self.thread = 0

    def start(self) -> None:
        """Start the thread.

        :raises FlagmanError: if there can be no more threads
        """
        self._running.acquire()
        try:
            self.thread = start_new_thread(self._run, ())
        except RuntimeError as error:
            self._running.release()
            raise FlagmanError(f"the control loop cannot be started: {error}") from error
        reference = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _abandon(reference()))

    def stop(self, seconds: float) -> bool:
        """End the thread when the call that is being made has returned.

        :param seconds: the most seconds to wait for that
        :returns: whether it has ended
        """
        self._is_over = True
        self._wakeup.wake()
        if self.thread and not self._running.acquire(timeout=seconds):
            logger.error("The control loop has not ended within %g seconds", seconds)
            return False
        self._wakeup.close()
        return True

    def call(self, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call ``code`` in the control loop, as soon as possible; safe in any thread."""
        self._posted.append(lambda: code(*args, **kwargs))
        self._wakeup.wake()

    def settle(self, seconds: float) -> bool:
        """Wait until it has made all calls that were asked for so far.

        Only for the end of a run: while there are actions, neither loop waits for the other.

        :param seconds: the most seconds to wait
        :returns: whether it has made them
        """
        done = allocate_lock()
        done.acquire()
        self.call(done.release)
        return done.acquire(timeout=seconds)

    def wake(self) -> None:
        """End its wait; safe in any thread and in a signal handler."""
        self._wakeup.wake()

    def call_at(self, moment: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` in the control loop at a moment of :func:`time.monotonic`; safe in any thread."""
        return self._poller.call_at(moment, lambda: code(*args, **kwargs))

    def call_later(self, delay: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` in the control loop in ``delay`` seconds; safe in any thread."""
        return self._poller.call_at(self._poller.clock() + delay, lambda: code(*args, **kwargs))

    def attach(
        self, descriptor: int, code: Callable[[int], object], *, readable: bool = True, writable: bool = False
    ) -> Attachment:
        """Wait for a descriptor, as :meth:`flagman.Engine.attach` does; in its own thread, or before that runs."""
        return self._poller.attach(descriptor, code, readable=readable, writable=writable)

    def keep(self, descriptor: int) -> None:
        """Also keep a descriptor that is not attached from forked children."""
        self._kept.add(descriptor)

    def let_go(self, descriptor: int) -> None:
        """Undo :meth:`keep`; call it before the descriptor is closed."""
        self._kept.discard(descriptor)

    @property
    def descriptors(self) -> set[int]:
        """All descriptors that no forked child may have."""
        pipe = {self._wakeup.fileno(), self._wakeup.writer} - {-1}
        return {*self._poller.attached, *self._kept, *pipe}

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in the control loop."""
        return get_ident() == self.thread

    def _run(self) -> None:
        self.thread = get_ident()
        # Only the main thread gets signals: one that was delivered here would not end a system call there.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while not self._is_over:
                self._poller.wait(at_once=bool(self._posted))
                self._make(self._on_wake)
                self._poller.make_calls()
                for _ in range(len(self._posted)):
                    self._make(self._posted.popleft())
        except BaseException:
            logger.critical("The control loop cannot go on", exc_info=True)
            self._on_failure()
        finally:
            self._running.release()

    @staticmethod
    def _make(code: Callable[[], object]) -> bool:
        try:
            code()
        except BaseException:  # also sys.exit() of a plugin, which would end this thread silently
            logger.exception("A call of the control loop failed")
            return False
        return True


def _abandon(loop: ControlLoop | None) -> None:
    """Make the descriptors of a loop lead to the null device in a forked child.

    They are not closed: objects of the child may still know their numbers, and would close the next files with them.
    """
    if loop is None:
        return
    with suppress(OSError):  # there is no free descriptor
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for descriptor in loop.descriptors:
            os.dup2(null, descriptor, inheritable=False)
        os.close(null)
