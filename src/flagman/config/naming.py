"""The name of a daemon, by which its files and its control socket are found."""

from __future__ import annotations

import os

from flagman.config.checks import NAME, is_name
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.config.settings import Settings

_DEFAULT = "flagman"
_OF_SYSTEM = "/run/flagman"


def name_of(settings: Settings) -> str:
    """Return the name of the daemon: as given, or that of its pid file or of its configuration file.

    :raises UsageError: if the name of that file cannot be one
    """
    if settings.name is not None:
        return settings.name
    for path, what in ((settings.pid_file, "pid file"), (settings.config, "configuration file")):
        if path:
            stem = os.path.splitext(os.path.basename(path))[0]  # noqa: PTH119, PTH122 - pathlib costs 5 ms
            if not is_name(stem):
                raise UsageError(f"--name has to be given, because {stem!r}, from the {what}, is not {NAME}")
            return stem
    return _DEFAULT


def runtime_path(file: str, uid: int) -> tuple[str, int | None]:
    """Return the path of a file that is there while a daemon runs.

    :param file: its name
    :param uid: the user that the daemon is going to be
    :returns: the path, and the mode of its directory if that may be missing
    """
    # The manager's directories for this service, see systemd.exec(5), RuntimeDirectory=.
    managers = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if managers.startswith("/"):
        return f"{managers}/{file}", None
    # It belongs to a user, and may be left over from another one, as after su(1).
    users = os.environ.get("XDG_RUNTIME_DIR", "")
    if users.startswith("/") and _owner_of(users) == uid:
        return f"{users.rstrip('/')}/flagman/{file}", 0o700
    return f"{_OF_SYSTEM}/{file}", 0o755


def _owner_of(directory: str) -> int | None:
    try:
        return os.stat(directory).st_uid  # noqa: PTH116 - pathlib costs 5 ms
    except OSError:
        return None
