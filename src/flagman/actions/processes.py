"""The actions that start, stop and restart a process that flagman keeps."""

from __future__ import annotations

from flagman.engine.action import Action
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

    from flagman.engine.action import Host

#: The request that what keeps processes answers; its arguments are a verb, the name of a process, and for the verb
#: ``signal`` the name of a signal. The answer comes at once, and is what the log shows, or None; it may raise
#: :exc:`~flagman.ActionFailed`.
REQUEST = "process"


def check_host(engine: Host) -> None:
    """Check that something keeps processes.

    :raises UsageError: if nothing does
    """
    if not engine.offers(REQUEST):
        raise UsageError("nothing here keeps processes; each is a table [process.NAME] of the configuration file")


def ask(engine: Host, *words: str) -> None:
    """Make a request to what keeps processes; the log shows its answer.

    :raises ActionFailed: if the request could not be carried out
    """
    engine.turn.remark = str(engine.ask(REQUEST, *words) or "")


class _ProcessAction(Action):
    """Makes a wish about a process."""

    _verb: ClassVar[str]

    def set_up(self, name: str) -> None:
        """Keep the name: what the process is like is known only in a run, because a reload may change it.

        :param name: of the process
        :raises UsageError: if nothing here keeps processes
        """
        check_host(self.engine)
        self._name = name

    @classmethod
    def _names_processes(cls, arguments: Sequence[str]) -> tuple[str, ...]:
        return tuple(arguments[:1])

    def run(self) -> None:
        """Make the wish.

        :raises ActionFailed: if there is no such process any more
        """
        ask(self.engine, self._verb, self._name)


class StartProcessAction(_ProcessAction):
    """Starts a process of the configuration file.

    It does not wait until the process is ready. A process that is up stays as it is.
    """

    example = "start_process web"
    _verb = "start"


class StopProcessAction(_ProcessAction):
    """Stops a process of the configuration file.

    It does not wait for the end of the process, which stays down until it is started.
    """

    example = "stop_process web"
    _verb = "stop"


class RestartProcessAction(_ProcessAction):
    """Restarts a process of the configuration file, or starts it.

    It does not wait until the process is ready.
    """

    example = "restart_process web"
    _verb = "restart"
