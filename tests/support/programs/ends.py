"""Programs with daemons that end in many ways, which report how that looks to the process that started them."""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from flagman.daemon import Daemon, PidLockFile
from support.programs.reports import at, say, tell

if TYPE_CHECKING:
    from collections.abc import Callable

CALLER = os.getpid()


def start(d: Daemon) -> None:
    """Start a daemon, and print its exit status; a daemon that wrongly returns here prints it too."""
    d.start()
    print(d.exitcode, os.getpid() == CALLER, repr(d.error[-75:]))


def status(d: Daemon) -> int:
    """Return the result of a start as an exit status."""
    return 1 if d.exitcode is None else d.exitcode


class Does(Daemon):
    """Calls a function with itself before it is ready."""

    def __init__(self, does: Callable[[Daemon], object], **options: Any) -> None:  # noqa: ANN401 - any option of Daemon
        super().__init__(**options)
        self.does = does

    def set_umask(self) -> None:
        """Call the function."""
        super().set_umask()
        self.does(self)


class Broken:
    """A stream that cannot be flushed."""

    closed = False

    def write(self, text: str) -> None:
        """Ignore the text."""

    def flush(self) -> NoReturn:
        """Fail."""
        raise KeyError("flush")


def exits_with_a_list() -> None:
    """Exit with a list instead of a number."""
    start(Daemon(lambda: sys.exit(["no", "number"]), detach=True))  # type: ignore[arg-type]


def exits_with_a_large_number() -> None:
    """Exit with a number that is no status."""
    start(Daemon(lambda: sys.exit(2**40), detach=True))


def exits_too_early() -> None:
    """Exit with a reason before the daemon is ready."""
    start(Does(lambda _: sys.exit(["why"]), detach=True))  # type: ignore[arg-type]


def exits_too_early_with_a_number() -> None:
    """Exit with a number larger than any status before the daemon is ready."""
    start(Does(lambda _: sys.exit(256 + 7), detach=True))


def fails_too_early() -> None:
    """Fail before the daemon is ready."""
    start(Does(lambda _: 1 / 0, detach=True))


def fails_without_stderr() -> None:
    """Fail without a standard error."""
    sys.stderr = None
    start(Does(lambda _: 1 / 0, detach=True))


def breaks_stdout() -> None:
    """Replace standard output by a stream that cannot be flushed."""
    start(Does(lambda _: setattr(sys, "stdout", Broken()), detach=True))


class FailsDetached(Daemon):
    """Fails right after the fork."""

    def detach(self) -> None:
        """Fork, and fail."""
        super().detach()
        1 / 0  # noqa: B018


def fails_detached() -> None:
    """Fail right after the fork."""
    start(FailsDetached(detach=True))


class DetachesTwice(Daemon):
    """Tries to fork twice."""

    def detach(self) -> None:
        """Fork, and try to fork again."""
        super().detach()
        super().detach()


def detaches_twice() -> None:
    """Try to fork twice."""
    start(DetachesTwice(detach=True))


def loses_a_stage() -> None:
    """Replace a stage by a function that does nothing."""
    d = Daemon(detach=True)
    d.redirect_streams = lambda: None  # type: ignore[method-assign]
    start(d)


def with_an_impossible_root() -> None:
    """Name a root that cannot exist."""
    start(Daemon(detach=True, chroot=at("\0")))


def with_an_impossible_signal() -> None:
    """Try to ignore KILL."""
    d = Daemon(detach=True)
    d.signal_map[9] = None
    start(d)


class Says(Daemon):
    """Prints text that is not ASCII before it is ready."""

    def set_umask(self) -> None:
        """Print the text."""
        super().set_umask()
        print("ü" * 100)


def reports_too_early() -> None:
    """Report before there is anything to report, and again when there is."""
    d = Says(detach=True)
    try:
        d.report()
    except RuntimeError:
        d.start()
        d.report()


def exchanges_streams() -> None:
    """Become a daemon with output that leads to the caller's standard error, and the other way round."""
    out, err = (os.open(at(name), os.O_CREAT | os.O_WRONLY, 0o644) for name in ("out", "err"))
    os.dup2(out, 1)
    os.dup2(err, 2)

    def target() -> None:
        print("to err", flush=True)
        print("to out", file=sys.stderr, flush=True)

    d = Daemon(target, detach=True, stdout=sys.stderr, stderr=1, pid_file=at("d.pid"))
    d.start()


def without_streams() -> None:
    """Become a daemon without standard streams."""
    os.mkdir(at("jail"))
    d = Daemon(signal.pause, detach=True, pid_file=at("d.pid"), chroot=None if os.geteuid() else at("jail"))
    d.start()
    os._exit(status(d))


def with_a_lock(user: str | None) -> None:
    """Become a daemon that gets the lock of its caller."""
    lock = PidLockFile(at("d.pid"))
    lock.acquire()
    d = Daemon(tell, detach=True, pid_file=lock, user=user)
    d.start()
    d.report()


def nobody_fails() -> None:
    """Fail when root's privileges are already gone."""
    d = Daemon(tell, detach=True, user="nobody", working_directory="/no/such", pid_file=at("d.pid"))
    d.start()
    d.report()


class Exits(Daemon):
    """Ends before it is ready."""

    def set_umask(self) -> None:
        """End."""
        sys.exit(3)


def ignores_children() -> None:
    """Start a daemon that ends, and ignore the signal about that."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    d = Exits(detach=True)
    d.start()
    print(d.exitcode, repr(d.error))


class Forks(Daemon):
    """Leaves a child behind, and ends before it is ready."""

    def set_umask(self) -> None:
        """Fork, and end."""
        if os.fork() == 0:
            say()
            os.closerange(0, 3)
            signal.pause()
        sys.exit(3)


def leaves_a_child() -> None:
    """Start a daemon that leaves a child behind."""
    d = Forks(detach=True)
    d.start()
    print(d.exitcode)


class KillsItsWatcher(Daemon):
    """Kills the process that watches its start."""

    watcher = 0

    def detach(self) -> None:
        """Note the watcher's pid."""
        super().detach()
        self.watcher = os.getppid()

    def set_umask(self) -> None:
        """Kill the watcher."""
        os.kill(os.getppid(), signal.SIGKILL)
        while os.getppid() == self.watcher:
            pass


def loses_its_watcher() -> None:
    """Start a daemon that kills its watcher."""
    d = KillsItsWatcher(signal.pause, detach=True, pid_file=at("d.pid"))
    d.start()
    print(d.exitcode, d.error)


class KillsItsParent(Daemon):
    """Kills the process that has started it, and reports which signal it gets then."""

    def set_umask(self) -> None:
        """Kill the process, and report the signal."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(CALLER, signal.SIGKILL)
        say(got=signal.sigwait({signal.SIGTERM}))
        os._exit(0)


def is_killed() -> None:
    """Start a daemon that kills this process."""
    d = KillsItsParent(detach=True)
    d.start()


def with_threads() -> None:
    """Become a daemon that ends with one daemon thread and with others."""
    import threading  # noqa: PLC0415 - only here, because it would be imported for the other programs too

    def target() -> None:
        threading.Thread(target=signal.pause, daemon=True).start()
        gate = threading.Event()

        def late() -> None:
            gate.wait()
            os.mknod(at("late"))

        threading.Thread(target=late).start()
        threading.Timer(0, gate.set).start()

    d = Daemon(target, detach=True, pid_file=at("d.pid"))
    d.start()
    d.report()


def dies_in_another_root() -> None:
    """Become a daemon that dies where no module can be found."""
    os.makedirs(at("jail/var/log"))

    def fails() -> None:
        raise KeyError("last words")

    d = Daemon(fails, detach=True, chroot=at("jail"), pid_file=at("d.pid"))
    d.name = "jailed"
    d.start()
    d.report()


def leaves_its_terminal() -> None:
    """Become a daemon, provided that there was a terminal."""
    with open("/proc/self/stat") as file:
        before = int(file.read().rpartition(")")[2].split()[4])
    d = Daemon(tell, detach=True)
    d.start()
    os._exit(not before or status(d))


def unheard() -> None:
    """Become a daemon that does not report its pid."""
    d = Daemon(signal.pause, detach=True, pid_file=at("d.pid"))
    d.start()


#: What a child of the target does, by its name.
WAYS: dict[str, Callable[[], object]] = {"exits": lambda: sys.exit(3), "fails": lambda: 1 / 0, "returns": lambda: None}


def with_a_child(way: str) -> None:
    """Become a daemon with a child that ends, and write down the child's status."""

    def target() -> None:
        child = os.fork()
        if child == 0:
            WAYS[way]()
            return
        _, status = os.waitpid(child, 0)
        with open(at("status"), "w") as file:
            file.write(str(os.waitstatus_to_exitcode(status)))
        assert os.path.exists(at("d.pid"))

    d = Daemon(target, detach=True, pid_file=at("d.pid"))
    d.start()
    print("here")


class Deaf(Daemon):
    """Interrupts its parent, and does not stop when the parent gives up."""

    def redirect_streams(self) -> None:
        """Wait until the parent has given up."""
        super().redirect_streams()
        os.kill(CALLER, signal.SIGINT)
        poll = select.poll()
        poll.register(self._detachment._readiness, 0)
        poll.poll()


def ignores_the_stop() -> None:
    """Stop waiting for a daemon that ignores the stop."""
    d = Deaf(signal.pause, detach=True, signal_map={"TERM": None}, stderr=at("err"), pid_file=at("d.pid"))
    try:
        d.start()
    except KeyboardInterrupt:
        print(d.exitcode)


class Evil(Daemon):
    """Tells its watcher to remove a file of another process."""

    def take_pid_file(self) -> None:
        """Make the file, while the daemon is root."""
        super().take_pid_file()
        with open(at("secret/victim"), "w") as file:
            print(os.getpid(), file=file)

    def set_umask(self) -> None:
        """Send the watcher the wrong file name, and end."""
        os.write(self._detachment._readiness, b"=" + os.fsencode(at("secret/victim")))
        sys.exit(5)


def is_taken_over() -> None:
    """Start a daemon that lies to its watcher."""
    os.mkdir(at("secret"), 0o700)
    d = Evil(detach=True, user="nobody")
    d.start()
    d.report()
