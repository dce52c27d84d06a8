"""The sweep: all that a daemon has left behind is found, asked to end, and killed if it does not."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from flagman.supervise.guard.seen import Process, is_alive, look_at_all, mark_of, send

# Seconds between two looks at the processes, at least, and as a multiple of the time that a look takes.
_PAUSE, _SHARE = 0.02, 3
# Seconds after which it looks again although nothing is left: a program that was about to start shows its environment,
# and with it the mark, only when it has started.
_LAST = 0.5
#: Seconds after KILL that it waits for the end of a process: one that waits for a device may never end.
PATIENCE = 60.0


class Group:
    """The process group of an instance; without a leader, the terms for processes that are in none.

    :param leader: the number of the leader and of the group; 0 for none
    :param start: when the leader was started, see :class:`Process`
    :param signum: asks it to end
    :param deadline: the monotonic time of KILL
    """

    __slots__ = ("deadline", "has_leader", "leader", "signum", "start")

    def __init__(self, leader: int, start: int, signum: int, deadline: float) -> None:
        self.leader = leader
        self.start = start
        self.signum = signum
        self.deadline = deadline
        #: Whether the leader is alive: then it is asked to end, and does with the others what it wants.
        self.has_leader = False


class Sweep:
    """Ends all that a daemon has left behind.

    :param random: what the marks of its processes begin with
    :param groups: those that it has told of
    :param others: the terms for processes that are in none of them
    :param since: when the daemon was started: none of its processes is older
    :param is_prompt: whether it died just now; otherwise a group that has lost its leader counts only if it has a mark
    """

    def __init__(self, random: bytes, groups: list[Group], others: Group, since: int, *, is_prompt: bool) -> None:
        self._prefix = random + b":"
        self._groups = {group.leader: group for group in groups}
        self._others = others
        self._since = since
        self._before = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") if is_prompt else 0.0
        self._mine = os.getpid()
        # All processes that were found, by number and start, with their terms; those that were asked to end; and those
        # that cannot be signalled.
        self._found: dict[tuple[int, int], Group] = {}
        self._asked: set[tuple[int, int]] = set()
        self._denied: dict[tuple[int, int], Process] = {}

    @property
    def denied(self) -> list[Process]:
        """Those that this process may not signal, and that have not ended."""
        return [process for process in self._denied.values() if is_alive(process.pid, process.start)]

    def run(self) -> list[Process]:
        """End them, and return those that cannot be ended."""
        earliest = time.monotonic() + _LAST
        latest = max([self._others.deadline, *(group.deadline for group in self._groups.values())]) + PATIENCE
        while True:
            begin = time.monotonic()
            left = self.look()
            now = time.monotonic()
            if (not left and now >= earliest) or now >= latest:
                return [*left, *self.denied]
            time.sleep(max(_PAUSE, _SHARE * (now - begin)))

    def look(self) -> list[Process]:
        """Find what there is, and signal it; return what may still end."""
        there = look_at_all()
        # The groups first: to read the environment of a process may take long.
        self._signal(self._in_groups(there))
        ours = self._with_marks(there)
        self._signal(ours)
        return [process for process in ours if (process.pid, process.start) not in self._denied]

    def _in_groups(self, there: dict[int, Process]) -> list[Process]:
        """Return the living processes that are known to be ours, or belong to a group that is."""
        rest = [process for process in there.values() if not process.is_zombie]
        for number, group in self._groups.items():
            leader = there.get(number)
            is_same = leader is not None and leader.start == group.start
            group.has_leader = is_same and leader is not None and not leader.is_zombie
            members = [process for process in rest if process.group == number]
            # A number means this group as long as it has a member. If it has lost its leader, one of the others must be
            # older than the death of the daemon.
            if is_same or (leader is None and any(self._is_known(process) for process in members)):
                self._add(members, group)
        self._add_children(rest)
        return self._ours(rest)

    def _is_known(self, process: Process) -> bool:
        return (process.pid, process.start) in self._found or 0 < process.start <= self._before

    def _with_marks(self, there: dict[int, Process]) -> list[Process]:
        """Return the living processes that are ours, by whatever shows it."""
        rest = [process for process in there.values() if not process.is_zombie and process.pid != self._mine]
        for process in rest:
            key = process.pid, process.start
            is_new = key not in self._found and process.start >= self._since
            if is_new and mark_of(process.pid).startswith(self._prefix):
                self._add([process], self._groups.get(process.group, self._others))
        self._add_children(rest)
        return self._ours(rest)

    def _add(self, processes: list[Process], group: Group) -> None:
        for process in processes:
            self._found.setdefault((process.pid, process.start), group)

    def _add_children(self, rest: list[Process]) -> None:
        """Add what was started by processes that are ours, such as one that shows another environment."""
        by_pid = {process.pid: process for process in rest}
        for process in rest:
            line = [process]
            while (parent := by_pid.get(line[-1].parent)) is not None and parent not in line:
                line.append(parent)
            while len(line) > 1:
                parent = line.pop()
                group = self._found.get((parent.pid, parent.start))
                if group is not None:
                    self._add(line[-1:], group)

    def _ours(self, rest: list[Process]) -> list[Process]:
        return [process for process in rest if (process.pid, process.start) in self._found]

    def _signal(self, processes: list[Process]) -> None:
        now = time.monotonic()
        for process in processes:
            key = process.pid, process.start
            group = self._found[key]
            if now >= group.deadline:
                is_allowed = send(process, signal.SIGKILL)
            elif key in self._asked or (group.has_leader and process.pid != group.leader):
                continue
            else:
                self._asked.add(key)
                is_allowed = send(process, group.signum, signal.SIGCONT)
            if not is_allowed:
                self._denied[key] = process


def end_without_proc(groups: list[Group]) -> None:
    """End the groups where nothing shows processes: then nothing shows either that a number means another group."""
    for group in groups:
        with suppress(OSError):
            os.killpg(group.leader, group.signum)
            os.killpg(group.leader, signal.SIGCONT)
    while groups:
        for group in list(groups):
            try:
                os.killpg(group.leader, signal.SIGKILL if time.monotonic() >= group.deadline else 0)
            except OSError:
                groups.remove(group)
        time.sleep(_PAUSE)
