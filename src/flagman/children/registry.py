"""The registry of children: which processes are ours, from their start until their exit status has been taken.

The kernel keeps one table of children for the whole process, so there is one registry, shared by all engines. Code that
reaps processes which it has not started itself, such as orphans, asks the registry first: to take the exit status of a
command from the action that waits for it would make the action fail.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Registry:
    """Knows the owner of each child; safe in any thread."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._owners: dict[int, object] = {}
        # The number of programs that are being started: their process numbers are known only afterwards.
        self._starting = 0
        self._lock = allocate_lock()

    def __repr__(self) -> str:
        return f"<Registry of the children {', '.join(map(str, self._owners)) or '(none)'}>"

    def _check(self) -> None:
        """Begin anew in a forked child: the children of its parent are not its own, and the lock may be held there."""
        if os.getpid() != self._process:
            self._begin()

    def start(self, spawn: Callable[[], int], owner: object) -> int:
        """Start a program, and note its owner.

        :param spawn: starts it, and returns its number
        :param owner: what is going to take its exit status
        :returns: the number of the process
        """
        self._check()
        with self._lock:
            self._starting += 1
        pid = None
        try:
            pid = spawn()  # without the lock: it may take long where the program is on a slow disk
            return pid
        finally:
            with self._lock:
                self._starting -= 1
                if pid is not None:
                    self._owners[pid] = owner

    def release(self, pid: int, owner: object) -> None:
        """Forget a process after its exit status was taken; a newer one that has got its number stays."""
        self._check()
        with self._lock:
            if self._owners.get(pid) is owner:
                del self._owners[pid]

    def owner(self, pid: int) -> object:
        """Return the owner of a process; None if it is not ours."""
        self._check()
        return self._owners.get(pid)

    def strangers(self, pids: Iterable[int]) -> set[int]:
        """Return those children that nothing here has started.

        While a program is being started it is not known which child that is, and this returns no child: ask again.
        """
        self._check()
        with self._lock:
            return set() if self._starting else {pid for pid in pids if pid not in self._owners}


#: The registry of this process.
CHILDREN = Registry()
