"""The kinds of values that are about the end of a program: the signal that asks for it, and what it ends with."""

from __future__ import annotations

from signal import SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU

from flagman.config.values import Kind

# Signals that stop a process for a while, or let it go on.
_HALTING = (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT)
_LARGEST = 255


class Signal(Kind):
    """A signal that asks a process to end."""

    __slots__ = ()

    title = "the name of a signal"

    def read(self, text: str) -> object:
        """Read a name, or a number."""
        from flagman.text.signames import number_of  # noqa: PLC0415 - 3 ms, only for signals that are given by name

        signum = number_of(text)
        if signum in _HALTING:
            raise ValueError(f"{text!r} ends no process")
        return signum

    def load(self, value: object) -> object:
        """Read a name."""
        if not isinstance(value, str):
            raise ValueError('is not the name of a signal, such as "TERM"')  # noqa: TRY004 - a mistake of the user
        return self.read(value)

    def write(self, value: object) -> str:
        """Write the name."""
        from flagman.text.signames import name_of  # noqa: PLC0415 - as above

        return name_of(value) if isinstance(value, int) else str(value)


class Statuses(Kind):
    """Exit statuses that are a success, beside 0."""

    __slots__ = ()

    title = "a list of exit statuses"
    example = "143"

    def read(self, text: str) -> object:
        """Read numbers with commas between them."""
        return tuple(_status(number) for number in text.split(","))

    def write(self, value: object) -> str:
        """Write numbers with commas between them."""
        return ",".join(map(str, value)) if isinstance(value, tuple) else ""

    def load(self, value: object) -> object:
        """Read a number, or a list of numbers."""
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
            raise ValueError("is not a list of exit statuses, such as [143]")
        return tuple(_status(str(number)) for number in numbers)

    def dump(self, value: object) -> object:
        """Return the list; None if it is empty."""
        return list(value) if isinstance(value, tuple) and value else None


def _status(text: str) -> int:
    number = text.strip()
    if not (number.isascii() and number.isdigit() and int(number) <= _LARGEST):
        raise ValueError(f"{text!r} is not an exit status from 0 to {_LARGEST}, such as 143")
    return int(number)
