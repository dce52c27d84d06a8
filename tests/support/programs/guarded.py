"""A small daemon with a guardian, which starts processes and obeys the lines that it reads."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys

from flagman.service.control_loop import ControlLoop
from flagman.supervise.guard.guard import Guard
from flagman.supervise.guard.strays import Strays

_SLEEP = "exec sleep 600"
#: The commands of processes, by their kinds. Each prints its number when it is ready, to a pipe that ends when nothing
#: is left.
KINDS = {
    "plain": f"echo $$; {_SLEEP}",
    # It ignores TERM.
    "deaf": f"trap '' TERM; echo $$; {_SLEEP}",
    # It reports TERM and ends, but its child ignores TERM.
    "ending": f"sh -c 'trap \"\" TERM; echo $$; {_SLEEP}' & trap 'echo LEADER; exit' TERM; echo $$; wait",
    # It takes a moment to end, and its child reports TERM.
    "leading": "(trap 'echo MEMBER; exit' TERM; echo up; while :; do sleep 0.01; done) &"
    " trap 'sleep 0.2; echo LEADER; exit' TERM; echo $$; wait",
    # Its child leaves the group.
    "leaving": f"setsid sh -c 'echo $$; {_SLEEP}' & wait",
    # Its child leaves the group, and does not show the mark.
    "hiding": f"setsid env -i PATH=\"$PATH\" sh -c 'echo $$; {_SLEEP}' & wait",
    # It ends when it is told to, and its child, which has left the group, does not.
    "straying": f"setsid sh -c 'echo $$; {_SLEEP}' & echo $$; wait",
    "straying-deaf": f"setsid sh -c 'trap \"\" TERM; echo $$; {_SLEEP}' & echo $$; wait",
}


class _Served:
    """The daemon; its public methods are what a line can ask for."""

    def __init__(self, directory: str | None, grace: float, out: int) -> None:
        self._out = out
        self._number = 0
        # The numbers of instances, by their leaders.
        self._numbers: dict[int, int] = {}
        self.loop = ControlLoop(lambda: None, lambda: os._exit(9))
        self._guard = Guard("demo", directory, self.loop, grace)
        self._strays = Strays(
            self._guard.marker, self.loop, lambda name, found: self._say("strays", name, *(each.pid for each in found))
        )

    def _say(self, *words: object) -> None:
        os.write(self._out, (" ".join(map(str, words)) + "\n").encode())

    def begin(self) -> None:
        """Start the guardian as soon as that of a former daemon has ended."""
        self._guard.wait_for_former(self._go)

    def _go(self) -> None:
        self._guard.begin()
        self.guardian()

    def guardian(self) -> None:
        """Print the number of the guardian; 0 if there is none."""
        running = self._guard._guardian
        self._say("guardian", 0 if running is None else running.pid)

    def start(self, kind: str, is_told: str = "True", grace: str = "600", count: str = "1") -> None:
        """Start processes."""
        for _ in range(int(count)):
            self._number += 1
            environment = {**os.environb, **self._guard.environment("web", self._number)}
            pid = os.posix_spawnp(
                "sh",
                ["sh", "-c", KINDS[kind]],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, self._out, 1)],
                setsid=True,
                setsigmask=(),
                setsigdef=[signal.SIGTERM],
            )
            self._numbers[pid] = self._number
            if is_told == "True":
                self._guard.add(pid, float(grace), signal.SIGTERM)

    def end(self, pid: str) -> None:
        """Kill the leader of a group that has no other members, forget it, and look for strays."""
        os.kill(int(pid), signal.SIGKILL)
        os.waitid(os.P_PID, int(pid), os.WEXITED | os.WNOWAIT)
        self._guard.remove(int(pid))
        os.waitpid(int(pid), 0)
        self._strays.ended("web", self._numbers.pop(int(pid)))
        self._say("ended")

    def known(self) -> None:
        """Print the strays that are known and alive."""
        self._say("known", *(stray.pid for stray in self._strays.of("web")))

    def sweep(self, grace: str) -> None:
        """End all strays."""
        self._strays.end(float(grace), lambda: self._say("over"))

    def close(self) -> None:
        """End the guardian, as at the end of a run."""
        self._guard.close()
        self._say("closed")

    def exit(self) -> None:
        """End without closing anything."""
        os._exit(0)


def serve(directory: str | None, grace: float = 600.0, *, is_closed: bool = False, executable: str = "") -> None:
    """Be the daemon.

    :param directory: of its lock; None for none
    :param grace: the seconds for what the guardian was not told of
    :param is_closed: close the standard streams first
    :param executable: the interpreter of the guardian, if it is another one
    """
    lines, out = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 30) for number in (0, 1))
    logging.basicConfig(level=logging.DEBUG, format="%(levelname)s:%(message)s", stream=sys.stderr)
    if is_closed:
        os.closerange(0, 3)
    sys.executable = executable or sys.executable
    served = _Served(directory, grace, out)
    served.loop.start()
    with open(lines, encoding="ascii") as orders:
        for line in orders:
            name, *arguments = line.split()
            served.loop.call(getattr(served, name), *arguments)
