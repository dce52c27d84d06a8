"""The control loop: a second loop, in a second thread, that goes on while the main loop runs an action.

It answers requests and looks after processes. It never runs or touches an action: it raises flags, and reads records
that the main loop only replaces as a whole. Neither loop waits for the other.
"""

from __future__ import annotations

import os
import sys
import weakref
from _thread import allocate_lock, get_ident
from collections import deque
from contextlib import suppress

from flagman.engine import loggers
from flagman.engine.loop import Poller
from flagman.engine.threads import start_deaf_thread
from flagman.engine.wakeup import Wakeup
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec

    from flagman.engine.calls import Call
    from flagman.engine.loop import Attachment

    P = ParamSpec("P")

logger = loggers.get("flagman.service")

# Seconds after which a thread that computes lets the other one run, while the loop runs. Python's own 5 ms would add to
# the latency of a signal that comes while a long history is being put together.
_TURN = 0.0005
# Seconds that the loop has to detach a descriptor.
_PATIENCE = 1.0


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
        self._is_over = self._has_ended = False
        self._usual_turn = 0.0
        # Held while the thread runs.
        self._running = allocate_lock()
        #: The thread's identifier, as :func:`threading.get_ident` returns it; 0 before the thread runs, and in a
        #: forked child.
        self.thread = 0

    def start(self) -> None:
        """Start the thread.

        :raises FlagmanError: if there can be no more threads
        """
        self._running.acquire()
        try:
            self.thread = start_deaf_thread(self._run, ())
        except RuntimeError as error:
            self._running.release()
            raise FlagmanError(f"the control loop cannot be started: {error}") from error
        self._usual_turn = sys.getswitchinterval()
        if self._usual_turn > _TURN:
            sys.setswitchinterval(_TURN)
        _LOOPS.add(self)
        _hook()

    def stop(self, seconds: float) -> bool:
        """End the thread when the call that is being made has returned.

        :param seconds: the most seconds to wait for that
        :returns: whether it has ended
        """
        self._is_over = True
        self._wakeup.wake()
        if self.thread and not self._running.acquire(timeout=seconds):
            logger.error("The control loop has not ended: a call of it hangs")
            return False
        if self._usual_turn > _TURN:
            sys.setswitchinterval(self._usual_turn)
        self.thread = 0
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
        return not self._has_ended and done.acquire(timeout=seconds)

    def wake(self) -> None:
        """End its wait; safe in any thread and in a signal handler."""
        self._wakeup.wake()

    def call_at(self, moment: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` in the control loop at a moment of :func:`time.monotonic`; safe in any thread."""
        return self._poller.call_at(moment, lambda: code(*args, **kwargs))

    def call_later(self, delay: float, code: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Call:
        """Call ``code`` in the control loop in ``delay`` seconds; safe in any thread."""
        return self._poller.call_at(self._poller.clock() + delay, lambda: code(*args, **kwargs))

    def attach(  # noqa: PLR0913 - the events, each by its name
        self,
        descriptor: int,
        code: Callable[[int], object],
        *,
        readable: bool = True,
        writable: bool = False,
        urgent: bool = False,
        on_failure: Callable[[], object] | None = None,
    ) -> Attachment:
        """Wait for a descriptor, as :meth:`flagman.Engine.attach` does.

        :raises RuntimeError: if this is another thread, and the loop runs
        """
        if self.thread and not self.is_here:
            raise RuntimeError("only the control loop itself may attach a descriptor while it runs")
        return self._poller.attach(
            descriptor, code, readable=readable, writable=writable, urgent=urgent, on_failure=on_failure
        )

    def release(self, attachment: Attachment) -> None:
        """Detach a descriptor, so that it can be closed; in the control loop, or in the main thread at the end."""
        if self.is_here or not self.thread:
            attachment.detach()
        else:
            self.call(attachment.detach)
            self.settle(_PATIENCE)

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
    def has_ended(self) -> bool:
        """Whether its thread has ended, perhaps because it could not go on."""
        return self._has_ended

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in the control loop."""
        return not self._has_ended and get_ident() == self.thread

    def _run(self) -> None:
        self.thread = get_ident()
        try:
            while not self._is_over:
                self._poller.wait(at_once=bool(self._posted))
                self._make(self._on_wake, "look for a stop request")
                self._poller.make_calls()
                self._make_posted()
        except BaseException:
            logger.critical("The control loop has failed, and flagman stops", exc_info=True)
            self._has_ended = True  # first: what this wakes looks, and then waits for good
            self._on_failure()
        finally:
            self._has_ended = True
            self._make_posted()
            self._running.release()

    def _make_posted(self) -> None:
        """Make the calls that were asked for so far; those that they ask for come later."""
        for _ in range(len(self._posted)):
            self._make(self._posted.popleft(), "call")

    @staticmethod
    def _make(code: Callable[[], object], what: str) -> bool:
        try:
            code()
        except BaseException:  # also sys.exit() of a plugin, which would end this thread silently
            logger.exception("A %s of the control loop failed", what)
            return False
        return True

    def abandon(self) -> None:
        """Make its descriptors lead to the null device, in a forked child.

        They are not closed: objects of the child may still know their numbers, and would close the next files with
        them.
        """
        self.thread = 0
        with suppress(OSError):  # there is no free descriptor
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            for descriptor in self.descriptors:
                os.dup2(null, descriptor, inheritable=False)
            os.close(null)


# The loops that forked children must not have.
_LOOPS: weakref.WeakSet[ControlLoop] = weakref.WeakSet()
_is_hooked = False


def _hook() -> None:
    """Call :meth:`ControlLoop.abandon` in forked children; once, because such a hook cannot be removed."""
    global _is_hooked  # noqa: PLW0603 - so is the list of hooks
    if not _is_hooked:
        os.register_at_fork(after_in_child=_abandon_all)
        _is_hooked = True


def _abandon_all() -> None:
    for loop in tuple(_LOOPS):
        if loop.thread:
            loop.abandon()
