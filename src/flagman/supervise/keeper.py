"""Keeps the command that flagman wraps: starts it, passes signals on, starts it again, and ends it with its group.

A life of the command goes so: the start; signals; a stop signal, or the end of the leader; the grace, for the leader
first and then for the rest of its group; KILL at its end; the leader is reaped, last of all.
"""

from __future__ import annotations

import logging
import os
import signal
import time

from flagman.supervise.ends import StartError, exit_status, told
from flagman.supervise.instance import Instance
from flagman.supervise.passing import Passing
from flagman.supervise.policy import Spacing, restarts
from flagman.text.shown import shown
from flagman.text.signames import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flagman.config.settings import Settings
    from flagman.engine.calls import Call
    from flagman.service.parts import Site
    from flagman.supervise.terminal import Terminal
    from flagman.types import SignalNumber

logger = logging.getLogger("flagman.supervise")

# Seconds after KILL until the command is given up: it hangs in the kernel.
_PATIENCE = 5.0


class Keeper:
    """Keeps one command.

    Everything but the constructor is called in the control loop.

    :param settings: those of the start
    :param environment: that of the command
    :param terminal: what the command shares; None if it runs in a session of its own
    :param site: the run
    """

    def __init__(
        self, settings: Settings, environment: Mapping[bytes, bytes], terminal: Terminal | None, site: Site
    ) -> None:
        self._settings = settings
        self._words = settings.command
        self._name = shown(self._words[0])
        self._environment = environment
        self._ignored: Collection[SignalNumber] = ()
        self._terminal = terminal
        self._site = site
        self._loop = site.loop
        self._engine = site.engine
        #: Sends signals to the life that there is.
        self.passing = Passing(site, settings.forward, self._go_on)
        # What a third stop signal kills.
        self._groups = self._engine.interrupter.shield.groups
        self._spacing = Spacing()
        self._started = 0.0
        self._instance: Instance | None = None
        self._streams: Mapping[int, int] = {}
        self._planned: Call | None = None
        self._asked = self._killed = self._leader_has_ended = False
        self._deadline: Call | None = None
        #: Why the command does not run at the moment; empty if it does.
        self.trouble = "the command has not been started yet"
        #: The exit status that the command's end demands of flagman, or why it could not be started; None before.
        self.result: int | StartError | None = None
        #: Whether nothing of the command is left, and it is not started again.
        self.is_over = False

    def follow(self, settings: Settings) -> None:
        """Obey other settings."""
        self._settings = settings

    def begin(self, streams: Mapping[int, int], ignored: Collection[SignalNumber]) -> None:
        """Start the command.

        :param ignored: the signals that it ignores
        :param streams: the descriptors that its standard streams lead to, where they are not those of this process;
            they are closed when it has been started
        """
        self._streams = streams
        self._ignored = ignored
        if self._asked:
            self._close_streams()  # the stop was quicker
        else:
            self._start()

    def _start(self) -> None:
        self._planned = None
        self._started = time.monotonic()
        self._spacing.started(self._started)
        self.passing.hold()
        try:
            self._instance = Instance(
                self._words,
                self._environment,
                streams=self._streams,
                ignored=self._ignored,
                loop=self._loop,
                on_end=self._look,
                has_terminal=self._terminal is not None,
            )
        except (OSError, ValueError) as error:
            self.passing.lead_to(None)
            self._not_started(StartError(self._words[0], error))
            return
        if self._terminal is not None:
            self._terminal.begin(self._instance.pid, self._loop.call)
        self._groups.add(self._instance.pid)
        self._leader_has_ended = False
        self.passing.lead_to(self._instance)
        logger.info("Started `%s` with pid %d", self._name, self._instance.pid)
        self._close_streams()
        self.trouble = ""
        self._site.changes.report()
        self._look()

    def _not_started(self, error: StartError) -> None:
        if self._settings.restart == "never" or self._asked:
            self._finish(error)
        else:
            self._plan(f"cannot be started: {error.reason}")

    def _plan(self, what: str) -> None:
        """Plan the next start."""
        now = time.monotonic()
        moment = max(now, self._spacing.next_start(now, self._started))
        logger.warning("`%s` is started again in %.3g s: %s", self._name, moment - now, what)
        self.trouble = f"{self._name} {what}"
        self._planned = self._loop.call_at(moment, self._start)
        self._site.changes.report()

    def _go_on(self) -> None:
        if self._instance is not None:
            if self._terminal is not None:
                self._terminal.resume()
            self._instance.send_to_group(signal.SIGCONT)

    def stop(self) -> None:
        """Ask the command to end: it gets the signal that asked flagman, and its grace begins."""
        self.passing.pass_on()
        if self._asked:
            return
        self._asked = True
        if self._planned is not None:
            self._planned.cancel()
        signum = self._settings.stop_signal or self.passing.stop_signal or signal.SIGTERM
        instance = self._instance
        if instance is None:
            if not self.is_over:
                self._finish(self.result)
        elif not self._leader_has_ended:
            logger.info("Sent %s to `%s`", name_of(signum), self._name)
            self.passing.send(instance, signum)
            instance.send_to_group(signal.SIGCONT)  # a stopped process would not see it
            self._begin_grace()

    def _begin_grace(self) -> None:
        if self._deadline is None and not self._killed:
            self._deadline = self._loop.call_later(self._settings.graceful_time, self._end_grace)

    def _end_grace(self) -> None:
        self._look()  # this process may have been stopped meanwhile
        if self._instance is not None:
            logger.warning("`%s` has not ended within %g s", self._name, self._settings.graceful_time)
            self.kill()

    def kill(self) -> None:
        """End the command and all of its group by force."""
        instance = self._instance
        if instance is None or self._killed:
            return
        logger.warning("Killing `%s` and its process group", self._name)
        self._killed = True
        instance.send_to_group(signal.SIGKILL)
        self._drop_deadline()
        self._deadline = self._loop.call_later(_PATIENCE, self._give_up)

    def _give_up(self) -> None:
        instance, self._instance = self._instance, None
        if instance is not None:
            logger.error("`%s`, or a process of its group, cannot be killed, and goes on", self._name)
            self._groups.discard(instance.pid)
            self.passing.lead_to(None)
            status: int | None = -signal.SIGKILL
            if self._leader_has_ended:
                status = instance.reap()
            else:
                instance.forget()
            self._take_terminal(killed=True)
            self._finish(1 if status is None else exit_status(status))

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look(self) -> None:
        """Look whether the command has ended: first its leader, then the rest of its group."""
        instance = self._instance
        if instance is None or not instance.has_ended():
            return
        is_new = not self._leader_has_ended
        self._leader_has_ended = True
        self.passing.lead_to(None)
        if instance.has_rest():
            if is_new:
                self.trouble = f"the leader of {self._name} has ended"
                self._site.changes.report()
            if is_new and not self._killed:
                signum = self._settings.stop_signal or signal.SIGTERM
                told_them = f"sent {name_of(signum)} to the rest of its process group"
                logger.info("The leader of `%s` has ended; %s", self._name, told_them)
                instance.send_to_group(signum)
                instance.send_to_group(signal.SIGCONT)
                self._begin_grace()
            return
        self._drop_deadline()
        self._groups.discard(instance.pid)
        self._instance = None
        status = instance.reap()
        self._take_terminal(killed=status is not None and status < 0)
        self._bury(status)

    def _take_terminal(self, *, killed: bool) -> None:
        if self._terminal is not None:
            self._terminal.end(killed=killed)

    def _bury(self, status: int | None) -> None:
        """Decide what follows after the end of the command.

        :param status: see :meth:`flagman.supervise.instance.Instance.reap`
        """
        if status is None:
            logger.error("`%s` has ended, but other code has collected its exit status", self._name)
            status = 1
        good = self._settings.success_exit_status
        self.result = exit_status(status, good)
        self._killed = False
        if not self._asked and restarts(self._settings.restart, status, good):
            self._plan(told(status))
        else:
            logger.info("`%s` %s", self._name, told(status))
            self._finish(self.result)

    def _finish(self, result: int | StartError | None) -> None:
        self._close_streams()
        self.result = result
        self.trouble = f"{self._name} has ended"
        self.is_over = True
        if not self._engine.stopping:
            # What the run was for has gone, so an action that hangs has no more time than after a stop signal.
            self._engine.stop()
            self._engine.interrupter.bound_from_afar(self._settings.time_to_stop())
        self._site.changes.report()

    def _close_streams(self) -> None:
        streams, self._streams = self._streams, {}
        for descriptor in streams.values():
            os.close(descriptor)

    def close(self, *, waits: bool = True) -> None:
        """End what is left at once, because the run is over.

        :param waits: whether to wait for the end of the leader; False if the control loop does not run any more
        """
        self._asked = True
        if self._planned is not None:
            self._planned.cancel()
        self._drop_deadline()
        self.passing.lead_to(None)
        instance, self._instance = self._instance, None
        if instance is not None:
            instance.send_to_group(signal.SIGKILL)
            self._groups.discard(instance.pid)
            (instance.reap if waits else instance.forget)()
            self._take_terminal(killed=True)
        self._close_streams()
