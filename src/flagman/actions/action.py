"""The base class of all actions: one life of set_up, runs and tear_down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from warnings import warn

from flagman.exceptions import ActionClosed, ActionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flagman.engine.engine import Engine


class Action(ABC):
    """Something that flagman does when a flag is raised.

    A subclass defines :meth:`run`, and :meth:`set_up` and :meth:`tear_down` where it needs them; it does not define
    ``__init__``. All three run in the main thread, one action at a time, and may do anything.

    Creating an instance sets it up.

    :param args: the arguments of the action, as strings, handed to :meth:`set_up`
    """

    #: Seconds that one run may take if ``--timeout`` does not say so; None for no end.
    default_timeout: float | None = None

    #: The engine that this action belongs to, from before :meth:`set_up` on; an action that was not created by one has
    #: none, and the attribute is missing.
    engine: Engine

    # True before set_up has succeeded and after tear_down has begun: what was never opened is never torn down.
    _closed = True

    def __init__(self, *args: str) -> None:
        self.set_up(*args)
        self._closed = False

    # Any is what lets a subclass name its own arguments without contradicting this class.
    def set_up(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[explicit-any]  # noqa: ANN401
        """Prepare for runs; the parameters of a subclass are the arguments that its users type.

        Raising anything means that the action cannot be used: flagman does not start, and :meth:`tear_down` is not
        called.
        """

    @classmethod
    def check_arguments(cls, *args: Any, **kwargs: Any) -> None:  # type: ignore[explicit-any]  # noqa: ANN401 - as above
        """Look at the arguments as they were typed, before anything is set up; ``flagman --check`` does no more.

        It must have no effect, and need not count them: what :meth:`set_up` cannot take does not come here.

        :raises ValueError: if they cannot be used; the message becomes the user's one line
        """

    @abstractmethod
    def run(self) -> None:
        """Do the work.

        :raises ActionClosed: if this was the last run; the action is then removed from its bundle
        :raises SkipRest: to leave out the actions after this one, this time
        :raises ActionFailed: if the run failed and the message says why; any other exception is a failure, too, and is
            logged with its traceback
        """

    def tear_down(self) -> None:
        """Release what :meth:`set_up` took; runs exactly once for every action whose ``set_up`` succeeded."""

    def _close(self) -> None:
        """Tear the action down, unless that has been done; every later run raises :exc:`~flagman.ActionClosed`."""
        if not self._closed:
            self._closed = True
            self.tear_down()

    def _run(self) -> None:
        """Run once, as the loop does.

        :raises ActionClosed: if the action was closed before
        :raises ActionFailed: if its run() is async, which cannot always be told before
        """
        if self._closed:
            raise ActionClosed(f"{type(self).__name__} was closed before this run")
        result: object = self.run()
        if hasattr(result, "__await__"):
            raise ActionFailed("run() has returned something to be awaited, which nobody does; it must not be async")

    def __del__(self) -> None:
        if not self._closed:
            try:
                warn(f"unclosed action {self!r}", ResourceWarning, stacklevel=1, source=self)
            finally:
                self._close()
