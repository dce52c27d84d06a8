"""What stands at a path: enough of its status to tell whether it has become something else.

The times of the last change of status (``st_ctime``) are kept apart. They also change when a hard link is made or a
label is set, so they count only after a time in which nothing was reported.
"""

from __future__ import annotations

import os
import re
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.triggers.files.way import Step

    Values = tuple[object, ...]

# What editors leave in a directory while they work: .f.swp, f~, #f#, and 4913 of vim. Two dots are no such sign:
# Kubernetes puts ..data into its volumes.
_NOISE = re.compile(r"\.(?!\.).*|.*~|#.*#|4913", re.DOTALL)


class Snapshot:
    """The state of what stands at a path.

    :param inode: its device and the number of its inode
    :param values: what makes a difference
    :param times: what makes one after a blind time
    """

    __slots__ = ("inode", "times", "values")

    def __init__(self, inode: tuple[int, int], values: Values, times: Values) -> None:
        self.inode = inode
        self.values = values
        self.times = times

    def __repr__(self) -> str:
        return f"<Snapshot of inode {self.inode[1]}>"


def differ(one: Snapshot | None, other: Snapshot | None, *, by_times: bool) -> bool:
    """Return whether two states are different.

    :param by_times: also look at the times of the last change of status
    """
    if one is None or other is None:
        return one is not other
    return one.values != other.values or (by_times and one.times != other.times)


def is_noise(name: str) -> bool:
    """Return whether an entry of a directory does not count, by its name."""
    return _NOISE.fullmatch(name) is not None


def take(end: Step | None) -> Snapshot | None:
    """Return the state of what stands at the end of a way; None if nothing does.

    The state of a directory is that of its entries, with links followed, and not deeper.

    :raises OSError: if a directory cannot be read for another reason than its permissions
    """
    if end is None:
        return None
    status = end.status
    own = (status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid)
    if stat.S_ISREG(status.st_mode):
        return Snapshot(end.inode, _values(status), (status.st_ctime_ns,))
    if not end.is_directory:  # the size and the times of a device change with its use
        return Snapshot(end.inode, (*own, status.st_rdev), (status.st_ctime_ns,))
    try:
        names = sorted(name for name in os.listdir(end.place) if not is_noise(name))  # noqa: PTH208 - without pathlib
    except PermissionError:  # then the time of its own last change shows that an entry has come or gone
        return Snapshot(end.inode, own, (status.st_ctime_ns,))
    entries = [(name, _entry(f"{end.place}/{name}")) for name in names]
    values = tuple((name, entry and _values(entry)) for name, entry in entries)
    times = tuple(entry and entry.st_ctime_ns for _, entry in entries)
    return Snapshot(end.inode, (*own, *values), times)


def _values(status: os.stat_result) -> Values:
    """Return what makes a difference in a file, or in an entry of a directory."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        # The size and the times of a directory tell of its entries, and of noise in it.
        *(() if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)),
    )


def _entry(place: str) -> os.stat_result | None:
    """Return the status of what an entry leads to, or of the entry itself if that leads nowhere; None if it is gone."""
    for look in (os.stat, os.lstat):
        try:
            return look(place)
        except OSError:
            continue
    return None
