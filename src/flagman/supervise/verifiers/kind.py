"""What all kinds of verifiers have in common, and what they are given to work with."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from flagman.service.control_loop import ControlLoop
    from flagman.supervise.instance import Instance
    from flagman.supervise.verifiers.keys import Keys

    #: Takes the answer of one try: empty if all is well, or else what is wrong.
    Answer = Callable[[str], object]


class Target(Protocol):
    """The process that is verified: one life of it. Everything is used in the control loop alone."""

    @property
    def name(self) -> str:
        """The name of the process in the file."""

    @property
    def pid(self) -> int:
        """The number of the leader."""

    @property
    def environment(self) -> Mapping[bytes, bytes]:
        """The environment of the process."""

    def is_alive(self) -> bool:
        """Return whether the leader of this life has not ended."""

    def start(self, words: tuple[str, ...], streams: Mapping[int, int], on_end: Callable[[], object]) -> Instance:
        """Start a command as the process itself is started: same user, directory and environment.

        :raises OSError: if it cannot be started
        :raises flagman.supervise.ends.StartError: as above
        """


class Gifts:
    """What a process is started with, so that its verifier can hear of it; made before each start.

    :param before: what answered already before the start; empty if nothing did
    """

    def __init__(self, before: str = "") -> None:
        #: Added to the environment.
        self.environment: dict[bytes, bytes] = {}
        #: Descriptors that the process gets: its numbers, and ours.
        self.streams: dict[int, int] = {}
        #: What answered already before the start.
        self.before = before
        #: The last status text that the process has told, printable.
        self.status = ""
        #: Called with the reason if the process has promised signs of life, and they stay away after it was verified.
        self.on_failure: Answer | None = None

    def given(self) -> None:
        """Close our copies of what the process has got; after its start, also after one that failed."""

    def verified(self) -> None:
        """Expect signs of life from now on, if there are to be any."""

    def close(self) -> None:
        """Close everything; when this life is over, also if it never began."""


class Around:
    """What one try works with.

    :param extend: called with seconds: the process asks for so much time from now on
    :param note: called with the latest trouble, which is told if time runs out
    """

    def __init__(
        self,
        loop: ControlLoop,
        target: Target,
        gifts: Gifts,
        extend: Callable[[float], object],
        note: Callable[[str], object],
    ) -> None:
        self.loop = loop
        self.target = target
        self.gifts = gifts
        self.extend = extend
        self.note = note
        #: Returns whether something of a former try is left, so that the next one cannot begin.
        self.is_busy: Callable[[], bool] = bool


class Attempt:
    """A try that is under way; this one does nothing."""

    def cancel(self) -> None:
        """End it, and close all that belongs to it; also called after it has answered."""


class Kind:
    """A kind of verifier, with what the file says about it.

    :param told: all that the file says, by which two are compared
    """

    #: The value of ``type`` in the file.
    name = ""
    #: Whether it asks something that may answer before the process has been started.
    looks_before = False
    #: Whether it can tell that a process still works, and not only that it has begun to.
    is_for_liveness = False
    #: Whether one try lasts as long as there is time: then it has no time limit of its own.
    is_patient = False
    #: What is told if time runs out.
    missing = "no answer"
    #: Seconds that it takes at least.
    least = 0.0
    #: Whether the file may set a timeout.
    has_timeout = True

    def __init__(self, *told: object) -> None:
        self._told = told

    @classmethod
    def read(cls, keys: Keys) -> Self:
        """Take the keys of this kind from its table.

        :raises ValueError: if :attr:`Keys.mistakes` has new ones, so that there is nothing to return
        """
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and (type(self), self._told) == (type(other), other._told)

    __hash__ = None  # type: ignore[assignment]

    def placed(self, absolute: Callable[[str], str]) -> Self:  # noqa: ARG002 - of kinds that have a path
        """Return the same with absolute paths.

        :param absolute: makes a path absolute
        """
        return self

    def text(self) -> str:
        """Return what it does, in a few words for messages."""
        return self.name

    def gifts(self, loop: ControlLoop) -> Gifts:  # noqa: ARG002 - for other kinds
        """Return what a process is started with."""
        return Gifts()

    def attempt(self, around: Around, answer: Answer) -> Attempt:
        """Begin a try.

        :param answer: to be called once, perhaps before this returns
        """
        raise NotImplementedError

    def ended(self, status: int) -> str | None:  # noqa: ARG002 - for other kinds
        """Judge the end of the process; see :meth:`flagman.supervise.verifiers.verification.Verification.ended`."""
        return None
