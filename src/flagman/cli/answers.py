"""What the command does instead of a run: it lists, checks or prints, and that is all."""

from __future__ import annotations

import sys

from flagman import core
from flagman.cli.reading import check_together
from flagman.exceptions import DaemonError, UsageError
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagman.config.settings import Settings
    from flagman.types import ActionName


def answer(settings: Settings, line: Settings) -> None:
    """Print what the settings ask for.

    :param line: the settings of the command line alone
    :raises UsageError: if the settings could not be run
    """
    if isinstance(settings.list, str):
        _show_action(settings.list)
        return
    if settings.list:
        list_actions()
        return
    check_together(settings)
    if settings.print_config:
        from flagman.config import writer  # noqa: PLC0415 - only for this option, as all here

        if settings.command:
            print(f"# The command is no part of the file: flagman --config FILE -- {shown(*settings.command)}")
        print(writer.as_toml(settings), end="")
    elif settings.print_unit:
        from flagman.cli import parts  # noqa: PLC0415
        from flagman.systemd import units  # noqa: PLC0415

        needs = units.Needs(parts.time_to_stop(settings), tuple(parts.programs(settings).values()))
        if settings.into:
            for said in units.write(settings, line, needs):
                print(said)
        else:
            print("\n".join(units.lines(settings, line, needs)))
    else:
        _check_identity(settings)
        notes = _notes(settings)
        print(f"good: {settings.summary()}")
        for note in notes:
            print(note)


def list_actions() -> None:
    """Print all known actions with their descriptions and arguments."""
    # Imported here because only this option needs it, and it imports inspect and every plugin.
    from flagman.cli import listing  # noqa: PLC0415

    known = core.KNOWN_ACTIONS
    for line in listing.lines(known, getattr(known, "broken", {}), listing.bold_escapes(sys.stdout)):
        print(line)


def _show_action(name: ActionName) -> None:
    """Print all there is to say about one action.

    :raises UsageError: if there is none of this name, or it cannot be loaded
    """
    from flagman.cli import listing  # noqa: PLC0415 - as above

    for line in listing.whole(name, core.KNOWN_ACTIONS[name], listing.bold_escapes(sys.stdout)):
        print(line)


def _notes(settings: Settings) -> Iterable[str]:
    """Return what there is to tell about triggers and processes, each line once."""
    if settings.chroot is not None:
        return ()  # another root is not looked at from outside: links in it would lead elsewhere
    from flagman.cli import parts  # noqa: PLC0415 - as all here
    from flagman.config.paths import Start  # noqa: PLC0415

    placed = settings.placed(Start().absolute) if any(each.source.has_path for each in settings.bindings) else settings
    notes = [note for binding in placed.bindings for note in binding.source.notes()]
    programs = parts.programs(settings)
    if programs:
        from shutil import which  # noqa: PLC0415

        lacking = {table: program for table, program in programs.items() if which(program) is None}
        notes += [f"{table}: there is no program {program!r} now" for table, program in lacking.items()]
    return dict.fromkeys(notes)


def _check_identity(settings: Settings) -> None:
    """Check that the user and the groups exist.

    :raises UsageError: if not
    """
    if settings.user or settings.group or settings.control_group:
        from flagman.daemon.privileges import Identity, gid_of  # noqa: PLC0415 - only with such an option

        try:
            if settings.user or settings.group:
                Identity(settings.user, settings.group)
            if settings.control_group:
                gid_of(settings.control_group, "--control-group")
        except DaemonError as error:
            raise UsageError(str(error)) from error
