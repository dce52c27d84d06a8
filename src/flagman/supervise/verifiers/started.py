"""The kind ``started``: a process that has been started is ready."""

from __future__ import annotations

from flagman.supervise.verifiers.kind import Attempt, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around


class Started(Kind):
    """A process that has been started is ready, as it is without any verifier."""

    name = "started"
    is_patient = True
    has_timeout = False

    @classmethod
    def read(cls, keys: Keys) -> Self:  # noqa: ARG003 - it has none
        """Return the only one there is."""
        return cls()

    def attempt(self, around: Around, answer: Answer) -> Attempt:  # noqa: ARG002 - nothing is asked
        """Answer at once."""
        answer("")
        return Attempt()
