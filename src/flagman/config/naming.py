"""The name of a daemon, by which its files and its control socket are found."""

from __future__ import annotations

import os

from flagman.config.checks import NAME, is_name
from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagman.config.settings import Settings

_DEFAULT = "flagman"


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
