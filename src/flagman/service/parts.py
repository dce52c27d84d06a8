"""What plugs into a run beside actions: parts such as a control socket or supervised processes; and their shared site.

No part is known here by name: the command makes those that its settings ask for, and hands them to the run.
"""

from __future__ import annotations

import os
import signal

from flagman.engine import loggers
from flagman.exceptions import ActionInterrupted, FlagmanError
from flagman.service import readiness
from flagman.service.changes import Changes
from flagman.service.control_thread import ControlThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import ExitStack

    from flagman.config.settings import OfPart, Settings
    from flagman.engine.action import Answer
    from flagman.engine.engine import Engine
    from flagman.service.control_loop import ControlLoop
    from flagman.service.dispositions import Taker
    from flagman.service.preparation import Preparation
    from flagman.service.request import Request
    from flagman.service.status import Status
    from flagman.text.metrics import Family
    from flagman.types import FlagName, SignalNumber

logger = loggers.get("flagman.service")


class Part:
    """Something that plugs into a run; a subclass defines what it needs.

    Its constructor takes no descriptor, no process and no thread: only :meth:`prepare` and :meth:`open` do that.
    """

    @classmethod
    def read(cls, table: object) -> tuple[OfPart | None, Iterable[str]]:  # noqa: ARG003 - of parts that have one
        """Read the part's table of the configuration file: for ``settings.of_parts``, and what is wrong with it."""
        return None, ()

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Refuse settings that do not go together, such as a binding that names what the table does not have.

        :raises UsageError: if they do not; called for a start, for a reload and for ``--check``, without an effect
        """

    @classmethod
    def change(cls, before: Settings, after: Settings) -> Mapping[str, object]:  # noqa: ARG003 - of parts that have one
        """Return what a reload changes for the part, as JSON for its answer."""
        return {}

    @classmethod
    def time_to_stop(cls, settings: Settings) -> float:  # noqa: ARG003 - of parts that take some
        """Return how many seconds a stop of the part may take; it begins after the actions of the stop signal."""
        return 0.0

    @classmethod
    def programs(cls, settings: Settings) -> Mapping[str, str]:  # noqa: ARG003 - of parts that run some
        """Return the programs that the part looks for where this process does, by their tables of the file."""
        return {}

    def prepare(self, preparation: Preparation) -> None:
        """Take what the process cannot take later, as another user or in another root; see :class:`Preparation`."""

    def open(self, site: Site) -> None:
        """Take what is left, fork, ask for ``site.loop``; before the second thread and before any action is set up.

        :raises FlagmanError: if that fails; the part has released everything then, and the run does not start
        """

    def accept(self, settings: Settings) -> None:
        """Raise UsageError for settings of a reload that the part cannot follow; nothing must change here."""

    def follow(self, settings: Settings) -> None:
        """Obey the settings of a start or a reload from now on; in the main thread. It must not fail."""

    def stop(self, *, insists: bool) -> None:
        """Begin to stop; in the control loop. It comes before :meth:`close`.

        An action may still be running, but not one that is bound to the stop signal: those run before.

        :param insists: whether a second stop signal has come: this is called once more then
        """

    def close(self) -> None:
        """Release everything, in the main thread, when all actions have been torn down.

        The control loop still runs: call ``site.loop.release(attachment)`` before a descriptor is closed.
        """

    def signals(self) -> Mapping[SignalNumber, Taker]:
        """Return the signals that the part takes if they have no actions, each with its handler; after :meth:`open`.

        A handler must only store the signal, and wake a loop.
        """
        return {}

    def is_busy(self) -> bool:
        """Return whether the actions must not be torn down yet; when that ends, call :attr:`Site.changes`."""
        return False

    def result(self) -> int | None:
        """Return the exit status that the part demands for the process, in the end.

        :raises FlagmanError: if it has failed
        """

    def unready(self) -> Sequence[str]:
        """Return what the part waits for before the daemon is ready; in any thread. See :attr:`Site.changes`."""
        return ()

    def is_unready(self) -> bool:
        """Return whether there is such a thing; in any thread."""
        return bool(self.unready())

    def waits_for(self) -> str:
        """Return that as a short sentence, for a service manager; empty if it waits for nothing; in any thread."""
        reasons = self.unready()
        return f"Waiting: {'; '.join(reasons)}" if reasons else ""

    def requests(self) -> Mapping[str, Answer]:
        """Return what actions may :meth:`flagman.Engine.ask` for, by name."""
        return {}

    def routes(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return what a control interface may serve, by method and path: ``("POST", "/processes/NAME/stop")``.

        Each is called in the control loop.
        """
        return {}

    def snapshot(self) -> Mapping[str, object]:
        """Return what a status shows of the part, as JSON; in any thread."""
        return {}

    def metrics(self) -> Iterable[Family]:
        """Return what metrics tell of the part, after :meth:`open`; in any thread."""
        return ()


class Site:
    """The doors of a run for its parts, and of the parts for each other.

    :param settings: those of the start
    :param parts: all of them, in the order in which they are opened
    :param last_flags: the flags of actions that run before the parts begin to stop
    :param status: shows the run
    :param streams: returns copies of the descriptors that the standard streams are going to lead to, by the streams
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the doors lead to all of these
        self,
        engine: Engine,
        settings: Settings,
        parts: Iterable[Part],
        last_flags: Collection[FlagName],
        status: Status,
        streams: Callable[[], Mapping[int, int]] = dict,
    ) -> None:
        #: Runs the actions; parts raise flags and offer answers.
        self.engine = engine
        #: Shows the run to programs.
        self.status = status
        #: The settings that hold; only replaced as a whole.
        self.settings = settings
        #: All parts.
        self.parts = tuple(parts)
        #: The flags of actions that run when the daemon stops, and before the parts begin to.
        self.last_flags = last_flags
        #: Returns descriptors, which the caller closes, by the standard streams that are going to lead to them.
        self.streams = streams
        self._thread = ControlThread(self._look_for_stop, self._fail)
        #: By which parts report that they have changed.
        self.changes = Changes(engine, lambda: self.loop)
        self._is_finished = self._is_closing = self._asks_to_stop = False
        self.is_set_up = False  #: whether all actions are in their bundles
        self.failed = False  #: whether the control loop could not go on
        self._told = 0  # how many stop signals the parts have been told about

    @property
    def loop(self) -> ControlLoop:
        """The control loop; RuntimeError if no part has asked for it in :meth:`Part.open`."""
        return self._thread.loop

    def _fail(self) -> None:
        self.failed = True
        self.engine.stop()

    def open(self, stack: ExitStack) -> None:
        """Open all parts, then start the control loop; the stack closes them in reverse order.

        :raises FlagmanError: if a part cannot be opened, or a second stop signal has interrupted that
        """
        stack.callback(self._thread.end)
        for part in self.parts:
            try:
                self.engine.interrupter.call(part.open, self)
            except ActionInterrupted as interruption:
                raise FlagmanError(f"the start was interrupted: {interruption}") from None
            stack.callback(part.close)
            for request, answer in part.requests().items():
                self.engine.offer(request, answer)
        self._thread.start()
        stack.callback(self._tell_stop)

    def _tell_stop(self) -> None:
        """Report the stop to every part before the parts are closed."""
        self.finish()
        self._thread.finish()
        self._is_closing = True

    def signals(self) -> dict[SignalNumber, Taker]:
        """Return the signals that parts take if they have no actions, each with its handler."""
        return {signum: taker for part in self.parts for signum, taker in part.signals().items()}

    def is_busy(self) -> bool:
        """Return whether the actions must not be torn down yet."""
        return self._thread.is_running and any(part.is_busy() for part in self.parts)

    def result(self) -> int | None:
        """Return the exit status that a part demands; None if no part does.

        :raises FlagmanError: if a part has failed
        """
        return next((status for part in self.parts if (status := part.result()) is not None), None)

    def accept(self, settings: Settings) -> None:
        """Raise UsageError for settings of a reload that a part cannot follow."""
        for part in self.parts:
            part.accept(settings)

    def follow(self, settings: Settings) -> None:
        """Obey the settings of the start, when all is set up, or those of a reload."""
        self.settings = settings
        self.is_set_up = True
        self._thread.cover()  # the log may have other handlers by now
        for part in self.parts:
            try:
                part.follow(settings)
            except Exception:
                logger.exception("%s has not followed the configuration", type(part).__name__)

    def unready(self) -> list[str]:
        """Return all that the parts still wait for; safe in any thread."""
        return readiness.reasons(self.parts)

    def is_unready(self) -> bool:
        """Return whether a part waits for something; safe in any thread."""
        return readiness.is_missing(self.parts)

    def waits_for(self) -> str:
        """Return that as a short sentence; safe in any thread."""
        return readiness.sentence(self.parts)

    def wake(self) -> None:
        """Make the control loop look for a stop request; safe in a signal handler."""
        self._thread.wake()

    def finish(self) -> None:
        """Note that no action runs any more."""
        self._is_finished = True
        self.wake()

    def _look_for_stop(self) -> None:
        has_last = any(flag in self.engine.bundles for flag in self.last_flags)
        asked = 1 if self._is_finished or (self.engine.stopping and not has_last) else 0
        asked = 2 if self.engine.interrupter.insisted else asked
        while self._told < asked and not self._is_closing:
            self._told += 1
            for part in self.parts:
                try:
                    part.stop(insists=self._told > 1)
                except Exception:
                    logger.exception("%s has not begun to stop", type(part).__name__)

    def time_to_stop(self) -> float:
        """Return how many seconds a stop of all parts may take."""
        return max((part.time_to_stop(self.settings) for part in self.parts), default=0.0)

    def stop(self) -> None:
        """Ask for the stop as a first TERM does, with the actions that are bound to it; safe in any thread."""
        if not self._asks_to_stop and not self.engine.stopping:
            self._asks_to_stop = True
            os.kill(os.getpid(), signal.SIGTERM)  # its handler bounds the action that runs, and this thread cannot

    def routes(self) -> dict[tuple[str, str], Callable[[Request], None]]:
        """Return the routes of all parts."""
        return {key: route for part in self.parts for key, route in part.routes().items()}

    def snapshot(self) -> dict[str, object]:
        """Return what a status shows of all parts."""
        shown = {key: value for part in self.parts for key, value in part.snapshot().items()}
        return {**shown, "ready": False} if self.is_unready() else shown
