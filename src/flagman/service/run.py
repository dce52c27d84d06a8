"""The composition root: opens every part of one run in order, and closes it in reverse."""

from __future__ import annotations

import signal
from contextlib import ExitStack, closing

from flagman.engine import loggers
from flagman.engine.engine import Engine
from flagman.engine.turn import Outcome
from flagman.service.assembly import Assembly
from flagman.service.dispositions import STOPPING, Dispositions
from flagman.service.hangup import meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagman.config.settings import Settings
    from flagman.engine.signals import Signals
    from flagman.service.assembly import Plan
    from flagman.service.hooks import Hooks
    from flagman.service.parts import Part, Site
    from flagman.service.status import Status
    from flagman.systemd import Manager
    from flagman.systemd.status import StatusLine

logger = loggers.get("flagman.service")

# Seconds of more time that the manager is asked for while parts are not ready, and seconds between two requests.
_EXTENSION = 15.0
_PAUSE = 5.0


def run(settings: Settings, signals: Signals, manager: Manager, hooks: Hooks, parts: Sequence[Part] = ()) -> int:
    """Set all actions up, run them as their flags are raised, and tear them down.

    :param signals: the handled signals, armed at the very start of the process: what has arrived since is not lost
    :param hooks: by which the run calls the command
    :param parts: what plugs into the run beside actions
    :returns: the exit status of the process
    :raises SetUpError: if an action could not be set up; the others have been torn down
    :raises TearDownError: if an action could not be torn down; the others have been
    """
    engine = Engine(
        find=hooks.find,
        last_flags=STOPPING.values(),
        needs_actions=not settings.keeps_processes(),
        signals=signals,
        # Anything that an action raises is its own failure, also sys.exit(): only signals stop the daemon.
        contained=(BaseException,),
    )
    hooks.watch(engine)
    manager.follow(engine.interrupter.wait_to_write, engine.call_later)
    service = _Service(engine, signals, manager, settings, hooks)
    # Not ExitStack.enter_context(), which imports inspect since Python 3.15: 4 ms.
    with closing(engine.interrupter), ExitStack() as outer:
        service.listen(hooks)
        if settings.runlog:
            service.record(settings.runlog, hooks.opened(settings.runlog), outer)
        if parts:
            service.open(parts, hooks, outer)
        service.dispositions.answer_early()
        with engine, closing(service.assembly), ExitStack() as stack:
            # However the run ends, each tear_down gets the stop timeout.
            stack.callback(lambda: engine.interrupter.bound(service.dispositions.stop.timeout))
            stack.callback(service.finish)
            if settings.config:
                service.let_reload(hooks)
            service.start(hooks.ready)
            return service.conclude(engine.run())


class _Service:
    """The parts of one run, and how they work together."""

    def __init__(self, engine: Engine, signals: Signals, manager: Manager, settings: Settings, hooks: Hooks) -> None:
        self._engine = engine
        self._config = hooks.config
        self._manager = manager
        self._status_line: StatusLine | None = None
        self._site: Site | None = None
        self._is_ready = self._is_finished = False
        # Why the run could not become ready after the loop had begun.
        self._trouble: BaseException | None = None
        self._signals = signals
        self.dispositions = Dispositions(engine, signals, settings.time_to_stop())
        self.assembly = Assembly(engine, settings)
        self._status: Status | None = None
        engine.offer("status", lambda _: self.status.picture())

    @property
    def status(self) -> Status:
        """What shows the run to programs, made when it is asked for first."""
        if self._status is None:
            from flagman.service.status import Status  # noqa: PLC0415 - few runs are asked

            self._status = Status(self._engine, self.assembly, self._config, self._shown_by_parts)
        return self._status

    def _shown_by_parts(self) -> Mapping[str, object]:
        return self._site.snapshot() if self._site is not None else {}

    def record(self, path: str, opened: int | None, stack: ExitStack) -> None:
        """Write each run to a file.

        :param opened: a descriptor of it, if only root could open that
        :param stack: closes it
        :raises FlagmanError: if it cannot be opened
        """
        from flagman.service.runlog import RunLog  # noqa: PLC0415 - only if there is such a file

        log = RunLog(path, opened, self.status.run)
        stack.callback(log.close)
        self._engine.ledger.listeners.append(log.hear)

    def let_reload(self, hooks: Hooks) -> None:
        """Offer a reload to actions."""
        from flagman.service.reload import Reloader  # noqa: PLC0415 - only with a configuration file

        reloader = Reloader(
            self._engine, self.assembly, self.dispositions, hooks, self._manager, self._announce, self._site
        )
        self._engine.on_flag(reloader.flag, reloader.reload)
        self._engine.offer("reload", lambda _: reloader.ask())

    def open(self, parts: Sequence[Part], hooks: Hooks, stack: ExitStack) -> None:
        """Open the parts that plug into this run.

        :param stack: closes them
        :raises FlagmanError: if a part cannot be opened
        """
        from flagman.service.parts import Site  # noqa: PLC0415 - only if there is a part

        self._site = Site(self._engine, self.assembly.settings, parts, STOPPING.values(), self.status, hooks.streams)
        self.dispositions.stop.tell(self._site.wake)
        self._site.open(stack)
        self.dispositions.pass_on(self._site.signals(), may_change=bool(self.assembly.settings.config))

    def finish(self) -> None:
        """Report that no action runs any more, and wait until the parts are at their ends."""
        if self._is_finished:
            return
        self._is_finished = True
        self._manager.follow(self._engine.interrupter.wait_to_write, None)  # the loop is over
        seconds = self._site.time_to_stop() if self._site is not None else 0.0
        more = f"\nEXTEND_TIMEOUT_USEC={1e6 * (seconds + _EXTENSION):.0f}" if seconds else ""
        self._manager.notify(f"STOPPING=1{more}")
        if self._site is not None:
            self._site.finish()
            wakeup = self._engine.interrupter.wakeup
            while self._site.is_busy():
                wakeup.wait(wakeup.poll(), None)

    def listen(self, hooks: Hooks) -> None:
        """Install the handlers of signals: one that arrives while all is opened and set up waits, or stops that."""
        settings = self.assembly.settings
        self.dispositions.decide(
            meaning(
                is_configured=bool(settings.config),
                has_terminal=hooks.has_terminal,
                # A daemon has left its terminal, so HUP is a signal like all others for its command.
                was_ignored=self._signals.was_ignored(signal.SIGHUP) and not (settings.command and settings.daemon),
                is_out_of_reach=hooks.is_out_of_reach,
                is_passed_on=settings.passes_on(),
            ),
            lambda: self._engine.ask("reload"),
            wraps=bool(settings.command),
        )
        sources = settings.by_signal()
        self.dispositions.expect(flag for flags in sources.values() for flag in flags)
        self.dispositions.follow(sources)
        self.dispositions.install()  # only now can HUP as a signal be told from a hang-up

    def start(self, say: Callable[[], None]) -> None:
        """Set everything up, start timers, and become ready, unless a stop was asked for meanwhile.

        :param say: reports to the command that all is ready; it may raise an exception
        """
        settings = self.assembly.settings
        plan = self.assembly.plan(settings)
        is_complete = self._set_up(plan)
        self.dispositions.rearm()
        if not is_complete:
            return
        self.assembly.adopt(plan, pass_first=settings.run_at_start)
        self.dispositions.expect(())
        if self._site is None:
            self._become_ready(say)
        else:
            self._site.follow(settings)
            self._wait_for_parts(say)

    def _wait_for_parts(self, say: Callable[[], None]) -> None:
        if self._site is None or self._engine.stopping:
            return
        if self._site.is_unready():
            self._ask_for_time()
            self._site.changes.wait(lambda: self._wait_for_parts(say), _PAUSE if self._manager.is_open else None)
            return
        try:
            self._become_ready(say)
        except BaseException as error:  # noqa: BLE001 - conclude() raises it
            self._trouble = error
            self._engine.stop()

    def _ask_for_time(self) -> None:
        if self._manager.is_open:
            self._manager.notify(f"EXTEND_TIMEOUT_USEC={1e6 * _EXTENSION:.0f}\n{self._waiting()}")

    def _waiting(self, trouble: str = "") -> str:
        reasons = [self._site.waits_for() if self._site is not None else "", trouble]
        return self._manager.status("; ".join(filter(None, reasons)))

    def _become_ready(self, say: Callable[[], None]) -> None:
        """Report that all is ready.

        :param say: as above
        """
        settings = self.assembly.settings
        if settings.run_at_start:
            for flag in self._engine.bundles:
                if flag not in STOPPING.values():
                    self._engine.raise_flag(flag)
        self._is_ready = True
        self._engine.ledger.note("ready")
        self._announce()
        if settings.systemd and self._manager.watchdog is not None:
            self._feed_watchdog(self._manager.watchdog / 3)
        say()

    def _set_up(self, plan: Plan) -> bool:
        if not self._manager.is_open:
            return self.assembly.set_up(plan)
        from flagman.systemd.more_time import MoreTime  # noqa: PLC0415 - only under a service manager

        with MoreTime(self._manager) as more_time:
            return self.assembly.set_up(plan, lambda name: more_time.progress("Setting up", name))

    def _announce(self, trouble: str = "") -> None:
        """Report to the log and the manager that all is ready; to the manager also after a reload that has failed.

        :param trouble: what has gone wrong; empty if nothing has
        """
        if not self._is_ready:  # after a reload, while parts are waited for
            self._manager.notify(self._waiting(trouble))
            return
        text = f"Ready: {self.assembly.settings.summary()}"
        if not trouble:
            logger.info("%s", text)
        else:
            text += f"; {trouble}"
        if self._status_line is not None:
            text = self._status_line.follow(text)
        self._manager.notify(f"READY=1\n{self._manager.status(text)}")
        if self._status_line is None and self._manager.is_open:
            from flagman.systemd.status import StatusLine  # noqa: PLC0415 - only under a service manager

            self._status_line = StatusLine(self._engine, self._manager, text)
            self._engine.observe(self._status_line.on_turn)

    def _feed_watchdog(self, pause: float) -> None:
        """Report to the manager, only ever from the loop, that the loop is alive.

        So the manager hears nothing while an action runs, and takes one that needs more than the interval for a hang.
        """
        self._manager.notify("WATCHDOG=1")
        self._engine.call_later(pause, self._feed_watchdog, pause)

    def conclude(self, outcome: Outcome) -> int:
        """Log why the run has ended, and return the exit status."""
        if self._trouble is not None:
            raise self._trouble
        if self._site is not None and self._site.failed:
            level, reason, exit_status = loggers.ERROR, "Exiting because the control loop has failed", 1
        elif outcome is Outcome.EMPTY:
            level, reason = loggers.WARNING, "All actions have closed; exiting"
            exit_status = 0 if self.assembly.settings.successful_empty else 1
        elif outcome is not Outcome.STOPPED:
            level, reason, exit_status = loggers.ERROR, "Exiting because an action failed", 1
        else:
            return self._conclude_stop()
        logger.log(level, "%s", reason)
        self._manager.notify(f"STATUS={reason}\nEXIT_STATUS={exit_status}")
        return exit_status

    def _conclude_stop(self) -> int:
        """Log why the run was stopped, and return the exit status, which a part may decide."""
        stop = self.dispositions.stop
        result = self._site.result() if self._site is not None else None
        if stop.by_hangup:
            logger.warning("Stopping because HUP arrived, as if the terminal had been closed")
        elif stop.is_asked or result is None:
            logger.info("Stopping as asked")
        self.finish()
        status = (self._site.result() if self._site is not None else None) or 0
        if status:
            self._manager.notify(f"STATUS=Exiting with status {status}\nEXIT_STATUS={status}")
        return status
