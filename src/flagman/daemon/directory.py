"""The directory of a file that others trust: who could replace what is in it."""

from __future__ import annotations

import os
import stat

from flagman.daemon.descriptors import above_standard
from flagman.exceptions import FlagmanError


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


def _check(status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise FlagmanError(f"the directory belongs to another user (uid {status.st_uid})")
    if _is_open(status):
        raise FlagmanError("others may write in the directory; take one such as /run")


def _is_open(status: os.stat_result) -> bool:
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


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
