"""Mounted file systems: which one a place is on, and whether the kernel reports all changes in it.

See :manpage:`proc_pid_mountinfo(5)`. Device numbers would mislead: a subvolume of btrfs has one of its own, and so do
files in an overlay.
"""

from __future__ import annotations

import os
import re
import select
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagman.triggers.files.way import Way

# The list of all mounts that this process sees.
_MOUNTS = "/proc/self/mountinfo"

# Other hosts, the host of a virtual machine, or the kernel itself change what is there, and nothing reports that.
_BLIND = re.compile(
    "nfs.*|cifs|smbfs|smb3|9p|virtiofs|vboxsf|prl_fs|ceph|afs|coda|lustre|gfs2|ocfs2|fuse|fuse[.].*|proc|sysfs"
)


class FileSystem:
    """A mounted file system.

    :param kind: its type, such as ``ext4``
    :param point: the directory where it is mounted
    """

    __slots__ = ("kind", "point")

    def __init__(self, kind: str, point: str) -> None:
        self.kind = kind
        self.point = point

    def __repr__(self) -> str:
        return f"<FileSystem {self.kind} on {self.point!r}>"

    @property
    def is_blind(self) -> bool:
        """Whether changes can be made in it that the kernel does not report."""
        return _BLIND.fullmatch(self.kind) is not None


def watched() -> int:
    """Return a descriptor for which :manpage:`poll(2)` reports ``POLLPRI``, once for each change of the mounts.

    :raises OSError: if there is no such list
    """
    descriptor = os.open(_MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(descriptor, select.POLLPRI)
    poll.poll(0)  # the first time it reports one in any case
    return descriptor


def blind_file_system(way: Way) -> FileSystem | None:
    """Return a file system on a way in which changes can be made that the kernel does not report; None if all do."""
    by_device = {step.status.st_dev: step.place for step in way.steps.values()}
    found = filter(None, map(file_system, by_device.values()))
    return next((each for each in found if each.is_blind), None)


def file_system(place: str) -> FileSystem | None:
    """Return the file system of a place, also of a link; None if that cannot be found out."""
    number = b""
    with suppress(OSError):
        descriptor = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            number = _mount_number(descriptor)
        finally:
            os.close(descriptor)
    for fields in _mounts() if number else ():
        if fields[0] == number:
            return FileSystem(os.fsdecode(fields[fields.index(b"-") + 1]), _unescaped(fields[4]))
    return None


def _mount_number(descriptor: int) -> bytes:
    for line in _lines(f"/proc/self/fdinfo/{descriptor}"):
        name, _, value = line.partition(b":")
        if name == b"mnt_id":
            return value.strip()
    return b""


def _mounts() -> Iterator[list[bytes]]:
    with suppress(OSError):
        for line in _lines(_MOUNTS):
            yield line.split(b" ")


def _lines(path: str) -> list[bytes]:
    with open(path, "rb") as file:  # noqa: PTH123 - without pathlib, as all of flagman
        return file.read().splitlines()


def _unescaped(field: bytes) -> str:
    r"""Return the text of a field, in which a space is ``\040``."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field))
