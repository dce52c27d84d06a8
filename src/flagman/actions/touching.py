"""The action that touches a file."""

from __future__ import annotations

import os

from flagman.engine.action import Action
from flagman.exceptions import ActionFailed
from flagman.text.shown import shown


class TouchAction(Action):
    """Sets the times of a file to now, or creates it."""

    example = "touch /run/flagman/alive"

    def set_up(self, path: str) -> None:
        """Keep the path.

        :param path: of the file; its directory must exist when the action runs
        """
        self.check_arguments(path)
        self._path = path

    @classmethod
    def check_arguments(cls, path: str) -> None:
        """Refuse what cannot be a path."""
        if not path or "\0" in path:
            raise ValueError(f"{path!r} is not a path")

    def run(self) -> None:
        """Touch the file.

        :raises ActionFailed: if that is not possible
        """
        try:
            try:
                os.utime(self._path)
            except FileNotFoundError:
                # O_NONBLOCK, because another program may put a FIFO there at this moment.
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, 0o666))
        except OSError as error:
            raise ActionFailed(f"cannot touch {shown(self._path)}: {error.strerror}") from error
