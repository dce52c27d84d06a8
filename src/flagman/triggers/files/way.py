"""Where a path leads: one component after the other is looked at, as the kernel does it, and links are followed.

The kernel reports changes of inodes. To learn of every way in which something else can come to stand at a path, all
inodes on the way have to be known: each directory, each link as a link, and the end. See :manpage:`path_resolution(7)`.
"""

from __future__ import annotations

import errno
import os
import re
import stat

# The most links that the kernel follows.
_MOST_LINKS = 40
# Links of a process in /proc lead to what it has open, whatever their text says.
_MAGIC = re.compile("/proc/[^/]+/")


class Step:
    """Something that exists on the way.

    :param place: its path, without any link in it; empty if there is none
    :param status: of itself, also for a link
    :param text: where it leads, if it is a link
    """

    __slots__ = ("place", "status", "text")

    def __init__(self, place: str, status: os.stat_result, text: str = "") -> None:
        self.place = place
        self.status = status
        self.text = text

    def __repr__(self) -> str:
        return f"<Step {self.place!r}>"

    @property
    def inode(self) -> tuple[int, int]:
        """The device and the number of its inode."""
        return self.status.st_dev, self.status.st_ino

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)


class Way:
    """The way to what stands at a path, as it was at one moment.

    :param steps: all that exists on the way, by place, from the root on
    :param end: what stands at the path; None if the way breaks off
    :param error: why it breaks off, as a number of :mod:`errno`
    :param missing: the place at which it breaks off; empty if nothing can be waited for there
    """

    __slots__ = ("end", "error", "missing", "steps")

    def __init__(self, steps: dict[str, Step], end: Step | None, error: int = 0, missing: str = "") -> None:
        self.steps = steps
        self.end = end
        self.error = error
        self.missing = missing

    def __repr__(self) -> str:
        return f"<Way to {self.end or self.missing!r} in {len(self.steps)} steps>"

    def above(self, place: str) -> Step | None:
        """Return the directory of a place on the way; None for the root."""
        return None if place == "/" else self.steps.get(parent(place))


def parent(place: str) -> str:
    """Return the directory of a place that has no links in it."""
    return place.rpartition("/")[0] or "/"


def walk(path: str) -> Way:
    """Find where a path leads now.

    :param path: an absolute path
    """
    place = "/"
    steps: dict[str, Step] = {}
    rest = path.split("/")[::-1]  # the next component is the last one here
    links = 0
    try:
        steps[place] = Step(place, os.lstat(place))
        while rest:
            name = rest.pop()
            if name in ("", "."):
                continue
            if name == "..":
                place = parent(place)  # right because there is no link in it
                continue
            above, place = place, f"{place.rstrip('/')}/{name}"
            step = steps[place] = Step(place, os.lstat(place))
            if stat.S_ISLNK(step.status.st_mode):
                if _MAGIC.match(place):
                    return Way(steps, Step("", os.stat(path)))  # noqa: PTH116 - as above
                step.text = os.readlink(place)  # noqa: PTH115 - as above
                links += 1
                if links > _MOST_LINKS:
                    return Way(steps, None, errno.ELOOP)
                rest += step.text.split("/")[::-1]
                place = "/" if step.text.startswith("/") else above
            elif not step.is_directory and rest:
                return Way(steps, None, errno.ENOTDIR)
    except OSError as error:
        steps.pop(place, None)  # a link that has gone since
        is_waited_for = error.errno in (errno.ENOENT, errno.EACCES, errno.EINVAL) and place != "/"
        return Way(steps, None, error.errno or errno.EIO, place if is_waited_for else "")
    return Way(steps, steps[place])
