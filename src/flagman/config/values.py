"""The kinds of values that options have: how each is read, from a word or from the file, and written again."""

from __future__ import annotations

# The integers of TOML have 64 bits.
_LARGE = 2**63
_DIGITS = 10


class Kind:
    """A kind of value; this one is a text.

    :param metavar: what the help calls the value; empty for a switch
    :param is_optional: the value may be left out
    :param without: the value then
    """

    __slots__ = ("is_optional", "metavar", "without")

    #: The valid words of a choice; empty for other kinds.
    choices: tuple[str, ...] = ()
    #: The name of the action of argparse for options of this kind.
    action = "store"
    #: The type of the value in the file, for messages.
    in_file = "string"
    #: A value, for messages; empty if every name is one.
    example = ""
    #: The name of the kind in the documentation.
    title = "a name, or a number, as a string"

    def __init__(self, metavar: str, *, is_optional: bool = False, without: object = "") -> None:
        self.metavar = metavar
        self.is_optional = is_optional
        self.without = without

    @property
    def takes(self) -> str:
        """What an option of this kind takes, for messages."""
        return f"a {self.metavar}{self.example and f', such as {self.example}'}"

    @property
    def takes_value(self) -> bool:
        """Whether an option of this kind takes a value, and is not a switch."""
        return self.action in ("store", "extend")

    def read(self, text: str) -> object:
        """Read a word of the command line.

        :raises ValueError: if it cannot be the value
        """
        if not text.strip():
            raise ValueError("the value is empty")
        return text

    def write(self, value: object) -> str:
        """Write a value that :meth:`read` can read."""
        return str(value)

    def load(self, value: object) -> object:
        """Read a value of the file.

        :raises ValueError: if it is of the wrong type, or cannot be the value
        """
        if not isinstance(value, str) and not (self.in_file != "string" and is_number(value)):
            raise ValueError(f"is not a {self.in_file}")
        return self.read(str(value))

    def dump(self, value: object) -> object:
        """Return a value as it is in the file; None if it cannot be written there, as when there is no path."""
        return None if value is None else self.write(value)


class Path(Kind):
    """A path of a file or a directory.

    :param is_outside: with ``--chroot``, it is not within the new root
    """

    __slots__ = ("is_outside",)

    title = "a path"

    def __init__(self, metavar: str, *, is_outside: bool = False) -> None:
        super().__init__(metavar)
        self.is_outside = is_outside

    def read(self, text: str) -> object:
        """Read a path; refuse what cannot be one."""
        if not text or "\0" in text:
            raise ValueError(f"{text!r} is not a path")
        return text

    def dump(self, value: object) -> object:
        """Return the path; None if it is empty."""
        return value or None


class Places(Kind):
    """The places where a daemon can be asked, as a tuple: True for the usual one, paths and addresses."""

    __slots__ = ()

    action = "extend"
    title = "``true``, a path, an address, or a list of these"

    def read(self, text: str) -> object:
        """Read one of them, as a tuple."""
        from flagman.config import places  # noqa: PLC0415 - most starts read none

        return (places.read(text),)

    def write(self, value: object) -> str:
        """Write the only one of them."""
        return str(value[0]) if isinstance(value, tuple) else ""

    def load(self, value: object) -> object:
        """Read one of them, or a list."""
        from flagman.config import places  # noqa: PLC0415 - as above

        return places.load(value)

    def dump(self, value: object) -> object:
        """Return what :meth:`load` reads; None if there are none."""
        places = value if isinstance(value, tuple) else ()
        return list(places) if len(places) > 1 else places[0] if places else None


class Choice(Kind):
    """One of a few words."""

    __slots__ = ("choices",)

    def __init__(self, *choices: str) -> None:
        super().__init__("")
        self.choices = choices

    @property
    def takes(self) -> str:
        """What an option of this kind takes, for messages."""
        return f"one of {', '.join(self.choices)}"

    def read(self, text: str) -> object:
        """Read one of the words; capitals count as small letters."""
        if text.lower() in self.choices:
            return text.lower()
        from flagman.text.hints import did_you_mean  # noqa: PLC0415 - only for a mistake

        raise ValueError(f"{text!r} is not {self.takes}{did_you_mean(text.lower(), self.choices)}")


class Span(Kind):
    """A span of time, in seconds.

    :param shortest: the shortest that is accepted, in seconds
    """

    __slots__ = ("shortest",)

    title = "a span"
    example = "30s"
    in_file = "string or a number"

    def __init__(self, shortest: float = 0.0) -> None:
        super().__init__("SPAN")
        self.shortest = shortest

    def read(self, text: str) -> object:
        """Read a span."""
        from flagman.text.spans import format_span, parse_span  # noqa: PLC0415 - most starts read none

        seconds = parse_span(text)
        if seconds < self.shortest:
            raise ValueError(f"{text!r} is too short; the shortest is {format_span(self.shortest)}")
        return seconds

    def write(self, value: object) -> str:
        """Write a span in the largest units."""
        from flagman.text.spans import format_span  # noqa: PLC0415 - as above

        return format_span(float(str(value)))


class Number(Kind):
    """A whole number.

    :param least: the smallest; a default below it cannot be written
    :param most: the largest
    """

    __slots__ = ("least", "most")

    in_file = "string or a number"
    title = "a number"
    example = "3"

    def __init__(self, metavar: str, *, least: int = 1, most: int = 10**9 - 1) -> None:
        super().__init__(metavar)
        self.least = least
        self.most = most

    def read(self, text: str) -> object:
        """Read a number."""
        if not (text.isascii() and text.isdigit() and len(text) < _DIGITS):
            raise ValueError(f"{text!r} is not a whole number, such as 3")
        number = int(text)
        if not self.least <= number <= self.most:
            bound = f"at least {self.least}" if number < self.least else f"at most {self.most}"
            raise ValueError(f"must be {bound}, not {number}")
        return number

    def dump(self, value: object) -> object:
        """Return the number; None if it is a default that cannot be written."""
        return value if isinstance(value, int) and value >= self.least else None


class Checked(Kind):
    """A text that a function reads, in a module that is imported only for such an option; a number of it is a mode.

    :param function: its name, in :mod:`flagman.config.checks`
    :param title: the name of the kind in the documentation
    :param example: a value, for messages
    """

    __slots__ = ("_function", "example", "title")

    def __init__(self, metavar: str, function: str, title: str, example: str = "") -> None:
        super().__init__(metavar)
        self._function = function
        self.title = title
        self.example = example

    def read(self, text: str) -> object:
        """Read a text as the function does."""
        from flagman.config import checks  # noqa: PLC0415 - most starts read none

        found: object = getattr(checks, self._function)(text)
        return found

    def write(self, value: object) -> str:
        """Write the text, or an octal number."""
        return f"{value:03o}" if isinstance(value, int) else str(value)


#: A file mode creation mask.
MASK = Checked("MODE", "mask", 'an octal number, as a string such as ``"027"``', "027")


class Switch(Kind):
    """True or false.

    :param turns_off: the setting is False if the switch is given on the command line
    :param turns_in_file: the setting is False if the switch is true in the file; by default both are the same
    """

    __slots__ = ("_turns_in_file", "action")

    title = "``true`` or ``false``"
    in_file = "true or false"

    def __init__(self, *, turns_off: bool = False, turns_in_file: bool | None = None) -> None:
        super().__init__("")
        self._turns_in_file = turns_off if turns_in_file is None else turns_in_file
        self.action = "store_false" if turns_off else "store_true"

    def load(self, value: object) -> object:
        """Read true or false."""
        if not isinstance(value, bool):
            raise ValueError("is neither true nor false")  # noqa: TRY004 - a mistake of the user, as all here
        return value is not self._turns_in_file

    def dump(self, value: object) -> object:
        """Return true or false."""
        return bool(value) is not self._turns_in_file


class Repeated(Kind):
    """How often a switch is given."""

    __slots__ = ()

    title = "a number"

    action = "count"
    in_file = "number"

    def load(self, value: object) -> object:
        """Read a number."""
        if not isinstance(value, int) or not is_number(value) or value < 0:
            raise ValueError("is not a number, such as 1")
        return value

    def dump(self, value: object) -> object:
        """Return the number."""
        return value


def is_number(value: object) -> bool:
    """Return whether a value is a number that TOML keeps exactly: a float, or an integer of at most 64 bits."""
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGE)
