"""What one run is told: by the command line, and by the file that it names."""

from __future__ import annotations

from flagman import core
from flagman.cli.words import CommandLine
from flagman.config.options import LONG_OPTIONS, TRIGGERS
from flagman.config.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagman.engine.action import Action
    from flagman.systemd.more_time import MoreTime
    from flagman.types import ActionName

    #: Finds and loads an action.
    Find = Callable[[ActionName], type[Action]]


def finder(more_time: MoreTime | None) -> Find:
    """Give what finds actions.

    :param more_time: is told which, since an import may take its time
    """

    def find(name: ActionName) -> type[Action]:
        if more_time is not None:
            more_time.progress("Looking for", name)
        return core.KNOWN_ACTIONS[name]

    return find


def given(argv: Sequence[str], find: Find, known: dict[str, object] | None = None) -> Settings:
    """Read what the command line itself says.

    :param argv: the program's name and its arguments
    :param known: gets the options that are read, also if a mistake comes after them
    :raises UsageError: if anything in it is wrong
    :raises SystemExit: after ``--help`` or ``--version``
    """
    options = {} if known is None else known
    bindings, rest = CommandLine(TRIGGERS, LONG_OPTIONS, find).split(argv[1:])
    if rest:
        from flagman.cli import parser  # noqa: PLC0415 - argparse takes 3 ms, and most starts can do without

        parser.parse(rest, options)
    return Settings(**options, bindings=tuple(bindings))


def complete(given: Settings, find: Find, file: str = "") -> Settings:
    """Read the file that the command line names, if it names one, and give all settings.

    :param given: what the command line says
    :param file: where the file is, if it is no longer where the command line says
    :raises ConfigError: if anything in it is wrong
    """
    if not given.config:
        return given
    from flagman.config import reader  # noqa: PLC0415 - a start without a file can do without

    return reader.read(given.config, find, file).below(given)
