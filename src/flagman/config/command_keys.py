"""The keys of a table ``[[on]]`` for actions that run commands."""

from __future__ import annotations

from flagman.config.options import OPTIONS
from flagman.config.rows import BINDING, Option
from flagman.config.values import MASK, Kind, Path


class Variables(Kind):
    """Variables of the environment."""

    __slots__ = ()

    title = "a table of strings"

    def load(self, value: object) -> object:
        """Read a table."""
        from flagman.text import variables  # noqa: PLC0415 - most files have none

        if not isinstance(value, dict):
            raise ValueError('is not a table of strings, such as {LANG = "C"}')  # noqa: TRY004 - a mistake of the user
        variables.check(value.items())
        return value

    def dump(self, value: object) -> object:
        """Return the table."""
        return value


#: The keys, by name; the command line has none of them but ``--output``.
COMMAND_KEYS = {
    option.key: option
    for option in (
        *(option for option in OPTIONS if option.key == "output"),
        Option("directory", Path("DIR"), None, "the working directory", where=BINDING),
        Option("environment", Variables("TABLE"), {}, "variables that are added to the environment", where=BINDING),
        Option("umask", MASK, None, "the file mode creation mask", where=BINDING, setting="command_umask"),
    )
}
