"""What a shim reports: nothing if its program runs, and otherwise the step that has failed."""

from __future__ import annotations

import os
from contextlib import suppress

from flagman.supervise.ends import hint
from flagman.text.shown import printable, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop

# Bytes; a step and the text of an error.
_MOST = 1000


class Report:
    """The reading end of the shim's pipe, which it closes when the shim has become its program or has ended.

    :param reader: the descriptor
    :param loop: watches it
    :param program: the path of the program
    :param directory: its working directory; empty for that of this process
    """

    def __init__(self, reader: int, loop: ControlLoop, program: str, directory: str) -> None:
        self._directory = directory
        os.set_blocking(reader, False)
        self._reader = reader
        self._loop = loop
        self._program = program
        self._data = b""
        #: Called when the program runs; not if a step has failed.
        self.on_success: Callable[[], object] = bool
        self._attachment = loop.attach(reader, lambda _: self._read())

    def _read(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._reader, _MOST)
            self._data += data
            if not data or len(self._data) >= _MOST:
                self._close()

    def _close(self) -> None:
        reader, self._reader = self._reader, -1
        self._loop.release(self._attachment)
        os.close(reader)
        if not self._data:
            self.on_success()

    def text(self) -> str:
        """Return which step has failed, and why; empty if none has by now."""
        self.on_success = bool  # the end is known
        while self._reader >= 0:
            before = len(self._data)
            self._read()
            if len(self._data) == before:
                break
        step, _, rest = self._data.decode(errors="backslashreplace").partition(" ")
        number, _, text = rest.partition(" ")
        if not text:
            return ""
        help_of_it = hint(self._program, int(number)) if step == "exec" and number.isdecimal() else ""
        return printable(f"{self._shown(step)}: {text}{help_of_it}")

    def _shown(self, step: str) -> str:
        return step if step != "directory" else f"directory {shown(self._directory)!r}"
