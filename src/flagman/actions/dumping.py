"""The action that writes the status of the daemon to a file."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from flagman.engine.action import Action
from flagman.exceptions import ActionFailed, UsageError
from flagman.text.shown import shown


class DumpStatusAction(Action):
    """Writes the status of the daemon to a file, as JSON, whole or not at all."""

    example = "dump_status /run/flagman.json"

    def set_up(self, path: str) -> None:
        """Keep the path.

        :param path: of the file; its directory must exist when the action runs
        :raises UsageError: if nothing here knows a status
        """
        self.check_arguments(path)
        if not self.engine.offers("status"):
            raise UsageError("only the command flagman has a status")
        self._path = Path(path)

    @classmethod
    def check_arguments(cls, path: str) -> None:
        """Refuse what cannot be the path of a file."""
        if path.endswith("/") or not Path(path).name or "\0" in path:
            raise ValueError(f"{path!r} is not the path of a file")

    def run(self) -> None:
        """Replace the file.

        :raises ActionFailed: if that is not possible
        """
        text = json.dumps(self.engine.ask("status"), indent=2)
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(self._path.lstat().st_mode):
                    raise ActionFailed(f"{shown(str(self._path))} is not a regular file, and is left alone")
            new.unlink(missing_ok=True)  # of a process that was killed here
            try:
                with new.open("x", encoding="utf-8") as file:
                    file.write(f"{text}\n")
                new.replace(self._path)
            finally:  # after an interruption, too
                new.unlink(missing_ok=True)
        except OSError as error:
            raise ActionFailed(f"cannot write {shown(str(self._path))}: {error.strerror}") from error
