"""Loops: what they wait for, which is descriptors and the deadline of the earliest call; and the one that lowers flags.

It imports neither signals nor sockets and takes its clock and its wait as parameters, so tests replay histories.
"""

from __future__ import annotations

import math
import select
import time
from _thread import allocate_lock
from contextlib import suppress

from flagman.engine import loggers
from flagman.engine.flags import STOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.calls import Call, Calls
    from flagman.engine.flags import Flags, Raises
    from flagman.engine.wakeup import Wakeup
    from flagman.types import FlagName

    #: Waits this many milliseconds at most, None for no limit, and returns the descriptors that are ready, as poll(2)
    #: does.
    Wait = Callable[[float | None], list[tuple[int, int]]]
    #: Calls a function, handles what it raises, and returns whether it raised nothing. The second argument is the name
    #: of the call for the log.
    Make = Callable[[Callable[[], object], str], bool]

# The engine logs as flagman.core, the name that is documented.
logger = loggers.get("flagman.core")

# Milliseconds, almost 25 days: the most that poll(2) takes. Waking up once in this time does no harm.
_LONGEST_WAIT = 2**31 - 1


class Attachment:
    """A descriptor that a loop waits for; :meth:`flagman.Engine.attach` returns it."""

    __slots__ = ("_poller", "code", "descriptor", "on_failure", "since")

    def __init__(
        self,
        poller: Poller,
        descriptor: int,
        code: Callable[[int], object],
        on_failure: Callable[[], object] | None,
        since: int,
    ) -> None:
        self._poller = poller
        #: Called after it was detached because ``code`` has raised an exception.
        self.on_failure = on_failure
        #: The descriptor; -1 after :meth:`detach`.
        self.descriptor = descriptor
        #: Called with the events of poll(2).
        self.code = code
        #: The number of the wait during which it was attached.
        self.since = since

    def __repr__(self) -> str:
        return f"<Attachment of descriptor {self.descriptor}>"

    def expect(self, *, readable: bool = True, writable: bool = False, urgent: bool = False) -> None:
        """Wait for other events from now on; in the loop's thread only.

        If all are False, nothing of the descriptor ends a wait, not even a hang-up or an error.

        :raises ValueError: if it has been detached
        """
        if self.descriptor < 0:
            raise ValueError("the descriptor has been detached")
        self._poller.expect(self.descriptor, readable=readable, writable=writable, urgent=urgent)

    def detach(self) -> None:
        """Wait for it no longer; in the loop's thread only, and before the descriptor is closed."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            self._poller.forget(descriptor)


class Poller:
    """Waits for descriptors and for the deadline of the earliest call, and calls what is ready or due.

    :param wakeup: ends a wait from a signal handler or another thread
    :param make: makes one call
    :param clock: returns the seconds of a clock that never goes back
    :param wait: see :data:`Wait`; poll(2) by default
    """

    __slots__ = (
        "_attached",
        "_calls",
        "_lock",
        "_make",
        "_poll",
        "_wait",
        "_waits",
        "_wakeup",
        "clock",
        "is_waiting",
        "on_wake",
    )

    def __init__(
        self, wakeup: Wakeup, make: Make, *, clock: Callable[[], float] = time.monotonic, wait: Wait | None = None
    ) -> None:
        self._wakeup = wakeup
        self._make = make
        #: The clock of the deadlines.
        self.clock = clock
        #: Whether it waits: then :attr:`on_wake` is called before anything else is done.
        self.is_waiting = False
        #: Called after each wait, before anything else; None for nothing. It must not raise an exception.
        self.on_wake: Callable[[], object] | None = None
        self._attached: dict[int, Attachment] = {}
        self._poll = wakeup.poll()
        self._wait: Wait = wait or self._poll.poll
        self._waits = 0
        self._calls: Calls | None = None
        self._lock = allocate_lock()

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
        """Call ``code`` when a descriptor is ready; see :meth:`flagman.Engine.attach`."""
        if descriptor in self._attached:
            raise ValueError(f"descriptor {descriptor} has been attached already")
        self.expect(descriptor, readable=readable, writable=writable, urgent=urgent)
        self._attached[descriptor] = attachment = Attachment(self, descriptor, code, on_failure, self._waits)
        return attachment

    def expect(self, descriptor: int, *, readable: bool, writable: bool, urgent: bool) -> None:
        """Set the events that end the wait; :class:`Attachment` calls it.

        With any event, a hang-up and an error end it, too.
        """
        events = select.POLLIN * readable | select.POLLOUT * writable | select.POLLPRI * urgent
        if events:
            self._poll.register(descriptor, events)
        else:
            self._ignore(descriptor)

    def forget(self, descriptor: int) -> None:
        """Wait for a descriptor no longer; :class:`Attachment` calls it."""
        del self._attached[descriptor]
        self._ignore(descriptor)

    def _ignore(self, descriptor: int) -> None:
        with suppress(KeyError):  # no event of it was waited for
            self._poll.unregister(descriptor)

    @property
    def attached(self) -> tuple[int, ...]:
        """The descriptors that have been attached."""
        return tuple(self._attached)

    def call_at(self, moment: float, code: Callable[[], object]) -> Call:
        """Call ``code`` at a moment on the clock; safe in any thread.

        :raises ValueError: if that moment never comes
        """
        if not math.isfinite(moment):
            raise ValueError(f"{moment} is not a moment on the clock")
        from flagman.engine.calls import Calls  # noqa: PLC0415 - only if there is a call

        with self._lock:
            if self._calls is None:
                self._calls = Calls(self.clock, self._make)
        call = self._calls.add(moment, code)
        self._wakeup.wake()  # the loop may be about to wait for longer
        return call

    def wait(self, *, at_once: bool = False) -> None:
        """Wait until a descriptor is ready, a call is due or :class:`Wakeup` ends it; then call what is ready.

        The pipe is drained before the caller reads the flags: CPython notes a signal before it writes the byte, so a
        loop that has read the byte finds the flag (python/cpython issue 74224).

        :param at_once: only look, without waiting
        """
        self._waits += 1
        self.is_waiting = True
        ready = self._wait(0 if at_once else self._patience())
        self.is_waiting = False
        if self.on_wake is not None:
            self.on_wake()
        for descriptor, events in ready:
            attachment = self._attached.get(descriptor)
            if attachment is None:
                self._wakeup.drain()  # or what was called just now has detached it
            elif attachment.since < self._waits:  # else the number means another file by now
                self._call(attachment, events)

    def _call(self, attachment: Attachment, events: int) -> None:
        """Call what belongs to a descriptor; if it fails, detach it: the next wait would end at once, for ever."""
        what = f"call for descriptor {attachment.descriptor}"
        if events & select.POLLNVAL:
            logger.error("Descriptor %d was closed and not detached", attachment.descriptor)
        elif self._make(lambda: attachment.code(events), what):
            return
        attachment.detach()
        if attachment.on_failure is not None:
            self._make(attachment.on_failure, what)

    def make_calls(self) -> None:
        """Make the calls that are due."""
        if self._calls is not None:
            deadline = self._calls.deadline()
            if deadline is not None and deadline <= self.clock():
                self._calls.drain()

    def _patience(self) -> float | None:
        """Return the milliseconds until the first deadline, rounded up: if waits ended early, the loop would spin."""
        deadline = None if self._calls is None else self._calls.deadline()
        if deadline is None:
            return None
        return min(max(0, math.ceil((deadline - self.clock()) * 1000)), _LONGEST_WAIT)


class Loop:
    """Connects what raises flags to the lowering of flags.

    :param flags: the flags that are raised
    :param poller: waits, and lets triggers raise flags
    :param lower: called with a flag and its raises, for one flag at a time
    """

    def __init__(self, flags: Flags, poller: Poller, lower: Callable[[FlagName, Raises], None]) -> None:
        self._flags = flags
        self._poller = poller
        self._lower = lower

    def run(self) -> None:
        """Lower flags until :data:`~flagman.engine.flags.STOP` is raised; the stop flag comes before all others."""
        flags, poller = self._flags, self._poller
        while True:
            poller.wait(at_once=bool(flags))
            if STOP not in flags:
                poller.make_calls()
            if not flags:
                continue
            flag, raises = flags.pop()
            # Checked after the pop: a handler may raise the stop flag at any moment before.
            if flag == STOP or STOP in flags:
                flags.put_back(flag, raises)
                return
            self._lower(flag, raises)
