"""The pid file: tells who runs, and makes sure that nobody else does.

What decides is a lock on the file, see :manpage:`flock(2)`, which its owner holds as long as it lives, and which ends
with it, however that comes about. The number in the file is for those who read it.

The file is not changed in place. A new one is written and locked under another name and then put in its place, so
that whoever opens it finds a whole one, which is locked if its owner lives. The lock that somebody may have got on the
old one does not count: after locking, everybody looks whether the file still is the one behind the name.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import time
from contextlib import suppress
from weakref import WeakMethod

from flagman.daemon.holder import ENDED, LONGEST, READ_ONLY, number_in
from flagman.exceptions import FlagmanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

logger = logging.getLogger(__name__)

_MODE = 0o644
# Seconds between two looks at a file that somebody holds.
_PAUSE = 0.01
# Seconds that a lock may seem to be held, because somebody just looks whether it is.
_GLANCE = 0.1


class AlreadyRunningError(FlagmanError):
    """Another process holds the lock.

    :param pid: which; None if the file does not tell
    :param path: of the file
    """

    def __init__(self, pid: int | None, path: str) -> None:
        super().__init__(f"already running, pid {'unknown' if pid is None else pid} ({path})")
        self.pid = pid
        self.path = path


class PidLockFile:
    """A pid file with a lock; a context manager, which acquires, seals and releases it.

    :param path: where it is; the directory must exist
    :param timeout: seconds to wait for another process that holds it; not at all if negative
    :param user: the uid that this process is going to take on: the directory must not be that user's, or whoever takes
        over the daemon could let the pid file lead a signal astray
    :param shared: accept a directory in which others may write, too
    """

    def __init__(
        self, path: str | os.PathLike[str], timeout: float = -1, *, user: int | None = None, shared: bool = False
    ) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100 - pathlib costs 5 ms at a start
        self.timeout = timeout
        self._user = user
        self._shared = shared
        self._folder, self._name = os.path.split(self.path)
        self._directory = -1
        self._descriptor = -1
        # The process that has written its number.
        self._owner = 0

    def acquire(self, timeout: float | None = None) -> None:
        """Get the lock; the file tells this process's number until :meth:`seal`.

        Processes that are forked from here on share the lock, until :meth:`seal`.

        :param timeout: as for the class, which this takes precedence over
        :raises AlreadyRunningError: if another process holds it
        :raises FlagmanError: if the file must not be where it is, or is none
        :raises OSError: if the file cannot be written; nothing is left behind then
        """
        if self._descriptor >= 0:
            return
        patience = self.timeout if timeout is None else timeout
        limit = time.monotonic() + max(patience, _GLANCE)
        self._directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._check_directory()
            while not self._take():
                self._wait(limit)
        except BaseException:
            self._close()
            raise
        self._clean()

    def _wait(self, limit: float) -> None:
        if time.monotonic() >= limit:
            raise AlreadyRunningError(self._read(), self.path)
        time.sleep(_PAUSE)

    def seal(self) -> None:
        """Write the number of this process, which is the one that stays.

        :raises OSError: if it cannot be written; the file is as it was then
        """
        if self._descriptor < 0:
            raise RuntimeError("seal() comes after acquire()")
        if self._owner != os.getpid():
            descriptor = self._write()
            os.close(self._descriptor)
            self._descriptor = descriptor
        method = WeakMethod(self._abandon)
        os.register_at_fork(after_in_child=lambda: (abandon := method()) and abandon())

    @property
    def descriptors(self) -> set[int]:
        """What it holds open."""
        return {descriptor for descriptor in (self._descriptor, self._directory) if descriptor >= 0}

    def forget_directory(self) -> None:
        """Close the directory, since a descriptor of one outside leads out of every :manpage:`chroot(2)`."""
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def release(self) -> None:
        """Remove the file, if it is ours, and let go of the lock; a process that is not the owner only lets go.

        Whoever may not remove it any more, since it has given up its privileges, leaves an empty line in it.
        """
        if self._descriptor >= 0 and self._owner == os.getpid():
            try:
                if self._is_in_place(self._descriptor):
                    os.unlink(self._name, dir_fd=self._directory)
            except OSError:
                with suppress(OSError):
                    os.pwrite(self._descriptor, ENDED, 0)
                    os.ftruncate(self._descriptor, len(ENDED))
        self._close()

    def __enter__(self) -> Self:
        self.acquire()
        try:
            self.seal()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _abandon(self) -> None:
        """Let a forked child not hold what is its parent's."""
        if self._descriptor >= 0:
            self._close()

    def _close(self) -> None:
        for descriptor in (self._descriptor, self._directory):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._directory = -1

    def _check_directory(self) -> None:
        """Make sure that only those can replace the file who may."""
        status = os.fstat(self._directory)
        if status.st_uid not in (0, os.geteuid()):
            raise FlagmanError(f"pid file {self.path!r}: the directory belongs to another user (uid {status.st_uid})")
        if self._user and status.st_uid == self._user and not self._shared:
            raise FlagmanError(f"pid file {self.path!r}: the directory belongs to the user that the daemon becomes")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not self._shared:
            raise FlagmanError(f"pid file {self.path!r}: others may write in the directory; take one such as /run")

    def _take(self) -> bool:
        """Put a file of ours in place, unless somebody holds the one that is there, or comes in between."""
        with suppress(BlockingIOError, FileExistsError, FileNotFoundError):
            try:
                old = self._open()
            except FileNotFoundError:
                self._descriptor = self._write(new=True)
                return True
            try:
                fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_in_place(old):
                    before = os.read(old, LONGEST)
                    self._descriptor = self._write()
                    level = logging.INFO if before == ENDED else logging.WARNING
                    logger.log(level, "Took the pid file %s over: %s", self.path, _describe(before))
                    return True
            finally:
                os.close(old)
        return False

    def _open(self) -> int:
        """Open the file that is there."""
        try:
            if not stat.S_ISREG(os.stat(self._name, dir_fd=self._directory, follow_symlinks=False).st_mode):
                raise FlagmanError(f"pid file {self.path!r}: there is something that is not a regular file")
            return os.open(self._name, READ_ONLY, dir_fd=self._directory)
        except PermissionError as error:
            raise FlagmanError(f"pid file {self.path!r}: cannot be opened: {error.strerror}") from error

    def _write(self, *, new: bool = False) -> int:
        """Put a file with the number of this process in place; give its descriptor, which holds the lock.

        :param new: there is none yet
        :raises FileExistsError: if there was, though
        """
        pid = os.getpid()
        name = f".{self._name}.{pid}"
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, _MODE, dir_fd=self._directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(descriptor, _MODE)  # whatever the umask
            os.write(descriptor, b"%d\n" % pid)
            if new:
                os.link(name, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
                os.unlink(name, dir_fd=self._directory)
            else:
                os.rename(name, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._directory)
            os.close(descriptor)
            raise
        self._owner = pid
        return descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        """Tell whether an open file is the one behind the name."""
        try:
            there = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(descriptor), there)

    def _read(self) -> int | None:
        try:
            descriptor = self._open()
        except (OSError, FlagmanError):
            return None
        try:
            return number_in(os.read(descriptor, LONGEST))
        finally:
            os.close(descriptor)

    def _clean(self) -> None:
        """Remove what processes have left that were killed while they wrote."""
        for name in os.listdir(self._directory):  # noqa: PTH208 - by descriptor
            if name.startswith(f".{self._name}.") and name.rpartition(".")[2].isdigit():
                with suppress(OSError):
                    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory)
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or its owner lives
                        os.unlink(name, dir_fd=self._directory)
                    finally:
                        os.close(descriptor)


def _describe(text: bytes) -> str:
    """Say what was in a file that nobody holds."""
    number = number_in(text)
    if number is not None:
        return f"the process {number}, which wrote it, does not hold it any more"
    if text == ENDED:
        return "the process that wrote it has ended"
    return f"it holds no pid but {text!r}" if text else "it is empty"
