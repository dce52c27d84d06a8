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


def read(argv: Sequence[str], find: Find, file: str = "", settings: Settings | None = None) -> Settings:
    """Read a command line, and its file.

    :param argv: the program's name and its arguments
    :param file: where the configuration file is, if it is no longer where the command line says
    :param settings: get what is said, also if a mistake comes after it
    :raises UsageError: if anything in them is wrong
    :raises SystemExit: after ``--help`` or ``--version``
    """
    settings = given(argv, find, settings)
    if settings.config:
        from flagman.config import reader  # noqa: PLC0415 - a start without a file can do without

        reader.read(settings.config, find, file).add_to(settings)
    return settings


def given(argv: Sequence[str], find: Find, settings: Settings | None = None) -> Settings:
    """Read what the command line itself says."""
    settings = settings or Settings()
    bindings, rest = CommandLine(TRIGGERS, LONG_OPTIONS, find).split(argv[1:])
    settings.bindings = tuple(bindings)
    if rest:
        from flagman.cli import parser  # noqa: PLC0415 - argparse takes 3 ms, and most starts can do without

        parser.parse(rest, settings)
    return settings
