"""Lives of processes, and servers of all kinds, for the tests of verifiers."""

from __future__ import annotations

import os
import signal
import socket
import threading
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import pytest

from flagman.children.environment import for_commands
from flagman.children.registry import CHILDREN
from flagman.service.control_loop import ControlLoop
from flagman.supervise.instance import Instance
from flagman.supervise.verifiers.kind import Attempt, Gifts, Kind
from flagman.supervise.verifiers.liveness import Liveness
from flagman.supervise.verifiers.reading import read
from flagman.supervise.verifiers.verification import Verification
from support.driven import DEADLINE, descriptors, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flagman.supervise.verifiers.kind import Answer, Around

    T = TypeVar("T")

    #: Starts a process with a verifier.
    Begin = Callable[..., "Life"]

SLEEP = ("sleep", "600")


class Looped:
    """A running control loop, in which tests have code called."""

    def __init__(self) -> None:
        self.loop = ControlLoop(list, list)
        self.loop.start()

    def call(self, code: Callable[[], T]) -> T:
        """Call code in the loop, and return what it returns."""
        done = allocate_lock()
        done.acquire()
        results: list[T] = []
        errors: list[BaseException] = []

        def make() -> None:
            try:
                results.append(code())
            except BaseException as error:  # noqa: BLE001 - the test gets it
                errors.append(error)
            finally:
                done.release()

        self.loop.call(make)
        assert done.acquire(timeout=DEADLINE)
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        """Stop it."""
        assert self.loop.stop(DEADLINE)


class Life:
    """One life of a process, as the supervisor keeps it; everything but the constructor is called in the loop.

    :param looped: the loop
    :param table: the verifier, as the file has it
    :param words: the command
    """

    name = "web"

    def __init__(self, looped: Looped, table: object, *words: str, liveness: bool = False) -> None:
        self.looped = looped
        self.check = read(table, liveness=liveness)
        self.words = words or SLEEP
        self.environment: Mapping[bytes, bytes] = {}
        self.verdicts: list[str] = []
        self.failures: list[str] = []
        self.status: int | None = None
        self.instance: Instance | None = None
        self.gifts = Gifts()
        self.started: list[Instance] = []
        looped.call(self._begin)

    def _begin(self) -> None:
        self.gifts = self.check.gifts(self.looped.loop)
        self.environment = for_commands() | self.gifts.environment
        try:
            self.instance = self.start(self.words, self.gifts.streams, self._look)
        finally:
            self.gifts.given()
        self.liveness = Liveness(self.check, self, self.looped.loop, self.failures.append)
        self.verification = Verification(
            self.check, self, self.looped.loop, self.gifts, self.verdicts.append, on_failure=self.failures.append
        )

    def begin(self) -> Life:
        """Begin to verify it."""
        self.looped.call(self.verification.begin)
        return self

    def live(self) -> Life:
        """Begin to ask whether it still works."""
        self.looped.call(self.liveness.begin)
        return self

    @property
    def pid(self) -> int:
        """The number of the leader."""
        assert self.instance is not None
        return self.instance.pid

    def is_alive(self) -> bool:
        """Return whether it lives."""
        return self.instance is not None and not self.instance.has_ended()

    def start(self, words: tuple[str, ...], streams: Mapping[int, int], on_end: Callable[[], object]) -> Instance:
        """Start a command."""
        instance = Instance(
            words,
            self.environment,
            streams=streams,
            ignored=(),
            loop=self.looped.loop,
            on_end=on_end,
            has_terminal=False,
        )
        self.started.append(instance)
        return instance

    def _look(self) -> None:
        if self.instance is None or not self.instance.has_ended():
            return
        instance, self.instance = self.instance, None
        self.status = instance.reap()
        assert self.status is not None
        verdict = self.verification.ended(self.status)
        if not self.verdicts:
            self.verdicts.append("died" if verdict is None else verdict)

    def verdict(self) -> str:
        """Wait for the verdict, and return it."""
        wait_for(lambda: self.verdicts)
        (verdict,) = self.verdicts
        return verdict

    def end(self) -> None:
        """Kill all of it."""
        self.looped.call(self._end)
        wait_for(lambda: all(CHILDREN.owner(instance.pid) is not instance for instance in self.started))

    def _end(self) -> None:
        self.verification.cancel()
        self.liveness.cancel()
        self.gifts.close()
        if self.instance is not None:
            with suppress(ProcessLookupError):
                self.instance.send_to_group(signal.SIGKILL)
            self.instance.reap()
            self.instance = None


class Scripted(Kind):
    """A verifier that answers what the test says.

    :param answers: one for each try: empty, or what is wrong; None for a try that is not answered
    """

    name = "scripted"
    is_for_liveness = True

    def __init__(self, *answers: str | None) -> None:
        super().__init__(*answers)
        self.answers = list(answers)
        self.tries: list[Around] = []
        self.cancelled = 0

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Answer at once, or never."""
        why = self.answers[len(self.tries)] if len(self.tries) < len(self.answers) else "later"
        self.tries.append(around)
        if why is not None:
            answer(why)
        return _Counted(self)


class _Counted(Attempt):
    def __init__(self, way: Scripted) -> None:
        self._way = way

    def cancel(self) -> None:
        self._way.cancelled += 1


class Server:
    """A server in a thread: each client gets what the function makes of it.

    :param serve: called with the connection
    :param place: the address to listen at: by default a free port of this machine; or the path of a Unix socket
    """

    def __init__(self, serve: Callable[[socket.socket], object], place: object = ("127.0.0.1", 0)) -> None:
        family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
        if isinstance(place, tuple) and ":" in place[0]:
            family = socket.AF_INET6
        self.socket = socket.socket(family)
        self.socket.bind(place)  # type: ignore[arg-type]
        self.socket.listen()
        self.port = 0 if family == socket.AF_UNIX else int(self.socket.getsockname()[1])
        self.seen = 0
        self._serve = serve
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:  # it was shut down
                return
            self.seen += 1
            self._open.append(connection)
            with suppress(OSError):
                self._serve(connection)

    def close(self) -> None:
        """End it, and all connections."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        for connection in (*self._open, self.socket):
            connection.close()


def free_port() -> int:
    """Return a port of this machine at which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(name="looped")
def looped_fixture() -> Iterator[Looped]:
    """Run a control loop; at the end neither it nor this process has any more descriptors than before."""
    before = descriptors(os.getpid())
    looped = Looped()
    yield looped
    try:
        wait_for(lambda: looped.call(lambda: len(looped.loop.descriptors)) == 2)
    finally:
        looped.close()
    assert len(descriptors(os.getpid())) <= len(before)


@pytest.fixture(name="life")
def life_fixture(looped: Looped) -> Iterator[Begin]:
    """Yield a function that starts processes; they end with the test."""
    lives: list[Life] = []

    def begin(table: object, *words: str, liveness: bool = False) -> Life:
        life = Life(looped, table, *words, liveness=liveness)
        lives.append(life)
        return life.live() if liveness else life.begin()

    yield begin
    for life in lives:
        life.end()
