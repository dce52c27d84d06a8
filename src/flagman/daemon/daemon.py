"""A process that becomes a daemon, runs, and ends; modelled on :class:`threading.Thread`."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial

from flagman.daemon import descriptors, exits, launcher
from flagman.daemon.stages import InParent, Stages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType, TracebackType
    from typing import IO, NoReturn

    from flagman.daemon.descriptors import Stream
    from flagman.daemon.pid_file import PidLockFile
    from flagman.daemon.stages import SignalHandler


# Seconds after a request to end in which another one is ignored: during run(), and after run() has ended.
_GRACE = 1.0
_PAUSE = 0.05


class Daemon(Stages):
    """A daemon: give it a target, or override :meth:`run`; then :meth:`start` it.

    Before :meth:`run`, the stages run in the order of :attr:`~flagman.daemon.daemon.Daemon.STAGES`. Each is a method
    that a subclass may override. It runs exactly once and cannot be skipped: a call that comes too early, or again,
    raises :exc:`RuntimeError`, and after a stage has failed no other one runs. :meth:`advance` runs the stages up to a
    given one, so that a program can do its own work in between.

    Two stages come earlier than usual. The pid file is taken before the privileges are dropped, because its directory
    must not be one in which the daemon's user may write; signals of ``signal_map`` that arrive meanwhile wait for their
    handlers. The root is changed before the privileges are dropped, too, because only root may do so. The standard
    streams are opened as the user that the daemon has become.

    A daemon ends as any Python program does: it waits for its threads, then calls the functions that are registered
    with ``atexit``. Functions that were registered before the program became a daemon are called by the process that
    started the daemon, not by the daemon. The same holds for temporary directories and for the children of
    ``multiprocessing``. After :meth:`start` no module is torn down, so close every file that must be complete.

    :param target: what :meth:`run` calls
    :param args: the target's arguments; None for none
    :param kwargs: the target's keyword arguments; None for none
    :param detach: whether to go into the background; None does so unless init, a service manager or a super server has
        started this process
    :param working_directory: within the new root; None keeps the caller's
    :param chroot: the new root; None keeps it
    :param umask: None keeps it
    :param prevent_core: write no core dumps, which may hold secrets
    :param user: a name or a uid to become; sets HOME, LOGNAME and USER, too
    :param group: a name or a gid; by default the user's
    :param pid_file: a path, or a :class:`~flagman.daemon.PidLockFile`, which may have been acquired already
    :param inherit_files: open files, or descriptors, that stay open; name a log file here that is open already
    :param signal_map: for each signal, by number or name, a function, the name of a method, or None to ignore it; TERM
        calls :meth:`terminate` unless it is in the map
    :param stdin: a path, an open file or a descriptor; None is the null device if it detaches, and else no change
    :param stdout: likewise; a path is appended to
    :param stderr: likewise
    :raises ValueError: if a file has no descriptor, or ``signal_map`` names a signal or a method that does not exist
    """

    # False until __init__() has run.
    _is_made = False

    def __init__(  # type: ignore[explicit-any]  # noqa: PLR0913 - any target; a parameter for each choice
        self,
        target: Callable[..., object] | None = None,
        args: Iterable[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        *,
        detach: bool | None = None,
        working_directory: str | os.PathLike[str] | None = "/",
        chroot: str | os.PathLike[str] | None = None,
        umask: int | None = 0o077,
        prevent_core: bool = True,
        user: str | int | None = None,
        group: str | int | None = None,
        pid_file: str | os.PathLike[str] | PidLockFile | None = None,
        inherit_files: Iterable[IO[str] | IO[bytes] | int] | None = None,
        signal_map: Mapping[int | str, SignalHandler] | None = None,
        stdin: Stream | None = None,
        stdout: Stream | None = None,
        stderr: Stream | None = None,
    ) -> None:
        super().__init__()
        self._target = target
        self._args = () if args is None else tuple(args)
        self._kwargs = dict(kwargs or {})
        self.detached = not launcher.is_watched() if detach is None else detach
        self.working_directory = working_directory
        self.chroot = chroot
        self.umask = umask
        self.prevent_core = prevent_core
        self.user = user
        self.group = group
        self.pid_file = pid_file
        self.inherit_files = tuple(map(descriptors.number_of, inherit_files or ()))
        self.signal_map = {signal.SIGTERM: "terminate"}
        for name, handler in (signal_map or {}).items():
            signum = _number_of(name) if isinstance(name, str) else name
            self._check_handler(name, signum, handler)
            self.signal_map[signum] = handler
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        for what, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
            descriptors.check(what, stream)
        #: The program's name; names the file for an unhandled error if there is no log.
        self.name = _program() or "daemon"
        self._is_ready = False
        # The monotonic time until which another request to end is ignored, so that it does not disturb the clean-up.
        self._undisturbed = 0.0
        # The pid of the process that has been asked to end; 0 for none.
        self._asked_in = 0
        self._is_ending = False
        self._is_made = True

    def _check_handler(self, name: int | str, signum: int, handler: SignalHandler) -> None:
        if signum not in signal.valid_signals() or signum in (signal.SIGKILL, signal.SIGSTOP):
            raise ValueError(f"signal_map: {name}: a process cannot handle a signal of this number")
        # Not getattr(self, ...), which may run the code of a property.
        function = getattr(type(self), handler, vars(self).get(handler)) if isinstance(handler, str) else handler
        is_known = callable(function) or isinstance(function, property) or function in tuple(signal.Handlers)
        if not (handler is None or is_known):
            what = f"{type(self).__name__} has no method" if isinstance(handler, str) else "this is not a handler:"
            raise ValueError(f"signal_map: {name}: {what} {handler!r}")

    def start(self) -> None:
        """Become a daemon, and run.

        The calling process waits until the daemon is ready, just before :meth:`run`, or has ended; then
        :attr:`exitcode` shows which. A detached daemon never returns from this; one that does not detach runs here.

        :raises RuntimeError: if it has been started before
        :raises DaemonError: without detaching, if a stage fails
        """
        self._check_that_it_is_new()
        self._starting = True
        if self.detached:
            self._start_elsewhere()
            return
        try:
            self._serve()
        finally:
            self._clean_up()
        if self._was_asked:
            raise SystemExit(0)

    def _check_that_it_is_new(self) -> None:
        if not self._is_made:
            raise RuntimeError("Daemon.__init__() has not been called")
        if self._starting or self._is_ready:
            raise RuntimeError("daemons can only be started once")

    def _start_elsewhere(self) -> None:
        """Run the daemon in another process, which ends here: only the parent returns."""
        status = 1
        try:
            with suppress(InParent):
                self.advance("detach")
                status = self._live()
        except BaseException as error:
            if not self._detachment.is_elsewhere:
                raise
            status = self._conclude(error)
        finally:
            if self._detachment.is_elsewhere:
                self._leave_for_good(status)

    def activate(self) -> None:
        """Become a daemon, without :meth:`run`: this returns in the daemon, which goes on with the caller's program.

        The stages that :meth:`advance` has not run yet run now. Then the calling process is told that the daemon is
        ready, and ends with :meth:`report`. Without detaching all of this happens in the one process that there is, so
        the same program works in the foreground.

        The pid file is removed at the exit of the program. In the foreground, functions that were registered with
        ``atexit`` before this call run after that.

        :raises RuntimeError: if it has been called before, or :meth:`start` has
        :raises DaemonError: without detaching, if a stage fails; a detached daemon ends instead
        """
        self._check_that_it_is_new()
        try:
            self.advance()
            self.ready()
        except BaseException as error:
            if self._detachment.is_elsewhere:
                self._leave_for_good(self._conclude(error))
            raise
        if self.detached:
            report = sys.excepthook

            def bury(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
                self._bury(error)
                report(kind, error, traceback)

            sys.excepthook = bury

    def run(self) -> None:
        """Do the daemon's work: by default, call its target."""
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def terminate(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler to override
        """Handle TERM: leave :meth:`run`, so that it can clean up.

        Another TERM within a second is ignored, so that it does not disturb the clean-up. A later one interrupts the
        clean-up, which may hang. After :meth:`run` has ended, each TERM ends the wait for threads, or the exit function
        that runs.
        """
        now = time.monotonic()
        if self._asked_in not in (0, os.getpid()):
            raise SystemExit(0)  # in a child, which was not asked before
        self._asked_in = os.getpid()
        if not self._can_leave:
            self._was_asked = True
        elif now >= self._undisturbed:
            self._undisturbed = now + (_PAUSE if self._is_ending else _GRACE)
            raise SystemExit(0)

    def ready(self) -> None:
        """Report to the parent that the daemon is ready, as :meth:`start` and :meth:`activate` do after the stages."""
        descriptors.flush()
        self._detachment.ready()
        self._is_ready = True

    def _serve(self) -> None:
        self.advance()
        self.ready()
        self.run()

    def _live(self) -> int:
        """Run the daemon to its end, and return its exit status."""
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 - the process ends here
            return self._conclude(error)
        return self._conclude(None)

    def _conclude(self, error: BaseException | None) -> int:
        """Do what a Python program does at its end, and return the exit status.

        :param error: the exception that ends the daemon; None for none
        """
        self._can_leave = False
        self._is_ending = True
        is_crash = not (error is None or isinstance(error, SystemExit))
        self._undisturbed = time.monotonic() + _GRACE if is_crash else 0.0  # time to record it
        for signum in (signal.SIGTERM, signal.SIGINT):  # they replace the program's handlers
            if callable(signal.getsignal(signum)):
                signal.signal(signum, self._leave)
        status = 0
        steps: list[Callable[[], object]] = []
        if isinstance(error, SystemExit):
            status, text = exits.status_of(error)
            steps = [partial(descriptors.say, descriptors.STDERR, text)]
        elif error is not None:
            status, steps = 1, [partial(self._bury, error)]
        exits.finish(steps, self._let_leave)
        return status

    def _let_leave(self, can_leave: bool) -> None:  # noqa: FBT001 - the only parameter there is
        self._can_leave = can_leave

    def _leave_for_good(self, status: int) -> NoReturn:
        try:
            self._clean_up()
        finally:
            os._exit(status)

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        Daemon.terminate(self, signum, frame)  # even if a subclass overrides it

    def _bury(self, error: BaseException) -> None:
        # A child that run() has forked may come here, too: its error does not belong in the daemon's log.
        exits.bury(error, name=self.name, to_log=self._is_ready and self.pid == os.getpid())


def _program() -> str:
    """Return the program's name: for ``python -m`` the package's, and for ``python -c`` an empty one."""
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]  # noqa: PTH119, PTH122 - pathlib: 5 ms
    if name == "__main__":
        name = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))  # noqa: PTH100, PTH119, PTH120 - as above
    return "" if name.startswith("-") else name


def _number_of(name: str) -> int:
    from flagman.text.signames import number_of  # noqa: PLC0415 - 3 ms, only for signals that are given by name

    return number_of(name)
