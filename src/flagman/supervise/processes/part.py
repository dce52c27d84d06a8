"""The part that keeps processes: it plugs them into a run."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import contextmanager

from flagman.actions.processes import REQUEST
from flagman.config.processes import check_names
from flagman.exceptions import ActionFailed, ConfigError, UsageError
from flagman.service.parts import Part
from flagman.service.request import PRESENT_LINES
from flagman.supervise.processes.backstop import Backstop
from flagman.supervise.processes.ending import Ending
from flagman.supervise.processes.order import longest_time
from flagman.supervise.processes.outfit import launch_of
from flagman.supervise.processes.plan import difference
from flagman.supervise.processes.routes import Routes
from flagman.supervise.processes.tables import Plans, read, unknown_users
from flagman.supervise.processes.together import Together
from flagman.supervise.processes.told import shown, told
from flagman.supervise.processes.wish import VERBS
from flagman.text.moments import rfc3339
from flagman.text.signames import name_of, number_of
from flagman.triggers.by_process import REQUEST as HEARD
from flagman.triggers.by_process import Heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from flagman.config.settings import Settings
    from flagman.engine.action import Answer
    from flagman.service.parts import Site
    from flagman.service.preparation import Preparation
    from flagman.service.request import Request
    from flagman.supervise.launch.launch import Launch
    from flagman.supervise.processes.wish import Verb
    from flagman.text.metrics import Family

#: The table of the configuration file.
TABLE = "process"
# Seconds that the control loop has to end what is left.
_LAST = 1.0


class ProcessesPart(Part):
    """Keeps the processes of the tables ``[process.NAME]``."""

    @classmethod
    def read(cls, table: object) -> tuple[Plans, Iterable[str]]:
        """Read the tables."""
        return read(table)

    @classmethod
    def check(cls, settings: Settings) -> None:
        """Refuse users that there are not, and bindings that name processes which there are not."""
        plans = _plans_of(settings)
        check_names(settings.bindings, plans)
        mistakes = list(unknown_users(plans)) if settings.chroot is None else []  # another root may have other users
        if mistakes:
            raise ConfigError([f"{settings.config}: [{TABLE}]: {mistake}" for mistake in mistakes])

    @classmethod
    def change(cls, before: Settings, after: Settings) -> Mapping[str, object]:
        """Return the names of the processes, by what becomes of them."""
        return {"processes": difference(_plans_of(before), _plans_of(after))}

    @classmethod
    def time_to_stop(cls, settings: Settings) -> float:
        """Return the sum of the longest chain of processes, each of which ends before the next is asked to."""
        plans = _plans_of(settings)
        after = {name: plan.after for name, plan in plans.items()}
        return longest_time(after, {name: plan.graceful_time for name, plan in plans.items()})

    @classmethod
    def programs(cls, settings: Settings) -> Mapping[str, str]:
        """Return the programs of those that have no search path of their own."""
        named = {f"[{TABLE}.{name}]": plan for name, plan in _plans_of(settings).items()}
        return {table: plan.command[0] for table, plan in named.items() if "PATH" not in plan.environment}

    def prepare(self, preparation: Preparation) -> None:
        """Find out whether a service manager ends what this process may leave."""
        self._is_managed = preparation.is_managed

    def open(self, site: Site) -> None:
        """Make everything ready for the first start."""
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited; the kernel would drop exit statuses
        self._site = site
        self._engine = site.engine
        self._heard = Heard(site.engine)
        self._level = logging.NOTSET  # what this has set
        self._has_begun = self._is_free = False
        # Those of the orders below that the processes have been told.
        self._obeyed: tuple[Plans, dict[str, Launch]] | None = None
        # Whether what they have left is being ended; None before, and False afterwards.
        self._ends_strays: bool | None = None
        # What the last settings that were read ask for, and what those that hold ask for.
        self._read_orders = self._orders = self._orders_of(site.settings)
        self._streams: Mapping[int, int] = {}
        self._backstop = Backstop(site.settings, site.loop, is_managed=self._is_managed)
        self.together = Together(site.loop, self._changed, self._backstop)
        self._ending = Ending(site, self.together)
        self._routes = Routes(self.together, site.loop, site.engine.clock)

    @staticmethod
    def _orders_of(settings: Settings) -> tuple[Plans, dict[str, Launch]]:
        """Return the plans, and what starts them.

        :raises UsageError: if there is no such user
        """
        plans = _plans_of(settings)
        launches = {}
        for name, plan in plans.items():
            with _of_table(name):
                launches[name] = launch_of(plan, plans.directory)
        return plans, launches

    def accept(self, settings: Settings) -> None:
        """Refuse settings by which a process could not be started."""
        self._read_orders = self._orders_of(settings)

    def follow(self, settings: Settings) -> None:  # noqa: ARG002 - accept() has read them
        """Start the processes when all is set up; later, obey a reload."""
        self._show_output()
        self._orders = self._read_orders  # only now: after accept() a reload may still fail
        if not self._has_begun:
            self._has_begun = True
            self._streams = self._site.streams()
            self._site.loop.call(self._backstop.begin, self._be_free)
        else:
            self._site.loop.call(self._obey)

    def _show_output(self) -> None:
        """Show output that goes to the log also where it shows only warnings, unless the user has set a level."""
        output = logging.getLogger("flagman.process")
        if output.level in (logging.NOTSET, self._level):
            is_shown = logging.getLogger().getEffectiveLevel() <= logging.WARNING
            self._level = logging.INFO if is_shown else logging.NOTSET
            output.setLevel(self._level)

    def _be_free(self) -> None:
        """Start the processes, because nothing is left of those of a former daemon."""
        self._is_free = True
        self._obey()

    def _obey(self) -> None:
        if self._is_free:
            orders, before = self._orders, self.together.by_name.keys()  # the main thread may replace them
            self.together.follow(*orders, self._streams)
            if self.together.by_name.keys() != before:
                self._engine.ledger.note("processes")
            self._obeyed = orders
            self._site.changes.report()
            self._ending.look()

    def _changed(self, name: str, events: tuple[str, ...]) -> None:
        """Report a change to triggers, to what waits for readiness, and to the run if it is over."""
        process = self.together.by_name.get(name)
        if process is None:
            self._engine.ledger.note("processes")
            return
        for event in events:
            # Liveness fails while it goes on.
            ended = process.last if event != "ready" and process.state != "ready" else None
            status = "" if ended is None or ended.status is None else str(ended.status)
            if ended is not None and ended.status is not None and ended.status < 0:
                status = f"SIG{name_of(-ended.status)}"
            reason = ended.text if ended is not None else process.illness if event == "fail" else ""
            self._heard.happened(name, event, status=status, pid=process.pid, reason=reason)
            what = {"at": rfc3339(time.time()), "process": name, "event": event, "pid": process.pid or None}
            self._engine.ledger.note("process", {**what, "status": status, "text": reason})
        if not events:
            self._engine.ledger.note("state", name)
        self._site.changes.report()
        self._end_strays()
        self._ending.look()

    def stop(self, *, insists: bool) -> None:
        """Stop all processes, or kill them."""
        self.together.stop(insists=insists)
        self._end_strays()

    def _end_strays(self) -> None:
        """End what instances have left behind, when the last one has ended."""
        if self.together.is_stopping and not self.together.is_busy() and self._ends_strays is None:
            self._ends_strays = True
            self._backstop.end_strays(self._be_clean)

    def _be_clean(self) -> None:
        self._ends_strays = False
        self._site.changes.report()

    def is_busy(self) -> bool:
        """Return whether something of a process is left, or what they have left behind was not ended yet."""
        return self._ends_strays is not False

    def result(self) -> int | None:
        """Return the exit status that the end of the processes demands."""
        return self.together.status() if self._ending.has_begun else None

    def unready(self) -> Sequence[str]:
        """Return which processes are not as they are to be."""
        if self._obeyed is self._orders:
            return self.together.unready()
        what = "followed the reload" if self._is_free else "been started"
        return [f"the processes have not {what} yet"]

    def is_unready(self) -> bool:
        """Return whether there is one."""
        # The control loop may be about to tell them.
        return self._obeyed is not self._orders or any(each.is_missing for each in self.together.by_name.values())

    def waits_for(self) -> str:
        """Return that in a few words."""
        return self.together.waits_for() if self._obeyed is self._orders else super().waits_for()

    def requests(self) -> Mapping[str, Answer]:
        """Return what actions, triggers and the page ask for."""
        lines = self._routes.present_lines
        return {HEARD: lambda _: self._heard, REQUEST: self._answer, PRESENT_LINES: lambda _: lines()}

    def _answer(self, words: Sequence[str]) -> str:
        """Carry out the request of an action, in the main thread.

        :param words: a verb, the name of a process, and for the verb ``signal`` the name of a signal
        :raises ActionFailed: if it cannot be carried out
        """
        verb, name, *more = words
        process = self.together.by_name.get(name)
        if process is None or (process.is_removed and verb not in ("stop", "signal")):
            raise ActionFailed(f"there is no process {name!r} any more")
        if verb == "signal":
            if process.life is None:
                raise ActionFailed(f"{told(process, self.together)}: there is no process to signal")
            self._site.loop.call(process.send, number_of(more[0]))
            return f"sent {more[0]} to {name}"
        self._site.loop.call(self._ask, name, VERBS[verb])
        return f"{verb} {name}"

    def _ask(self, name: str, verb: Verb) -> None:
        """Ask something for an action. It may do so at each end of the process, so starts keep their distance."""
        process = self.together.by_name.get(name)
        if process is None or process.is_removed:  # a reload has just removed it
            return
        pause = process.pause(self.together.clock()) if verb != "stop" else 0.0
        if not pause:
            process.ask(verb)
        elif process.state != "backoff":  # from there it is started anyway
            before = process.last, process.wish
            # What has been asked for meanwhile holds; a reload asks what it removes to stop.
            self._site.loop.call_later(
                pause, lambda: process.ask(verb) if (process.last, process.wish) == before else None
            )

    def routes(self) -> Mapping[tuple[str, str], Callable[[Request], None]]:
        """Return the requests about processes."""
        return self._routes.table()

    def snapshot(self) -> Mapping[str, object]:
        """Return all processes."""
        return {"processes": [shown(process, self.together) for process in self.together.by_name.values()]}

    def metrics(self) -> Iterable[Family]:
        """Return what metrics tell of the processes."""
        from flagman.supervise.processes.metrics import ProcessMetrics  # noqa: PLC0415 - few daemons are asked for them

        return ProcessMetrics().families(self.together.by_name, self.together.clock())

    def close(self) -> None:
        """End what is left."""
        if self._site.loop.has_ended:  # it has failed, and what kept the processes with it
            self.together.close()
            self._backstop.close()
        else:
            self._site.loop.call(self._routes.end)
            self._site.loop.call(self.together.close)
            self._site.loop.call(self._backstop.close)
            self._site.loop.settle(_LAST)
        for descriptor in self._streams.values():
            os.close(descriptor)


@contextmanager
def _of_table(name: str) -> Iterator[None]:
    """Put the table of a process before what is wrong with its user or group."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"[{TABLE}.{name}]: {error}") from error


def _plans_of(settings: Settings) -> Plans:
    plans = settings.of_parts.get(TABLE)
    return plans if isinstance(plans, Plans) else Plans()
