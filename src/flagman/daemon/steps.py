"""Single steps on the way to a daemon; each works, or raises DaemonError with a reason of one line."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress

from flagman.daemon import descriptors
from flagman.exceptions import DaemonError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from flagman.daemon.descriptors import Stream


def import_late() -> None:
    """Import what only the daemon's end needs: in another root, or for another user, it may be out of reach then."""
    with suppress(ImportError):  # this user could not import it anyway
        import traceback  # noqa: PLC0415

        from flagman.daemon import crash  # noqa: F401, PLC0415

        try:
            1 / 0  # noqa: B018 - for a traceback, which imports more when it is formatted
        except ZeroDivisionError as error:
            traceback.format_exception(error)


def handle(signum: int, handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """Install the handler of a signal."""
    try:
        signal.signal(signum, handler)
    except (OSError, ValueError, TypeError) as error:
        raise DaemonError(f"signal {signum}: cannot be handled: {error}") from error


def prevent_core_dumps() -> None:
    """Set the size limit of core dumps to 0, for good, see :manpage:`core(5)`.

    The limit does not apply if the kernel is set to pipe core dumps to a program.
    """
    import resource  # noqa: PLC0415 - for this step alone

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        raise DaemonError(f"core dumps: cannot be prevented: {error}") from error


def change_root(path: str | os.PathLike[str]) -> None:
    """Make a directory the root and the working directory, because the old one would be outside of the root."""
    try:
        os.chroot(path)
        os.chdir("/")
    except (OSError, ValueError) as error:
        raise DaemonError(f"chroot {os.fspath(path)!r}: cannot be entered: {_reason(error)}") from error


def change_directory(path: str | os.PathLike[str]) -> None:
    """Make a directory the working directory."""
    try:
        os.chdir(path)
    except (OSError, ValueError) as error:
        raise DaemonError(f"working directory {os.fspath(path)!r}: cannot be entered: {_reason(error)}") from error


def _reason(error: OSError | ValueError) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error)


def redirect(*streams: Stream | None) -> None:
    """Redirect the standard streams, all or none of them.

    :param streams: for input, output and error; None keeps one as it is
    """
    with ExitStack() as opened:
        sources: list[tuple[int, int]] = []
        for descriptor, stream in enumerate(streams):
            if stream is None:
                continue
            source = descriptors.open_stream(stream, descriptor)
            if isinstance(stream, str | os.PathLike) and source > descriptors.STDERR:
                opened.callback(os.close, source)
            sources.append((descriptor, source))
        descriptors.flush()
        try:
            for descriptor, source in sources:
                descriptors.lead(descriptor, source)
        except OSError as error:
            raise DaemonError(f"the standard streams cannot be redirected: {error.strerror}") from error
