"""The bundle behind a flag: its actions, in the order in which they were added."""

from __future__ import annotations

from flagman.engine.outcome import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flagman.engine.member import Member


class Bundle:
    """An ordered list of actions that run together, one at a time.

    :param members: the first ones
    """

    __slots__ = ("_members",)

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self._members: list[Member] = list(members)

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members))

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Member) -> None:
        """Add an action behind the others; during a run, for the next one."""
        self._members.append(member)

    def run(self, run: Callable[[Member], Verdict], is_over: Callable[[], bool]) -> bool:
        """Run every action in order; tell whether none has ended the turn.

        :param run: runs one action
        :param is_over: asked before each, tells whether it and those after it are not to run any more
        """
        gone: set[Member] = set()
        whole = True
        for member in self:
            if is_over():
                break
            verdict = run(member)
            if verdict is Verdict.GONE:
                gone.add(member)
            elif verdict is Verdict.SKIP:
                whole = False
                break
        if gone:  # one pass, however many have left
            self._members = [member for member in self._members if member not in gone]
        return whole
