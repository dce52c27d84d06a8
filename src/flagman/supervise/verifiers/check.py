"""A check: a kind of verifier, and how often and for how long it is asked."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypedDict

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.verifiers.kind import Gifts, Kind

    class Numbers(TypedDict, total=False):
        """What the file says of a check beside its kind."""

        timeout: float
        attempt_timeout: float
        every: float
        failures: int
        restart: bool


class Check:
    """How a process is verified, as one table of the file says.

    Two checks are equal if the file says the same; addresses to which the names of hosts lead do not count.

    :param way: what is asked
    :param timeout: seconds for all tries of a start together; for liveness those of one try
    :param attempt_timeout: seconds for one try
    :param every: seconds from one try to the next, for liveness
    :param failures: how many tries in a row have to fail, for liveness
    :param restart: whether that restarts the process
    """

    __slots__ = ("attempt_timeout", "every", "failures", "restart", "timeout", "way")

    def __init__(  # noqa: PLR0913 - the keys of a table
        self,
        way: Kind,
        *,
        timeout: float = 30.0,
        attempt_timeout: float = 1.0,
        every: float = 10.0,
        failures: int = 3,
        restart: bool = False,
    ) -> None:
        self.way = way
        #: Never less than what the kind needs.
        self.timeout = timeout + way.least
        self.attempt_timeout = attempt_timeout
        self.every = every
        self.failures = failures
        self.restart = restart

    @property
    def kind(self) -> str:
        """The value of ``type`` in the file."""
        return self.way.name

    @property
    def looks_before(self) -> bool:
        """Whether :meth:`gifts` looks if something answers before the process is started."""
        return self.way.looks_before

    def _values(self) -> tuple[object, ...]:
        return self.way, self.timeout, self.attempt_timeout, self.every, self.failures, self.restart

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Check) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Check {self.text()}>"

    def placed(self, absolute: Callable[[str], str]) -> Check:
        """Return the same check with absolute paths.

        :param absolute: makes a path absolute
        """
        return Check(
            self.way.placed(absolute),
            timeout=self.timeout - self.way.least,
            attempt_timeout=self.attempt_timeout,
            every=self.every,
            failures=self.failures,
            restart=self.restart,
        )

    def text(self) -> str:
        """Return what is asked, in a few words: ``tcp 127.0.0.1:5433``."""
        return self.way.text()

    def gifts(self, loop: ControlLoop) -> Gifts:
        """Return what a process is started with; to be called in the control loop before each start.

        :raises OSError: if there is too little of something, such as free descriptors
        """
        return self.way.gifts(loop)
