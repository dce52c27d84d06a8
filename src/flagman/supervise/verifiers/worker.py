"""Code that may block, in a thread of its own: the loop hears of its end, and can stop listening."""

from __future__ import annotations

from flagman.engine.threads import start_new_thread
from flagman.exceptions import one_line, reason_of
from flagman.supervise.verifiers.kind import Attempt
from flagman.text.shown import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.kind import Answer


class Worker(Attempt):
    """A thread that calls code once. It keeps neither the loop nor the process from ending, even if it hangs for ever.

    :param loop: calls ``answer``
    :param code: returns the answer; what it raises is one, too
    :param answer: not called after :meth:`cancel`
    """

    def __init__(self, loop: ControlLoop, code: Callable[[], str], answer: Answer) -> None:
        self._loop = loop
        self._code = code
        self._answer: Answer | None = answer
        #: Whether the code has not returned.
        self.is_busy = True
        try:
            # It inherits the mask of the control loop, in which all signals are blocked.
            start_new_thread(self._run, ())
        except RuntimeError as error:  # there can be no more threads
            self.is_busy = False
            answer(str(error))

    def _run(self) -> None:
        try:
            why = self._code()
        except BaseException as error:  # noqa: BLE001 - also sys.exit() of a plugin: it is a failure like any other
            why = printable(one_line(reason_of(error)))
        self.is_busy = False
        self._loop.call(self._done, why)

    def _done(self, why: str) -> None:
        if self._answer is not None:
            self._answer(why)

    def cancel(self) -> None:
        """Stop listening: what it returns does not count any more."""
        self._answer = None
