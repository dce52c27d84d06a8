"""A wish: what was asked of a process, with a number and an outcome."""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Verb = Literal["start", "stop", "restart"]

#: The verbs, by their names.
VERBS: dict[str, Verb] = {"start": "start", "stop": "stop", "restart": "restart"}


class Wish:
    """Something that was asked of a process.

    :param verb: what was asked
    :param uid: the user that has asked; None for flagman itself
    :param number: wishes are numbered from 1 on
    """

    __slots__ = ("_listeners", "number", "outcome", "uid", "verb")

    def __init__(self, verb: Verb, uid: int | None, number: int) -> None:
        self.verb = verb
        self.uid = uid
        self.number = number
        #: ``reached``, ``failed``, or what it was superseded by; empty as long as it is not known.
        self.outcome = ""
        self._listeners: list[Callable[[], object]] = []

    def __repr__(self) -> str:
        return f"<Wish #{self.number} {self.verb}: {self.outcome or 'pending'}>"

    @property
    def text(self) -> str:
        """It in words: ``stop (#7)``."""
        return f"{self.verb} (#{self.number})"

    def when_decided(self, code: Callable[[], object]) -> Callable[[], None]:
        """Call ``code`` when the outcome is known, or now if it is.

        :returns: what ends this
        """
        if self.outcome:
            code()
            return lambda: None
        self._listeners.append(code)
        return lambda: self._listeners.remove(code) if code in self._listeners else None

    def decide(self, outcome: str) -> None:
        """Set the outcome, unless it is known."""
        if not self.outcome:
            self.outcome = outcome
            listeners, self._listeners = self._listeners, []
            for code in listeners:
                code()

    def shown(self) -> dict[str, object]:
        """Return it as JSON."""
        return {"id": self.number, "verb": self.verb, "by_uid": self.uid, "outcome": self.outcome}


class Wishes:
    """Numbers wishes, across all processes."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def make(self, former: Wish | None, verb: Verb, uid: int | None, *, merges: bool) -> Wish:
        """Return the next wish for a process, or the former one if that says the same, and can go on.

        :param merges: whether the former one can go on
        """
        if former is not None and not former.outcome and former.verb == verb and merges:
            return former
        wish = Wish(verb, uid, next(self._numbers))
        if former is not None:
            former.decide(f"superseded by {wish.text}")
        return wish
