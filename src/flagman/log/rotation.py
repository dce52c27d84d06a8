"""A file that is rotated away while it is written to, as :manpage:`logrotate(8)` does."""

from __future__ import annotations

import os

from flagman.daemon.descriptors import APPENDING, open_now


class Rotation:
    """Makes a descriptor lead to the file that is at a path now, after a rotation, too.

    :param name: of the option that the file belongs to
    :param path: of the file; absolute
    :param descriptor: leads to it
    """

    def __init__(self, name: str, path: str, descriptor: int) -> None:
        self._name = name
        self._path = path
        self._descriptor = descriptor
        self._has_failed = False

    def follow(self, *, warns: bool = True) -> None:
        """Open the file again if another one is there, or none; if that fails, keep the old one, and warn once.

        :param warns: False to give no warning, as in a signal handler
        """
        try:
            if os.path.samestat(os.stat(self._path), os.fstat(self._descriptor)):  # noqa: PTH116 - pathlib costs 5 ms
                self._has_failed = False
                return
        except FileNotFoundError:
            pass
        except OSError:
            return  # root has opened it, in a directory that this user may not search
        try:
            new = open_now(self._path, APPENDING)
        except OSError as error:
            if warns and not self._has_failed:
                self._has_failed = True
                _warn(
                    f"--{self._name} {self._path!r}: cannot be opened again, the old file stays in use:"
                    f" {error.strerror}"
                )
            return
        try:
            os.dup2(new, self._descriptor, os.get_inheritable(self._descriptor))
        finally:
            os.close(new)
        self._has_failed = False


def _warn(message: str) -> None:
    import logging  # noqa: PLC0415 - only for this warning

    logging.getLogger("flagman.rotation").warning("%s", message)
