"""A process that becomes a daemon, step by step; modelled on :class:`threading.Thread`.

The steps are those of W. R. Stevens and M. Kerrisk (The Linux Programming Interface, chapter 37), see also
:manpage:`daemon(7)`.
"""

from __future__ import annotations

import os
import signal
import sys

from flagman.daemon import descriptors, origin, steps
from flagman.daemon.detachment import Detachment
from flagman.daemon.pid_file import PidLockFile
from flagman.daemon.privileges import Identity
from flagman.daemon.stages import Staged
from flagman.exceptions import DaemonError, FlagmanError
from flagman.signames import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType
    from typing import IO, ClassVar, NoReturn

    from flagman.daemon.descriptors import Stream

    SignalHandler = Callable[[int, FrameType | None], object] | signal.Handlers | str | None


class _InParent(BaseException):
    """Leads out of the stages in the process that does not become the daemon."""


class Daemon(Staged):
    """A daemon: give it a target, or override :meth:`run`; then :meth:`start` it.

    The stages between the two run in the order of :attr:`~flagman.daemon.daemon.Daemon.STAGES`. Each is a method that a
    subclass may override, runs exactly once, and cannot be skipped: called too early or again it raises
    :exc:`RuntimeError`, and after one that has failed none runs. :meth:`advance` runs them up to one of them, so that a
    program can do its own work in between.

    Two of them come earlier than tradition has it. The pid file is taken before the privileges go, since its directory
    must not be one in which the daemon's user may write; signals of ``signal_map`` that come meanwhile wait for their
    handlers. And the root is changed before that, too, since only root may. What the daemon opens itself, its standard
    streams, it opens as who it has become.

    :param target: what :meth:`run` calls
    :param args: for the target
    :param kwargs: for the target
    :param detach: go into the background; None finds out whether: not if init, a service manager or a super server has
        started this process
    :param working_directory: within the new root; None keeps it
    :param chroot: the new root; None keeps it
    :param umask: None keeps it
    :param prevent_core: write no core dumps, which may hold secrets
    :param user: a name or a uid to become; sets HOME, LOGNAME and USER, too
    :param group: a name or a gid; by default the user's
    :param pid_file: a path, or a :class:`~flagman.daemon.PidLockFile`, which may have been acquired already
    :param inherit_files: open files, or descriptors, that stay open; a log file, if it is open already, must be one
    :param signal_map: for each signal, by number or name, a function, the name of a method, or None to ignore it; TERM
        calls :meth:`terminate` unless it says otherwise
    :param stdin: a path, an open file or a descriptor; None is the null device if it detaches, and else what it was
    :param stdout: likewise; a path is appended to
    :param stderr: likewise
    """

    #: The names of the stages, in their order.
    STAGES: ClassVar[tuple[str, ...]] = (
        "detach",
        "prevent_core_dumps",
        "take_pid_file",
        "change_root",
        "drop_privileges",
        "set_umask",
        "change_directory",
        "handle_signals",
        "close_descriptors",
        "redirect_streams",
    )

    def __init__(  # type: ignore[explicit-any]  # noqa: PLR0913 - any target, and as many as there are choices
        self,
        target: Callable[..., object] | None = None,
        args: Iterable[object] = (),
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
        inherit_files: Iterable[IO[str] | IO[bytes] | int] = (),
        signal_map: Mapping[int | str, SignalHandler] | None = None,
        stdin: Stream | None = None,
        stdout: Stream | None = None,
        stderr: Stream | None = None,
    ) -> None:
        super().__init__()
        self._target = target
        self._args = tuple(args)
        self._kwargs = dict(kwargs or {})
        #: Whether it goes, or has gone, into the background.
        self.detached = not origin.is_watched() if detach is None else detach
        self.working_directory = working_directory
        self.chroot = chroot
        self.umask = umask
        self.prevent_core = prevent_core
        self.user = user
        self.group = group
        self.pid_file = pid_file
        self.inherit_files = tuple(inherit_files)
        #: By number.
        self.signal_map: dict[int, SignalHandler] = {signal.SIGTERM: "terminate"}
        for signum, handler in (signal_map or {}).items():
            self.signal_map[number_of(signum) if isinstance(signum, str) else signum] = handler
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        #: Names the file of its last words.
        self.name = os.path.splitext(os.path.basename(sys.argv[0]))[0] or "daemon"  # noqa: PTH119, PTH122 - pathlib: 5 ms
        self._detachment = Detachment()
        self._inheritance: dict[int, tuple[int, int]] | None = {}
        self._identity: Identity | None = None
        self._lock: PidLockFile | None = None
        self._starting = self._is_ready = False
        self._null = -1

    @property
    def pid(self) -> int | None:
        """The number of the daemon's process; None if it is not known."""
        return self._detachment.pid

    @property
    def output(self) -> str:
        """What the daemon has printed until it was ready."""
        return self._detachment.output

    @property
    def error(self) -> str:
        """What it has said on standard error until it was ready, or ended."""
        return self._detachment.error

    @property
    def exitcode(self) -> int | None:
        """0 if it is ready; the status with which it has ended otherwise, 128 and more after a signal; never 0 then."""
        return self._detachment.exitcode

    def start(self) -> None:
        """Become a daemon, and run.

        The calling process waits until the daemon is ready, which is before :meth:`run`, or has ended; then
        :attr:`exitcode` tells which. The daemon itself never returns. Without detaching it runs here and now.

        :raises RuntimeError: if it has been started before
        :raises DaemonError: without detaching, if a stage fails
        """
        if self._starting:
            raise RuntimeError("daemons can only be started once")
        self._starting = True
        if self.detached:
            try:
                self.advance("detach")
            except _InParent:
                return
            os._exit(self._live())
        try:
            self._serve()
        finally:
            self.let_go()

    def report(self) -> NoReturn:
        """Print what the daemon has said, and exit with its status."""
        for text, stream in ((self.output, sys.stdout), (self.error, sys.stderr)):
            if stream is not None:
                stream.write(text)
        descriptors.flush()
        raise SystemExit(self.exitcode or 0)

    def run(self) -> None:
        """Do what the daemon is for: by default, call its target."""
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def terminate(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler to override
        """Handle TERM: leave :meth:`run`, so that all is cleaned up."""
        raise SystemExit(0)

    def monitor(self) -> None:
        """Wait, in the parent, until the daemon is ready or has ended; an exception stops the daemon."""
        self._detachment.wait()

    def ready(self) -> None:
        """Let the parent go, since all is well: what :meth:`start` does when all stages have run."""
        descriptors.flush()
        self._is_ready = True
        self._detachment.ready()

    def detach(self) -> None:
        """Go into a new session, by two forks: this returns in the daemon.

        In the parent :meth:`start` returns when the daemon is ready; a caller that runs stages itself has nothing more
        to do there, so :meth:`report` ends it.
        """
        self._inheritance = descriptors.inheritance()
        if not self.detached or self._detachment.fork():
            return
        self.monitor()
        if self._starting:
            raise _InParent
        self.report()

    def prevent_core_dumps(self) -> None:
        """Let neither this process nor its children write core dumps."""
        if self.prevent_core:
            steps.prevent_core_dumps()

    def take_pid_file(self) -> None:
        """Take the pid file, as who this process still is."""
        if self.user is not None or self.group is not None:
            self._identity = Identity(self.user, self.group)
        if self.pid_file is None:
            return
        lock = self.pid_file
        if not isinstance(lock, PidLockFile):
            lock = PidLockFile(lock, user=self._identity.uid if self._identity else None)
        # From here on somebody may send them.
        signal.pthread_sigmask(signal.SIG_BLOCK, self.signal_map)
        try:
            lock.acquire()
            self._lock = lock
            lock.seal()
        except OSError as error:
            raise DaemonError(f"pid file {lock.path!r}: cannot be written: {error.strerror}") from error

    def change_root(self) -> None:
        """Let paths begin at another directory; nothing that is open leads out of it."""
        if self.chroot is not None:
            self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)  # there may be none
            steps.change_root(self.chroot)
            if self._lock is not None:
                self._lock.forget_directory()

    def drop_privileges(self) -> None:
        """Become the user and the group, for good; see :manpage:`credentials(7)`."""
        if self._identity is not None:
            self._identity.take_on()

    def set_umask(self) -> None:
        """Say what others may not do with new files."""
        if self.umask is not None:
            os.umask(self.umask)

    def change_directory(self) -> None:
        """Leave the directory of the caller, which would else be in use for ever."""
        if self.working_directory is not None:
            steps.change_directory(self.working_directory)

    def handle_signals(self) -> None:
        """Install the handlers of the signal map; what has come meanwhile arrives now."""
        for signum, handler in self.signal_map.items():
            found = getattr(self, handler) if isinstance(handler, str) else handler
            signal.signal(signum, signal.SIG_IGN if found is None else found)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.signal_map)

    def close_descriptors(self) -> None:
        """Close what was open at the beginning, but no file that is to be inherited or has been opened since."""
        spared = {descriptors.number_of(file) for file in self.inherit_files} | origin.activation()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None and not isinstance(stream, str | os.PathLike):
                spared.add(descriptors.number_of(stream))
        if self._lock is not None:
            spared |= self._lock.descriptors
        descriptors.close(self._inheritance or {}, spared)
        self._inheritance = {}

    def redirect_streams(self) -> None:
        """Let the standard streams lead where they shall, all or none of them."""
        null: Stream | None = None
        if self.detached:
            null = os.devnull if self._null < 0 else self._null
        steps.redirect(*(null if stream is None else stream for stream in (self.stdin, self.stdout, self.stderr)))
        if self._null >= 0:
            os.close(self._null)
            self._null = -1

    def let_go(self) -> None:
        """Remove the pid file, at the end."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _serve(self) -> None:
        self.advance()
        self.ready()
        self.run()

    def _live(self) -> int:
        """Be the daemon; give its exit status."""
        try:
            self._serve()
        except SystemExit as exit_:
            if isinstance(exit_.code, str):
                sys.stderr.write(f"{exit_.code}\n")
                return 1
            return exit_.code or 0
        except BaseException as error:  # noqa: BLE001 - the process ends here
            self._bury(error)
            return 1
        finally:
            self.let_go()
            if "logging" in sys.modules:
                sys.modules["logging"].shutdown()
            descriptors.flush()
        return 0

    def _bury(self, error: BaseException) -> None:
        """Tell what the daemon has died of: the parent, or who reads its log."""
        if self._is_ready:
            from flagman.daemon import crash  # noqa: PLC0415 - for this end alone

            crash.record(self.name, error)
        elif isinstance(error, FlagmanError):
            sys.stderr.write(f"{error}\n")
        else:
            import traceback  # noqa: PLC0415 - on this way alone

            sys.stderr.write("".join(traceback.format_exception(error)))
