"""Streams: the standard ones of the command, files that are opened in their place, and the log file."""

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


# Seconds that the reader of a stream has at the end of the process.
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
    """The file that a stream of ours writes to: it writes all of a line, or as much as there is time for.

    It also waits if something else has made its descriptor non-blocking. What cannot be written before the stop timeout
    is over is lost, so that a reader that has stopped reading cannot keep the daemon from stopping.
    """

    #: For a file that may be rotated away.
    rotation: Rotation | None = None
    #: See :func:`flagman.engine.writing.write`.
    wait: ClassVar[Callable[[int], bool]] = staticmethod(_wait_for_ever)
    #: Says that ``write`` waits by itself.
    is_patient = True
    #: Whether a line that cannot be written at once is to be lost.
    hurries = False
    # Whether the last line has lost its end.
    _is_cut = False

    def write(self, data: Buffer, /) -> int:
        """Write data; all of it counts as written then, so that nothing tries again what was lost."""
        if self.rotation is not None:
            self.rotation.follow()
        line = bytes(data)
        if self._is_cut:
            line = b"\n" + line
        written = 0
        try:
            for written in writing.progress(self.fileno(), line, self._wait):  # noqa: B007 - for what comes next
                pass
        finally:  # an interruption may cut the line, too
            if written:
                self._is_cut = written < len(line) and line[written - 1 : written] != b"\n"
        return memoryview(data).nbytes

    def _wait(self, descriptor: int) -> bool:
        return not self.hurries and type(self).wait(descriptor)


#: An attribute of a handler that is not ours and holds its lock, because what it writes to is not read.
HANGS = "hangs"


def hurry() -> None:
    """Keep what is written to streams of ours from delaying the end of the process for long."""
    PatientFile.wait = staticmethod(_wait_a_moment)


def follow(interrupter: Interrupter | None) -> None:
    """Stop waiting to write to streams of ours when this run has to stop; None if there is no run any more."""
    PatientFile.wait = staticmethod(interrupter.wait_to_write if interrupter is not None else _wait_for_ever)
    if interrupter is None:
        for stream in (sys.stdout, sys.stderr):
            file = getattr(stream, "buffer", None)
            if isinstance(file, PatientFile):
                file.hurries = False


def _as_text(file: PatientFile) -> TextIOWrapper:
    """Return a text stream that writes a line at once, also to a pipe or a file, and escapes what it cannot encode.

    There is no other buffer in between: it would keep what an interruption has left there, and try that again later.
    """
    return TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def prepare() -> None:
    """Make the interpreter's standard streams write to a :class:`PatientFile`; others only get the same encoding."""
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

    :param descriptor: that of the file, if it has been opened already
    :raises OSError: if it cannot be opened
    """
    from flagman.daemon.descriptors import APPENDING, open_now  # noqa: PLC0415 - only with a log file
    from flagman.log.rotation import Rotation  # noqa: PLC0415 - as above

    file = PatientFile(open_now(path, APPENDING) if descriptor is None else descriptor, "w")
    file.rotation = Rotation("log-file", os.path.abspath(path), file.fileno())  # noqa: PTH100 - pathlib costs 5 ms
    return _as_text(file)


def follow_rotation(name: str, path: str) -> None:
    """Make a standard stream follow a path: each write goes to the file that is there now.

    :param name: stdout or stderr
    """
    from flagman.log.rotation import Rotation  # noqa: PLC0415 - as above

    file = getattr(getattr(sys, name), "buffer", None)
    if isinstance(file, PatientFile):
        file.rotation = Rotation(name, path, file.fileno())


def standard(path: str | None) -> int | None:
    """Return the standard stream that a path means, if any, because it may be impossible to open it as a file."""
    return _STANDARD.get(path or "")


def flush() -> None:
    """Flush the standard streams; if that failed at the interpreter's end, the exit status would become 120."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        if stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            lead_nowhere(stream)  # the failure has been reported where the text was printed, if possible


def is_ours(handler: logging.Handler) -> bool:
    """Return whether a handler of the log writes to a stream of ours."""
    return isinstance(getattr(getattr(handler, "stream", None), "buffer", None), PatientFile)


def give_up(handler: logging.Handler) -> None:
    """Make a handler lose what it cannot write at once, because the process ends; or note that another one hangs."""
    if is_ours(handler):
        handler.stream.buffer.hurries = True  # type: ignore[attr-defined]
    else:
        vars(handler)[HANGS] = True


def lead_nowhere(stream: TextIO | None) -> None:
    """Lead a stream to the null device, so that what it still has to write is dropped."""
    if stream is None:
        return
    with suppress(OSError, ValueError, AttributeError):  # it is closed, or is no file at all
        number = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
