"""What plugs into a run beside actions: parts such as a control socket or supervised processes; and their shared site.

No part is known here by name: the command makes those that its settings ask for, and hands them to the run.
"""

from __future__ import annotations

import logging

from flagman.log.relay import Relay
from flagman.service.control_loop import ControlLoop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import ExitStack

    from flagman.config.settings import Settings
    from flagman.engine.action import Answer
    from flagman.engine.engine import Engine

    #: Answers a request, with the status of HTTP and with what becomes its JSON.
    Reply = Callable[[int, object], None]
    #: Serves a request, in the control loop. It is called with the values of the path, query and body, and with the
    #: function that answers the request, which it may call later.
    Route = Callable[[Mapping[str, str], Reply], None]

logger = logging.getLogger("flagman.service")

# Seconds that the thread of the control loop has to end, and that the log has to write the loop's last records.
_LAST = 5.0
_LAST_RECORDS = 1.0


class Part:
    """Something that plugs into a run; a subclass defines what it needs.

    Its constructor takes no descriptor, no process and no thread: only :meth:`open` does that.
    """

    def open(self, site: Site) -> None:
        """Take what the part needs; in the main thread, before the second thread and before any action is set up.

        This is the moment to open sockets, to fork, and to ask for ``site.loop``.

        :raises FlagmanError: if that fails; the part has released everything then, and the run does not start
        """

    @classmethod
    def mistakes(cls, table: object) -> Iterable[str]:  # noqa: ARG003 - of parts that have one
        """Return what is wrong with the part's table of the configuration file, one message for each mistake."""
        return ()

    def check(self, settings: Settings) -> None:
        """Refuse settings that the part could not follow; nothing has changed yet, and nothing must change here.

        :raises UsageError: if the part could not follow them
        """

    def follow(self, settings: Settings) -> None:
        """Obey the settings of a start or a reload from now on; in the main thread. It must not fail."""

    def stop(self, *, insists: bool) -> None:
        """Begin to stop; in the control loop, while an action may still be running. It comes before :meth:`close`.

        :param insists: whether a second stop signal has come: this is called once more then
        """

    def close(self) -> None:
        """Release everything, in the main thread, when all actions have been torn down; the control loop still runs."""

    def unready(self) -> Sequence[str]:
        """Return what the part waits for before the daemon is ready; in any thread. See :meth:`Site.changed`."""
        return ()

    def requests(self) -> Mapping[str, Answer]:
        """Return what actions may :meth:`flagman.Engine.ask` for, by name."""
        return {}

    def routes(self) -> Mapping[tuple[str, str], Route]:
        """Return what a control interface may serve, by method and path: ``("POST", "/processes/NAME/stop")``."""
        return {}

    def snapshot(self) -> Mapping[str, object]:
        """Return what a status shows of the part, as JSON; in the control loop."""
        return {}


class Site:
    """What a run offers to its parts, which know each other only through it.

    :param engine: runs the actions
    :param settings: those of the start
    :param parts: all of them, in the order in which they are opened
    """

    def __init__(self, engine: Engine, settings: Settings, parts: Iterable[Part]) -> None:
        #: Runs the actions; parts raise flags and offer answers.
        self.engine = engine
        #: The settings that hold; only replaced as a whole.
        self.settings = settings
        self._parts = tuple(parts)
        self._loop: ControlLoop | None = None
        self._relay: Relay | None = None
        self._listeners: tuple[Callable[[Mapping[str, object]], None], ...] = ()
        self._on_change: Callable[[], object] = list
        #: Whether the control loop could not go on.
        self.failed = False
        # How many stop signals the parts have been told about.
        self._told = 0

    @property
    def loop(self) -> ControlLoop:
        """The control loop; it runs if a part has asked for it in :meth:`Part.open`."""
        if self._loop is None:
            self._loop = ControlLoop(self._look_for_stop, self._fail)
        return self._loop

    def _fail(self) -> None:
        self.failed = True
        self.engine.stop()

    def open(self, stack: ExitStack) -> None:
        """Open all parts, then start the control loop; the stack closes them in reverse order.

        :raises FlagmanError: if a part cannot be opened
        """
        stack.callback(self._end_loop)
        for part in self._parts:
            part.open(self)
            stack.callback(part.close)
            for request, answer in part.requests().items():
                self.engine.offer(request, answer)
        if self._loop is not None:
            self._loop.start()
            self._relay = Relay(self._loop.thread)
            self._relay.cover()
            stack.callback(self._tell_stop, self._loop)

    def _tell_stop(self, loop: ControlLoop) -> None:
        """Report the stop to every part before the parts are closed."""
        loop.call(self._look_for_stop)
        loop.settle(_LAST)

    def _end_loop(self) -> None:
        if self._loop is not None and self._loop.stop(_LAST) and self._relay is not None:
            self._relay.finish(_LAST_RECORDS)

    def check(self, settings: Settings) -> None:
        """Refuse settings that a part could not follow.

        :raises UsageError: if there is one
        """
        for part in self._parts:
            part.check(settings)

    def follow(self, settings: Settings) -> None:
        """Obey other settings: those of the start when all is set up, and those of a reload."""
        self.settings = settings
        if self._relay is not None:
            self._relay.cover()  # the log may have other handlers by now
        for part in self._parts:
            try:
                part.follow(settings)
            except Exception:
                logger.exception("A part cannot follow the configuration")

    def when_changed(self, code: Callable[[], object], pause: float | None) -> None:
        """Call ``code`` once in the main loop when a part says that it has changed.

        :param pause: seconds after which to call it anyway; None for never
        """
        self._on_change = code
        if pause is not None:
            self.engine.call_later(pause, self._look)

    def changed(self) -> None:
        """Take note that :meth:`Part.unready` may return something else by now; safe in any thread."""
        self.engine.call_later(0, self._look)

    def _look(self) -> None:
        code, self._on_change = self._on_change, list
        code()

    def unready(self) -> list[str]:
        """Return all that the parts still wait for; safe in any thread."""
        return [reason for part in self._parts for reason in part.unready()]

    def wake(self) -> None:
        """Make the control loop look for a stop request; safe in a signal handler."""
        if self._loop is not None:
            self._loop.wake()

    def _look_for_stop(self) -> None:
        asked = 2 if self.engine.interrupter.insisted else 1 if self.engine.stopping else 0
        while self._told < asked:
            self._told += 1
            for part in self._parts:
                part.stop(insists=self._told > 1)

    def raise_trigger(self, trigger: str) -> None:
        """Raise the flags of all bindings of a trigger, by its name; safe in any thread."""
        for flag in dict.fromkeys(each.flag for each in self.settings.bindings if each.source.trigger == trigger):
            if flag in self.engine.bundles:
                self.engine.raise_flag(flag)

    def listen(self, listener: Callable[[Mapping[str, object]], None]) -> None:
        """Call ``listener`` in the control loop with each event that is published from now on; in :meth:`Part.open`."""
        self._listeners = (*self._listeners, listener)

    def publish(self, event: Mapping[str, object]) -> None:
        """Pass an event, as JSON that is complete in itself, to all listeners; safe in any thread."""
        for listener in self._listeners:
            self.loop.call(listener, event)

    def routes(self) -> dict[tuple[str, str], Route]:
        """Return the routes of all parts."""
        return {key: route for part in self._parts for key, route in part.routes().items()}

    def snapshot(self) -> dict[str, object]:
        """Return what a status shows of all parts."""
        return {key: value for part in self._parts for key, value in part.snapshot().items()}
