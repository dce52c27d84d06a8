"""What a process asks of everything around it; only for types."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from flagman.engine.calls import Call
    from flagman.supervise.instance import Instance
    from flagman.supervise.processes.plan import Plan
    from flagman.supervise.processes.starts import Start
    from flagman.supervise.processes.wish import Verb, Wish

    class Watch(Protocol):
        """What verifies an instance."""

        def begin(self) -> object:
            """Begin to verify."""

        def cancel(self) -> object:
            """End that."""

    class Verifies(Watch, Protocol):
        """What verifies that an instance is ready."""

        tries: int
        last_error: str
        on_error: Callable[[], object]

        def ended(self, status: int) -> str | None:
            """Return whether an end is what was to be verified: empty if so, else why not; None for other kinds."""

    class World(Protocol):
        """What is around a process; each method gets the name of the process."""

        def clock(self) -> float:
            """Return the monotonic time."""

        def chance(self) -> float:
            """Return a random number between 0 and 1."""

        def call_at(self, moment: float, code: Callable[[], object]) -> Call:
            """Call ``code`` at a moment."""

        def start(self, name: str, number: int, on_end: Callable[[], object]) -> Instance:
            """Start an instance.

            :param number: of the instance
            :raises StartError: if that fails
            """

        def when_it_runs(self, name: str, code: Callable[[], object]) -> object:
            """Call ``code`` when all steps before the program of an instance have been taken, perhaps at once."""

        def members(self, group: int) -> list[int] | None:
            """Return the members of a process group; None if that cannot be known."""

        def verification(
            self, name: str, on_verdict: Callable[[str], object], on_failure: Callable[[str], object]
        ) -> Verifies | None:
            """Return what verifies the instance; None if it is ready as it is.

            :param on_failure: called with the reason if a ready instance gives no sign of life, where it promised to
            """

        def liveness(self, name: str, on_failure: Callable[[str], object]) -> Watch | None:
            """Return what watches the health of a ready instance; None if nothing does."""

        def is_blocked(self, plan: Plan) -> bool:
            """Return whether a process that it comes after is not ready."""

        def way(self, plan: Plan, asked: float) -> Sequence[Start]:
            """Return the starts for which a process has waited since it was asked to start."""

        def farewell(self, name: str) -> str:
            """Take note of the end of an instance, right before its leader is reaped.

            :returns: which step before its program has failed; empty if none has
            """

        def output(self, name: str) -> list[str]:
            """Return the last lines of its output."""

        def buried(self, name: str) -> object:
            """Release what belongs to an instance that is over."""

        def wish(self, former: Wish | None, verb: Verb, uid: int | None, *, merges: bool) -> Wish:
            """Return what becomes of a wish after the former one, see :meth:`Wishes.make`."""

        def changed(self, name: str, events: tuple[str, ...]) -> object:
            """Show another state to everything around it.

            :param events: what has happened, for triggers: ``ready``, ``exit`` and ``fail``
            """
