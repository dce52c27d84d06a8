"""Where relative paths begin."""

from __future__ import annotations

import os
from contextlib import suppress


def working_directory() -> str:
    """Give the working directory by the name that its user knows it by, as ``pwd`` does.

    That is PWD, if it is an absolute path without ``.`` and ``..``, and leads there, see :manpage:`pwd(1p)`: it may
    contain a link that will lead to another directory one day, as to the next release. Otherwise it is what the
    kernel says.

    :raises OSError: if the directory has been deleted
    """
    physical = os.getcwd()  # noqa: PTH109 - pathlib costs 5 ms at a start
    logical = os.environ.get("PWD", "")
    # What is called /proc/self or /dev/fd differs from one process to the next.
    is_lasting = logical.startswith("/") and not logical.startswith(("/proc/", "/dev/"))
    if is_lasting and not {".", ".."} & set(logical.split("/")):
        with suppress(OSError, ValueError):
            if os.path.samefile(logical, physical):  # noqa: PTH121 - as above
                return logical
    return physical
