"""Programs that start daemons, and the code of these daemons."""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
from typing import TYPE_CHECKING, Any

import flagman.daemon.privileges  # noqa: F401 - now, because another user may not read it
from flagman.daemon import Daemon
from flagman.daemon.detachment import Detachment
from support.programs.reports import at, said, say, tell

if TYPE_CHECKING:
    from collections.abc import Callable


def plain(**options: Any) -> None:  # noqa: ANN401 - any option of Daemon
    """Become a daemon."""
    d = Daemon(tell, detach=True, **options)
    d.start()
    d.report()


def with_files() -> None:
    """Become a daemon that keeps one file open, and not the others."""
    for _ in range(5):
        os.dup(0)
    kept = os.open(at("kept"), os.O_CREAT)
    d = Daemon(tell, detach=True, inherit_files=[kept], stderr=at("err"))
    d.start()
    print(d.exitcode, d.pid)
    d.report()


def without_privileges() -> None:
    """Become a daemon of the user nobody that tries to be root again."""
    os.setgroups([0, 1, 2, 3])
    os.mkdir(at("run"))

    def target() -> None:
        for way in (os.setuid, os.seteuid, os.setgid):
            try:
                way(0)
            except PermissionError:
                continue
            os._exit(1)
        tell()

    os.dup(0)
    os.open("/", os.O_RDONLY)
    d = Daemon(target, detach=True, user="nobody", pid_file=at("run/d.pid"))
    d.start()
    d.report()


def in_another_root() -> None:
    """Become a daemon that reports what it sees of its root, and which directories it has open."""
    os.makedirs(at("jail/in"))
    fifo = said()
    os.open("/", os.O_RDONLY)

    def target() -> None:
        directories = 0
        for number in set(range(3, 100)) - {fifo}:
            try:
                directories += stat.S_ISDIR(os.fstat(number).st_mode)
            except OSError:
                continue
        say(fifo, directories=directories, here=os.listdir("/"), cwd=os.getcwd())
        signal.pause()

    os.open("/dev/null", os.O_RDONLY)
    d = Daemon(
        target,
        detach=True,
        chroot=at("jail"),
        working_directory="in",
        user="nobody",
        pid_file=at("d.pid"),
        inherit_files=[fifo],
    )
    d.start()
    d.report()


def killed_after(stage: str) -> None:
    """Start a daemon that is killed right after one of its stages."""

    def die(self: Daemon) -> None:
        getattr(Daemon, stage)(self)
        os.kill(os.getpid(), signal.SIGKILL)

    kind: type[Daemon] = type("Fails", (Daemon,), {stage: die})
    d = kind(detach=True, pid_file=at("d.pid"))
    d.start()
    print(d.output)
    d.report()


def as_another_user(**options: Any) -> None:  # noqa: ANN401 - any option of Daemon
    """Become another user, and then a daemon."""
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    plain(**options)


class Says(Daemon):
    """Prints more than a pipe holds before it is ready."""

    fails = False

    def set_umask(self) -> None:
        """Print the text."""
        super().set_umask()
        print("x" * 200_000)
        print("err", file=sys.stderr)
        if self.fails:
            raise KeyError("why")


class SaysAndFails(Says):
    """Fails after the output."""

    fails = True


class Exits(Daemon):
    """Ends before it is ready."""

    exit_status = 0

    def set_umask(self) -> None:
        """Exit."""
        sys.exit(self.exit_status)


class ExitsWith3(Exits):
    """Ends with a status that its parent gets."""

    exit_status = 3


def says_something() -> None:
    """Print what the parent has learnt about several daemons."""

    def target() -> None:
        print("unheard")
        tell()

    d: Daemon = Says(target, detach=True)
    d.start()
    print(len(d.output), repr(d.error), d.exitcode)
    d = SaysAndFails(detach=True)
    d.start()
    print(len(d.output), d.error.startswith("err\nTraceback"), d.error.endswith("KeyError: 'why'\n"), d.exitcode)
    for kind in (ExitsWith3, Exits):
        d = kind(detach=True)
        d.start()
        print(d.exitcode, repr(d.error))


def stages_by_hand() -> None:
    """Run the stages one after the other, some of them at the wrong moment."""
    d = Daemon(tell, detach=True, stderr=at("err"))
    d.advance("set_umask")
    own = open(at("own"), "w")
    for wrong in (d.set_umask, d.redirect_streams):
        try:
            wrong()
        except RuntimeError as error:
            print(error)
    try:
        d.advance("nonsense")
    except ValueError as error:
        print(str(error)[:24])
    d.change_directory()
    d.start()
    print("it never comes here", own)


class Own(Daemon):
    """Runs a method instead of a target."""

    def run(self) -> None:
        """Print the name of the method."""
        print("own")


# For a daemon that leaves the process as it is.
IN_PLACE: dict[str, Any] = {"detach": False, "prevent_core": False, "umask": None, "working_directory": None}


def runs() -> None:
    """Run a target, a method and nothing in this process."""
    options = {**IN_PLACE, "signal_map": {"TERM": signal.SIG_DFL}}
    Daemon(print, ("a", "b"), {"sep": "-"}, **options).start()
    Own(**options).start()
    d = Daemon(**options)
    d.start()
    d.report()


def starts_twice() -> None:
    """Start one daemon a second time."""
    d = Daemon(print, ("x",), **IN_PLACE, signal_map={"SIGTERM": signal.SIG_DFL})
    d.start()
    try:
        d.start()
    except RuntimeError as error:
        print(error)


def nothing_but_none() -> None:
    """Pass None for each parameter with a default."""
    nothing: dict[str, Any] = dict.fromkeys(("inherit_files", "signal_map", "stdin", "stdout", "stderr"))
    Daemon(lambda: print("ran"), None, None, **IN_PLACE, **nothing).start()


def with_threads() -> None:
    """Try to become a daemon while another thread runs."""
    import threading  # noqa: PLC0415 - only here, because it would be imported for the other programs too

    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    try:
        Daemon(detach=True).start()
    except Exception as error:  # noqa: BLE001 - the test sees any exception
        print(error)
    event.set()
    thread.join()


class Hears(Daemon):
    """Reports signals, and gets one before it can handle it."""

    fifo = -1

    def hear(self, signum: int, _frame: object) -> None:
        """Report the signal."""
        say(self.fifo, heard=signum)

    def change_root(self) -> None:
        """Send a signal, which waits for its handler."""
        super().change_root()
        os.kill(os.getpid(), signal.SIGUSR1)
        say(self.fifo, heard=0)


def hears_signals() -> None:
    """Become a daemon that handles one signal, and ignores another."""
    Hears.fifo = said()

    def wait() -> None:
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)
        while True:
            signal.pause()

    d = Hears(
        wait,
        detach=True,
        signal_map={"usr1": "hear", signal.SIGUSR2: None},
        inherit_files=[Hears.fifo],
        pid_file=at("d.pid"),
    )
    d.start()
    d.report()


def with_a_high_limit() -> None:
    """Become a daemon that counts its calls to close descriptors, where there could be very many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with open("/proc/sys/fs/nr_open") as file:
        most = int(file.read())
    for limit in (10**9, most):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            break
        except (OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    spare = [os.dup(0) for _ in range(10)]
    calls: list[str] = []

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: object) -> object:
            calls.append(function.__name__)
            return function(*arguments)

        return call

    class Counts(Daemon):
        def close_descriptors(self) -> None:
            kept = os.close, os.fstat
            os.close, os.fstat = counted(os.close), counted(os.fstat)
            os.closerange = None  # type: ignore[assignment]
            super().close_descriptors()
            os.close, os.fstat = kept
            print(len(calls), [number for number in spare if os.path.exists(f"/proc/self/fd/{number}")])

    d = Counts(tell, detach=True)
    d.start()
    d.report()


def of_a_super_server() -> None:
    """Print whether a daemon would detach, with several kinds of sockets as standard input."""
    import socket  # noqa: PLC0415 - only here

    os.environ.pop("NOTIFY_SOCKET", None)
    os.getppid = lambda: 4711
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(at("socket"))
    listener.listen()
    pair = socket.socketpair()
    for given in (listener, pair[0], socket.socket(socket.AF_INET)):
        os.dup2(given.fileno(), 0)
        print(Daemon().detached)
        given.close()
    pair[1].close()


def dies_of_an_error(*, log: bool) -> None:
    """Start a daemon that dies, and wait for its end."""
    import logging  # noqa: PLC0415 - only here

    from flagman.daemon import crash  # noqa: PLC0415 - as above

    crash._SYSTEM = "/no/such"
    os.environ["XDG_STATE_HOME"] = at("state")
    fifo = said()
    kept: list[Any] = [fifo]
    if log:
        handler = logging.FileHandler(at("log"))
        logging.basicConfig(handlers=[handler])
        kept.append(handler.stream)

    class Named(Daemon):
        def let_go(self) -> None:
            say(fifo)

    def fails() -> None:
        raise KeyError("last words")

    d = Named(fails, detach=True, inherit_files=kept)
    d.name = "named"
    d.start()
    while True:
        try:
            os.kill(d.pid or 0, 0)
        except ProcessLookupError:
            break
    d.report()


def gives_up() -> None:
    """Get SIGINT while the daemon starts."""
    parent = os.getpid()

    class Slow(Daemon):
        def set_umask(self) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(parent, signal.SIGINT)
            signal.pause()

    d = Slow(detach=True)
    try:
        d.start()
    except KeyboardInterrupt:
        print(d.exitcode, d.error.strip())


def gives_up_too_late() -> None:
    """Simulate a SIGINT at the moment when the daemon has just become ready."""
    gather = Detachment._gather

    def late(self: Detachment) -> None:
        gather(self)
        Detachment._gather = gather  # type: ignore[method-assign]
        raise KeyboardInterrupt

    Detachment._gather = late  # type: ignore[method-assign]
    d = Daemon(signal.pause, detach=True, pid_file=at("d.pid"))
    try:
        d.start()
    except KeyboardInterrupt:
        print(d.exitcode, d.pid)
