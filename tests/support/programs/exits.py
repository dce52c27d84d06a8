"""Programs that become daemons in either way, and note what runs at the exits of both processes."""

from __future__ import annotations

import asyncio
import atexit
import logging
import logging.handlers
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from flagman.daemon import Daemon, PidLockFile, crash
from support.programs.reports import MARK, at, say

if TYPE_CHECKING:
    from collections.abc import Callable

CALLER = os.getpid()
#: Objects that live as long as the module does.
KEPT: list[object] = []


def note(what: object) -> None:
    """Note something, with the one of the two processes that notes it."""
    with open(at("notes"), "a") as file:
        print(what, "caller" if os.getpid() == CALLER else "daemon", file=file)


def begin() -> None:
    """Write the last traceback into the directory of the test."""
    crash._SYSTEM = os.environ[MARK]


def become(
    way: str,
    target: Callable[[], object],
    kind: type[Daemon] = Daemon,
    prepare: Callable[[Daemon], object] = lambda _: None,
    **options: Any,  # noqa: ANN401 - any option of Daemon
) -> None:
    """Become a daemon in one of the two ways, and run the target there."""
    begin()
    where = {"detach": True, "pid_file": at("d.pid"), "stderr": at("err"), **options}
    if way == "start":
        d = kind(target, **where)
        prepare(d)
        d.start()
        d.report()
    else:
        d = kind(**where)
        prepare(d)
        d.activate()
        target()


def _is_at_the_end() -> bool:
    """Return whether the main thread has finished, except for waiting for the others."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    while not (frame.f_code.co_name == "_shutdown" and "threading" in frame.f_code.co_filename):
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return True


def _work_for_ever() -> None:
    while not _is_at_the_end():
        time.sleep(0.001)
    say()
    threading.Event().wait()


def _hang() -> None:
    """Report that the process hangs here."""
    say()
    threading.Event().wait()


def _term() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class _Thing:
    """An object that can have weak references."""


def registers(way: str) -> None:
    """Register functions, finalizers and temporary directories before the fork and after it."""
    atexit.register(note, "registered before")
    thing = _Thing()
    weakref.finalize(thing, note, "finalized before")
    before = tempfile.TemporaryDirectory(dir=os.environ[MARK], prefix="parents-")
    parents = before.name
    KEPT.extend((thing, before))

    def target() -> None:
        atexit.register(note, "registered after")
        own = _Thing()
        weakref.finalize(own, note, "finalized after")
        KEPT.extend((own, tempfile.TemporaryDirectory(dir=os.environ[MARK], prefix="daemons-")))
        atexit.register(lambda: note("kept" if os.path.isdir(parents) else "lost"))

    # The parent outlives the daemon, so that its directory is not removed before the daemon could have done that.
    warnings.simplefilter("ignore", ResourceWarning)
    atexit.register(_wait_for_the_end)
    become(way, target)


def _wait_for_the_end() -> None:
    while os.path.exists(at("d.pid")):
        time.sleep(0.001)


def registers_by_the_fork() -> None:
    """Register a function in the child at the fork."""
    os.register_at_fork(after_in_child=lambda: atexit.register(note, "forked"))
    become("start", lambda: None)


def holds_records() -> None:
    """Log a record that is only written when logging is shut down."""
    handler = logging.handlers.MemoryHandler(1000, target=logging.FileHandler(at("log"), delay=True))
    logging.getLogger().addHandler(handler)
    become("start", lambda: logging.getLogger().error("held"))


def has_children() -> None:
    """Start multiprocessing children in both processes: one ends by itself, and the others do not."""
    reader, writer = os.pipe()

    def child(name: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if name == "parents":
            say()
        else:
            os.write(writer, b"x")
        if name == "waited for":
            note(name)
        else:
            signal.pause()

    fork = multiprocessing.get_context("fork")
    parents = fork.Process(target=child, args=("parents",))
    parents.start()

    def target() -> None:
        ended = fork.Process(target=child, args=("ended",), daemon=True)
        ended.start()
        os.read(reader, 1)
        note(f"{ended.pid}")
        fork.Process(target=child, args=("waited for",)).start()

    def stop() -> None:
        _wait_for_the_end()
        note("lives" if parents.is_alive() else "was killed")
        parents.kill()

    atexit.register(stop)
    become("start", target, inherit_files=(reader, writer))


def has_workers(way: str) -> None:
    """Leave an executor for Python to stop."""

    def target() -> None:
        executor = ThreadPoolExecutor()
        executor.submit(note, "worked").result()
        KEPT.append(executor)

    become(way, target)


def waits_for_a_thread(way: str, *, is_second: bool) -> None:
    """Leave a thread that does not end, after a first TERM or before it."""

    def target() -> None:
        atexit.register(note, "done")
        threading.Thread(target=_work_for_ever).start()
        if is_second:
            _term()

    become(way, target)


def hangs_at_the_exit(way: str) -> None:
    """Register a function that never ends between two others."""

    def target() -> None:
        atexit.register(note, "the last")
        atexit.register(_hang)
        atexit.register(note, "the first")
        sys.exit()

    become(way, target)


_GATE = threading.Event()


def _hang_in_an_executor() -> None:
    with ThreadPoolExecutor() as executor:
        executor.submit(_GATE.wait)
        _hang()


def _hang_in_a_clean_up() -> None:
    try:
        _hang()
    finally:
        threading.Event().wait()


async def _at_once() -> None:
    say()
    await asyncio.to_thread(_GATE.wait)


HANGS: dict[str, Callable[[], object]] = {
    "an executor": _hang_in_an_executor,
    "a clean-up": _hang_in_a_clean_up,
    "asyncio": lambda: asyncio.run(_at_once()),
}


def hangs_in_a_clean_up(way: str, where: str) -> None:
    """Hang in a clean-up after TERM."""

    def target() -> None:
        atexit.register(note, "done")
        HANGS[where]()

    become(way, target)


def ends_in_a_storm(names: list[str]) -> None:
    """Get signals from a child without an end."""

    def storm(pid: int) -> None:
        while True:
            for name in names:
                os.kill(pid, signal.Signals[f"SIG{name}"])

    def target() -> None:
        atexit.register(note, "done")
        reader, writer = os.pipe()
        sender = os.fork()
        if not sender:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.read(reader, 1)
            try:
                storm(os.getppid())
            finally:
                os._exit(0)
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        os.write(writer, b"x")
        time.sleep(60)

    become("start", target, prepare=lambda d: d.signal_map.update({signal.SIGINT: "terminate"}))


def cleans_up() -> None:
    """Get TERM again and again in a clean-up."""

    def target() -> None:
        try:
            _term()
        finally:
            for _ in range(10):
                _term()
            note("cleaned up")

    become("start", target)


def gets_term_at_the_last_moment(*, detach: bool, late: bool) -> None:
    """Get TERM when run() is about to return, or when the pid file is about to be removed."""
    begin()
    parent = os.getpid() if detach else 0

    class Lock(PidLockFile):
        def release(self) -> None:
            if late and os.getpid() != parent:
                _term()
            super().release()

    class Own(Daemon):
        def run(self) -> None:
            if not late:
                _term()

    d = Own(detach=detach, pid_file=Lock(at("d.pid")), prevent_core=False)
    d.start()
    d.report()


def in_the_foreground() -> None:
    """Activate a daemon that does not detach, and try to start it once more."""
    begin()
    d = Daemon(detach=False, pid_file=at("d.pid"), prevent_core=False)
    d.activate()
    for wrong in (d.activate, d.start):
        try:
            wrong()
        except RuntimeError as error:
            print(error)
    with open(at("d.pid")) as file:
        print(file.read() == f"{CALLER}\n")


def fails_to_activate(*, detach: bool) -> None:
    """Activate a daemon that cannot become one."""
    begin()
    d = Daemon(detach=detach, pid_file=at("d.pid"), prevent_core=False, working_directory="/no/such")
    try:
        d.activate()
    except Exception as error:  # noqa: BLE001 - the test sees any exception
        print(error)
    except SystemExit:
        print(d.error.rstrip())
    note("here")


def stages_by_hand() -> None:
    """Report that the daemon is ready, without start() or activate()."""
    begin()
    d = Daemon(detach=True, pid_file=at("d.pid"))
    d.advance()
    d.ready()


class _DoesNotMonitor(Daemon):
    def monitor(self) -> None:
        """Do nothing."""


class _Sleeps(Daemon):
    def monitor(self) -> None:
        """Sleep for a moment, without monitoring."""
        time.sleep(0.1)


class _FailsToMonitor(Daemon):
    def monitor(self) -> None:
        """Monitor, and fail."""
        super().monitor()
        raise RuntimeError("why")


MONITORS: dict[str, type[Daemon]] = {"returns": _DoesNotMonitor, "sleeps": _Sleeps, "fails": _FailsToMonitor}


def does_not_monitor(way: str) -> None:
    """Start a daemon with a monitor() that does not watch the start to its end."""
    begin()
    kind = type("Wrong", (MONITORS[way],), {})
    d = kind(signal.pause, detach=True, pid_file=at("d.pid"))
    try:
        d.start()
    except RuntimeError as error:
        print(error, d.exitcode != 0)


def in_a_block() -> None:
    """Start daemons within the block of a pid file."""
    begin()
    lock = PidLockFile(at("d.pid"))
    with lock:
        Daemon(print, ["ran"], detach=False, pid_file=lock, prevent_core=False).start()
        print(os.path.exists(lock.path))
        try:
            Daemon(detach=True, pid_file=lock).start()
        except RuntimeError as error:
            print(error)
        print(os.path.exists(lock.path))


#: What ends a start, by its name.
LEAVES: dict[str, Callable[[], object]] = {"exits": lambda: sys.exit("no directory"), "gets TERM": _term}


def leaves_too_early(way: str, how: str) -> None:
    """End within a stage, and leave something to be cleaned up."""

    class Own(Daemon):
        def redirect_streams(self) -> None:
            self.kept = tempfile.TemporaryDirectory(dir=os.environ[MARK])
            warnings.simplefilter("ignore", ResourceWarning)
            LEAVES[how]()
            super().redirect_streams()

    become(way, lambda: None, Own)


def fails_when_it_is_active() -> None:
    """Fail after the activation."""

    def target() -> None:
        raise KeyError("last words")

    become("activate", target, prepare=lambda d: setattr(d, "name", "named"))


def gets_int_at_the_end() -> None:
    """Get INT while the daemon waits for threads, and at its exit."""

    def interrupt(times: int) -> None:
        time.sleep(0)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    def target() -> None:
        atexit.register(note, "done")
        atexit.register(interrupt, 3)
        threading.Thread(target=interrupt, args=(1,)).start()

    become("start", target)


def speaks_to_nobody() -> None:
    """Exit with a message for a FIFO that is full."""
    full = os.open(at("full"), os.O_RDWR | os.O_NONBLOCK)
    try:
        while True:
            os.write(full, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(full, True)

    def target() -> None:
        say()
        sys.exit("bad thing")

    become("start", target, stderr=full)


def closes_everything() -> None:
    """Become a daemon that closes all of its descriptors."""
    begin()
    d = Daemon(lambda: os.closerange(3, 1024), detach=True, pid_file=at("d.pid"))
    try:
        d.start()
    finally:
        note("here")


def fails_to_clean_up(way: str) -> None:
    """Fail in a clean-up of the program's own."""

    class Own(Daemon):
        def let_go(self) -> None:
            note("cleaned up")
            super().let_go()
            raise OSError("why")

    become(way, lambda: None, Own)


def has_a_child_in_its_clean_up() -> None:
    """Send TERM to a child right after the daemon has got its own."""

    def target() -> None:
        try:
            _term()
        finally:
            reader, writer = os.pipe()
            child = os.fork()
            if not child:
                try:
                    os.write(writer, b"x")
                    while True:
                        time.sleep(0.01)
                finally:
                    os._exit(5)
            os.read(reader, 1)
            os.kill(child, signal.SIGTERM)
            note(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    become("start", target)


def only_notes_term() -> None:
    """Handle TERM with a function that ends nothing."""
    event = threading.Event()

    def target() -> None:
        threading.Thread(target=_work_for_ever).start()
        _term()
        event.wait()

    become("start", target, signal_map={"TERM": lambda *_: event.set()})


def _use() -> int | None:
    """Use the helpers of multiprocessing, and return the exit status of a process."""
    from multiprocessing import shared_memory  # noqa: PLC0415 - only here

    memory = shared_memory.SharedMemory(create=True, size=10)
    memory.close()
    memory.unlink()
    process = multiprocessing.get_context("forkserver").Process(target=int)
    process.start()
    process.join()
    return process.exitcode


def has_helpers() -> None:
    """Use the helpers of multiprocessing before the fork and after it, with files that have the same descriptors."""
    print(_use())

    def target() -> None:
        files = [open(at(f"victim{number}"), "w", buffering=1) for number in range(12)]
        note(f"status {_use()}")
        note(sum(os.path.getsize(file.name) for file in files))
        for file in files:
            file.close()
            os.unlink(file.name)

    become("start", target)
