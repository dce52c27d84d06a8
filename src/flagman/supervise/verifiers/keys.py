"""The keys of a verifier's table: taken one by one, with all mistakes in them collected."""

from __future__ import annotations

from flagman.config.values import Number, Path, Span
from flagman.text.hints import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A variable of the type of no value of TOML.
_MISSING = object()


class Mistakes(ValueError):  # noqa: N818 - there may be several
    """All that is wrong with a table.

    :param messages: one for each mistake, which names its key
    """

    def __init__(self, messages: Iterable[str]) -> None:
        #: One for each mistake.
        self.messages = list(messages)
        super().__init__("; ".join(self.messages))


class Keys:
    """A table from which keys are taken.

    If a key is wrong or missing, :attr:`mistakes` grows, and what is returned is of the right type and means nothing.

    :param table: the table
    :param liveness: it is a table of ``liveness``
    """

    def __init__(self, table: Mapping[str, object], *, liveness: bool) -> None:
        self.liveness = liveness
        self._table = table
        # The keys that have been asked for.
        self._known: list[str] = []
        #: One message for each mistake.
        self.mistakes: list[str] = []

    def wrong(self, key: str, message: object) -> None:
        """Add a mistake."""
        self.mistakes.append(f"key {key!r}: {message}")

    def check(self) -> None:
        """Refuse the table if there has been a mistake.

        :raises ValueError: if so
        """
        if self.mistakes:
            raise ValueError("see the mistakes")

    def has(self, key: str) -> bool:
        """Return whether there is such a key."""
        self._known.append(key)
        return key in self._table

    def _take(self, key: str, default: object, what: str, *types: type) -> object:
        self._known.append(key)
        value = self._table.get(key, _MISSING)
        if value is _MISSING:
            if default is None:
                self.wrong(key, f"is missing; it is {what}")
            return default
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            self.wrong(key, f"is not {what}")
            return None
        return value

    def text(self, key: str, default: str | None = None, example: str = "") -> str:
        """Take a text; without a default it must be there."""
        value = self._take(key, default, f"a string{example and f', such as {example}'}", str)
        if value == "" != default:
            self.wrong(key, "is empty")
        return str(value or "")

    def switch(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        return self._take(key, default, "true or false", bool) is True

    def span(self, key: str, default: float | None = None, *, shortest: float = 0.001) -> float:
        """Take a span, in seconds."""
        value = self._take(key, default, 'a span of time, such as "30s"', str, int, float)
        if value is None or key not in self._table:
            return default or 1.0
        try:
            return float(str(Span(shortest).load(value)))
        except ValueError as error:
            self.wrong(key, error)
            return default or 1.0

    def number(self, key: str, default: int | None = None, *, least: int = 0, most: int = 255) -> int:
        """Take a whole number."""
        value = self._take(key, default, "a whole number", int)
        if value is None or key not in self._table:
            return default or 0
        try:
            return int(str(Number("N", least=least, most=most).load(value)))
        except ValueError as error:
            self.wrong(key, error)
            return default or 0

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """Take one of a few words."""
        value = self.text(key, default, " or ".join(f'"{choice}"' for choice in choices))
        if value not in choices and value:
            self.wrong(key, f"{value!r} is not one of {', '.join(choices)}{did_you_mean(value, choices)}")
        return value

    def path(self, key: str, default: str | None = None, *, is_socket: bool = False) -> str:
        """Take a path, which may be relative; an empty default stays empty.

        :param is_socket: it may be the name of an abstract socket, which begins with @
        """
        value = self.text(key, default, '"/run/web.sock"' if is_socket else '"/run/web.pid"')
        if not value:
            return ""
        try:
            Path("PATH").read(value)
        except ValueError as error:
            self.wrong(key, error)
            return ""
        if is_socket and value.startswith("@"):
            return value
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """Take a command: an array of strings."""
        what = 'an array of strings, such as ["pg_isready", "-q"]'
        value = self._take(key, None, what, list, tuple)
        if not isinstance(value, list | tuple):
            return ()
        words = [word for word in value if isinstance(word, str) and "\0" not in word]
        if not words or not words[0] or len(words) != len(value):
            self.wrong(key, f"is not {what}")
        return tuple(words)

    def texts(self, key: str) -> dict[str, str]:
        """Take a table of strings; none is an empty one."""
        from collections.abc import Mapping  # noqa: PLC0415 - loaded long ago

        what = 'a table of strings, such as { Accept = "text/plain" }'
        value = self._take(key, {}, what, Mapping)
        if not isinstance(value, Mapping):
            return {}
        texts = {str(name): text for name, text in value.items() if isinstance(text, str)}
        if len(texts) != len(value):
            self.wrong(key, f"is not {what}")
        return texts

    def any(self, key: str, default: object) -> object:
        """Take a value of any type."""
        self._known.append(key)
        return self._table.get(key, default)

    def rest(self) -> dict[str, object]:
        """Take all keys that have not been asked for."""
        rest = {key: value for key, value in self._table.items() if key not in self._known}
        self._known += rest
        return rest

    def refuse_rest(self) -> None:
        """Call all keys that have not been asked for mistakes."""
        known = tuple(dict.fromkeys(self._known))
        for key in self.rest():
            hint = did_you_mean(key, known, otherwise=f"; the keys are {', '.join(known)}")
            self.wrong(key, f"unknown{hint}")
