"""The look-up of a program: from its name to the path of a file that can be run, before anything is started."""

from __future__ import annotations

import errno
import os
import stat


def find(name: str, path: str, directory: str, *, is_for_other: bool = False) -> str:
    """Return the path of a program.

    :param name: one with a slash is a path, relative to ``directory``; any other is looked for in ``path``
    :param path: the value of PATH; its relative parts are relative to ``directory``, too
    :param directory: where flagman was started
    :param is_for_other: another user runs it, so what this process may not see may still be there
    :raises OSError: with the error that :manpage:`execve(2)` would have, and EISDIR for a directory
    :raises ValueError: if the name cannot be that of a file
    """
    if "/" in name:
        place = resolved(name, directory)
        number = _obstacle(place)
        if number and not (is_for_other and number == errno.EACCES):
            raise OSError(number, os.strerror(number), place)
        return place
    worst = errno.ENOENT
    for part in path.split(os.pathsep) if name else ():
        place = os.path.join(directory, part, name)  # noqa: PTH118 - pathlib costs 5 ms
        number = _obstacle(place)
        if not number:
            return place
        if number == errno.EACCES:  # the search goes on, as in execvp(3)
            worst = number
    raise OSError(worst, os.strerror(worst), name)


def resolved(name: str, directory: str) -> str:
    """Return a path that is not relative any more; a name without a slash as it is."""
    return os.path.join(directory, name.removeprefix("./")) if "/" in name else name  # noqa: PTH118 - as above


def _obstacle(place: str) -> int:
    """Return the number of the error that running a file has; 0 for none."""
    try:
        mode = os.stat(place).st_mode  # noqa: PTH116 - pathlib costs 5 ms
    except OSError as error:
        return error.errno or errno.ENOENT
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    return 0 if os.access(place, os.X_OK) else errno.EACCES
