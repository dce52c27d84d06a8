"""The kind ``file``: a process that has made a file is ready."""

from __future__ import annotations

import os

from flagman.supervise.verifiers.kind import Attempt, Gifts, Kind
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around

    #: What changes when a file is written, touched or replaced.
    State = tuple[int, int, int, int]

_OLD = "it is as it was before the start"


class _Seen(Gifts):
    """What the file was before the start."""

    def __init__(self, state: State | None) -> None:
        super().__init__()
        self.state = state


class File(Kind):
    """A process is ready when there is a file that was not there before its start, or has changed since.

    The moments of the file system's clock are not compared with ours: a file that was left over by the former life, by
    a clock that was wrong, or by another machine, is not taken for a new one.

    :param path: of a file, or anything else
    :param fresh: whether it has to be new
    """

    name = "file"
    is_for_liveness = True
    missing = "not there"

    def __init__(self, path: str, *, fresh: bool) -> None:
        super().__init__(path, fresh)
        self._path = path
        self._fresh = fresh

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the path, and whether the file has to be new."""
        path = keys.path("path")
        fresh = not keys.liveness and keys.switch("fresh", default=True)
        keys.check()
        return cls(path, fresh=fresh)

    def placed(self, absolute: Callable[[str], str]) -> Self:
        """Return the same with an absolute path."""
        return type(self)(absolute(self._path), fresh=self._fresh)

    def text(self) -> str:
        """Return the kind and the path."""
        return f"{self.name} {shown(self._path)}"

    def gifts(self, loop: ControlLoop) -> Gifts:  # noqa: ARG002 - it takes no time
        """Look what the file is."""
        return _Seen(self._look()[0]) if self._fresh else Gifts()

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Look at the file."""
        state, why = self._look()
        if isinstance(around.gifts, _Seen) and state is not None and state == around.gifts.state:
            why = _OLD
        answer(why)
        return Attempt()

    def _look(self) -> tuple[State | None, str]:
        """Return the state of the file, or None and why it cannot be seen."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - pathlib costs 5 ms
        except (OSError, ValueError) as error:
            return None, (error.strerror if isinstance(error, OSError) else "") or str(error)
        return (found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size), ""
