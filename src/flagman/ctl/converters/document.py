"""The configuration file that a converter makes: tables with keys that are known to be good, and comments."""

from __future__ import annotations

import re

from flagman.config.reader import KEYS as OF_FLAGMAN
from flagman.config.writer import entry, key_of
from flagman.exceptions import FlagmanError, UsageError, one_line
from flagman.supervise.launch.steps import identity_of
from flagman.supervise.processes.tables import KEYS
from flagman.supervise.verifiers.keys import Mistakes
from flagman.supervise.verifiers.reading import read as read_check
from flagman.text.shown import counted, printable, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_NAME = re.compile("[^A-Za-z0-9._-]+")
_LONGEST_NAME = 63
# Processes: more than any file has that was written by hand.
_MOST = 2000


class Table:
    """A table of the file: what is set has been checked, and what cannot be set is a comment."""

    def __init__(self) -> None:
        #: The keys and their values.
        self.values: dict[str, object] = {}
        self._comments: list[str] = []
        #: What could not be converted, and why.
        self.losses: list[str] = []

    def note(self, text: str) -> None:
        """Add a comment on something that has been converted."""
        self._comments.append(text)

    def lose(self, what: str, why: str) -> None:
        """Add a comment on something that has not been converted.

        :param what: as the other file says it
        :param why: and what to do
        """
        self.losses.append(f"{shown(one_line(what))}: {why}")
        self._comments.append(f"not converted: {self.losses[-1]}")

    def set(self, key: str, value: object, told: str = "") -> bool:
        """Set a key; if flagman does not accept the value, lose it.

        :param told: how the other file says it; by default as this one would
        :returns: whether it has been set
        """
        line = entry(key, value)
        try:
            line.encode()
            self.check(key, value)
        except UnicodeEncodeError:
            self.lose(told or key, "it has characters that no file can hold")
        except (ValueError, FlagmanError) as error:
            self.lose(told or line, str(error))
        else:
            self.values[key] = value
            return True
        return False

    def check(self, key: str, value: object) -> None:
        """Refuse a value that flagman would not accept.

        :raises ValueError: if so
        """
        OF_FLAGMAN[key].kind.load(value)

    def lines(self) -> Iterator[str]:
        """Yield the comments and the keys."""
        for comment in self._comments:
            yield f"# {printable(one_line(comment))}"
        for key, value in self.values.items():
            yield entry(key, value)


class Process(Table):
    """A table ``[process.NAME]``.

    :param name: of the process
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        #: Those that come before it.
        self.after: list[Process] = []

    @property
    def is_whole(self) -> bool:
        """Whether it can be in the file at all."""
        return "command" in self.values

    def check(self, key: str, value: object) -> None:
        """Refuse a value that flagman would not accept."""
        if key == "ready":
            _check_ready(value)
        else:
            KEYS[key].kind.load(value)

    def settle(self) -> None:
        """Drop what cannot be as it is, now that all is known."""
        after = [each.name for each in self.after if each.is_whole]
        if after:
            self.values["after"] = after
        user, group = (self.values.get(key) for key in ("user", "group"))
        if user is not None or group is not None:
            try:
                identity_of(*(None if each is None else str(each) for each in (user, group)))
            except UsageError as error:
                for key in ("user", "group"):
                    if self.values.pop(key, None) is not None:
                        self.lose(entry(key, user if key == "user" else group), f"{error}; write it where there is one")

    def lines(self) -> Iterator[str]:
        """Yield the table; if it has no command, in comments alone."""
        order = ["command", *KEYS, "ready"]
        self.values = dict(sorted(self.values.items(), key=lambda item: order.index(item[0])))
        if self.is_whole:
            yield f"[process.{key_of(self.name)}]"
            yield from super().lines()
        else:
            yield f"# not converted: the whole process {self.name}"
            yield from (line if line.startswith("#") else f"# {line}" for line in super().lines())


def _check_ready(value: object) -> None:
    try:
        read_check(value, liveness=False)
    except Mistakes as error:
        raise ValueError("; ".join(error.messages)) from None


class Document:
    """The whole file.

    :param title: what it is made of, for its first line
    """

    def __init__(self, title: str) -> None:
        self._title = title
        #: The table ``[flagman]``, which also has the comments that belong to no process.
        self.flagman = Table()
        self.processes: list[Process] = []
        # The names, in small letters, with the number of the last one that begins so.
        self._names: dict[str, int] = {}

    def add(self, name: str, *, otherwise: str = "") -> Process:
        """Add a process, under its name or, if that cannot be, a similar one.

        :param otherwise: the name that it gets if there is one of this name
        :raises UsageError: if there are too many
        """
        cleaned = _clean(name)
        if cleaned.lower() in self._names and otherwise:
            cleaned = _clean(otherwise)
        if len(self.processes) == _MOST:
            raise UsageError(f"{self._title}: has more than {_MOST} processes")
        base = cleaned
        while cleaned.lower() in self._names:
            self._names[base.lower()] += 1
            end = f"-{self._names[base.lower()]}"
            cleaned = base[: _LONGEST_NAME - len(end)] + end
        self._names[cleaned.lower()] = 1
        process = Process(cleaned)
        if cleaned != name:
            process.note(f"its name was {shown(name)!r}")
        self.processes.append(process)
        return process

    @property
    def lost(self) -> int:
        """How much could not be converted."""
        return sum(len(each.losses) for each in (self.flagman, *self.processes))

    def text(self) -> str:
        """Return the file.

        :raises UsageError: if it has no process
        """
        for process in self.processes:
            process.settle()
        if not any(process.is_whole for process in self.processes):
            if not self.processes:
                raise UsageError(f"{self._title}: has no process{self._first_loss(self.flagman)}")
            reason = self._first_loss(*self.processes)
            raise UsageError(f"{self._title}: no process of it can be converted{reason}")
        lines = [f"# {printable(one_line(self._title))}, as flagmanctl convert has read it"]
        own = list(self.flagman.lines())
        if own:
            lines += ["", *(["[flagman]"] if self.flagman.values else []), *own]
        for process in self.processes:
            lines += ["", *process.lines()]
        return "\n".join(lines)

    @staticmethod
    def _first_loss(*tables: Table) -> str:
        """Return why the first thing could not be converted, for the end of a message."""
        return next((f": {each.losses[0]}" for each in tables if each.losses), "")

    def summary(self) -> str:
        """Return how much could not be converted, in words; empty if all was."""
        if not self.lost:
            return ""
        return f"{counted(self.lost, 'thing')} could not be converted; see the comments in the result"


def _clean(name: str) -> str:
    return _NO_NAME.sub("-", name).lstrip("._-")[:_LONGEST_NAME] or "process"
