"""The kind ``unix``: a process that accepts connections at a Unix socket is ready."""

from __future__ import annotations

import os

from flagman.supervise.verifiers.dialing import answers_now, unix
from flagman.supervise.verifiers.kind import Gifts, Kind
from flagman.supervise.verifiers.tcp import Connected
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around, Attempt

# Bytes of the path of a socket, see unix(7).
_LONGEST = 107


class Unix(Kind):
    """A process that accepts connections at a Unix socket is ready.

    :param path: its path, or ``@name`` for an abstract one
    """

    name = "unix"
    looks_before = True
    is_for_liveness = True

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path
        self._places = unix(path)

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the path."""
        path = socket_path(keys, "path")
        keys.check()
        return cls(path)

    def placed(self, absolute: Callable[[str], str]) -> Self:
        """Return the same with an absolute path."""
        return self if self._path.startswith("@") else type(self)(absolute(self._path))

    def text(self) -> str:
        """Return the kind and the path."""
        return f"{self.name} {shown(self._path)}"

    def gifts(self, loop: ControlLoop) -> Gifts:  # noqa: ARG002 - it takes no time
        """Look whether something answers already."""
        return Gifts(shown(self._path) if answers_now(self._places) else "")

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Connect, and close the connection."""
        return Connected(around.loop, self._places, answer)


def socket_path(keys: Keys, key: str, default: str | None = None) -> str:
    """Take the path of a Unix socket; with the default "" it may be left out."""
    path = keys.path(key, default, is_socket=True)
    if len(os.fsencode(path)) > _LONGEST:
        keys.wrong(key, f"the path of a socket has at most {_LONGEST} bytes")
    return path
