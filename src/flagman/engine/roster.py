"""The roster: every action that is set up, in order; here actions are set up, run and torn down.

All code of actions is called from this module, through the interrupter, and whatever it raises is dealt with here.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack

from flagman.engine.flags import STOP
from flagman.exceptions import ActionClosed, ActionInterrupted, SetUpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from flagman.actions.action import Action
    from flagman.engine.flags import Flags
    from flagman.engine.interrupt import Interrupter

    #: What happens after a failed run, see :class:`flagman.Engine`.
    OnError = Literal["continue", "close", "exit"]

# The engine speaks as flagman.core, its documented face.
logger = logging.getLogger("flagman.core")


class Roster:
    """Sets actions up, runs them, and tears each of them down exactly once.

    :param flags: where the stop flag is raised if a failure is to end the daemon
    :param interrupter: calls all code of actions
    :param on_error: what to do when a run fails
    :param contained: the exceptions that are an action's failure and not the end of the program
    """

    def __init__(
        self, flags: Flags, interrupter: Interrupter, on_error: OnError, contained: tuple[type[BaseException], ...]
    ) -> None:
        self._flags = flags
        self._call = interrupter.call
        self._on_error = on_error
        self._contained = contained
        self._pid = os.getpid()
        # By identity, since an action may define equality; a dictionary, so that leaving costs the same for all.
        self._open: dict[int, Action] = {}
        #: An action has failed and that is to end the daemon.
        self.failed = False
        #: A tear_down has failed.
        self.torn_down_badly = False

    def set_up(self, action: type[Action], arguments: tuple[str, ...]) -> Action:
        """Create an action, which sets it up.

        :raises SetUpError: if it raised or was interrupted
        """
        try:
            instance = self._call(action, *arguments)
        except self._contained + (ActionInterrupted,) as error:  # noqa: RUF005 - the type checker reads only this form
            raise SetUpError(f"setting up the action {action.__name__} failed: {_one_line(error)}") from error
        if instance._closed:  # noqa: SLF001 - the loop's half of Action
            raise SetUpError(f"setting up the action {action.__name__} failed: its __init__ does not call Action's")
        self._open[id(instance)] = instance
        return instance

    def run(self, action: Action) -> bool:
        """Run an action once; tell whether it stays in its bundle."""
        stays = self._attempt(action)
        if os.getpid() != self._pid:
            os._exit(1)  # a fork() in the action came back here: there must be no second daemon
        return stays

    def _attempt(self, action: Action) -> bool:
        try:
            self._call(action._run)  # noqa: SLF001 - the loop's half of Action
        except ActionClosed:
            self.close(action)
            logger.warning("Received `ActionClosed`; removing action `%s`", type(action).__name__, exc_info=True)
            return False
        except ActionInterrupted as interruption:
            logger.warning("Interrupted action `%s`: %s", type(action).__name__, interruption)
        except self._contained:
            logger.exception("Action `%s` failed", type(action).__name__)
            return self._after_failure(action)
        return True

    def _after_failure(self, action: Action) -> bool:
        if self._on_error == "close":
            logger.warning("Removing action `%s` because it failed", type(action).__name__)
            self.close(action)
            return False
        if self._on_error == "exit":
            self.failed = True
            self._flags.add(STOP)
        return True

    def close(self, action: Action) -> None:
        """Tear an action down, unless that has been done, and forget it; whatever it raises is logged."""
        self._open.pop(id(action), None)
        if action._closed:  # noqa: SLF001 - the loop's half of Action
            return
        # As Action._close() does, but noted where no interruption can come between.
        action._closed = True  # noqa: SLF001
        try:
            self._call(action.tear_down)
        except ActionInterrupted as interruption:
            logger.warning("Interrupted tear_down of action `%s`: %s", type(action).__name__, interruption)
            self.torn_down_badly = True
        except self._contained:
            logger.exception("tear_down of action `%s` failed", type(action).__name__)
            self.torn_down_badly = True

    def close_all(self) -> None:
        """Tear down what is still open, the youngest first; an exception that is not contained comes after the last."""
        with ExitStack() as stack:
            for action in self._open.values():
                stack.callback(self.close, action)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
