"""The argparse parser of the commands: in our voice, and with help as wide as the terminal."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from functools import partial

from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# Columns of the help at most.
_WIDEST = 100


class Parser(ArgumentParser):
    """A parser that raises its errors, so that they are reported as all mistakes are."""

    def format_help(self) -> str:
        """Return the help, as wide as the terminal, but lines that are too long are hard to read."""
        from shutil import get_terminal_size  # noqa: PLC0415 - 3 ms, only for the help

        width = min(get_terminal_size().columns, _WIDEST)
        self.formatter_class = partial(HelpFormatter, width=width)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise an error.

        :raises UsageError: always
        """
        raise UsageError(message)


class HelpFormatter(RawDescriptionHelpFormatter):
    """Formats the help in two columns; argparse makes one for each option, too, to check it."""

    def __init__(self, prog: str, width: int = _WIDEST) -> None:
        super().__init__(prog, max_help_position=36, width=width)
