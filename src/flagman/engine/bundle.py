"""The bundle behind a flag: its actions, in order; and what it means that the flag is raised while they run."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Literal

    from flagman.engine.action import Action
    from flagman.engine.choices import Choices, Overlap
    from flagman.engine.flags import Flags
    from flagman.types import ActionName, FlagName

    #: What a run means for the bundle: nothing; the action has left; those after it are not run, this time.
    Verdict = Literal["stays", "gone", "skip"]

# The engine speaks as flagman.core, its documented face.
logger = logging.getLogger("flagman.core")


class Member:
    """One action in its bundle.

    :param action: set up, and not yet torn down
    :param name: by which it was asked for
    :param choices: its own
    """

    __slots__ = ("action", "choices", "failures", "name", "timeout")

    def __init__(self, action: Action, name: ActionName, choices: Choices) -> None:
        self.action = action
        self.name = name
        self.follow(choices)
        #: The number of failed runs in a row.
        self.failures = 0

    def __repr__(self) -> str:
        return f"<Member {self.name!r}: {self.action!r}>"

    def follow(self, choices: Choices) -> None:
        """Obey these choices from the next run on."""
        self.choices = choices
        #: Seconds that one run may take; None for no end.
        self.timeout = self.action.default_timeout if choices.timeout is None else choices.timeout


class Bundle:
    """An ordered list of actions that run together, one at a time.

    :param members: the first ones
    :param trigger: what raises its flag, if that is not called as the flag
    """

    __slots__ = ("_members", "trigger")

    def __init__(self, members: Iterable[Member] = (), trigger: FlagName = "") -> None:
        self._members: list[Member] = list(members)
        #: What raises its flag; empty if that is called as the flag.
        self.trigger = trigger

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members))

    def __repr__(self) -> str:
        return f"<Bundle of {', '.join(member.name for member in self._members) or 'no actions'}>"

    def __contains__(self, member: object) -> bool:
        return member in self._members

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
            if verdict == "gone":
                gone.add(member)
            elif verdict == "skip":
                whole = False
                break
        if gone:  # one pass, however many have left
            self._members = [member for member in self._members if member not in gone]
        return whole


class Overlaps:
    """Judges the raises of a flag during a run of its bundle, by the policies of the actions in it.

    A bundle of both policies needs runs of a part of it: where a counter has ``overlap = "rerun"``, so that it misses
    no signal, beside a slow command that has ``ignore``, a signal during the run is for the counter alone.

    :param flags: where they are found
    """

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        # Flags whose next run is only for actions with overlap=rerun, with the raises that it answers.
        self._partly: dict[FlagName, int] = {}

    def is_partial(self, flag: FlagName, raises: int) -> bool:
        """Tell whether a flag that has just been lowered is for a part of its bundle: nothing came since."""
        return self._partly.pop(flag, 0) == raises

    def judge(self, flag: FlagName, bundle: Bundle, otherwise: Overlap, *, whole: bool) -> int:
        """Look at a flag that is raised when its bundle has just run.

        :param otherwise: the policy where no action is left
        :param whole: every action ran; one that was skipped still owes an answer to the new raise
        :returns: how many raises that run stands for, too
        """
        policies = {member.choices.overlap for member in bundle} or {otherwise}
        if "rerun" not in policies:
            ignored = self._flags.discard(flag)
            logger.info("Ignored `%s` while its own bundle ran (raises: %d)", flag, ignored)
            return ignored
        if "ignore" in policies and whole:
            self._partly[flag] = self._flags.count(flag)
        return 0

    def forget(self) -> None:
        """Judge anew: the bundles are others now."""
        self._partly.clear()
