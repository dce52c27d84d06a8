"""Where relative paths begin."""

from __future__ import annotations

import os
from contextlib import suppress

from flagman.exceptions import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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


class Start:
    """The directory in which this command was started: there all relative paths begin."""

    def __init__(self) -> None:
        #: The directory; empty if it has been deleted.
        self.directory = ""
        with suppress(OSError):
            self.directory = working_directory()

    def absolute(self, path: str) -> str:
        """Return an absolute path.

        :raises UsageError: if the directory has been deleted, and the path is relative
        """
        if path and not self.directory and not os.path.isabs(path):  # noqa: PTH117 - as above
            raise UsageError(f"{path!r} is not an absolute path, and the current directory does not exist any more")
        return os.path.join(self.directory, path) if path else ""  # noqa: PTH118 - as above


def below(path: str, root: str) -> Iterator[str]:
    """Yield the names that a path may have in another root, if one of its parent directories is that root."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        with suppress(OSError):
            if os.path.samefile("/".join(parts[:end]) or "/", root or "/"):  # noqa: PTH121 - pathlib costs 5 ms
                yield f"/{'/'.join(parts[end:])}"
