"""Streams: the standard ones of the command, and files that are opened to take their place, or the log."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import FileIO, TextIOWrapper

from flagman.engine import writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import ClassVar, TextIO

    from typing_extensions import Buffer

    from flagman.engine.interrupt import Interrupter
    from flagman.log.rotation import Rotation


# Seconds that a reader has at the end of the process.
_MOMENT = 0.2
# Names that systems have for the descriptors of a process.
_STANDARD = {
    f"{folder}{name}": descriptor
    for descriptor, standard_name in ((1, "stdout"), (2, "stderr"))
    for folder, name in (("/dev/", standard_name), ("/dev/fd/", descriptor), ("/proc/self/fd/", descriptor))
}


def _wait_for_ever(descriptor: int) -> bool:
    return writing.is_ready(descriptor, None)


def _wait_a_moment(descriptor: int) -> bool:
    return writing.is_ready(descriptor, _MOMENT)


class PatientFile(FileIO):
    """What a stream of ours writes to: all of a line goes out, or as much as there is time for.

    It waits also if something else has made its descriptor non-blocking. What does not go out before the stop timeout
    is over is lost, so that a reader who has stopped reading cannot keep the daemon from stopping.
    """

    #: If it is one that may be rotated away.
    rotation: Rotation | None = None
    #: See :func:`flagman.engine.writing.write`.
    wait: ClassVar[Callable[[int], bool]] = staticmethod(_wait_for_ever)
    #: Its ``write`` waits by itself.
    is_patient = True
    # A line has lost its end.
    _is_cut = False

    def write(self, data: Buffer, /) -> int:
        """Write data; all of it has been dealt with afterwards."""
        if self.rotation is not None:
            self.rotation.follow()
        line = bytes(data)
        if self._is_cut:
            line = b"\n" + line
        written = 0
        try:
            for written in writing.progress(self.fileno(), line, type(self).wait):  # noqa: B007 - for what comes next
                pass
        finally:  # an interruption may cut it, too
            if written:
                self._is_cut = written < len(line) and line[written - 1 : written] != b"\n"
        return memoryview(data).nbytes


def hurry() -> None:
    """Let nothing that is written to streams of ours hold up the end of the process for long."""
    PatientFile.wait = staticmethod(_wait_a_moment)


def follow(interrupter: Interrupter | None) -> None:
    """Let what is written to streams of ours be given up when a run has to stop; None if there is none any more."""
    PatientFile.wait = staticmethod(interrupter.wait_to_write if interrupter is not None else _wait_for_ever)


def _as_text(file: PatientFile) -> TextIOWrapper:
    """Write whole lines at once, also to a pipe or a file, and never fail for a character.

    There is no other buffer in between: it would keep what an interruption has left there, and try that again later.
    """
    return TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def prepare() -> None:
    """Let the standard streams of the interpreter write as :class:`PatientFile` does; others only get its encoding."""
    for descriptor, name in enumerate(("stdout", "stderr"), 1):
        stream = getattr(sys, name)
        if stream is None and _is_null(descriptor):  # it may lead to a file later
            setattr(sys, name, _as_text(PatientFile(descriptor, "w", closefd=False)))
        elif type(stream) is TextIOWrapper and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            setattr(sys, name, _as_text(PatientFile(stream.fileno(), "w", closefd=False)))
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _is_null(descriptor: int) -> bool:
    with suppress(OSError):
        return os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116 - pathlib costs 5 ms
    return False


def open_log(path: str, descriptor: int | None = None) -> TextIOWrapper:
    """Open a log file.

    :param descriptor: leads there, if it has been opened already
    :raises OSError: if it cannot be opened
    """
    from flagman.daemon.descriptors import APPENDING, open_now  # noqa: PLC0415 - a log without a file can do without
    from flagman.log.rotation import Rotation  # noqa: PLC0415 - as above

    file = PatientFile(open_now(path, APPENDING) if descriptor is None else descriptor, "w")
    file.rotation = Rotation("log-file", os.path.abspath(path), file.fileno())  # noqa: PTH100 - pathlib costs 5 ms
    return _as_text(file)


def follow_rotation(name: str, path: str) -> None:
    """Let a standard stream lead to the file that has a path now, whenever it is written to.

    :param name: stdout or stderr
    """
    from flagman.log.rotation import Rotation  # noqa: PLC0415 - as above

    file = getattr(getattr(sys, name), "buffer", None)
    if isinstance(file, PatientFile):
        file.rotation = Rotation(name, path, file.fileno())


def standard(path: str | None) -> int | None:
    """Tell which standard stream a path means, if it means one: opened as a file it might not let itself be opened."""
    return _STANDARD.get(path or "")


def flush() -> None:
    """Flush now: if the interpreter failed to, at its end, it would change the exit status to 120."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        if stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            lead_nowhere(stream)  # what cannot be written has been reported where it was printed, if it could be


def is_ours(handler: logging.Handler) -> bool:
    """Tell whether a handler of the log writes to a stream of ours."""
    return isinstance(getattr(getattr(handler, "stream", None), "buffer", None), PatientFile)


def lead_nowhere(stream: TextIO | None) -> None:
    """Let what a stream still has to write go."""
    if stream is None:
        return
    with suppress(OSError, ValueError, AttributeError):  # it is closed, or is no file at all
        number = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
