"""What to ask the kernel for, so that no change of what stands at a path goes unnoticed, and nothing else wakes us.

Inodes are watched, and not names, wherever something exists. So what happens to other files in the same directories is
not reported. Names are watched only where the way breaks off, or where an inode may not be watched.
"""

from __future__ import annotations

import errno
import stat

from flagman.triggers.files import inotify
from flagman.triggers.files.window import ENTRIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.triggers.files.way import Step, Way

    #: The device and the number of an inode.
    Inode = tuple[int, int]

#: What every claim asks for.
LEAST = inotify.MOVE_SELF | inotify.DELETE_SELF
_CONTENT = inotify.MODIFY | inotify.CLOSE_WRITE


class Claim:
    """What is asked for about one inode.

    :param place: a path of it, without links
    """

    __slots__ = ("is_end", "mask", "names", "place")

    def __init__(self, place: str) -> None:
        self.place = place
        #: The events.
        self.mask = LEAST
        #: The names of entries that matter; for each, whether it is what stands at the path.
        self.names: dict[str, bool] = {}
        #: Whether this is what stands at the path.
        self.is_end = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Claim) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Claim on {self.place!r}: {self.mask:#x}>"

    def _values(self) -> tuple[object, ...]:
        return self.mask, self.names, self.is_end

    def wait_for(self, place: str, mask: int, *, is_end: bool = False) -> None:
        """Ask for events of an entry, too."""
        self.mask |= mask
        name = place.rpartition("/")[2]
        self.names[name] = is_end or self.names.get(name, False)


def permissions(step: Step) -> tuple[int, ...]:
    """Return what decides whether an inode may be watched: it has to be readable."""
    return (*step.inode, step.status.st_mode, step.status.st_uid, step.status.st_gid)


def wanted(way: Way, refused: set[tuple[int, ...]]) -> tuple[dict[Inode, Claim], str]:
    """Return what to ask for, by inode; and why that is not enough, if it is not.

    :param refused: the :func:`permissions` of inodes that may not be watched
    """
    claims: dict[Inode, Claim] = {}
    for step in way.steps.values():
        claim = claims.setdefault(step.inode, Claim(step.place))
        if not step.is_directory:
            claim.mask |= inotify.ATTRIB  # a link that is removed; a directory would report changes of its entries
    if way.end is not None:
        _add_end(claims, way, way.end)
    elif way.missing:
        _add_missing(claims, way)
    reason = ""
    for step in way.steps.values():
        if permissions(step) in refused:
            reason = _go_around(claims, way, step, refused) or reason
    return claims, reason


def _add_end(claims: dict[Inode, Claim], way: Way, end: Step) -> None:
    if not end.place:
        return
    claim = claims[end.inode]
    claim.is_end = True
    mode = end.status.st_mode
    claim.mask |= inotify.ATTRIB
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # a device or a pipe reports its use
        claim.mask |= _CONTENT
    if stat.S_ISDIR(mode):
        claim.mask |= ENTRIES
        above = way.above(end.place)
        if above is not None:  # the removal of a directory that a process uses is reported nowhere else
            claims[above.inode].wait_for(end.place, inotify.DELETE)


def _add_missing(claims: dict[Inode, Claim], way: Way) -> None:
    """Wait for a name in a directory; and in the one above it, because that may be removed while a process uses it."""
    holder = way.above(way.missing)
    above = holder and way.above(holder.place)
    more = inotify.ATTRIB if way.error == errno.EACCES else 0
    if holder is not None:
        claims[holder.inode].wait_for(way.missing, ENTRIES | inotify.CLOSE_WRITE | more)
    if holder is not None and above is not None:
        claims[above.inode].wait_for(holder.place, ENTRIES | more)


def _go_around(claims: dict[Inode, Claim], way: Way, step: Step, refused: set[tuple[int, ...]]) -> str:
    """Wait for the name of something that may not be watched itself; return why that is not enough, if it is not."""
    claims.pop(step.inode, None)
    above = way.above(step.place)
    is_end = step is way.end
    if above is not None and permissions(above) not in refused:
        mask = ENTRIES | (_CONTENT | inotify.ATTRIB if is_end else 0)
        claims[above.inode].wait_for(step.place, mask, is_end=is_end)
        if is_end and step.is_directory:
            return f"{step.place} may not be read"
    elif above is not None:
        return f"neither {step.place} nor its directory may be read"
    if way.missing and step is way.above(way.missing) and way.error == errno.ENOENT:
        return f"nothing stands at {way.missing}, and its directory may not be read"
    return ""
