"""Tools for the tests of actions: none of them sleeps, and none waits for ever.

:class:`ActionDriver` takes one action through its life inside the test, with time that passes when the test says so.
:class:`Daemon` starts a real flagman and speaks with it in lockstep: each step waits for what it names, up to
:data:`DEADLINE`. What is not as expected raises :exc:`AssertionError`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from flagman.actions.arguments import arity
from flagman.actions.catalog import Catalog
from flagman.engine.action import Action
from flagman.engine.engine import Engine
from flagman.engine.fake_time import FakeTime
from flagman.engine.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flagman.types import FlagName

__all__ = ["DEADLINE", "ActionDriver", "Daemon", "FakeTime", "Lines"]

#: Seconds that a step may take: many, because a loaded machine may be very slow.
DEADLINE = 60.0

# Seconds between two checks whether a silent process still runs.
_GLANCE = 0.1

A = TypeVar("A", bound=Action)


class ActionDriver(Generic[A]):
    """An action in its engine, from ``set_up`` to ``tear_down``; a context manager.

    Exceptions of the action are raised here, unchanged.

    :param action: the class
    :param arguments: as they would be typed
    :param settings: the table ``[settings]`` of a configuration file
    :raises AssertionError: if the action does not take this many
    """

    def __init__(self, action: type[A], *arguments: str, settings: Mapping[str, object] = MappingProxyType({})) -> None:
        smallest, largest = arity(action)
        if len(arguments) < smallest or (largest is not None and len(arguments) > largest):
            raise AssertionError(f"{action.__name__} does not take {len(arguments)} arguments")
        action.check_arguments(*arguments)
        action.check_settings(settings)
        self.time = FakeTime()
        self.engine = Engine(find=Catalog().__getitem__, contained=(), clock=self.time, wait=self.time.wait)
        self.engine.provide(settings)
        self.time.on_end = self.engine.stop
        with ExitStack() as stack:
            stack.enter_context(self.engine)
            instance = self.engine.set_up("usr1", action, *arguments)
            stack.pop_all()
        self._run = instance._run  # noqa: SLF001 - the loop's half of Action
        vars(instance)["_run"] = self._run_in_loop
        # The exception of a run in the loop, which handles it and goes on.
        self._raised: BaseException | None = None
        assert isinstance(instance, action)  # noqa: S101 - for the type checker
        #: The action, already set up.
        self.action: A = instance

    def __repr__(self) -> str:
        return f"<ActionDriver of {self.action!r}>"

    def run(
        self, *, flag: FlagName = "usr1", raises: int = 1, details: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Run the action once.

        :param flag: the flag for which it runs
        :param raises: how often the flag had been raised
        :param details: what the trigger tells, see :attr:`flagman.engine.turn.Turn.details`
        """
        turn = Turn(flag, raises)
        turn.details.update(details)
        turn.action = type(self.action).__name__
        self.engine.begin(turn)
        self._run()

    def reload(self, settings: Mapping[str, object]) -> None:
        """Replace the settings as a reload does that keeps the action."""
        type(self.action).check_settings(settings)
        self.engine.provide(settings)
        self.action.reloaded()

    def advance(self, seconds: float) -> None:
        """Move time forward: calls that the action has scheduled are made, and it runs if they raise the flag ``usr1``.

        The first exception of such a run ends this call, which raises it.
        """
        self.time.end = self.time.now + seconds
        self.engine.run()
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised

    def _run_in_loop(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._raised = error
            self.engine.stop()
            raise

    def close(self) -> None:
        """Tear the action down, unless it has closed itself."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Lines:
    """The lines that come out of a pipe, each within :data:`DEADLINE`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        #: Whether nothing more will come.
        self.ended = False

    def __repr__(self) -> str:
        return f"<Lines from descriptor {self._descriptor}{', ended' if self.ended else ''}>"

    def next(self, limit: float | None = None) -> str:
        """Wait for a line; an empty string is an empty line, or the end of the output.

        :param limit: the monotonic time until which to wait; by default :data:`DEADLINE` from now
        :raises AssertionError: if nothing comes
        """
        limit = time.monotonic() + DEADLINE if limit is None else limit
        while b"\n" not in self._buffer:
            readable, _, _ = select.select([self._descriptor], [], [], max(0, limit - time.monotonic()))
            if not readable:
                raise AssertionError(f"no line within {DEADLINE} s; so far: {self._buffer!r}")
            data = os.read(self._descriptor, 65536)
            if not data:
                self.ended = True
                break
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="backslashreplace")

    def rest(self) -> list[str]:
        """Wait for the end of the output and return all lines that are left, up to an empty one."""
        return list(iter(self.next, ""))


class Daemon:
    """A flagman process with its pipes and its notification socket; a context manager, which kills it in the end.

    :param arguments: the command line after the program's name
    :param directory: where it runs; a temporary directory by default
    :param command: how to start flagman; with this interpreter by default
    :param environment: variables to add, or to remove where the value is None
    :param merged: send stderr to where stdout goes, as in a terminal
    """

    def __init__(
        self,
        *arguments: str,
        directory: Path | None = None,
        command: Sequence[str] = (sys.executable, "-m", "flagman"),
        environment: Mapping[str, str | None] | None = None,
        merged: bool = False,
    ) -> None:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="flagman-"))
            self._socket = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            self._socket.bind(f"{folder}/notify")
            self._socket.settimeout(_GLANCE)
            changed: dict[str, str | None] = {
                "NOTIFY_SOCKET": f"{folder}/notify",
                "PYTHONUNBUFFERED": None,  # it would hide what the daemon itself has to do about buffers
                **(environment or {}),
            }
            self.process = stack.enter_context(
                subprocess.Popen(
                    [*command, *arguments],
                    cwd=directory or folder,
                    env={name: value for name, value in {**os.environ, **changed}.items() if value is not None},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT if merged else subprocess.PIPE,
                )
            )
            stack.callback(self.process.kill)
            out, err = self.process.stdout, self.process.stderr
            assert out  # noqa: S101 - for the type checker
            #: Its standard output.
            self.out = Lines(out.fileno())
            #: Its standard error.
            self.err = Lines(err.fileno()) if err else self.out
            self._stack = stack.pop_all()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self.process!r}>"

    def notified(self, limit: float | None = None) -> str:
        """Wait for a message to the service manager.

        :param limit: the monotonic time until which to wait; by default :data:`DEADLINE` from now
        :raises AssertionError: if none comes
        """
        limit = time.monotonic() + DEADLINE if limit is None else limit
        while time.monotonic() < limit:
            ended = self.process.poll() is not None
            with suppress(TimeoutError):
                return self._socket.recv(65536).decode()
            if ended:
                said = self.err.next()
                raise AssertionError(f"it has ended with status {self.process.returncode}, and printed: {said!r}")
        raise AssertionError(f"no notification within {DEADLINE} s")

    def pending(self) -> list[str]:
        """Return the messages to the service manager that have come and were not waited for."""
        messages = []
        self._socket.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                messages.append(self._socket.recv(65536).decode())
        self._socket.settimeout(_GLANCE)
        return messages

    def ready(self) -> Self:
        """Wait until the daemon says that it is ready."""
        limit = time.monotonic() + DEADLINE
        while "READY=1" not in self.notified(limit).splitlines():
            pass
        return self

    def expect(self, *lines: str) -> Self:
        """Wait for exactly these lines on stdout."""
        for line in lines:
            found = self.out.next()
            if found != line:
                raise AssertionError(f"expected {line!r}, got {found!r}")
        return self

    def expect_error(self, part: str) -> str:
        """Wait for a line on stderr that contains a part, and return it; lines before it are passed over."""
        limit = time.monotonic() + DEADLINE
        passed: list[str] = []
        while part not in (line := self.err.next(limit)):
            passed.append(line)
            if self.err.ended or time.monotonic() > limit:
                raise AssertionError(f"no line with {part!r}, only {passed}")
        return line

    def signal(self, *signums: int) -> Self:
        """Send signals."""
        for signum in signums:
            self.process.send_signal(signum)
        return self

    def status(self) -> int:
        """Wait for the end of the process, and return its exit status: -15 if TERM has killed it."""
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {DEADLINE} s") from None

    def stop(self, *lines: str) -> None:
        """Send TERM; exactly these lines on stdout and status 0 must follow."""
        self.signal(signal.SIGTERM)
        self.expect(*lines, "")
        status = self.status()
        if status != 0:
            raise AssertionError(f"exit status {status}")

    def close(self) -> None:
        """Kill the process, if it is still there, and close its pipes."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
