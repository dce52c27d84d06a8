"""The kind ``exited``: a process that has ended as it should is ready, such as one that prepares something."""

from __future__ import annotations

from flagman.supervise.ends import told
from flagman.supervise.verifiers.kind import Attempt, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from flagman.supervise.verifiers.keys import Keys
    from flagman.supervise.verifiers.kind import Answer, Around


class Exited(Kind):
    """A process that has ended with one exit status is ready.

    :param status: that status
    """

    name = "exited"
    is_patient = True
    missing = "has not ended"

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self._status = status

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the status."""
        status = keys.number("status", 0, most=255)
        keys.check()
        return cls(status)

    def text(self) -> str:
        """Return the kind, and the status unless that is 0."""
        return f"{self.name} with status {self._status}" if self._status else self.name

    def attempt(self, around: Around, answer: Answer) -> Attempt:  # noqa: ARG002 - the end is told to ended()
        """Never answer: the caller learns of the end first."""
        return Attempt()

    def ended(self, status: int) -> str:
        """Return an empty text if it has ended with the status, and else how it has ended."""
        return "" if status == self._status else f"{told(status)}, and not with status {self._status}"
