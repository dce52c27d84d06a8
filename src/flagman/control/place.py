"""The places of the control sockets, and their mode and group: found in the settings and in the environment."""

from __future__ import annotations

import os

from flagman.config import naming
from flagman.config.paths import Start
from flagman.config.places import ADDRESSES, is_address
from flagman.daemon.privileges import gid_of
from flagman.exceptions import DaemonError, UsageError
from flagman.text.shown import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagman.config.places import At
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
    :param is_usual: whether its path was not given
    """

    __slots__ = ("directory_mode", "group", "is_usual", "mode", "path")

    def __init__(
        self,
        path: str,
        directory_mode: int | None = None,
        mode: int = _MODE,
        group: int | None = None,
        *,
        is_usual: bool = False,
    ) -> None:
        self.path = path
        self.is_usual = is_usual
        self.directory_mode = directory_mode
        self.mode = mode
        self.group = group


def check(settings: Settings) -> None:
    """Refuse options that cannot be right anywhere; nothing outside of the settings is looked at.

    :raises UsageError: if there is one
    """
    naming.name_of(settings)
    addresses = [each for each in settings.control if isinstance(each, str) and is_address(each)]
    for each in settings.control:
        if isinstance(each, str) and each not in addresses:
            _check_length(each)
        if settings.control.count(each) > 1:
            raise UsageError(f"--control: {'the usual place' if each is True else repr(each)} is given twice")
    if addresses and not settings.control_token:
        raise UsageError(f"--control {addresses[0]} needs --control-token FILE, because any user can connect there")
    if settings.control_token and not addresses:
        raise UsageError(f"--control-token can only be used with --control {ADDRESSES}")
    is_unix = len(addresses) < len(settings.control)
    if not is_unix and (settings.control_mode is not None or settings.control_group is not None):
        raise UsageError("--control-mode and --control-group are for Unix sockets, and --control has only addresses")
    if settings.control_group is not None and not _mode_of(settings) & _GROUP_WRITES:
        raise UsageError(
            f"--control-group: with --control-mode {_mode_of(settings):03o} the group could not connect; leave the mode"
            " out, or use 660"
        )


def find(settings: Settings, uid: int) -> Sequence[Place]:
    """Find the places of Unix sockets, while the paths of the start still lead to the same files.

    :param uid: the user that the process is going to be
    :raises UsageError: if there can be none
    """
    found: dict[str, Place] = {}
    mode, group = _mode_of(settings), _group_of(settings)
    for each in settings.control:
        if isinstance(each, str) and is_address(each):
            continue
        path, directory_mode = _path_of(each, settings, uid)
        _check_length(path)
        name = os.path.normpath(path)
        if name in found:
            raise UsageError(f"--control: the path {name!r} is given twice")
        found[name] = Place(path, directory_mode, mode, group, is_usual=each is True)
    return list(found.values())


def _group_of(settings: Settings) -> int | None:
    if settings.control_group is None:
        return None
    try:
        return gid_of(settings.control_group, "--control-group")
    except DaemonError as error:
        raise UsageError(str(error)) from error


def _mode_of(settings: Settings) -> int:
    if settings.control_mode is not None:
        return settings.control_mode
    return _MODE if settings.control_group is None else _MODE_WITH_GROUP


def _path_of(given: At, settings: Settings, uid: int) -> tuple[str, int | None]:
    """Return a path, and the mode of its directory if that may be missing."""
    if isinstance(given, str):
        return Start().absolute(given), None
    return naming.runtime_path(f"{naming.name_of(settings)}.sock", uid)


def _check_length(path: str) -> None:
    if len(os.fsencode(path)) > _LONGEST:
        raise UsageError(
            f"--control: the path {shown(path)} is too long for a socket: it may have at most {_LONGEST} bytes"
        )
