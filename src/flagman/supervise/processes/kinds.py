"""The kinds of values that only tables ``[process.NAME]`` have."""

from __future__ import annotations

from flagman.config.checks import NAME, is_name
from flagman.config.values import Kind

_UNLIMITED = -1


class Words(Kind):
    """A program and its arguments."""

    __slots__ = ()

    title = "an array of strings"

    def load(self, value: object) -> object:
        """Read an array."""
        if isinstance(value, str):
            words = value.split() or ["sleep", "60"]
            hint = f"write {words}"  # a list of Python is one of TOML, too
            raise ValueError(f"is not an array of strings; {hint}")  # noqa: TRY004 - a mistake of the user
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise ValueError('is not an array of strings, such as ["sleep", "60"]')
        if not value[0]:
            raise ValueError("begins with an empty program")
        if any("\0" in word for word in value):
            raise ValueError("has a NUL in a word")
        return tuple(value)


class Names(Kind):
    """The names of processes."""

    __slots__ = ()

    title = "an array of names"

    def load(self, value: object) -> object:
        """Read an array."""
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise ValueError('is not an array of names, such as ["db"]')
        for word in value:
            if not is_name(word):
                raise ValueError(f"{word!r} is not {NAME}")
        return tuple(dict.fromkeys(value))


class Output(Kind):
    """What becomes of an output."""

    __slots__ = ()

    title = '``"inherit"``, ``"null"``, ``"log"`` or a path'

    def read(self, text: str) -> object:
        """Read a word or a path, which has a slash."""
        if text in ("inherit", "null", "log") or ("/" in text and "\0" not in text):
            return text
        from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

        path = f"; a file is written with a slash: {f'./{text}'!r}"
        hint = path if "." in text else did_you_mean(text, ("inherit", "null", "log"), otherwise=path)
        raise ValueError(f"{text!r} is not one of inherit, null, log, nor the path of a file{hint}")


class Nice(Kind):
    """What is added to a nice value."""

    __slots__ = ()

    title = "a number from -20 to 19"

    def load(self, value: object) -> object:
        """Read a number."""
        if not isinstance(value, int) or isinstance(value, bool) or not -20 <= value <= 19:  # noqa: PLR2004 - nice(2)
            raise ValueError("is not a whole number from -20 to 19")
        return value


class Limits(Kind):
    """Resource limits."""

    __slots__ = ()

    title = "a table of limits"

    def load(self, value: object) -> object:
        """Read a table: each limit is a number, ``"unlimited"``, or ``"SOFT:HARD"`` of these."""
        if not isinstance(value, dict):
            raise ValueError("is not a table of limits, such as {nofile = 4096}")  # noqa: TRY004 - a mistake of the user
        import resource  # noqa: PLC0415 - few processes have limits

        known = [name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_")]
        for name in value:
            if name not in known:
                from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

                listed = f"; these are: {', '.join(known)}"
                raise ValueError(f"{name!r} is no limit{did_you_mean(name, known, otherwise=listed)}")
        return {name: _limit(name, given) for name, given in value.items()}


def _limit(name: str, value: object) -> tuple[int, int]:
    soft, colon, hard = str(value).partition(":")
    found = (_bound(name, soft, value), _bound(name, hard if colon else soft, value))
    if found[1] != _UNLIMITED and (found[0] == _UNLIMITED or found[0] > found[1]):
        raise ValueError(f"{name}: the soft limit, which stands first, is above the hard one in {value!r}")
    return found


def _bound(name: str, text: str, value: object) -> int:
    if text == "unlimited":
        return _UNLIMITED
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and int(text) < 1 << 63):
        raise ValueError(f'{name}: {value!r} is not a number, "unlimited", or "SOFT:HARD" of these')
    return int(text)
