"""The starts of processes: what each one waited for, how long it took, and the critical chain of them.

The critical chain is that of :manpage:`systemd-analyze(1)`: the process that was ready last, before it the one that it
waited for longest, and so on.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Start:
    """One start of a process; moments are those of the monotonic clock, and any thread may read it.

    :param name: of the process
    :param asked: when it was to start, and perhaps began to wait for others
    :param began: when it was started
    :param way: the starts that it waited for: the one that was over last, before it the one for which that has waited
    """

    __slots__ = ("asked", "began", "done", "name", "way")

    def __init__(self, name: str, asked: float, began: float, way: Sequence[Start]) -> None:
        self.name = name
        self.asked = asked
        self.began = began
        self.way = way
        #: When processes that come after it could start; None as long as they cannot.
        self.done: float | None = None

    def __repr__(self) -> str:
        return f"<Start of {self.name}: {self.asked} {self.began} {self.done}>"

    @property
    def chain(self) -> Sequence[Start]:
        """This start, and those that it waited for, the last one first."""
        return (self, *self.way)

    def over(self) -> float:
        """Return when it was over; as long as it is not, when it began."""
        return self.done if self.done is not None else self.began


def way_to(asked: float, before: Iterable[Start | None]) -> Sequence[Start]:
    """Return what a process has waited for since it was asked to start; empty if it did not have to wait.

    :param before: the last starts of the processes that it comes after
    """
    last = max((start for start in before if start is not None), key=Start.over, default=None)
    if last is None or last.over() <= asked:
        return ()
    # A process may have waited for an earlier start than the one that counts here.
    return tuple(start for start in last.chain if start.over() > asked)
