"""The place of the control socket, and its mode and group: found in the settings and in the environment."""

from __future__ import annotations

import os

from flagman.config import naming
from flagman.config.paths import Start
from flagman.daemon.privileges import gid_of
from flagman.exceptions import DaemonError, UsageError
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.config.settings import Settings

# Bytes of a path that the address of a Unix socket has room for, see unix(7).
_LONGEST = 107
_MODE, _MODE_WITH_GROUP = 0o600, 0o660
_GROUP_WRITES = 0o020


class Place:
    """A place for a control socket.

    :param path: absolute
    :param directory_mode: the mode of its directory, if that may be created; None if it has to be there
    :param mode: the mode of the socket
    :param group: the number of the group that may use it, too; None for none
    """

    __slots__ = ("directory_mode", "group", "mode", "path")

    def __init__(
        self, path: str, directory_mode: int | None = None, mode: int = _MODE, group: int | None = None
    ) -> None:
        self.path = path
        self.directory_mode = directory_mode
        self.mode = mode
        self.group = group


def check(settings: Settings) -> None:
    """Refuse options that cannot be right anywhere; nothing outside of the settings is looked at.

    :raises UsageError: if there is one
    """
    naming.name_of(settings)
    if isinstance(settings.control, str):
        _check_length(settings.control)
    if settings.control_group is not None and not _mode_of(settings) & _GROUP_WRITES:
        raise UsageError(
            f"--control-group: with --control-mode {_mode_of(settings):03o} the group could not connect; leave the mode"
            " out, or use 660"
        )


def find(settings: Settings, uid: int) -> Place:
    """Find the place, while the paths of the start still lead to the same files.

    :param uid: the user that the process is going to be
    :raises UsageError: if there can be none
    """
    check(settings)
    path, directory_mode = _path_of(settings, uid)
    _check_length(path)
    group = None
    if settings.control_group is not None:
        try:
            group = gid_of(settings.control_group, "--control-group")
        except DaemonError as error:
            raise UsageError(str(error)) from error
    return Place(path, directory_mode, _mode_of(settings), group)


def _mode_of(settings: Settings) -> int:
    if settings.control_mode is not None:
        return settings.control_mode
    return _MODE if settings.control_group is None else _MODE_WITH_GROUP


def _path_of(settings: Settings, uid: int) -> tuple[str, int | None]:
    """Return the path, and the mode of its directory if that may be missing."""
    if isinstance(settings.control, str):
        return Start().absolute(settings.control), None
    return naming.runtime_path(f"{naming.name_of(settings)}.sock", uid)


def _check_length(path: str) -> None:
    if len(os.fsencode(path)) > _LONGEST:
        raise UsageError(
            f"--control: the path {shown(path)} is too long for a socket: it may have at most {_LONGEST} bytes"
        )
