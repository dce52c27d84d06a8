"""One life of a process as its stop sees it: the leader first, then the rest of its group, in the end by force."""

from __future__ import annotations

import logging
import signal

from flagman.text.signames import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagman.supervise.instance import Instance
    from flagman.supervise.processes.machine import Event
    from flagman.supervise.processes.plan import Plan

logger = logging.getLogger("flagman.supervise")


class Life:
    """An instance, and how far its end has come; in the control loop.

    :param instance: it
    :param plan: that by which it was started
    :param find: returns the members of a group, see :class:`flagman.supervise.census.Census`
    """

    def __init__(self, instance: Instance, plan: Plan, find: Callable[[int], list[int] | None]) -> None:
        self._find = find
        self._instance = instance
        self._plan = plan
        self._leader_has_ended = False
        #: Whether something was left, after the end of the leader, that has to end, too.
        self.has_rest = False
        self.pid = instance.pid
        #: Whether its leader has left a core dump.
        self.has_dumped_core = False
        #: Whether it was killed.
        self.is_killed = False
        #: Whether it goes on all the same, because it hangs in the kernel.
        self.is_stuck = False

    def look(self) -> Sequence[Event]:
        """Return what has happened since the last look: first its leader ends, then the rest of its group."""
        if not self._instance.has_ended():
            return ()
        is_new, self._leader_has_ended = not self._leader_has_ended, True
        self.has_rest = self._plan.kill == "group" and self._instance.has_rest(self._find)
        return (*(("died",) if is_new else ()), *(() if self.has_rest else ("group-empty",)))

    def end_leader(self) -> None:
        """Ask the leader to end."""
        logger.info("Sent %s to `%s`", name_of(self._plan.stop_signal), self._plan.name)
        self._instance.send(self._plan.stop_signal)
        self._send(signal.SIGCONT)  # what is stopped would not see it

    def end_rest(self) -> None:
        """Ask the rest of the group to end, too."""
        if not self.is_killed:
            logger.info(
                "The leader of `%s` has ended; the rest of its process group is asked to end, too", self._plan.name
            )
            self._instance.send_to_group(self._plan.stop_signal)
            self._instance.send_to_group(signal.SIGCONT)

    def kill(self) -> None:
        """End it by force."""
        whole = "" if self._plan.kill == "process" else " and its process group"
        logger.warning("Killing `%s`%s", self._plan.name, whole)
        self.is_killed = True
        self._send(signal.SIGKILL)

    def is_given_up(self) -> None:
        """Take note that it goes on although it was killed."""
        logger.error("`%s`, or a process of its group, cannot be killed, and goes on", self._plan.name)
        self.is_stuck = True

    def _send(self, signum: int) -> None:
        (self._instance.send if self._plan.kill == "process" else self._instance.send_to_group)(signum)

    def send(self, signum: int) -> None:
        """Send a signal to the leader."""
        self._instance.send(signum)

    def reap(self) -> int | None:
        """Take the exit status of the leader, see :meth:`flagman.supervise.instance.Instance.reap`."""
        status = self._instance.reap()
        self.has_dumped_core = self._instance.has_dumped_core
        if status is None:
            logger.error("`%s` has ended, but other code has collected its exit status", self._plan.name)
        return status

    def abandon(self) -> None:
        """Kill it, and look after it no more."""
        self._send(signal.SIGKILL)
        self._instance.forget()
