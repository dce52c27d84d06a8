"""The run log: a file with one line of JSON for each run of a bundle, for programs that read it later."""

from __future__ import annotations

import json
import os
import stat
import sys

from flagman.daemon import descriptors
from flagman.daemon.descriptors import APPENDING, open_now
from flagman.engine import loggers
from flagman.engine.ledger import Run
from flagman.exceptions import FlagmanError, reason_of
from flagman.log import standard_streams
from flagman.log.rotation import Rotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.engine.ledger import Event

logger = loggers.get("flagman.service")


class RunLog:
    """Writes each run to a file, which it opens again when that is rotated away.

    :param path: of the file: a regular one, because a write to it needs no reader; or a standard stream
    :param opened: a descriptor of the file, if only root could open that; this closes it
    :param show: returns what is written of a run, as JSON
    :raises FlagmanError: if the file cannot be opened, or is no regular one
    """

    def __init__(self, path: str, opened: int | None, show: Callable[[Run], Mapping[str, object]]) -> None:
        self._path = path
        self._show = show
        self._stream = standard_streams.standard(path)
        # Whether the last line is not whole, and how many are lost since a write has failed.
        self._is_torn = False
        self._lost = 0
        if self._stream is not None:
            return
        try:
            self._descriptor = open_now(path, APPENDING) if opened is None else opened
        except OSError as error:
            raise FlagmanError(f"--runlog {path!r}: cannot be opened: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise FlagmanError(f"--runlog {path!r}: it is not a regular file")
        self._rotation = Rotation("runlog", os.path.abspath(path), self._descriptor)  # noqa: PTH100 - as there

    def hear(self, event: Event) -> None:
        """Write a line if the event is a run; a line that cannot be written is lost, and the log says so."""
        if not isinstance(event.what, Run):
            return
        line = f"{json.dumps(self._show(event.what))}\n"
        try:
            self._write(line)
        except (OSError, ValueError) as error:  # a closed stream is a ValueError
            self._lost += 1
            if self._lost == 1:
                problem = reason_of(error)
                logger.log(loggers.ERROR, "--runlog %r: cannot be written: %s; runs are lost", self._path, problem)
        else:
            if self._lost:
                logger.warning("--runlog %r: can be written again; runs lost: %d", self._path, self._lost)
                self._lost = 0

    def _write(self, line: str) -> None:
        if self._stream is not None:
            stream = sys.stdout if self._stream == descriptors.STDOUT else sys.stderr
            if stream is not None:
                stream.write(line)
            return
        self._rotation.follow()
        rest = data = (("\n" if self._is_torn else "") + line).encode()
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._is_torn = self._is_torn or len(rest) < len(data)
            raise
        self._is_torn = False

    def close(self) -> None:
        """Close the file."""
        if self._stream is None:
            os.close(self._descriptor)
