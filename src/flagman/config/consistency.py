"""What settings must not say, though each of their words may be right."""

from __future__ import annotations

from flagman.exceptions import DaemonError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.config.settings import Settings


def check_bindings(settings: Settings) -> None:
    """Refuse what cannot be served.

    :raises UsageError: if there is nothing to do, or nothing to read again for those who want that
    """
    if not settings.bindings:
        raise UsageError("no actions are configured; bind one, for example: flagman --usr1 print hello")
    if settings.print_unit and settings.print_config:
        raise UsageError("--print-unit and --print-config do not go together")
    if settings.timer and not settings.print_unit:
        raise UsageError("--timer goes with --print-unit alone")
    if settings.user == "" and not settings.print_unit:
        raise UsageError("--user takes a NAME, except with --print-unit")
    if settings.reloads() and not settings.config:
        raise UsageError("the action 'reload' reads the file of --config again, but there is none")


def check_identity(settings: Settings) -> None:
    """Look whether the user and the group exist.

    :raises UsageError: if not
    """
    if settings.user or settings.group:
        from flagman.daemon.privileges import Identity  # noqa: PLC0415 - for those who change it

        try:
            Identity(settings.user, settings.group)
        except DaemonError as error:
            raise UsageError(str(error)) from error
