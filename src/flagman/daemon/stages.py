"""The stages in which a process becomes a daemon.

They are those of W. R. Stevens and M. Kerrisk (The Linux Programming Interface, chapter 37), see also
:manpage:`daemon(7)`.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys

from flagman.daemon import descriptors, launcher, steps
from flagman.daemon.detachment import Detachment
from flagman.daemon.ordered import Ordered
from flagman.daemon.pid_file import PidLockFile
from flagman.exceptions import DaemonError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import ClassVar, NoReturn

    from flagman.daemon.descriptors import Stream
    from flagman.daemon.privileges import Identity

    SignalHandler = Callable[[int, FrameType | None], object] | signal.Handlers | str | None


class InParent(BaseException):
    """Leaves the stages in the parent, which does not become the daemon."""


class Stages(Ordered):
    """A process on its way to a daemon; its attributes are parameters of :class:`~flagman.daemon.daemon.Daemon`."""

    # Begins the messages about the start among the daemon's errors.
    _PREFIX: ClassVar[str] = ""
    # Whether the daemon, and not its parent, calls the exit functions that were registered before the fork.
    _INHERITS_EXITS: ClassVar[bool] = False
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

    #: Whether it goes, or has gone, into the background.
    detached: bool
    working_directory: str | os.PathLike[str] | None
    chroot: str | os.PathLike[str] | None
    umask: int | None
    prevent_core: bool
    user: str | int | None
    group: str | int | None
    pid_file: str | os.PathLike[str] | PidLockFile | None
    #: As descriptors.
    inherit_files: tuple[int, ...]
    #: By the number of the signal.
    signal_map: dict[int, SignalHandler]
    stdin: Stream | None
    stdout: Stream | None
    stderr: Stream | None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with the pid file {getattr(self, 'pid_file', None)!r}>"

    def __init__(self) -> None:
        super().__init__()
        # Whether start() runs the stages, and not the caller one by one.
        self._starting = False
        self._detachment = Detachment(self._PREFIX, None if self._INHERITS_EXITS else self._clean_up)
        self._inheritance: dict[int, tuple[int, int]] = {}
        self._identity: Identity | None = None
        self._lock: PidLockFile | None = None
        # False if a with block of the program holds the lock, and releases it.
        self._owns_lock = True
        self._is_clean = False
        # Whether a signal handler may raise SystemExit now; whether one would have raised it, but could not.
        self._can_leave = True
        self._was_asked = False
        self._null = -1
        # Copies of the standard descriptors that streams are to lead to: the originals lead elsewhere after the forks.
        self._copies: dict[int, int] = {}
        # The signal mask from before the signals of the map were blocked.
        self._mask: set[signal.Signals | int] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the daemon; None if it is not known."""
        return self._detachment.pid

    @property
    def output(self) -> str:
        """What the daemon printed before it was ready."""
        return self._detachment.output

    @property
    def error(self) -> str:
        """What the daemon wrote to standard error before it was ready or ended, and why its start failed."""
        return self._detachment.error + self._detachment.reason

    @property
    def exitcode(self) -> int | None:
        """0 if the daemon is ready, else its exit status, never 0, and 128 + N after signal N; None if unknown."""
        return self._detachment.exitcode

    def advance(self, last: str = "") -> None:
        """Run the stages up to this one that have not run yet; by default all of them.

        :raises ValueError: if there is no such stage
        """
        try:
            super().advance(last)
        except BaseException:
            if not self.detached:
                self._clean_up()
            raise

    def report(self) -> NoReturn:
        """Print what the daemon has said, as it is, and exit with its status.

        :raises RuntimeError: if it is to detach and has not been started
        """
        if self.detached and self.exitcode is None:
            raise RuntimeError("report() has to be called after start()")
        descriptors.flush()
        # Not through sys.stdout: if the output cannot be written, this must not look like a failed start.
        for descriptor, stream, text in (
            (descriptors.STDOUT, sys.stdout, self.output),
            (descriptors.STDERR, sys.stderr, self.error),
        ):
            if stream is not None:
                descriptors.say(descriptor, text)
        raise SystemExit(self.exitcode or 0)

    def _monitor(self) -> None:
        self.monitor()
        if self.exitcode is None:
            raise RuntimeError(f"{type(self).__name__}.monitor() does not call that of Daemon; the daemon is stopped")

    def monitor(self) -> None:
        """Wait, in the parent, until the daemon is ready or has ended; an exception stops the daemon.

        An override must call this method.
        """
        self._detachment.wait()

    def detach(self) -> None:
        """Go into a new session, by two forks: this returns in the daemon.

        In the parent :meth:`start` returns when the daemon is ready. A caller that runs the stages itself has nothing
        more to do there, so :meth:`report` ends the parent.
        """
        is_sealed = isinstance(self.pid_file, PidLockFile) and self.pid_file.is_sealed
        self._owns_lock = not is_sealed
        if self.detached and is_sealed:
            raise RuntimeError("this process has sealed the pid file; only acquire() it, and the daemon seals it")
        self._inheritance = descriptors.inheritance()
        self._copies = {number: descriptors.copy(number) for number in self._given() if number <= descriptors.STDERR}
        if not self.detached or self._detachment.fork():
            return
        try:
            self._monitor()
        except BaseException:
            self._detachment.stop()
            raise
        finally:
            self._detachment.close()
            if self.exitcode != 0 and isinstance(self.pid_file, PidLockFile):
                self.pid_file.release()  # it is still ours, if the daemon has not sealed it
        if self._starting:
            raise InParent
        self.report()

    def prevent_core_dumps(self) -> None:
        """Keep this process and its children from writing core dumps."""
        if self.prevent_core:
            steps.prevent_core_dumps()

    def take_pid_file(self) -> None:
        """Take the pid file while the process is still its original user."""
        if self.user is not None or self.group is not None:
            from flagman.daemon.privileges import Identity  # noqa: PLC0415 - only to become another user

            self._identity = Identity(self.user, self.group)
        if self.chroot is not None or self.user is not None:
            steps.import_late()
        if self.pid_file is None:
            self._detachment.tell("")
            return
        lock = self.pid_file if isinstance(self.pid_file, PidLockFile) else PidLockFile(self.pid_file)
        self._lock = lock
        if not self.detached:
            atexit.register(self._clean_up)
        self._detachment.tell(lock.path)
        # From here on other programs may send them, because the file names this process.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.signal_map)
        try:
            lock.acquire()
            lock.seal()
        except OSError as error:
            raise DaemonError(f"pid file {lock.path!r}: cannot be written: {error.strerror}") from error

    def change_root(self) -> None:
        """Make another directory the root of all paths; nothing that is open leads out of it."""
        if self.chroot is not None:
            # The new root may have no null device.
            self._null = descriptors.above_standard(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
            steps.change_root(self.chroot)

    def drop_privileges(self) -> None:
        """Become the user and the group, for good; see :manpage:`credentials(7)`."""
        if self._identity is not None:
            if self._identity.uid != 0 and self._lock is not None:
                self._lock.forget_directory()
            self._identity.take_on()

    def set_umask(self) -> None:
        """Set the mode bits that new files do not get."""
        if self.umask is not None:
            os.umask(self.umask)

    def change_directory(self) -> None:
        """Leave the directory of the caller, which would be in use for ever otherwise."""
        if self.working_directory is not None:
            steps.change_directory(self.working_directory)

    def handle_signals(self) -> None:
        """Install the handlers of the signal map; signals that came meanwhile arrive now."""
        for signum, handler in self.signal_map.items():
            found = getattr(self, handler) if isinstance(handler, str) else handler
            steps.handle(signum, signal.SIG_IGN if found is None else found)
        self._mask = None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.signal_map)

    def close_descriptors(self) -> None:
        """Close what was open at the beginning, except files to inherit and files that were opened since."""
        spared = {*self.inherit_files, *launcher.activation(), *self._given()}
        if self._lock is not None:
            spared |= self._lock.descriptors
        descriptors.close(self._inheritance, spared)
        self._inheritance = {}

    def redirect_streams(self) -> None:
        """Redirect the standard streams, all or none of them."""
        null: Stream | None = None
        if self.detached:
            null = os.devnull if self._null < 0 else self._null
        steps.redirect(
            *(null if stream is None else self._lasting(stream) for stream in (self.stdin, self.stdout, self.stderr))
        )
        for descriptor in (*self._copies.values(), self._null):
            if descriptor >= 0:
                os.close(descriptor)
        self._copies = {}
        self._null = -1

    def _given(self) -> set[int]:
        """Return the descriptors of the streams that were given as something open, not as a path."""
        streams = (self.stdin, self.stdout, self.stderr)
        return {descriptors.number_of(s) for s in streams if s is not None and not isinstance(s, str | os.PathLike)}

    def _lasting(self, stream: Stream) -> Stream:
        """Return what a stream led to before the forks: a copy of a standard descriptor, or itself."""
        if isinstance(stream, str | os.PathLike):
            return stream
        number = descriptors.number_of(stream)
        return self._copies.get(number, number)

    def _clean_up(self) -> None:
        """Call :meth:`let_go`, but only once."""
        if not self._is_clean:
            self._is_clean = True
            self.let_go()

    def let_go(self) -> None:
        """Remove the pid file at the end; a request to end does not interrupt that."""
        could_leave, self._can_leave = self._can_leave, False
        try:
            if self._lock is not None:
                if self._owns_lock:
                    self._lock.release()
                self._lock = None
                atexit.unregister(self._clean_up)
            if self._mask is not None:  # a stage has failed
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
                self._mask = None
        finally:
            self._can_leave = could_leave
