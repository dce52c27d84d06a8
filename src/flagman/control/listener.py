"""The control socket: from the very first moment, no other user than those that are meant can connect to it.

It is bound while the process is still the user that has started it, in the root of its start. So root may be at work in
a directory of another user: nothing here follows a link, and root changes nothing that another user could replace.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
from contextlib import suppress

from flagman.control.lock import InUseError, SocketLock
from flagman.daemon.directory import open_safely
from flagman.exceptions import FlagmanError, UsageError, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.control.place import Place
    from flagman.daemon.privileges import Identity

logger = logging.getLogger("flagman.control")

# The mode of the socket until it has its group.
_PRIVATE = 0o600
#: The most connections that wait to be accepted; the kernel has a limit of its own, see listen(2).
BACKLOG = 4096
_KINDS = {stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link", stat.S_IFREG: "a file", stat.S_IFIFO: "a FIFO"}


class Listener:
    """A Unix socket at a path, with a lock beside it, which this process holds as long as it lives.

    :param place: with the path, the mode and the group
    :param identity: what this process is about to become; None if it stays what it is
    :param is_in_reach: whether the path leads to the same place later, and not into another root
    """

    def __init__(self, place: Place, identity: Identity | None = None, *, is_in_reach: bool = True) -> None:
        self._place = place
        #: Absolute.
        self.path = place.path
        self._folder, self._name = os.path.split(place.path)
        self._identity = identity
        self._is_in_reach = is_in_reach
        self._socket: socket.socket | None = None
        self._lock: SocketLock | None = None
        # The device and inode of the socket's file; and the process that has bound it.
        self._file = (0, 0)
        self._pid = 0

    @property
    def where(self) -> str:
        """Its path."""
        return self.path

    @property
    def listening(self) -> socket.socket:
        """The socket, after :meth:`bind`; it does not wait."""
        if self._socket is None:
            raise RuntimeError("bind() has to be called before")
        return self._socket

    def bind(self) -> None:
        """Bind the socket; no process can connect before :meth:`listen`.

        :raises UsageError: if the path cannot be one of a socket
        :raises FlagmanError: if it is in use, or cannot be bound
        """
        if not self._name:
            raise UsageError(f"--control: {self.path!r} is a directory")
        try:
            if self._identity is None or os.geteuid() == self._identity.uid:
                self._bind_in(self._open_folder())
            else:
                self._bind_for(self._identity)
        except InUseError as error:
            raise FlagmanError(
                f"control socket {self.path!r}: is in use by {error}; give another --name or PATH"
            ) from None
        except (FlagmanError, OSError) as error:
            raise FlagmanError(f"control socket {self.path!r}: {reason_of(error)}") from error

    def listen(self) -> None:
        """Accept connections from now on. To them this process is at the other end, as the user that it is now."""
        self.listening.listen(BACKLOG)

    def rebind(self) -> socket.socket | None:
        """Bind and listen anew if the socket has gone from its path, as after a cleaner of old files.

        It never fails: what is wrong is logged, and the socket stays as it is.

        :returns: the socket that this has replaced, which the caller closes; None if there is a reason to keep it
        """
        if not self._is_in_reach or self._socket is None or self._is_there():
            return None
        before = self._socket
        try:
            self._bind_in(self._open_folder())
            self.listen()
        except InUseError as error:
            logger.warning("The control socket %r has gone, and is now in use by %s", self.path, error)
        except (FlagmanError, OSError) as error:
            logger.warning("The control socket %r has gone, and cannot be bound again: %s", self.path, reason_of(error))
        else:
            logger.warning("The control socket %r had gone, and was bound again", self.path)
            return before
        return None

    def close(self) -> None:
        """Remove the socket and its lock, if they are still ours, and close them; once more has no effect.

        A file that this user may not remove stays, as for a daemon that was killed; the next one replaces it.
        """
        if self._socket is not None:  # first: if a plugin has closed it, what is opened next has its number
            with suppress(OSError):
                self._socket.close()
            self._socket = None
        directory = None
        if self._is_in_reach and self._pid == os.getpid():
            with suppress(OSError):
                directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._pid = 0
        if directory is not None:
            with suppress(OSError):
                if self._is_there():
                    os.unlink(self._name, dir_fd=directory)
        if self._lock is not None:  # last, because with it another daemon may take the path
            with suppress(OSError):
                self._lock.release(directory)
            self._lock = None
        if directory is not None:
            os.close(directory)

    def _is_there(self) -> bool:
        """Return whether the path leads to our socket, as far as this user may see that."""
        try:
            status = os.stat(self.path, follow_symlinks=False)  # noqa: PTH116 - pathlib costs 5 ms
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return (status.st_dev, status.st_ino) == self._file

    def _open_folder(self) -> int:
        """Open the directory, in which no other user can replace anything; create it if it may be missing."""
        with suppress(FileNotFoundError):
            return open_safely(self._folder, sticky=True)
        if self._place.directory_mode is None:
            raise FlagmanError("its directory does not exist")
        above, name = os.path.split(self._folder)
        parent = open_safely(above, sticky=True)
        try:
            with suppress(FileExistsError):
                os.mkdir(name, _PRIVATE | stat.S_IXUSR, dir_fd=parent)
                os.chmod(name, self._place.directory_mode, dir_fd=parent)
        except OSError as error:
            raise FlagmanError(f"its directory cannot be created: {error.strerror}; give a PATH") from error
        finally:
            os.close(parent)
        return open_safely(self._folder, sticky=True)

    def _bind_for(self, identity: Identity) -> None:
        """Bind for another user: as root where only root can replace things, and otherwise with that user's rights."""
        try:
            directory = self._open_folder()
        except FlagmanError as error:
            with identity.assumed():
                try:
                    directory = self._open_folder()
                except (FlagmanError, OSError):
                    raise error from None
                self._bind_in(directory)
        else:
            self._bind_in(directory)

    def _bind_in(self, directory: int) -> None:
        """Bind in a directory, which this closes; nothing changes if that fails."""
        lock = self._lock
        try:
            if lock is None or not lock.is_held(directory):
                lock = SocketLock(f"{self._name}.lock", directory)
            try:
                self._make_room(directory, is_ours=lock.is_known)
                self._socket = self._bound(directory)
            except BaseException:
                if lock is not self._lock:
                    lock.release(directory)
                raise
            if self._lock is not None and lock is not self._lock:
                self._lock.abandon()
            self._lock = lock
            self._pid = os.getpid()
        finally:
            os.close(directory)

    def _make_room(self, directory: int, *, is_ours: bool) -> None:
        """Remove the socket of a dead daemon; refuse anything else.

        :param is_ours: whether a daemon was here before, and holds no lock any more; otherwise the socket may be that
            of another program, which knows no such lock
        """
        try:
            status = os.stat(self._name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise FlagmanError(f"this is {kind}, not a socket")
        if not is_ours and _is_alive(self.path):
            raise FlagmanError("another program listens there; give another PATH")
        os.unlink(self._name, dir_fd=directory)

    def _bound(self, directory: int) -> socket.socket:
        new = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            new.settimeout(0)
            # Linux gives the file this mode, without the bits of the umask: it never has another one before ours.
            os.fchmod(new.fileno(), _PRIVATE)
            new.bind(os.fsencode(self.path))
            try:
                status = os.stat(self._name, dir_fd=directory, follow_symlinks=False)
                self._hand_over(directory)
            except BaseException:
                os.unlink(self._name, dir_fd=directory)
                raise
        except BaseException:
            new.close()
            raise
        self._file = (status.st_dev, status.st_ino)
        return new

    def _hand_over(self, directory: int) -> None:
        """Change the group, the mode and the owner, in an order in which no further user can ever connect."""
        gid = self._place.group
        if gid is None and self._identity is not None:
            gid = self._identity.gid
        if gid is not None:
            os.chown(self._name, -1, gid, dir_fd=directory, follow_symlinks=False)
        os.chmod(self._name, self._place.mode, dir_fd=directory)
        # The last step, because from then on that user can replace the file.
        if self._identity is not None and self._identity.uid != os.geteuid():
            os.chown(self._name, self._identity.uid, -1, dir_fd=directory, follow_symlinks=False)


def _is_alive(path: str) -> bool:
    """Return whether a program listens at a socket; it is not kept waiting, and learns nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(os.fsencode(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # its queue is full, or it is a socket of another type, or another user's
            return True
    return True
