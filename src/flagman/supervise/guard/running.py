"""One guardian that runs: its start, which nothing waits for, and its end."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from contextlib import ExitStack, suppress

from flagman.children import environment
from flagman.children.reaping import Child
from flagman.children.registry import CHILDREN
from flagman.daemon import descriptors
from flagman.supervise.guard.guardian import main
from flagman.supervise.guard.seen import VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.engine.loop import Attachment
    from flagman.service.control_loop import ControlLoop

_ALL = signal.valid_signals()
# Signals that a fault of the guardian itself causes.
_OF_ITS_OWN = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
_CATCHABLE = _ALL - {signal.SIGKILL, signal.SIGSTOP}
# The lowest number of a copy that is handed over: one that is where another has to go would be replaced before.
_LOWEST = 16
# Seconds that a killed guardian has to end, between two looks at it, and between two looks at one that ends by itself.
_PATIENCE, _GLANCE, _PAUSE = 1.0, 0.001, 0.01


def program() -> tuple[str, ...]:
    """Return the words that run the guardian, without its arguments; flagman may be in an archive."""
    root = os.path.abspath(f"{__file__}/../../../..")  # noqa: PTH100 - pathlib costs 5 ms
    code = f"import sys; sys.path.append({root!r}); from {main.__module__} import main; main()"
    return (sys.executable, "-ISB" if sys.dont_write_bytecode else "-IS", "-c", code)


class Running:
    """A guardian; it is used in the control loop, or when that does not run.

    :param words: the words of its command
    :param memory: the descriptor of the register
    :param lock: the descriptor of the lock; -1 for none
    :param loop: watches it
    :param on_end: called when it has ended, unless it was killed by :meth:`kill`
    :raises OSError: if it cannot be started
    """

    def __init__(
        self, words: tuple[str, ...], *, memory: int, lock: int, loop: ControlLoop, on_end: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._on_end = on_end
        self._attachment: Attachment | None = None
        theirs, ours = [], []
        try:
            for number in (0, 1):
                pipe = descriptors.pipe()
                theirs.append(pipe[number])
                ours.append(pipe[1 - number])
            self.pid = CHILDREN.start(lambda: _spawn(words, memory, theirs, lock), self)
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        #: Ends with this process, and with the guardian.
        self._writer, self._reader = ours
        self._child = Child(self.pid)
        loop.keep(self._writer)
        self._attachment = loop.attach(self._reader, lambda _: self._look())

    def _look(self) -> None:
        """See whether it has ended; its descriptors are closed a moment before."""
        if self._attachment is not None:
            self._loop.release(self._attachment)  # it stays readable
            self._attachment = None
        if self._writer < 0:  # it was forgotten meanwhile
            return
        try:
            if not self._child.has_ended():
                self._loop.call_later(_PAUSE, self._look)
                return
        except ChildProcessError:  # other code has waited for it
            pass
        on_end = self._on_end
        self.forget()
        on_end()

    def kill(self) -> None:
        """End it in order: it has nothing to do any more."""
        with suppress(ChildProcessError):
            if not self._child.has_ended():  # its number is its own
                os.kill(self.pid, signal.SIGKILL)
                limit = time.monotonic() + _PATIENCE
                while not self._child.has_ended() and time.monotonic() < limit:
                    time.sleep(_GLANCE)
        self.forget()

    def forget(self) -> None:
        """Close what belongs to it; it may still run."""
        self._on_end = _nothing
        if self._writer < 0:
            return
        if self._attachment is not None:
            self._loop.release(self._attachment)
        with suppress(ChildProcessError):
            if self._child.has_ended():
                self._child.reap()
        CHILDREN.release(self.pid, self)
        self._loop.let_go(self._writer)
        os.close(self._writer)
        os.close(self._reader)
        self._writer = -1


def _nothing() -> None:
    pass


def _spawn(words: tuple[str, ...], memory: int, pipes: list[int], lock: int) -> int:
    """Start it, in a session of its own, so that neither a terminal nor the end of this session reaches it."""
    variables = environment.for_commands()
    variables.pop(VARIABLE, None)  # it belongs to no process of another daemon
    with ExitStack() as stack:

        def copy(descriptor: int) -> int:
            descriptor = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _LOWEST)
            stack.callback(os.close, descriptor)
            return descriptor

        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, null)
        error = 2 if _is_open(2) else null
        sources = (null, null, error, memory, *pipes, null if lock < 0 else lock)
        # In the order of the guardian's descriptors.
        actions = [(os.POSIX_SPAWN_DUP2, copy(source), number) for number, source in enumerate(sources)]

        def spawn(**options: bool) -> int:
            return os.posix_spawn(
                words[0],
                words,
                variables,
                file_actions=actions,
                setsigmask=_ALL - _OF_ITS_OWN,
                setsigdef=_CATCHABLE,
                **options,  # type: ignore[arg-type]
            )

        try:
            return spawn(setsid=True)
        except NotImplementedError:
            return spawn()  # it does so itself


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
