"""Where relative paths begin."""

from __future__ import annotations

import os
from contextlib import suppress


def working_directory() -> str:
    """Return the working directory under the name that the user knows, as ``pwd`` does.

    That is PWD, if it is an absolute path without ``.`` and ``..``, and leads there, see :manpage:`pwd(1p)`. It may
    contain a link that will lead to another directory one day, such as the next release. Otherwise the kernel's path
    is returned.

    :raises OSError: if the directory has been deleted
    """
    physical = os.getcwd()  # noqa: PTH109 - pathlib costs 5 ms at a start
    logical = os.environ.get("PWD", "")
    # Paths such as /proc/self and /dev/fd lead elsewhere in another process.
    is_lasting = logical.startswith("/") and not logical.startswith(("/proc/", "/dev/"))
    if is_lasting and not {".", ".."} & set(logical.split("/")):
        with suppress(OSError, ValueError):
            if os.path.samefile(logical, physical):  # noqa: PTH121 - as above
                return logical
    return physical
