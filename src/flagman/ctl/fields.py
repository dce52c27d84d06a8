"""Looks into the JSON of an answer: what is missing, or of another kind than expected, is as if it were null."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

#: Results of runs that need no attention.
GOOD = frozenset({"succeeded", "closed", "skipped"})
# Larger numbers are no counts and no seconds.
_LARGEST = 1e12
# No stream of bytes is longer.
_FARTHEST = 1 << 63


class Fields:
    """An object of JSON; it has no fields if the value is something else.

    :param value: what JSON gave
    """

    __slots__ = ("_fields",)

    def __init__(self, value: object) -> None:
        self._fields: dict[str, object] = value if isinstance(value, dict) else {}

    def __bool__(self) -> bool:
        return bool(self._fields)

    def text(self, name: str) -> str:
        """Return a text; empty if there is none."""
        value = self._fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """Return a number; None if there is none."""
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
            return None
        return float(value)

    def count(self, name: str) -> int:
        """Return a whole number; 0 if there is none."""
        return int(self.number(name) or 0)

    def position(self, name: str) -> int | None:
        """Return a whole number of bytes, however large; None if there is none."""
        value = self._fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _FARTHEST else None

    def is_true(self, name: str) -> bool:
        """Return whether a value is true."""
        return self._fields.get(name) is True

    def is_false(self, name: str) -> bool:
        """Return whether a value is false."""
        return self._fields.get(name) is False

    def inner(self, name: str) -> Fields:
        """Return an object."""
        return Fields(self._fields.get(name))

    def each(self, name: str) -> list[Fields]:
        """Return the objects in a list."""
        return list(map(Fields, self._items(name)))

    def chosen(self, name: str, names: Collection[str]) -> list[object]:
        """Return those objects in a list, as JSON has them, that have one of these names."""
        return [item for item in self._items(name) if Fields(item).text("name") in names]

    def texts(self, name: str) -> list[str]:
        """Return the texts in a list."""
        return [item for item in self._items(name) if isinstance(item, str)]

    def _items(self, name: str) -> list[object]:
        value = self._fields.get(name)
        return value if isinstance(value, list) else []


def command(fields: Fields) -> str:
    """Return an action with its arguments, as the log shows them."""
    return " ".join([fields.text("name"), *fields.texts("arguments")])


def errors_of(run: Fields) -> list[str]:
    """Return the errors of a run, or of an answer about one, each with its action if the run had several."""
    actions = run.each("actions")
    errors = [
        f"{command(action)}: {error}" if len(actions) > 1 else error
        for action in actions
        if (error := action.text("error"))
    ]
    return errors or list(filter(None, [run.text("error")]))
