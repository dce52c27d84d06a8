"""The directory of a file that others trust, or that root opens for others: who could replace what is in it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from flagman.daemon.descriptors import above_standard
from flagman.exceptions import FlagmanError
from flagman.rotation import APPENDING


def open_safely(path: str, *, shared: bool = False) -> int:
    """Open a directory in which only this user and root can replace anything; for root, only root.

    :param shared: accept any
    :returns: its descriptor
    :raises FlagmanError: if others could
    :raises OSError: if it cannot be opened
    """
    descriptor = above_standard(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        if not shared:
            _check(os.fstat(descriptor))
            if os.geteuid() == 0:
                _check_ancestors(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_for(path: str, uid: int, gid: int, mode: int) -> int | None:
    """Open a file, to be appended to, for a user who may not do so, since it is in a directory of root's.

    Root must not be led astray: only root can put anything in the place of the directory, and what the user, or a
    group that may write there, can have put in the place of the file is refused. A file that was not there is the
    user's from then on.

    :param path: absolute
    :param mode: of a new file
    :returns: its descriptor; None if the user is to open it, as in a directory of the user's own
    """
    folder, name = os.path.split(path)
    with suppress(OSError, FlagmanError):
        if not name or os.path.realpath(folder) != folder:
            return None
        directory = above_standard(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
        try:
            status = os.fstat(directory)
            if status.st_uid == 0 and not status.st_mode & stat.S_IWOTH:
                _check_ancestors(folder)
                return _open_regular(name, directory, (uid, gid), mode)
        finally:
            os.close(directory)
    return None


def _open_regular(name: str, directory: int, owner: tuple[int, int], mode: int) -> int | None:
    flags = APPENDING | os.O_NOFOLLOW
    with suppress(FileExistsError):
        descriptor = above_standard(os.open(name, flags | os.O_EXCL, mode, dir_fd=directory))
        os.fchown(descriptor, *owner)
        return descriptor
    # Without waiting for somebody at the other end of a FIFO.
    descriptor = above_standard(os.open(name, (flags & ~os.O_CREAT) | os.O_NONBLOCK, dir_fd=directory))
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid in (0, owner[0]):
        os.set_blocking(descriptor, True)
        return descriptor
    os.close(descriptor)
    return None


def _check(status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise FlagmanError(f"the directory belongs to another user (uid {status.st_uid})")
    if _is_open(status):
        raise FlagmanError("others may write in the directory; take one such as /run")


def _is_open(status: os.stat_result) -> bool:
    """Tell whether others than its owner may write in a directory."""
    return bool(
        status.st_mode & stat.S_IWOTH
        or (status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid))
    )


def _is_private(gid: int, uid: int) -> bool:
    """Tell whether a group is that of one user, as most systems make one for each, and has no other member."""
    import grp  # noqa: PLC0415 - for a directory in which a group may write
    import pwd  # noqa: PLC0415 - as above

    try:
        owner, members = pwd.getpwuid(uid), grp.getgrgid(gid).gr_mem
    except KeyError:
        return False
    others = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid and entry.pw_uid != uid]
    return owner.pw_gid == gid and not others and not set(members) - {owner.pw_name}


def _check_ancestors(path: str) -> None:
    """Make sure that nobody else can put another directory in the place of this one."""
    folder = os.path.realpath(path)
    while folder != "/":
        folder = os.path.dirname(folder)  # noqa: PTH120 - pathlib costs 5 ms at a start
        status = os.stat(folder)  # noqa: PTH116 - as above
        if status.st_uid != 0 or (_is_open(status) and not status.st_mode & stat.S_ISVTX):
            raise FlagmanError(f"others may replace the directory, since they may write in {folder}")


def is_in_place(descriptor: int, name: str, directory: int) -> bool:
    """Tell whether an open file is the one behind a name in a directory."""
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
