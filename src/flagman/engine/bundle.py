"""The bundle behind a flag: its actions, in order; and what a raise of the flag means while they run."""

from __future__ import annotations

from flagman.engine import loggers, titles
from flagman.engine.flags import in_log
from flagman.engine.tally import NO_RUNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Literal

    from flagman.engine.action import Action
    from flagman.engine.choices import Choices, Overlap
    from flagman.engine.flags import Flags
    from flagman.types import ActionArgument, ActionName, FlagName

    #: What the run of an action means for its bundle: nothing; the action has left it; the actions after it are left
    #: out this time.
    Verdict = Literal["stays", "gone", "skip"]

# The engine logs as flagman.core, the name that is documented.
logger = loggers.get("flagman.core")


class Member:
    """One action in its bundle.

    :param action: an action that is set up and not yet torn down
    :param name: the name by which it was requested
    :param choices: the choices for this action
    :param arguments: those with which it was set up
    """

    __slots__ = (
        "action",
        "choices",
        "failures",
        "name",
        "offered",
        "offers",
        "open_arguments",
        "secrets",
        "tally",
        "timeout",
        "title",
    )

    def __init__(
        self, action: Action, name: ActionName, choices: Choices, arguments: tuple[ActionArgument, ...] = ()
    ) -> None:
        self.action = action
        self.name = name
        #: The arguments, with ``***`` for each that is secret; and those that no message may show.
        self.open_arguments = titles.open_arguments(type(action), arguments)
        self.secrets = titles.secrets(type(action), arguments)
        #: The action and its arguments, without secrets, as they would be typed.
        self.title = titles.title(name, self.open_arguments)
        self.follow(choices)
        #: The number of failed runs in a row.
        self.failures = 0
        #: Its runs; replaced as a whole.
        self.tally = NO_RUNS
        #: Whether it says something about itself.
        self.offers = bool(action._offers)  # noqa: SLF001 - the engine's side of Action
        #: What it has said about itself after its last run: its statistics and its state; replaced as a whole.
        self.offered: tuple[Mapping[str, float], Mapping[str, object]] | None = None

    def __repr__(self) -> str:
        return f"<Member {self.name!r}: {self.action!r}>"

    def follow(self, choices: Choices) -> None:
        """Obey these choices from the next run on."""
        self.choices = choices
        #: The seconds that one run may take; None for no limit.
        self.timeout = self.action.default_timeout if choices.timeout is None else choices.timeout


class Bundle:
    """An ordered list of actions that run together, one at a time.

    :param members: its first actions
    :param trigger: the name of what raises its flag, if it is not the flag's own name
    :param ticks: whether its flag is raised by the clock, and not by a request to run it
    """

    __slots__ = ("members", "ticks", "trigger")

    def __init__(self, members: Iterable[Member] = (), trigger: FlagName = "", *, ticks: bool = False) -> None:
        #: Its actions; replaced as a whole, because other threads read it, too.
        self.members: list[Member] = list(members)
        #: The name of what raises its flag; empty if it is the flag's own name.
        self.trigger = trigger
        #: Whether its flag is raised by the clock.
        self.ticks = ticks

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    def __repr__(self) -> str:
        return f"<Bundle of {', '.join(member.name for member in self.members) or 'no actions'}>"

    def __contains__(self, member: object) -> bool:
        return member in self.members

    def __len__(self) -> int:
        return len(self.members)

    @property
    def restarts(self) -> bool:
        """Whether a raise of its flag during a run makes it run anew at once; all of its actions say the same."""
        return bool(self.members) and self.members[0].choices.overlap == "restart"

    def ends_with(self, member: Member) -> bool:
        """Return whether this is its last action."""
        return self.members[-1] is member

    def add(self, member: Member) -> None:
        """Add an action after the others; if the bundle is running, the action joins the next run."""
        self.members = [*self.members, member]

    def run(self, run: Callable[[Member], Verdict], is_over: Callable[[], bool]) -> bool:
        """Run every action in order; return whether no action has ended the turn.

        :param run: runs one action
        :param is_over: called before each action, returns whether this one and those after it must not run any more
        """
        gone: set[Member] = set()
        whole = True
        for member in self.members:
            if is_over():
                break
            verdict = run(member)
            if verdict == "gone":
                gone.add(member)
            elif verdict == "skip":
                whole = False
                break
        if gone:  # one pass, however many have left
            self.members = [member for member in self.members if member not in gone]
        return whole


class Overlaps:
    """Judges the raises of a flag during a run of its bundle, by the policies of the actions in it.

    A bundle with both policies sometimes runs only in part. Say that a counter has ``overlap = "rerun"``, so that it
    misses no signal, and a slow command has ``ignore``: a signal during the run is for the counter alone.

    :param flags: the raised flags
    """

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        # Flags with a next run that is only for actions with overlap=rerun, and the raises that it answers.
        self._partly: dict[FlagName, int] = {}

    def is_partial(self, flag: FlagName, raises: int) -> bool:
        """Return whether a flag, just lowered, is for a part of its bundle only: no raise came after it was judged."""
        return self._partly.pop(flag, 0) == raises

    def judge(self, flag: FlagName, bundle: Bundle, otherwise: Overlap, *, whole: bool) -> int:
        """Decide about a flag that was raised during the run of its bundle, which has just ended.

        :param otherwise: the policy if no action is left
        :param whole: whether every action ran; one that was skipped still owes an answer to the new raise
        :returns: how many of the new raises that run stands for
        """
        policies = {member.choices.overlap for member in bundle} or {otherwise}
        if policies == {"ignore"}:
            ignored = self._flags.discard(flag)
            logger.info("Ignored `%s` while its own bundle ran (raises: %d)", in_log(flag), ignored)
            return ignored
        if "ignore" in policies and whole:
            self._partly[flag] = self._flags.count(flag)
        return 0

    def forget(self) -> None:
        """Forget the partial runs that were planned, because the bundles have been replaced."""
        self._partly.clear()
