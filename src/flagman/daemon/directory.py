"""The directory of a file that others trust, or that root opens for others: which users could replace what is in it."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from flagman.daemon.descriptors import APPENDING, above_standard
from flagman.exceptions import FlagmanError

# As many links as Linux follows, see path_resolution(7).
_MOST_LINKS = 40
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def open_safely(path: str, *, shared: bool = False, sticky: bool = False) -> int:
    """Open a directory in which only this user and root can replace anything; for root, only root.

    :param shared: accept any directory
    :param sticky: accept one in which others can add something, but replace only what is theirs, such as ``/tmp``
    :returns: its descriptor
    :raises FlagmanError: if other users could replace something
    :raises OSError: if it cannot be opened
    """
    is_roots = os.geteuid() == 0 and not shared
    descriptor = _walk(path) if is_roots else above_standard(os.open(path, _OPEN))
    try:
        if not shared:
            _check(os.fstat(descriptor), sticky=sticky)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_for(path: str, uid: int, gid: int, mode: int) -> int | None:
    """Open a file for appending on behalf of a user that may not do so, because it is in a directory of root's.

    Root must not be tricked into opening another file: only root can replace the directory, and a thing that the user,
    or a group that may write there, can have put in the place of the file is refused. A new file belongs to the user.

    :param path: absolute
    :param mode: of a new file
    :returns: its descriptor; None if the user is to open it, as in a directory of the user's own
    """
    folder, name = os.path.split(path)
    with suppress(OSError, FlagmanError):
        directory = _walk(folder)
        try:
            status = os.fstat(directory)
            if name and status.st_uid == 0 and not status.st_mode & stat.S_IWOTH:
                # Root's own file may be here under a name that a group has given it.
                trusted = {uid} if _is_open(status) else {0, uid}
                return _open_regular(name, directory, (uid, gid), mode, trusted)
        finally:
            os.close(directory)
    return None


def _walk(path: str) -> int:
    """Open a directory that only root can replace.

    Each step starts from the open directory of the step before, not from a path: what was checked is what is opened.

    :raises FlagmanError: if another user can replace it
    """
    names = path.split("/")[::-1]
    place = "/"
    links = 0
    current = above_standard(os.open("/", _OPEN))
    try:
        while names and links <= _MOST_LINKS:
            name = names.pop()
            if name in ("", "."):
                continue
            _check_step(current, place)
            target = _link_of_root(current, name, place)
            if target:
                links += 1
                names += target.split("/")[::-1]
                name = "/" if target.startswith("/") else "."
            following = above_standard(os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=current))
            os.close(current)
            current = following
            place = os.path.normpath(os.path.join(place, name))  # noqa: PTH118 - pathlib costs 5 ms
        if names:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)  # noqa: TRY301 - what is left is to be closed
    except BaseException:
        os.close(current)
        raise
    return current


def _check_step(directory: int, place: str) -> None:
    status = os.fstat(directory)
    if status.st_uid != 0 or (_is_open(status) and not status.st_mode & stat.S_ISVTX):
        raise FlagmanError(f"other users may replace the directory, because they may write in {place}")


def _link_of_root(directory: int, name: str, place: str) -> str:
    """Return where a link of root's leads, or nothing if it is no link; in /tmp, for one, any user may make links."""
    entry = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISLNK(entry.st_mode):
        return ""
    if entry.st_uid != 0:
        raise FlagmanError(f"other users may replace the directory, because {name!r} in {place} is their link")
    return os.readlink(name, dir_fd=directory)


def _open_regular(name: str, directory: int, owner: tuple[int, int], mode: int, trusted: set[int]) -> int | None:
    flags = APPENDING | os.O_NOFOLLOW
    with suppress(FileExistsError):
        descriptor = above_standard(os.open(name, flags | os.O_EXCL, mode, dir_fd=directory))
        try:
            os.fchmod(descriptor, mode)  # regardless of the umask
            os.fchown(descriptor, *owner)
        except OSError:  # a file system that knows no owners
            os.close(descriptor)
            os.unlink(name, dir_fd=directory)
            raise
        return descriptor
    # Without waiting for the other end of a FIFO.
    descriptor = above_standard(os.open(name, (flags & ~os.O_CREAT) | os.O_NONBLOCK, dir_fd=directory))
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid in trusted:
        os.set_blocking(descriptor, True)
        return descriptor
    os.close(descriptor)
    return None


def _check(status: os.stat_result, *, sticky: bool) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise FlagmanError(f"the directory belongs to another user (uid {status.st_uid})")
    if _is_open(status) and not (sticky and status.st_mode & stat.S_ISVTX):
        raise FlagmanError("other users may write in the directory; use one such as /run")


def _is_open(status: os.stat_result) -> bool:
    """Return whether users other than its owner may write in a directory."""
    return bool(
        status.st_mode & stat.S_IWOTH
        or (status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid))
    )


def _is_private(gid: int, uid: int) -> bool:
    """Return whether a group is that of one user, as most systems make one for each, and has no other member."""
    import grp  # noqa: PLC0415 - only if a group may write
    import pwd  # noqa: PLC0415 - as above

    try:
        owner, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    # Some account databases do not list every user, so the group must also have the name of the user.
    if owner.pw_gid != gid or owner.pw_name != group.gr_name or set(group.gr_mem) - {owner.pw_name}:
        return False
    return not [entry for entry in pwd.getpwall() if entry.pw_gid == gid and entry.pw_uid != uid]


def is_in_place(descriptor: int, name: str, directory: int) -> bool:
    """Return whether an open file is the one that a name in a directory leads to."""
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
