"""The pid file: it names the running daemon, and makes sure that no second one runs.

A lock on the file decides, see :manpage:`flock(2)`: its owner holds it as long as it lives, and loses it however it
ends. The number in the file is for the programs that read it.

The file is not changed in place. A new one is written and locked under another name and then put in its place, so
that a program that opens it finds a whole one, which is locked if its owner lives. The process that does this has the
turn: a lock on another file, which exists only meanwhile. Other users cannot open it, so they cannot keep the turn.

The owner has the file open only for reading. So a daemon that has dropped its privileges cannot change the number and
make root send a signal to a process of its choice.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress

from flagman.daemon import directory, start_lock
from flagman.daemon.descriptors import above_standard
from flagman.daemon.holder import LONGEST, READ_ONLY, holder_of, number_in, read_pid
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Self

_MODE = 0o644
_CREATE = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
# Seconds between two looks at a file that another process holds.
_PAUSE = 0.01


class AlreadyRunningError(FlagmanError):
    """Another process holds the lock.

    :param pid: of that process; None if it is not known
    :param path: of the pid file
    """

    def __init__(self, pid: int | None, path: str) -> None:
        super().__init__(f"already running, pid {'unknown' if pid is None else pid} ({path})")
        self.pid = pid
        self.path = path


class PidLockFile:
    """A pid file with a lock; a context manager, which acquires, seals and releases it.

    A block does not release a lock that was acquired before it, so blocks can be nested.

    :param path: where it is; the directory must exist
    :param timeout: seconds to wait for another process that holds it; if negative, wait only for one that starts at the
        same moment and has not yet taken the file
    :param shared: accept a directory in which others may write, or that they may replace
    """

    def __init__(self, path: str | os.PathLike[str], timeout: float = -1, *, shared: bool = False) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100 - pathlib costs 5 ms at a start
        self.timeout = timeout
        self._shared = shared
        self._folder, self._name = os.path.split(self.path)
        if not self._name:
            raise FlagmanError(f"pid file {self.path!r}: this is a directory")
        self._directory = -1
        self._descriptor = -1
        # The pid of the process that has written the file; 0 for none.
        self._owner = 0
        # For each block under way, whether the lock had been acquired before.
        self._blocks: list[bool] = []

    def __repr__(self) -> str:
        return f"<PidLockFile {self.path!r}{' (acquired)' if self._descriptor >= 0 else ''}>"

    def acquire(self, timeout: float | None = None) -> None:
        """Take the lock; the file names this process until :meth:`seal`.

        Processes that are forked from here on share the lock, until :meth:`seal`.

        :param timeout: as for the class, which it overrides
        :raises AlreadyRunningError: if another process holds it
        :raises FlagmanError: if the directory is not safe, or the path leads to something else than a regular file
        :raises OSError: if the file cannot be written; nothing is left behind then
        """
        if self._descriptor >= 0:
            return
        patience = self.timeout if timeout is None else timeout
        start = time.monotonic()
        self._open_directory()
        try:
            while not self._take(start + patience):
                if time.monotonic() >= start + patience:
                    raise AlreadyRunningError(self._holder(), self.path)  # noqa: TRY301 - what is left is to be closed
                time.sleep(_PAUSE)
        except BaseException:
            self._close()
            raise

    def seal(self) -> None:
        """Write the pid of this process, the one that stays, into the file.

        :raises AlreadyRunningError: if the file was removed, and another process holds a new one in its place
        :raises OSError: if it cannot be written; the file then stays as it was
        """
        if self._descriptor < 0:
            raise RuntimeError("seal() has to be called after acquire()")
        if self._owner != os.getpid():
            with self._turn():
                if self._is_lost():
                    raise AlreadyRunningError(self._holder(), self.path)
                self._write()
        _SEALED.add(self)

    @property
    def is_sealed(self) -> bool:
        """Whether the lock belongs to this process, and not to one that is still to be forked."""
        return self in _SEALED

    @property
    def descriptors(self) -> set[int]:
        """The descriptors that the lock needs open."""
        return {descriptor for descriptor in (self._descriptor, self._directory) if descriptor >= 0}

    def forget_directory(self) -> None:
        """Close the directory: its descriptor leads to where another user, or a process in another root, may not go.

        The file then stays behind at the end, as for any process that may not remove it.
        """
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def release(self) -> None:
        """Remove the file, if it is ours, and release the lock; a process that is not the owner only lets go of it."""
        if self._directory >= 0 and self._descriptor >= 0 and self._owner == os.getpid():
            with suppress(OSError):
                if self._is_in_place():
                    os.unlink(self._name, dir_fd=self._directory)
        self._close()

    def remove_after(self, pid: int) -> None:
        """Remove what a dead process has left behind; do nothing if the file names another process, or is held.

        :raises FlagmanError: if the directory is not safe, or the path leads to something else than a regular file
        :raises OSError: if it cannot be removed
        """
        self._open_directory()
        try:
            with self._turn():
                with suppress(FileNotFoundError):
                    os.unlink(f".{self._name}.new", dir_fd=self._directory)
                if number_in(self._left_behind() or b"") == pid:
                    os.unlink(self._name, dir_fd=self._directory)
        finally:
            self._close()

    def __enter__(self) -> Self:
        self._blocks.append(self._descriptor >= 0)
        try:
            self.acquire()
            self.seal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._blocks.pop():
            self.release()

    def _close(self) -> None:
        for descriptor in self.descriptors:
            with suppress(OSError):  # the program may have closed all descriptors
                os.close(descriptor)
        self._descriptor = self._directory = -1
        _SEALED.discard(self)

    def _open_directory(self) -> None:
        try:
            self._directory = directory.open_safely(self._folder, shared=self._shared)
        except FlagmanError as error:
            raise FlagmanError(f"pid file {self.path!r}: {error}") from None

    def _turn(self, limit: float = 0) -> AbstractContextManager[None]:
        """Hold the turn, in which only this process looks at and replaces the file; see :func:`.start_lock.taken`."""
        return start_lock.taken(self._directory, f".{self._name}.lock", limit)

    def _take(self, limit: float) -> bool:
        """Put a file of ours in place; return False if another process holds the one that is there."""
        with suppress(FileNotFoundError):
            if self._left_behind() is None:
                return False  # no turn is needed to see that it is held
        with self._turn(limit):
            try:
                before = self._left_behind()
            except FileNotFoundError:
                self._write()
                return True
            if before is None:
                return False
            self._write()
        import logging  # noqa: PLC0415 - 10 ms, only for this warning

        logging.getLogger("flagman.daemon.pid_file").warning(
            "Took over the pid file %s: %s", self.path, _describe(before)
        )
        return True

    def _is_lost(self) -> bool:
        """Return whether our file was removed, and another process holds the one in its place."""
        with suppress(FileNotFoundError):
            return not self._is_in_place() and self._left_behind() is None
        return False

    def _left_behind(self) -> bytes | None:
        """Return the text of the file that is there; None if a process holds it.

        :raises FileNotFoundError: if there is none
        """
        descriptor = self._open()
        try:
            return os.pread(descriptor, LONGEST, 0) if holder_of(descriptor) is None else None
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        """Open the file that is there, if it is a regular one; return its descriptor."""
        try:
            if not stat.S_ISREG(os.stat(self._name, dir_fd=self._directory, follow_symlinks=False).st_mode):
                raise FlagmanError(f"pid file {self.path!r}: this is not a regular file")
            return os.open(self._name, READ_ONLY, dir_fd=self._directory)
        except PermissionError as error:
            raise FlagmanError(f"pid file {self.path!r}: cannot be opened: {error.strerror}") from error

    def _write(self) -> None:
        """Put a file with the pid of this process in place; from then on the lock is on that file."""
        pid = os.getpid()
        name = f".{self._name}.new"
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directory)  # of a process that was killed during its turn
        descriptor = above_standard(
            os.open(name, os.O_RDONLY | os.O_EXCL | _CREATE, start_lock.PRIVATE, dir_fd=self._directory)
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._fill(name, b"%d\n" % pid)
            os.fchmod(descriptor, _MODE)  # regardless of the umask
            os.rename(name, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._directory)
            os.close(descriptor)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._owner = pid

    def _fill(self, name: str, text: bytes) -> None:
        writer = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory)
        try:
            if os.write(writer, text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(writer)

    def _is_in_place(self) -> bool:
        """Return whether the path leads to the file that is held."""
        return directory.is_in_place(self._descriptor, self._name, self._directory)

    def _holder(self) -> int | None:
        with suppress(OSError, FlagmanError):
            return read_pid(self.path)
        return None


def _describe(text: bytes) -> str:
    """Describe the text of a file that no process holds."""
    number = number_in(text)
    if number is not None:
        return f"the process {number}, which wrote it, does not lock it any more"
    return f"it contains {text!r} instead of a pid" if text else "it is empty"


# Strong references, because a program need not keep an object that only has to hold its lock.
_SEALED: set[PidLockFile] = set()


def _abandon() -> None:
    """Close the locks of the parent in a forked child."""
    while _SEALED:
        _SEALED.pop()._close()  # noqa: SLF001 - it has no reason to be public


os.register_at_fork(after_in_child=_abandon)
